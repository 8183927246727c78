/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timing: pinned threads that start together, and entrants that take turns.
 *
 * A machine's speed drifts while it is measured, so entrants of one race run
 * alternately, again and again, and each gets the median of its times: what
 * disturbs one disturbs all.
 */
#ifndef LWC_BENCH_TEAM_H
#define LWC_BENCH_TEAM_H

#include "tiles.h"
#include "container/failure.h"

#include <stdbool.h>
#include <stddef.h>

/* One pass over an entrant's data, by every worker its part. 0, or -1 with a message. */
typedef int bench_pass(void *context, struct bench_worker *worker, struct failure *failure);

struct bench_entrant {
    bench_pass *pass;
    void *context;
    double bytes;   /* decoded bytes of a pass, of all workers together */
    double seconds; /* result: median of a pass */
};

struct bench_team;

/*
 * Start workers threads, each pinned to a CPU of its own; the caller is
 * worker 0 until bench_team_free. NULL with a message.
 */
struct bench_team *bench_team_new(unsigned int workers, struct failure *failure);
void bench_team_free(struct bench_team *team); /* NULL is allowed */
unsigned int bench_team_workers(const struct bench_team *team);

/* One pass by all workers. seconds (may be NULL): from a common start to the last end. */
int bench_team_run(struct bench_team *team, bench_pass *pass, void *context, double *seconds,
                   struct failure *failure);

/* Time the entrants alternately. quick: just often enough to have run. */
int bench_race(struct bench_team *team, struct bench_entrant *entrants, size_t count, bool quick,
               struct failure *failure);

/* Decoded GB/s of an entrant of a finished race. */
double bench_rate(const struct bench_entrant *entrant);

#endif
