/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The user backend: threads of the library read the container and decode it
 * into the ring. Each has a few reads on their way while it decodes, large ones,
 * for a task's tiles lie one behind the other in the file.
 */
#include "stored_read.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* What a thread decodes with: scratch, a zstd workspace, tiles of a base. */
#define THREAD_BYTES ((uint64_t)1 << 20)

struct decode_thread {
    struct decoders *all;
    pthread_t thread;
    bool started;
    struct decoder decoder;
    struct reader reader;
};

struct decoders {
    struct fill_target target;
    struct read_source source;
    struct read_layout layout;
    uint8_t *memory; /* of all reads */
    struct decode_thread *threads;
};

/* Threads' scratch comes first, also that of lwcmem_rows. */
static uint64_t thread_bytes(const struct lwcmem_model *model)
{
    return (model->threads + 1) * THREAD_BYTES;
}

static struct read_layout layout_of(const struct lwcmem_model *model, uint64_t budget)
{
    uint64_t scratch = thread_bytes(model);

    return read_layout(model->threads, budget > scratch ? budget - scratch : 0);
}

static struct fill_share share(const struct lwcmem_model *model, uint64_t budget)
{
    struct read_layout layout = layout_of(model, budget);

    return (struct fill_share){
        .own = thread_bytes(model) + (uint64_t)model->threads * layout.depth * layout.bytes,
        .task_bytes = layout.bytes - READ_MARGIN,
    };
}

static int decode(struct decode_thread *self, const struct stored_read *read,
                  struct failure *failure)
{
    struct lwcmem_model *model = self->all->target.model;
    const struct task *task = &read->task;

    for (uint32_t i = 0; i < read->tile_count; i++) {
        uint64_t index = task->tile + read->first + i;
        const struct lwc_tile *tile = &read->tiles[i];

        if (container_decode_tile(
                model->container, &self->decoder, task->object, index, tile, stored_of(read, tile),
                task->out + (read->first + i) * task->object->tile_bytes, failure) < 0)
            return -1;
        atomic_fetch_add(&model->tiles_decoded, 1);
    }
    return 0;
}

/* What a read has brought goes into the ring; if there is more of its task, that is read next. */
static void use(struct decode_thread *self, struct stored_read *read, int result,
                struct failure *failure)
{
    struct ring *ring = self->all->target.ring;

    if (result == 0)
        result = decode(self, read, failure);
    if (result == 0 && read->first + read->tile_count < read->task.tiles) {
        result = reader_go_on(&self->reader, read, failure);
        if (result == 0)
            return;
    }
    ring_finish(ring, &read->task, result < 0 ? failure : NULL);
    reader_release(&self->reader, read);
}

static void *serve(void *argument)
{
    struct decode_thread *self = argument;
    struct ring *ring = self->all->target.ring;
    struct failure failure;
    struct task task;

    for (;;) {
        struct stored_read *read;
        int result;

        while (reader_has_room(&self->reader) &&
               ring_take(ring, reader_is_idle(&self->reader), &task))
            if (reader_begin(&self->reader, &task, &failure) < 0)
                ring_finish(ring, &task, &failure);
        if (reader_is_idle(&self->reader))
            return NULL;
        read = reader_wait(&self->reader, &result, &failure);
        use(self, read, result, &failure);
    }
}

static int prepare(struct decoders *decoders, struct failure *failure)
{
    struct lwcmem_model *model = decoders->target.model;
    struct read_layout *layout = &decoders->layout;
    size_t each;

    *layout = layout_of(model, decoders->target.budget);
    each = layout->depth * layout->bytes;
    decoders->memory = mmap(NULL, model->threads * each, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (decoders->memory == MAP_FAILED) {
        decoders->memory = NULL;
        return fail_errno(failure, errno, "no memory for reads by %u threads", model->threads);
    }
    madvise(decoders->memory, model->threads * each, MADV_HUGEPAGE);
    decoders->threads = calloc(model->threads, sizeof(*decoders->threads));
    if (!decoders->threads)
        return fail(failure, "out of memory for %u threads", model->threads);
    for (unsigned int i = 0; i < model->threads; i++) {
        struct decode_thread *thread = &decoders->threads[i];

        thread->all = decoders;
        if (decoder_init(&thread->decoder, model->isa, failure) < 0 ||
            reader_init(&thread->reader, &decoders->source, layout, decoders->memory + i * each,
                        failure) < 0)
            return -1;
    }
    return 0;
}

static int start(const struct fill_target *target, void **state, struct failure *failure)
{
    struct decoders *decoders = calloc(1, sizeof(*decoders));

    *state = decoders;
    if (!decoders)
        return fail(failure, "out of memory for the ring");
    decoders->target = *target;
    if (read_source_open(&decoders->source, target->model, failure) < 0 ||
        prepare(decoders, failure) < 0)
        return -1;
    for (unsigned int i = 0; i < target->model->threads; i++) {
        struct decode_thread *thread = &decoders->threads[i];
        int error = pthread_create(&thread->thread, NULL, serve, thread);

        if (error)
            return fail_errno(failure, error, "cannot start %u threads", target->model->threads);
        thread->started = true;
    }
    return 0;
}

static void stop(void *state)
{
    struct decoders *decoders = state;
    struct lwcmem_model *model;

    if (!decoders)
        return;
    model = decoders->target.model;
    for (unsigned int i = 0; decoders->threads && i < model->threads; i++) {
        struct decode_thread *thread = &decoders->threads[i];

        if (thread->started)
            pthread_join(thread->thread, NULL);
        reader_free(&thread->reader);
        decoder_free(&thread->decoder);
    }
    if (decoders->memory)
        munmap(decoders->memory, model->threads * decoders->layout.depth * decoders->layout.bytes);
    read_source_close(&decoders->source);
    free(decoders->threads);
    free(decoders);
}

const struct fill_ops fill_user = {.share = share, .start = start, .stop = stop};
