/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What work cost that the kernel did a part of: time, CPU time of this process and of
 * the kernel's own threads, bytes that came from disks.
 *
 * The kernel's threads work for all processes, and so do disks: on a machine that
 * others use, these figures are theirs, too.
 */
#ifndef LWC_BENCH_COST_H
#define LWC_BENCH_COST_H

#include "container/failure.h"

#include <stdbool.h>
#include <stddef.h>

/* A way to get at the decoded bytes of a model. */
struct bench_way {
    char name[64];
    /* Once through all bytes, which it adds to *bytes. 0, or -1 with a message. */
    int (*pass)(void *context, double *bytes, struct failure *failure);
    /* Before each pass, not timed: what must not be in a cache; NULL: nothing. */
    int (*before)(void *context, struct failure *failure);
    /* Before the first turn that is counted: forget what passes noted so far; NULL: nothing. */
    void (*begin)(void *context);
    void *context;
    size_t baseline; /* number of the way that it is compared with */
    /* results: medians */
    double gb_per_s;
    double cpu_s_per_gb;
    double disk_per_byte; /* that came from disks for each decoded one */
    /* what the module says of its part in it, if it has one: filled in by who raced */
    bool has_parts;
    double straight;           /* tiles decoded right into the reader's memory, of all decoded */
    double read, decode, copy; /* seconds per GB, as struct lwcmem_info has them */
};

/*
 * Time the ways alternately, five turns each (quick: one) after one that is not
 * counted; a turn is as many passes as take a fifth of a second.
 */
int bench_cost_race(struct bench_way *ways, size_t count, bool quick, struct failure *failure);

/* Name, GB/s, CPU seconds per GB, and both against the baseline, as a table or as JSON; then the
   module's parts, where there are some. */
int bench_print_ways(const struct bench_way *ways, size_t count, bool json,
                     struct failure *failure);

/*
 * Have the kernel module hold the container in RAM until the descriptor is closed, which
 * this returns, or -1 with a message.
 */
int bench_hold(const char *path, struct failure *failure);

#endif
