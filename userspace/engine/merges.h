/* SPDX-License-Identifier: BSD-3-Clause */
/* The merges of a byte-pair encoding: (left, right) -> rank and result. */
#ifndef LWC_ENGINE_MERGES_H
#define LWC_ENGINE_MERGES_H

#include <stddef.h>
#include <stdint.h>

struct merge {
    uint32_t left, right;
    uint32_t rank; /* lower merges first */
    uint32_t result;
};

struct merges;

/* Room for count merges; NULL without memory. */
struct merges *merges_new(size_t count);
void merges_free(struct merges *merges); /* NULL is allowed */

/* At most as many as there is room for. Of two for one pair the first counts. */
void merges_add(struct merges *merges, const struct merge *merge);

/* NULL if the pair does not merge. */
const struct merge *merges_find(const struct merges *merges, uint32_t left, uint32_t right);

/*
 * Merge neighbours in tokens, lowest rank first, leftmost of equal ones first,
 * until none is left. Takes O(n log n). Returns the new count, or -1 without memory.
 */
long merges_apply(const struct merges *merges, uint32_t *tokens, size_t count);

#endif
