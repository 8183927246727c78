/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Run numbered tasks on a few threads.
 *
 * Tasks are started in the order of their numbers. The first failure (or an
 * interruption by a signal) stops the rest: tasks that have started finish.
 */
#ifndef LWC_PARALLEL_H
#define LWC_PARALLEL_H

#include "container/failure.h"

#include <stdatomic.h>
#include <stdint.h>

struct parallel;

/* worker: 0..threads-1, one task at a time each. 0, or -1 with a message. */
typedef int parallel_task(struct parallel *parallel, void *context, unsigned int worker,
                          uint64_t index, struct failure *failure);

/* 0, or -1 with the message of the first task that failed. */
int parallel_run(unsigned int threads, uint64_t count, parallel_task *task, void *context,
                 struct failure *failure);

/*
 * Inside a task: block until all tasks with lower numbers have called
 * parallel_turn_done. 0, or -1 when another task failed meanwhile: return -1
 * then. A program's tasks all take turns or none does.
 */
int parallel_turn(struct parallel *parallel, uint64_t index);
void parallel_turn_done(struct parallel *parallel);

#endif
