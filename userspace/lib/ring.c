/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/mman.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SLOTS 2
#define ALIGNMENT 4096u /* reads past the page cache are of whole pages */
#define HUGE_PAGE ((size_t)2 << 20)

/* A tensor in its unit. */
struct place {
    uint64_t index; /* of the object */
    struct lwc_object object;
    uint64_t offset;     /* in the slot */
    uint64_t first_task; /* of the unit */
    uint64_t task_count;
    uint64_t task_tiles; /* in each of them but the last */
};

struct unit {
    struct place *places;
    size_t count;
    uint64_t size;
    uint64_t tasks;
};

struct ring {
    struct lwcmem_model *model;
    const struct fill_ops *fill;
    void *fill_state;
    struct unit *units;
    size_t unit_count;
    uint8_t *memory;
    size_t memory_size;
    uint64_t slot_size;
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_cond_t ready;
    bool stop;
    uint64_t fill_turn; /* tasks of it are handed out */
    uint64_t fill_task;
    uint64_t done_turn;   /* turns below are not used any more */
    uint64_t left[SLOTS]; /* tasks that are not done */
    int result;
    struct failure failure;
    uint64_t bytes_ring, bytes_kernel, bytes_fixed, bytes_direct;
};

static struct unit *unit_of(struct ring *ring, uint64_t turn)
{
    return &ring->units[turn % ring->unit_count];
}

static uint8_t *slot_of(struct ring *ring, uint64_t turn)
{
    return ring->memory + turn % SLOTS * ring->slot_size;
}

static void describe_task(struct ring *ring, uint64_t turn, uint64_t number, struct task *task)
{
    const struct place *place = unit_of(ring, turn)->places;
    uint64_t start, left;

    while (number >= place->first_task + place->task_count)
        place++;
    *task = (struct task){.turn = turn, .object = &place->object};
    task->tile = (number - place->first_task) * place->task_tiles;
    task->tiles = place->object.tile_count - task->tile;
    if (task->tiles > place->task_tiles)
        task->tiles = place->task_tiles;
    start = task->tile * place->object.tile_bytes;
    left = place->object.decoded_size - start;
    task->size = task->tiles * place->object.tile_bytes;
    if (task->size > left)
        task->size = left;
    task->out = slot_of(ring, turn) + place->offset + start;
}

bool ring_take(struct ring *ring, bool wait, struct task *task)
{
    bool taken;

    pthread_mutex_lock(&ring->lock);
    while (wait && !ring->stop && (ring->result < 0 || ring->fill_turn >= ring->done_turn + SLOTS))
        pthread_cond_wait(&ring->work, &ring->lock);
    taken = !ring->stop && ring->result == 0 && ring->fill_turn < ring->done_turn + SLOTS;
    if (taken) {
        uint64_t tasks = unit_of(ring, ring->fill_turn)->tasks;

        if (ring->fill_task == 0)
            ring->left[ring->fill_turn % SLOTS] = tasks;
        describe_task(ring, ring->fill_turn, ring->fill_task, task);
        if (++ring->fill_task == tasks) {
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
    if (--ring->left[task->turn % SLOTS] == 0 || ring->result < 0)
        pthread_cond_broadcast(&ring->ready);
    pthread_mutex_unlock(&ring->lock);
}

static int plan_place(struct ring *ring, struct unit *unit, struct failure *failure)
{
    struct container *container = ring->model->container;
    struct place *place = &unit->places[unit->count];
    struct lwc_object *object = &place->object;

    if (container_object(container, place->index, object, failure) < 0)
        return -1;
    if (ring->fill->from_region && object->arena_offset == LWC_NO_ARENA)
        return fail(failure, "%s: object %" PRIu64 " has no place in a region; get the file again",
                    container_path(container), place->index);
    place->offset = unit->size;
    place->first_task = unit->tasks;
    place->task_tiles = 1;
    if (object->tile_bytes && object->tile_bytes < ring->fill->task_bytes)
        place->task_tiles = ring->fill->task_bytes / object->tile_bytes;
    place->task_count = (object->tile_count + place->task_tiles - 1) / place->task_tiles;
    unit->tasks += place->task_count;
    unit->count++;
    if (__builtin_add_overflow(unit->size, object->decoded_size + ALIGNMENT - 1, &unit->size))
        return fail(failure, "%s: a unit is too large", container_path(container));
    unit->size -= unit->size % ALIGNMENT;
    return 0;
}

static int plan_unit(struct ring *ring, const struct lwcmem_unit *source, struct unit *unit,
                     struct failure *failure)
{
    unit->places = calloc(source->count + 1, sizeof(*unit->places));
    if (!unit->places)
        return fail(failure, "out of memory for the ring");
    for (size_t i = 0; i < source->count; i++) {
        unit->places[i].index = source->tensors[i].object;
        if (plan_place(ring, unit, failure) < 0)
            return -1;
    }
    if (unit->size > ring->slot_size)
        ring->slot_size = unit->size;
    return unit->tasks ? 0 : fail(failure, "a unit of the ring is empty");
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

static int map_memory(struct ring *ring, struct failure *failure)
{
    size_t size;
    void *memory;

    if (__builtin_mul_overflow(ring->slot_size, SLOTS, &size) ||
        __builtin_add_overflow(size, HUGE_PAGE - 1, &size))
        return fail(failure, "%s: a unit is too large", container_path(ring->model->container));
    size -= size % HUGE_PAGE;
    memory = map_huge_pages(size);
    if (memory == MAP_FAILED) {
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            return fail_errno(failure, errno, "%s: no memory for a ring of %zu bytes",
                              container_path(ring->model->container), size);
        /* transparent huge pages are faster; without them it works, too */
        (void)madvise(memory, size, MADV_HUGEPAGE);
    }
    ring->memory = memory;
    ring->memory_size = size;
    return 0;
}

int ring_new(struct lwcmem_model *model, const struct fill_ops *fill,
             const struct lwcmem_unit *units, size_t count, struct failure *failure)
{
    struct ring *ring = calloc(1, sizeof(*ring));

    if (!ring)
        return fail(failure, "out of memory for the ring");
    model->ring = ring; /* lwcmem_close frees it, also after a failure */
    ring->model = model;
    ring->fill = fill;
    pthread_mutex_init(&ring->lock, NULL);
    pthread_cond_init(&ring->work, NULL);
    pthread_cond_init(&ring->ready, NULL);
    ring->units = calloc(count, sizeof(*ring->units));
    if (!ring->units)
        return fail(failure, "out of memory for the ring");
    ring->unit_count = count;
    for (size_t i = 0; i < count; i++)
        if (plan_unit(ring, &units[i], &ring->units[i], failure) < 0)
            return -1;
    if (map_memory(ring, failure) < 0)
        return -1;
    return fill->start(&(struct fill_target){ring, model, ring->memory, ring->memory_size},
                       &ring->fill_state, failure);
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
    for (size_t i = 0; i < ring->unit_count; i++)
        free(ring->units[i].places);
    free(ring->units);
    if (ring->memory)
        munmap(ring->memory, ring->memory_size);
    pthread_cond_destroy(&ring->ready);
    pthread_cond_destroy(&ring->work);
    pthread_mutex_destroy(&ring->lock);
    free(ring);
}

int ring_wait(struct ring *ring, size_t unit, struct failure *failure)
{
    int result;

    pthread_mutex_lock(&ring->lock);
    if (ring->done_turn % ring->unit_count != unit) {
        pthread_mutex_unlock(&ring->lock);
        return fail(failure, "unit %zu is not the next one of the ring", unit);
    }
    /* all its tasks are handed out, and all are done */
    while (ring->result == 0 &&
           (ring->fill_turn <= ring->done_turn || ring->left[ring->done_turn % SLOTS]))
        pthread_cond_wait(&ring->ready, &ring->lock);
    result = ring->result;
    if (result < 0)
        *failure = ring->failure;
    pthread_mutex_unlock(&ring->lock);
    return result;
}

int ring_done(struct ring *ring, size_t unit, struct failure *failure)
{
    int result = 0;

    pthread_mutex_lock(&ring->lock);
    if (ring->done_turn % ring->unit_count != unit)
        result = fail(failure, "unit %zu is not in use", unit);
    else
        ring->done_turn++;
    pthread_cond_broadcast(&ring->work);
    pthread_mutex_unlock(&ring->lock);
    return result;
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

const uint8_t *ring_tensor(struct ring *ring, const struct lwcmem_tensor *tensor)
{
    /* between wait and done only the caller's thread changes it */
    uint64_t turn = ring->done_turn;
    struct unit *unit = unit_of(ring, turn);

    for (size_t i = 0; i < unit->count; i++)
        if (unit->places[i].index == tensor->object)
            return slot_of(ring, turn) + unit->places[i].offset;
    return NULL;
}
