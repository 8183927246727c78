/* SPDX-License-Identifier: BSD-3-Clause */
/* The user backend: threads of the library decode tiles into the ring's slots. */
#include "ring.h"

#include <stdlib.h>

struct decode_thread {
    struct decoders *all;
    pthread_t thread;
    struct decoder decoder;
    uint8_t *stored; /* LWC_TILE_MAX bytes */
};

struct decoders {
    struct fill_target target;
    struct decode_thread *threads;
    unsigned int started;
};

static int decode(struct decode_thread *self, const struct task *task, struct failure *failure)
{
    struct lwcmem_model *model = self->all->target.model;

    for (uint64_t i = 0; i < task->tiles; i++) {
        if (container_read_tile(model->container, &self->decoder, task->object, task->tile + i,
                                self->stored, task->out + i * task->object->tile_bytes,
                                failure) < 0)
            return -1;
        atomic_fetch_add(&model->tiles_decoded, 1);
    }
    return 0;
}

static void *serve(void *argument)
{
    struct decode_thread *self = argument;
    struct ring *ring = self->all->target.ring;
    struct failure failure;
    struct task task;

    while (ring_take(ring, true, &task))
        ring_finish(ring, &task, decode(self, &task, &failure) < 0 ? &failure : NULL);
    return NULL;
}

static int prepare(struct decoders *decoders, struct failure *failure)
{
    struct lwcmem_model *model = decoders->target.model;

    decoders->threads = calloc(model->threads, sizeof(*decoders->threads));
    if (!decoders->threads)
        return fail(failure, "out of memory for %u threads", model->threads);
    for (unsigned int i = 0; i < model->threads; i++) {
        struct decode_thread *thread = &decoders->threads[i];

        thread->all = decoders;
        if (decoder_init(&thread->decoder, model->isa, failure) < 0)
            return -1;
        thread->stored = malloc(LWC_TILE_MAX);
        if (!thread->stored)
            return fail(failure, "out of memory for %u threads", model->threads);
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
    if (prepare(decoders, failure) < 0)
        return -1;
    for (; decoders->started < target->model->threads; decoders->started++) {
        struct decode_thread *thread = &decoders->threads[decoders->started];
        int error = pthread_create(&thread->thread, NULL, serve, thread);

        if (error)
            return fail_errno(failure, error, "cannot start %u threads", target->model->threads);
    }
    return 0;
}

static void stop(void *state)
{
    struct decoders *decoders = state;

    if (!decoders)
        return;
    for (unsigned int i = 0; i < decoders->started; i++)
        pthread_join(decoders->threads[i].thread, NULL);
    for (unsigned int i = 0; decoders->threads && i < decoders->target.model->threads; i++) {
        decoder_free(&decoders->threads[i].decoder);
        free(decoders->threads[i].stored);
    }
    free(decoders->threads);
    free(decoders);
}

const struct fill_ops fill_user = {.start = start, .stop = stop};
