/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A few threads that do one piece of work together, again and again. The
 * caller is worker 0. All of them compute with the default MXCSR.
 *
 * Where there are as many threads as CPUs for this process, each has one of
 * its own from the first run on, the caller, too, until pool_free. All wait
 * actively for some microseconds before they sleep. One thread uses a pool.
 */
#ifndef LWC_ENGINE_POOL_H
#define LWC_ENGINE_POOL_H

#include "container/failure.h"

#include <stdint.h>

struct pool;

/* Items [first, first + count) of a run. 0, or -1 with a message. */
typedef int pool_work(void *context, unsigned int worker, uint64_t first, uint64_t count,
                      struct failure *failure);

struct pool *pool_new(unsigned int workers, struct failure *failure);
void pool_free(struct pool *pool); /* NULL is allowed; by who used the pool */
/* Other threads compute meanwhile, on the same CPUs: wait less actively. */
void pool_share_cpus(struct pool *pool);
unsigned int pool_workers(const struct pool *pool);

/*
 * Work on all items, below 2^32, and wait for it: 0, or -1 with a message of
 * one that failed (others may then be left out). Each worker begins with a run
 * of neighbouring items, the same ones for the same number, so that they stay
 * near it, takes them in runs that become shorter, and then helps others.
 */
int pool_run(struct pool *pool, uint64_t items, pool_work *work, void *context,
             struct failure *failure);

#endif
