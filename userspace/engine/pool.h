/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A few threads that do one piece of work together, again and again. The
 * caller is worker 0. All of them compute with the default MXCSR.
 */
#ifndef LWC_ENGINE_POOL_H
#define LWC_ENGINE_POOL_H

#include "container/failure.h"

#include <stdint.h>

struct pool;

/* 0, or -1 with a message. */
typedef int pool_work(void *context, unsigned int worker, unsigned int workers,
                      struct failure *failure);

struct pool *pool_new(unsigned int workers, struct failure *failure);
void pool_free(struct pool *pool); /* NULL is allowed */
unsigned int pool_workers(const struct pool *pool);

/* Run work on every worker and wait for all: 0, or -1 with a message of one that failed. */
int pool_run(struct pool *pool, pool_work *work, void *context, struct failure *failure);

/* The part of count items, in steps of grain, that belongs to a worker. */
void pool_part(uint64_t count, uint32_t grain, unsigned int worker, unsigned int workers,
               uint64_t *first, uint64_t *part);

#endif
