/* SPDX-License-Identifier: BSD-3-Clause */
/* The values that occur in a group, and the search for what they are multiples of. */
#ifndef LWC_GRID_POINTS_H
#define LWC_GRID_POINTS_H

#include <stdbool.h>
#include <stdint.h>

#include "encode/grid_scale.h"
#include "kmod/codec/codec.h"

/* Integers of four bits with a second parameter: at most so many. */
#define GRID_PAIR_VALUES 16
/* Values that a group may have besides those of its integers. */
#define GRID_STRANGERS 16
#define GRID_POINTS (GRID_PAIR_VALUES + GRID_STRANGERS)

/* What rounds to a value. */
struct grid_range {
    double low, high;
};

/* A value and how often it occurs. */
struct grid_point {
    double value, low, high; /* what rounds to it is between low and high */
    uint32_t bits;
    uint32_t count;
    int32_t integer; /* -1: it is not on the grid */
};

struct grid_points {
    struct lwc_grid_arithmetic arithmetic;
    struct grid_point point[GRID_POINTS];
    uint32_t count;
    uint32_t elements; /* of all points */
    int8_t slots[128]; /* hash of bits to a point, -1: free */
};

/* The values of count elements; false if they are more than limit, or not finite. */
bool grid_collect(struct grid_points *points, uint8_t field, const uint8_t *src, uint32_t count,
                  uint32_t limit);

/* The point of those bits, or NULL. */
struct grid_point *grid_find(struct grid_points *points, uint32_t bits);

/* Set the arithmetic, and what rounds to each point by it. */
void grid_set_arithmetic(struct grid_points *points, struct lwc_grid_arithmetic arithmetic);

/* Distance of neighbours of the field near a value. */
double grid_spacing(uint8_t field, double value);

/* What rounds to a magnitude of the field that is finite and not zero, by the arithmetic. */
struct grid_range grid_limits(struct lwc_grid_arithmetic arithmetic, uint32_t magnitude);

/*
 * LWC_GRID_AFFINE and LWC_GRID_STEPS: parameters that make all values but a few
 * integers of four bits; the integers are set.
 */
bool grid_pair(struct grid_points *points, struct grid_work *work,
               struct lwc_grid_parameters *parameters);

/* f32 bits of a value that has such, and mantissa bits that they need. */
uint32_t grid_f32(double value);
int grid_bits_needed(uint32_t value);

/* The f32 between low and high (positive) with the fewest bits in its mantissa; 0: there is none.
 */
uint32_t grid_simplest(double low, double high);

#endif
