/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring of the backends that decode ahead: two slots, each as large as the
 * largest unit. Units are numbered on and on over all passes (turn); turn t
 * uses unit t mod count and slot t mod 2. A turn's slot is filled in tasks,
 * each a run of whole tiles of one tensor, as soon as the slot is free.
 *
 * The ring knows whose turn it is; how bytes get into a slot is the fill's.
 */
#ifndef LWC_LIB_RING_H
#define LWC_LIB_RING_H

#include "model.h"

/*
 * A task: tiles [tile, tile + tiles) of the object go to out, size bytes. Behind
 * the last task of an object nobody's bytes follow up to the page's end.
 */
struct task {
    uint64_t turn;
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
    uint8_t *memory; /* all tasks' out lie in it */
    size_t size;
};

/* A way to fill slots. */
struct fill_ops {
    uint32_t task_bytes; /* as many tiles as fit are a task; at least one */
    bool from_region;    /* tensors must have a place in the arena */
    /*
     * Start threads that take tasks until there are no more. 0, or -1 with a
     * message. *state is for stop, which is called after a failure, too.
     */
    int (*start)(const struct fill_target *target, void **state, struct failure *failure);
    /* The ring hands out no more tasks. After it nothing writes to the slots. NULL is allowed. */
    void (*stop)(void *state);
};

/* Tiles are decoded by as many threads as multiply. */
extern const struct fill_ops fill_user;
/* Tiles are read from the model's region by one thread that owns an io_uring. */
extern const struct fill_ops fill_kmod;

int ring_new(struct lwcmem_model *model, const struct fill_ops *fill,
             const struct lwcmem_unit *units, size_t count, struct failure *failure);
void ring_free(struct ring *ring); /* NULL is allowed */
int ring_wait(struct ring *ring, size_t unit, struct failure *failure);
int ring_done(struct ring *ring, size_t unit, struct failure *failure);
/* The tensor's bytes in the unit that is in use; NULL if it is not one of its. */
const uint8_t *ring_tensor(struct ring *ring, const struct lwcmem_tensor *tensor);
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
