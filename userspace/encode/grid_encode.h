/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds out that the elements of a tile are integers times a scale for each
 * group, or that with an offset or zero point, as dequantised weights are. Exact
 * by construction: each value is checked with the decoder's own arithmetic, and
 * what is not on the grid becomes an exception. Thread safe, no state.
 */
#ifndef LWC_GRID_ENCODE_H
#define LWC_GRID_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "encode/grid_scale.h"
#include "kmod/codec/codec.h"

/* Arrays of the caller: for so many elements as the tile has. */
struct grid_fit {
    struct lwc_grid_arithmetic arithmetic;
    uint32_t group;
    uint32_t groups;
    uint32_t exceptions;
    uint32_t *parameters; /* of all groups: scales, then the others; a sixteenth of the elements */
    uint8_t *integers;    /* as GRID stores them */
    uint32_t *positions;  /* of exceptions */
    struct grid_work work;
};

/*
 * Steps that a search may take before it is given up, for a tile and for each
 * element, and how many more for each element of groups that did fit.
 */
#define GRID_STEPS_TILE 200000
#define GRID_STEPS_ELEMENT 20
#define GRID_STEPS_FOUND 64

/*
 * src: count elements of the field (LWC_FIELD_BF16, F16 or F32). row: elements
 * of a row, or 0. The largest group that fits is taken. false: none does.
 */
bool grid_fit(struct grid_fit *fit, uint8_t field, const uint8_t *src, uint32_t count,
              uint32_t row);

#endif
