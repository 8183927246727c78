/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bf16 matrix times a vector: plain, decoded in registers (fused), decoded
 * to a buffer first, and only loaded; all from the same pages, by the same
 * threads, in one race.
 */
#ifndef LWC_BENCH_MULTIPLY_H
#define LWC_BENCH_MULTIPLY_H

#include "set.h"

struct multiply_shape {
    uint64_t rows; /* 0: as many as no cache holds; else rounded up to whole tiles */
    uint64_t cols;
    size_t page_size;
    unsigned int threads;
    bool in_cache; /* only what stays in the caches; rows must be 0 */
    bool quick;
};

struct multiply_structure {
    const struct bench_code *code;
    double bits;     /* stored for a weight */
    double fused;    /* GB/s, like all that follow */
    double buffered; /* decoded to a buffer first */
    double in_cache; /* fused, from the cache */
};

struct multiply_figures {
    const struct kernels *kernels;
    unsigned int threads;
    size_t page_size;
    uint64_t rows, cols;
    double load_only;
    double plain;
    double plain_in_cache;
    double plain_small; /* from pages of 4 KiB, when page_size is larger; else 0 */
    struct multiply_structure structures[BENCH_STRUCTURES_MAX];
    size_t count; /* structures that the kernels fuse */
};

struct multiply;

/* NULL with a message. */
struct multiply *multiply_open(const struct multiply_shape *shape, struct failure *failure);
void multiply_close(struct multiply *multiply); /* NULL is allowed */

/* What the matrix was made from. */
const struct bench_data *multiply_data(const struct multiply *multiply);

/*
 * Measure with these kernels. First all products are compared: fails unless
 * fused and buffered ones have the same bits as plain ones.
 */
int multiply_measure(struct multiply *multiply, const struct kernels *kernels,
                     struct multiply_figures *figures, struct failure *failure);

/* How many times plain a fused structure can be: min(R / B, 16 / bits). */
double multiply_bound(const struct multiply_figures *figures,
                      const struct multiply_structure *structure);

/* Plain is as fast as loads are: only then do ratios to plain count. */
bool multiply_counts(const struct multiply_figures *figures);

/* Kernels that fuse, of the ISAs in the mask, slowest first; entries of list, kernels_count. */
size_t multiply_kernels(uint32_t isa, const struct kernels **list);

#endif
