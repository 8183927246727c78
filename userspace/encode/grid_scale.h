/* SPDX-License-Identifier: BSD-3-Clause */
/* The search for the scale that a group's values are integers of. */
#ifndef LWC_GRID_SCALE_H
#define LWC_GRID_SCALE_H

#include <stdbool.h>
#include <stdint.h>

#include "kmod/codec/codec.h"

/* Largest magnitudes of integers of four bits, of eight, and of differences from a zero point. */
#define GRID_LARGEST_4 15
#define GRID_LARGEST_8 127
#define GRID_LARGEST_ZERO 255

/* Work that has been done, in elements that were looked at, and what may be done. */
struct grid_work {
    uint64_t steps;
    uint64_t most;
};

/* What is searched for in a group. */
struct grid_search {
    struct lwc_grid_arithmetic arithmetic;
    uint32_t limit;     /* one of the magnitudes above */
    uint32_t strangers; /* elements that may be off the grid */
    float reach;        /* what has made the scale, as about limit times that; 0: it is not known */
    bool only_reach;    /* nothing else is tried */
    struct grid_work *work;
};

/* Elements that may be off the grid without the search being given up. */
uint32_t grid_misses_allowed(uint32_t elements);

/* The largest magnitude of elements, or, if of differences, the width of their range with zero. */
float grid_reach(uint8_t field, const uint8_t *src, uint32_t count, bool of_differences);

/* f32 bits of a positive scale, 0: there is none. src: count elements of the field. */
uint32_t grid_scale(const struct grid_search *search, const uint8_t *src, uint32_t count);

/* Are these elements, of one group, far from being integers of at most limit? */
bool grid_far(struct lwc_grid_arithmetic arithmetic, uint32_t limit, const uint8_t *src,
              uint32_t count, struct grid_work *work);

/* Up to GRID_CHUNK elements as multiples of a positive scale, their signs left out. */
#define GRID_CHUNK 1024
void grid_multiples(uint8_t field, const uint8_t *src, uint32_t count, float inverse,
                    uint32_t limit, uint16_t *multiples);

#endif
