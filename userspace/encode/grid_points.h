/* SPDX-License-Identifier: BSD-3-Clause */
/* The values that occur in a group, and the search for what they are multiples of. */
#ifndef LWC_GRID_POINTS_H
#define LWC_GRID_POINTS_H

#include <stdbool.h>
#include <stdint.h>

#include "kmod/codec/codec.h"

/* Magnitudes of integers of four bits, and of eight: differences from a zero point included. */
#define GRID_LARGEST_4 15
#define GRID_LARGEST_8 127
/* Values that a group may have besides those of its integers. */
#define GRID_STRANGERS 16
#define GRID_POINTS (GRID_LARGEST_8 + GRID_STRANGERS)
/* Integers of four bits with a second parameter: at most so many. */
#define GRID_PAIR_VALUES 16

/* A value, or a magnitude, and how often it occurs. */
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
    uint32_t elements;   /* of all points */
    int32_t zeroes;      /* positive zeroes less negative ones */
    int16_t slots[1024]; /* hash of bits to a point, -1: free */
};

uint32_t grid_infinity(uint8_t field);

/*
 * The magnitudes of count elements but zero, or the values with their signs;
 * false if they are more than limit, or not finite.
 */
bool grid_collect(struct grid_points *points, uint8_t field, const uint8_t *src, uint32_t count,
                  uint32_t limit, bool with_sign);

/* The point of those bits, or NULL. */
struct grid_point *grid_find(struct grid_points *points, uint32_t bits);

/* Set the arithmetic, and what rounds to each point by it. */
void grid_set_arithmetic(struct grid_points *points, struct lwc_grid_arithmetic arithmetic);

/* Elements that may be off the grid without the search being given up. */
uint32_t grid_misses_allowed(uint32_t elements);

/*
 * LWC_GRID_PRODUCT: a scale that makes all magnitudes integers of at most limit,
 * but those of so many elements; the integers are set. 0: there is none.
 */
uint32_t grid_scale(struct grid_points *points, uint32_t limit, uint32_t strangers);

/* LWC_GRID_AFFINE and LWC_GRID_STEPS, of values with signs; the same. */
bool grid_pair(struct grid_points *points, struct lwc_grid_parameters *parameters);

/* f32 bits of a value that has such, and mantissa bits that they need. */
uint32_t grid_f32(double value);
int grid_bits_needed(uint32_t value);

/* The f32 between low and high (positive) with the fewest bits in its mantissa; 0: there is none.
 */
uint32_t grid_simplest(double low, double high);

#endif
