/* SPDX-License-Identifier: BSD-3-Clause */
/* Byte-pair encoding: neighbours in a text merge, best pair first, until none can. */
#ifndef LWC_ENGINE_MERGES_H
#define LWC_ENGINE_MERGES_H

#include <stdbool.h>
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

/* At most as many as there is room for. Of two for one pair the last counts. */
void merges_add(struct merges *merges, const struct merge *merge);

/* NULL if the pair does not merge. */
const struct merge *merges_find(const struct merges *merges, uint32_t left, uint32_t right);

/* A part of the text: first a character, later what it merged to. */
struct symbol {
    uint32_t token;
    uint32_t start, size;    /* its bytes in the text */
    uint32_t next, previous; /* symbols; NO_SYMBOL: none */
};

#define NO_SYMBOL UINT32_MAX

/* Rank and result of two neighbours; false if they do not merge. */
typedef bool (*merge_lookup)(const void *context, const struct symbol *left,
                             const struct symbol *right, uint32_t *rank, uint32_t *result);

/* The symbols of one text, and memory for more texts. Zeroed, it has none. */
struct merging {
    struct symbol *symbols;
    size_t count, room;
    struct candidate *heap;
    size_t heap_count, heap_room;
};

/* Put a symbol behind those that are there; start + size is below 2^32. 0, or -1 without memory. */
int merging_add(struct merging *merging, uint32_t token, size_t start, size_t size);

/*
 * Merge by the lookup: lowest rank first, leftmost of equal ones first. What is left are
 * symbols[0] and those that follow it by next. Takes O(n log n). 0, or -1 without memory.
 */
int merging_run(struct merging *merging, merge_lookup lookup, const void *context);

void merging_free(struct merging *merging);

#endif
