/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/mman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
/* Turns that are in memory at once, at most. */
#define LIVE 64u
/* At least so many of the largest piece are in the ring: one multiplies while others come. */
#define PIECES_LEAST 4u
/* Pieces of a ring that is as large as it likes: so few that they stay in the last cache. */
#define PIECES 12u
#define PIECE_BYTES ((uint64_t)2 << 20)

struct ring {
    struct lwcmem_model *model;
    const struct fill_ops *fill;
    void *fill_state;
    struct ring_plan plan;
    uint8_t *memory;
    size_t memory_size; /* a multiple of RING_PAGE */
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_cond_t ready;
    bool stop;
    uint64_t fill_turn; /* tasks of it are handed out */
    uint64_t fill_task;
    uint64_t fill_end;  /* of the turns before it */
    uint64_t done_turn; /* turns below are not used any more */
    /* of the turns between, by turn mod LIVE; positions run on and on */
    uint64_t starts[LIVE];
    uint64_t left[LIVE]; /* tasks that are not done */
    int result;
    struct failure failure;
    uint64_t bytes_ring, bytes_kernel, bytes_fixed, bytes_direct;
};

static const struct piece *piece_of(const struct ring *ring, uint64_t turn)
{
    return &ring->plan.pieces[turn % ring->plan.count];
}

static uint8_t *memory_of(const struct ring *ring, uint64_t turn)
{
    return ring->memory + ring->starts[turn % LIVE] % ring->memory_size;
}

/* Give the next turn its place in memory, if there is one. A piece does not go over the end. */
static bool find_room(struct ring *ring)
{
    uint64_t size = piece_of(ring, ring->fill_turn)->size, at = ring->fill_end, oldest;

    if (ring->fill_turn - ring->done_turn == LIVE)
        return false;
    if (at % ring->memory_size + size > ring->memory_size)
        at += ring->memory_size - at % ring->memory_size;
    oldest = ring->fill_turn == ring->done_turn ? at : ring->starts[ring->done_turn % LIVE];
    if (at + size - oldest > ring->memory_size)
        return false;
    ring->starts[ring->fill_turn % LIVE] = at;
    ring->left[ring->fill_turn % LIVE] = piece_of(ring, ring->fill_turn)->tasks;
    ring->fill_end = at + size;
    return true;
}

static void describe_task(struct ring *ring, uint64_t turn, uint64_t number, struct task *task)
{
    const struct piece *piece = piece_of(ring, turn);
    const struct place *place = piece->places;
    uint64_t start, left;

    while (number >= place->first_task + place->task_count)
        place++;
    *task =
        (struct task){.turn = turn, .number = piece->first_task + number, .object = place->object};
    start = (number - place->first_task) * place->task_tiles;
    task->tile = place->tile + start;
    task->tiles = place->tiles - start;
    if (task->tiles > place->task_tiles)
        task->tiles = place->task_tiles;
    left = place->object->decoded_size - task->tile * place->object->tile_bytes;
    task->size = task->tiles * place->object->tile_bytes;
    if (task->size > left)
        task->size = left;
    task->out = memory_of(ring, turn) + place->offset + start * place->object->tile_bytes;
}

/* There is a task, and if it is the first one of its turn also room for that. */
static bool may_take(struct ring *ring)
{
    return ring->result == 0 && (ring->fill_task || find_room(ring));
}

bool ring_take(struct ring *ring, bool wait, struct task *task)
{
    bool taken;

    pthread_mutex_lock(&ring->lock);
    while (!(taken = !ring->stop && may_take(ring)) && wait && !ring->stop)
        pthread_cond_wait(&ring->work, &ring->lock);
    if (taken) {
        describe_task(ring, ring->fill_turn, ring->fill_task, task);
        if (++ring->fill_task == piece_of(ring, ring->fill_turn)->tasks) {
            ring->fill_turn++;
            ring->fill_task = 0;
        }
    }
    pthread_mutex_unlock(&ring->lock);
    return taken;
}

void ring_finish(struct ring *ring, const struct task *task, const struct failure *failure)
{
    pthread_mutex_lock(&ring->lock);
    if (!failure) {
        ring->bytes_ring += task->size;
        ring->bytes_kernel += task->bytes_kernel;
        ring->bytes_fixed += task->bytes_fixed;
        ring->bytes_direct += task->bytes_direct;
    }
    if (failure && ring->result == 0) {
        ring->result = -1;
        ring->failure = *failure;
    }
    if (--ring->left[task->turn % LIVE] == 0 || ring->result < 0)
        pthread_cond_broadcast(&ring->ready);
    pthread_mutex_unlock(&ring->lock);
}

/* Explicit huge pages, if the pool has enough of them for all of the ring, here and now. */
static void *map_huge_pages(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);

    /* a reservation may be of another node than the one this thread may use: that is SIGBUS */
    if (memory != MAP_FAILED && madvise(memory, size, MADV_POPULATE_WRITE) < 0) {
        munmap(memory, size);
        memory = MAP_FAILED;
    }
    return memory;
}

static bool transparent_huge_pages(void)
{
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    char text[64] = "[never]";

    if (!file)
        return false;
    if (!fgets(text, sizeof(text), file))
        text[0] = 0;
    fclose(file);
    return !strstr(text, "[never]");
}

static int map_memory(struct ring *ring, uint64_t size, struct failure *failure)
{
    size_t unit = size < 2 * HUGE_PAGE ? RING_PAGE : HUGE_PAGE;
    void *memory = MAP_FAILED;

    size -= size % unit;
    if (unit == HUGE_PAGE)
        memory = map_huge_pages(size);
    if (memory == MAP_FAILED) {
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            return fail_errno(failure, errno, "%s: no memory for a ring of %" PRIu64 " bytes",
                              container_path(ring->model->container), size);
        if (unit == HUGE_PAGE &&
            (madvise(memory, size, MADV_HUGEPAGE) || !transparent_huge_pages()))
            model_notice(ring->model,
                         "the ring is in small pages, which is slower: the kernel has no "
                         "transparent huge pages; "
                         "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
    }
    ring->memory = memory;
    ring->memory_size = size;
    return 0;
}

/* How the memory is used, by what the fill says of itself. */
struct layout {
    struct fill_share share;
    uint64_t budget;
    uint64_t ring;
    uint64_t piece;
};

/* Of the container's tables, what stays in memory when it was used. */
static uint64_t table_bytes(const struct lwcmem_model *model)
{
    return container_count(model->container, LWC_TABLE_TILES) * sizeof(struct lwc_tile) +
           container_count(model->container, LWC_TABLE_OBJECTS) * sizeof(struct lwc_object) +
           container_count(model->container, LWC_TABLE_NAMES);
}

int ring_least(struct lwcmem_model *model, const struct fill_ops *fill, uint64_t *least,
               struct failure *failure)
{
    uint64_t piece;

    if (ring_plan_least(model, &piece, failure) < 0)
        return -1;
    *least = PIECES_LEAST * piece + fill->share(model, 0).own + table_bytes(model);
    return 0;
}

static int lay_out(struct ring *ring, uint64_t memory, uint64_t used, struct layout *layout,
                   struct failure *failure)
{
    struct lwcmem_model *model = ring->model;
    uint64_t piece, least, good;

    if (ring_plan_least(model, &piece, failure) < 0 ||
        ring_least(model, ring->fill, &least, failure) < 0)
        return -1;
    if (memory && (memory < used || memory - used < least))
        return fail(failure,
                    "%s: %" PRIu64 " KiB of memory are too little; at least %" PRIu64
                    " KiB are needed, %" PRIu64 " of them for keys, values and activations",
                    container_path(model->container), memory >> 10, (least + used + 1023) >> 10,
                    used >> 10);
    good = PIECES * (piece > PIECE_BYTES ? piece : PIECE_BYTES);
    layout->budget = memory ? memory - used - table_bytes(model) : good + good / 2;
    layout->share = ring->fill->share(model, layout->budget);
    layout->ring = layout->budget - layout->share.own;
    if (layout->ring > good)
        layout->ring = good;
    layout->piece = layout->ring / PIECES;
    return 0;
}

int ring_new(struct lwcmem_model *model, const struct fill_ops *fill, uint64_t memory,
             uint64_t used, struct failure *failure)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    struct fill_target target;
    struct layout layout = {0};

    if (!ring)
        return fail(failure, "out of memory for the ring");
    model->ring = ring; /* lwcmem_close frees it, also after a failure */
    ring->model = model;
    ring->fill = fill;
    pthread_mutex_init(&ring->lock, NULL);
    pthread_cond_init(&ring->work, NULL);
    pthread_cond_init(&ring->ready, NULL);
    if (lay_out(ring, memory, used, &layout, failure) < 0 ||
        ring_plan_make(model, fill->from_region, layout.piece, layout.share.task_bytes, &ring->plan,
                       failure) < 0 ||
        map_memory(ring, layout.ring, failure) < 0)
        return -1;
    target = (struct fill_target){ring, model, layout.budget, ring->memory, ring->memory_size};
    return fill->start(&target, &ring->fill_state, failure);
}

void ring_free(struct ring *ring)
{
    if (!ring)
        return;
    pthread_mutex_lock(&ring->lock);
    ring->stop = true;
    pthread_cond_broadcast(&ring->work);
    pthread_mutex_unlock(&ring->lock);
    ring->fill->stop(ring->fill_state);
    ring_plan_free(&ring->plan);
    if (ring->memory)
        munmap(ring->memory, ring->memory_size);
    pthread_cond_destroy(&ring->ready);
    pthread_cond_destroy(&ring->work);
    pthread_mutex_destroy(&ring->lock);
    free(ring);
}

static void describe_part(const struct piece *piece, struct lwcmem_part *part)
{
    *part = (struct lwcmem_part){.last = piece->last};
    for (size_t i = 0; i < piece->count; i++) {
        const struct place *place = &piece->places[i];

        part->rows[place->tensor] = (struct lwcmem_range){place->first_row, place->rows};
    }
}

int ring_wait(struct ring *ring, size_t unit, struct lwcmem_part *part, struct failure *failure)
{
    const struct piece *piece = piece_of(ring, ring->done_turn);
    int result;

    if (piece->unit != unit)
        return fail(failure, "unit %zu is not the next one of the ring", unit);
    pthread_mutex_lock(&ring->lock);
    /* all its tasks are handed out, and all are done */
    while (ring->result == 0 &&
           (ring->fill_turn <= ring->done_turn || ring->left[ring->done_turn % LIVE]))
        pthread_cond_wait(&ring->ready, &ring->lock);
    result = ring->result;
    if (result < 0)
        *failure = ring->failure;
    pthread_mutex_unlock(&ring->lock);
    describe_part(piece, part);
    return result;
}

int ring_done(struct ring *ring, size_t unit, struct failure *failure)
{
    if (piece_of(ring, ring->done_turn)->unit != unit)
        return fail(failure, "unit %zu is not in use", unit);
    pthread_mutex_lock(&ring->lock);
    ring->done_turn++;
    pthread_cond_broadcast(&ring->work);
    pthread_mutex_unlock(&ring->lock);
    return 0;
}

void ring_counters(struct ring *ring, struct lwcmem_counters *counters)
{
    pthread_mutex_lock(&ring->lock);
    counters->bytes_ring = ring->bytes_ring;
    counters->bytes_kernel = ring->bytes_kernel;
    counters->bytes_fixed = ring->bytes_fixed;
    counters->bytes_direct = ring->bytes_direct;
    pthread_mutex_unlock(&ring->lock);
}

const uint8_t *ring_rows(struct ring *ring, const struct lwcmem_tensor *tensor, uint64_t first_row,
                         uint64_t rows)
{
    /* between wait and done only the caller's thread changes it */
    uint64_t turn = ring->done_turn;
    const struct piece *piece = piece_of(ring, turn);
    const struct lwcmem_tensor *tensors = ring->model->units[piece->unit].tensors;

    for (size_t i = 0; i < piece->count; i++) {
        const struct place *place = &piece->places[i];

        if (tensors[place->tensor].object == tensor->object && first_row >= place->first_row &&
            first_row + rows <= place->first_row + place->rows)
            return memory_of(ring, turn) + place->offset + first_row * place->row_bytes -
                   place->tile * place->object->tile_bytes;
    }
    return NULL;
}
