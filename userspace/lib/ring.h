/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring of the backends that decode ahead: memory through which the pieces of
 * every pass (ring_plan.h) flow in order, on and on (turn), each at the place
 * behind the one before it. A turn is filled in tasks, each a run of whole tiles
 * of one tensor, as soon as turns that are done have left room for it.
 *
 * The ring knows whose turn it is; how bytes get into it is the fill's.
 */
#ifndef LWC_LIB_RING_H
#define LWC_LIB_RING_H

#include "model.h"
#include "ring_plan.h"

/*
 * A task: tiles [tile, tile + tiles) of the object go to out, size bytes. Behind
 * the last task of an object nobody's bytes follow up to the page's end.
 */
struct task {
    uint64_t turn;
    uint64_t number; /* of the pass */
    const struct lwc_object *object;
    uint64_t tile;
    uint64_t tiles;
    uint8_t *out;
    uint64_t size;
    /* to be set by the fill, of size: for struct lwcmem_counters */
    uint64_t bytes_kernel, bytes_fixed, bytes_direct;
};

/* What a fill works for. */
struct fill_target {
    struct ring *ring;
    struct lwcmem_model *model;
    uint64_t budget; /* bytes for the ring and the fill's own buffers */
    uint8_t *memory; /* all tasks' out lie in it */
    size_t size;
};

/* What a fill takes of a budget. */
struct fill_share {
    uint64_t own;        /* for its own buffers */
    uint32_t task_bytes; /* as many tiles as fit are a task; at least one */
};

/* A way to fill the ring. */
struct fill_ops {
    bool from_region; /* tensors must have a place in the arena */
    /* With a budget of 0, the least that works. */
    struct fill_share (*share)(const struct lwcmem_model *model, uint64_t budget);
    /*
     * Start threads that take tasks until there are no more. 0, or -1 with a
     * message. *state is for stop, which is called after a failure, too.
     */
    int (*start)(const struct fill_target *target, void **state, struct failure *failure);
    /* The ring hands out no more tasks. After it nothing writes to the ring. NULL is allowed. */
    void (*stop)(void *state);
};

/* Tiles are read and decoded by as many threads as multiply. */
extern const struct fill_ops fill_user;
/* Tiles are read from the model's region by one thread that owns an io_uring. */
extern const struct fill_ops fill_kmod;

/* Of the model's units, bytes with which a ring works. */
int ring_least(struct lwcmem_model *model, const struct fill_ops *fill, uint64_t *least,
               struct failure *failure);
/*
 * Of the model's units. memory: bytes for everything, of which the caller has
 * used some; 0: what is good. Sets model->ring, also in a failure.
 */
int ring_new(struct lwcmem_model *model, const struct fill_ops *fill, uint64_t memory,
             uint64_t used, struct failure *failure);
void ring_free(struct ring *ring); /* NULL is allowed */
int ring_wait(struct ring *ring, size_t unit, struct lwcmem_part *part, struct failure *failure);
int ring_done(struct ring *ring, size_t unit, struct failure *failure);
/* Rows of the tensor in the part that is in use; NULL if they are not all in it. */
const uint8_t *ring_rows(struct ring *ring, const struct lwcmem_tensor *tensor, uint64_t first_row,
                         uint64_t rows);
/* Bytes of all finished tasks together: the three agree with each other. */
void ring_counters(struct ring *ring, struct lwcmem_counters *counters);

/*
 * For fills, by any thread. The next task: with wait, false says that the ring
 * stops; without, also that there is nothing to do now.
 */
bool ring_take(struct ring *ring, bool wait, struct task *task);
/* The task is done, or has failed with a message, which ring_wait then gives. */
void ring_finish(struct ring *ring, const struct task *task, const struct failure *failure);

#endif
