/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel module shows of itself: sysfs and fdinfo, as specified in
 * kmod/sysfs-class-misc-lwcmem. root: see host.h.
 */
#ifndef LWC_FIGURES_H
#define LWC_FIGURES_H

#include "container/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIGURES_SYSFS "/sys/class/misc/lwcmem"

enum { LATENCY_BUCKETS = 24 };

/* Bucket i: less than 2^i us and in no bucket before it; the last one: all others. */
struct latency {
    uint64_t counts[LATENCY_BUCKETS];
};

uint64_t latency_total(const struct latency *latency);
/*
 * The number of us that so many percent of the parts took less than. 0: no part
 * was counted; UINT64_MAX: it lies in the last bucket, which has no end.
 */
uint64_t latency_percentile(const struct latency *latency, unsigned int percent);

/* Sums, of the module or of a container. */
struct counts {
    uint64_t tiles_decoded;
    uint64_t bytes_decoded;
    uint64_t bytes_stored_read;
    uint64_t tiles_failed;
    struct latency latency;
};

/* What happened between the two; nothing if they are not of the same life of the module. */
struct counts counts_since(const struct counts *now, const struct counts *before);

/* A region that a process has open; one, however many descriptors of it the process has. */
struct open_region {
    uint32_t process;
    char command[64];
    uint32_t descriptors;
    char *container;
    uint64_t generation;
    char view[16];
    uint64_t file; /* of view "file" */
    uint64_t tiles_in_flight;
    uint64_t bytes_cached;
    uint64_t bytes_buffers;
    struct counts counts; /* of the container, all regions of it */
};

struct figures {
    uint64_t abi;
    char isa[16];
    uint64_t backings;
    uint64_t regions;
    struct counts counts;
    struct open_region *open; /* by process */
    size_t open_count;
    uint64_t hidden; /* processes whose descriptors may not be seen */
};

/* Fails without the module; figures_free is allowed then, too. */
int figures_read(const char *root, struct figures *figures, struct failure *failure);
void figures_free(struct figures *figures);

/* The same region of the same process in other figures, or NULL. */
const struct open_region *figures_find(const struct figures *figures,
                                       const struct open_region *region);

#endif
