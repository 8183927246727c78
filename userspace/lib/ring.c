/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring of the user backend: two slots, each as large as the largest unit.
 * Units are numbered on and on over all passes (turn); turn t uses unit
 * t mod count and slot t mod 2. Threads decode the tiles of the next turn as
 * soon as its slot is free.
 */
#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SLOTS 2
#define ALIGNMENT 64u

/* A tensor in its unit. */
struct place {
    struct lwcmem_tensor tensor;
    struct lwc_object object;
    uint64_t offset;     /* in the slot */
    uint64_t first_task; /* its tiles are tasks of the unit */
};

struct unit {
    struct place *places;
    size_t count;
    uint64_t size;
    uint64_t tasks;
};

struct ring {
    struct lwcmem_model *model;
    struct unit *units;
    size_t unit_count;
    uint8_t *memory;
    uint64_t slot_size;
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_cond_t ready;
    pthread_t *threads;
    struct worker *workers;
    unsigned int started;
    unsigned int next_worker;
    bool stop;
    uint64_t fill_turn; /* tiles of it are handed out */
    uint64_t fill_task;
    uint64_t done_turn;   /* turns below are not used any more */
    uint64_t left[SLOTS]; /* tasks that are not done */
    int result;
    struct failure failure;
};

static struct unit *unit_of(struct ring *ring, uint64_t turn)
{
    return &ring->units[turn % ring->unit_count];
}

static uint8_t *slot_of(struct ring *ring, uint64_t turn)
{
    return ring->memory + turn % SLOTS * ring->slot_size;
}

/* Under the lock: the next tile to decode, if its slot is free. */
static bool take_task(struct ring *ring, uint64_t *turn, uint64_t *task)
{
    if (ring->result < 0 || ring->fill_turn >= ring->done_turn + SLOTS)
        return false;
    if (ring->fill_task == 0)
        ring->left[ring->fill_turn % SLOTS] = unit_of(ring, ring->fill_turn)->tasks;
    *turn = ring->fill_turn;
    *task = ring->fill_task++;
    if (ring->fill_task >= unit_of(ring, ring->fill_turn)->tasks) {
        ring->fill_turn++;
        ring->fill_task = 0;
    }
    return true;
}

static int decode_task(struct ring *ring, struct worker *worker, uint64_t turn, uint64_t task,
                       struct failure *failure)
{
    struct unit *unit = unit_of(ring, turn);
    struct place *place = unit->places;
    uint64_t tile;
    uint32_t length;

    while (task >= place->first_task + place->object.tile_count)
        place++;
    tile = task - place->first_task;
    length = lwc_tile_length(&place->object, tile);
    if (container_read_tile(
            ring->model->container, &worker->decoder, &place->object, tile, worker->stored,
            slot_of(ring, turn) + place->offset + tile * place->object.tile_bytes, failure) < 0)
        return -1;
    atomic_fetch_add(&ring->model->tiles_decoded, 1);
    atomic_fetch_add(&ring->model->bytes_ring, length);
    return 0;
}

static void *serve(void *argument)
{
    struct ring *ring = argument;
    struct failure failure;
    struct worker *worker;

    pthread_mutex_lock(&ring->lock);
    worker = &ring->workers[ring->next_worker++];
    while (!ring->stop) {
        uint64_t turn, task;
        int result;

        if (!take_task(ring, &turn, &task)) {
            pthread_cond_wait(&ring->work, &ring->lock);
            continue;
        }
        pthread_mutex_unlock(&ring->lock);
        result = decode_task(ring, worker, turn, task, &failure);
        pthread_mutex_lock(&ring->lock);
        if (result < 0 && ring->result == 0) {
            ring->result = -1;
            ring->failure = failure;
        }
        if (--ring->left[turn % SLOTS] == 0 || ring->result < 0)
            pthread_cond_broadcast(&ring->ready);
    }
    pthread_mutex_unlock(&ring->lock);
    return NULL;
}

static int plan_unit(struct ring *ring, const struct lwcmem_unit *source, struct unit *unit,
                     struct failure *failure)
{
    unit->places = calloc(source->count + 1, sizeof(*unit->places));
    if (!unit->places)
        return fail(failure, "out of memory for the ring");
    for (size_t i = 0; i < source->count; i++) {
        struct place *place = &unit->places[unit->count++];

        place->tensor = source->tensors[i];
        place->offset = unit->size;
        place->first_task = unit->tasks;
        if (container_object(ring->model->container, place->tensor.object, &place->object,
                             failure) < 0)
            return -1;
        if (__builtin_add_overflow(unit->size, place->object.decoded_size + ALIGNMENT - 1,
                                   &unit->size))
            return fail(failure, "%s: a unit is too large", container_path(ring->model->container));
        unit->size -= unit->size % ALIGNMENT;
        unit->tasks += place->object.tile_count;
    }
    if (unit->size > ring->slot_size)
        ring->slot_size = unit->size;
    return unit->tasks ? 0 : fail(failure, "a unit of the ring is empty");
}

static int start_threads(struct ring *ring, struct failure *failure)
{
    unsigned int count = ring->model->threads;

    ring->threads = calloc(count, sizeof(*ring->threads));
    ring->workers = calloc(count, sizeof(*ring->workers));
    if (!ring->threads || !ring->workers)
        return fail(failure, "out of memory for %u threads", count);
    for (unsigned int i = 0; i < count; i++) {
        if (decoder_init(&ring->workers[i].decoder, ring->model->isa, failure) < 0)
            return -1;
        ring->workers[i].stored = malloc(LWC_TILE_MAX);
        if (!ring->workers[i].stored)
            return fail(failure, "out of memory for %u threads", count);
    }
    for (; ring->started < count; ring->started++) {
        int error = pthread_create(&ring->threads[ring->started], NULL, serve, ring);

        if (error)
            return fail_errno(failure, error, "cannot start %u threads", count);
    }
    return 0;
}

int ring_new(struct lwcmem_model *model, const struct lwcmem_unit *units, size_t count,
             struct failure *failure)
{
    struct ring *ring = calloc(1, sizeof(*ring));

    if (!ring)
        return fail(failure, "out of memory for the ring");
    model->ring = ring; /* lwcmem_close frees it, also after a failure */
    ring->model = model;
    pthread_mutex_init(&ring->lock, NULL);
    pthread_cond_init(&ring->work, NULL);
    pthread_cond_init(&ring->ready, NULL);
    ring->units = calloc(count, sizeof(*ring->units));
    if (!ring->units)
        return fail(failure, "out of memory for the ring");
    for (ring->unit_count = 0; ring->unit_count < count; ring->unit_count++)
        if (plan_unit(ring, &units[ring->unit_count], &ring->units[ring->unit_count], failure) < 0)
            return -1;
    ring->memory = mmap(NULL, SLOTS * ring->slot_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring->memory == MAP_FAILED) {
        ring->memory = NULL;
        return fail_errno(failure, errno, "%s: no memory for a ring of %zu bytes",
                          container_path(model->container), (size_t)(SLOTS * ring->slot_size));
    }
    /* huge pages are faster; without them it works, too */
    (void)madvise(ring->memory, SLOTS * ring->slot_size, MADV_HUGEPAGE);
    return start_threads(ring, failure);
}

void ring_free(struct ring *ring)
{
    if (!ring)
        return;
    pthread_mutex_lock(&ring->lock);
    ring->stop = true;
    pthread_cond_broadcast(&ring->work);
    pthread_mutex_unlock(&ring->lock);
    for (unsigned int i = 0; i < ring->started; i++)
        pthread_join(ring->threads[i], NULL);
    for (unsigned int i = 0; ring->workers && i < ring->model->threads; i++) {
        decoder_free(&ring->workers[i].decoder);
        free(ring->workers[i].stored);
    }
    for (size_t i = 0; ring->units && i <= ring->unit_count; i++) {
        if (i < ring->unit_count)
            free(ring->units[i].places);
    }
    free(ring->units);
    free(ring->threads);
    free(ring->workers);
    if (ring->memory)
        munmap(ring->memory, SLOTS * ring->slot_size);
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

const uint8_t *ring_tensor(struct ring *ring, const struct lwcmem_tensor *tensor)
{
    /* between wait and done only the caller's thread changes it */
    uint64_t turn = ring->done_turn;
    struct unit *unit = unit_of(ring, turn);

    for (size_t i = 0; i < unit->count; i++)
        if (unit->places[i].tensor.object == tensor->object)
            return slot_of(ring, turn) + unit->places[i].offset;
    return NULL;
}
