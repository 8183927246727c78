/* SPDX-License-Identifier: BSD-3-Clause */
/* Decoded bf16 tiles to measure with: Gaussian, or taken from a model. */
#ifndef LWC_BENCH_DATA_H
#define LWC_BENCH_DATA_H

#include "pages.h"
#include "container/failure.h"

#include <stddef.h>
#include <stdint.h>

struct bench_piece {
    const uint8_t *bytes;
    uint32_t length; /* of a tile, even */
};

struct bench_data {
    struct bench_piece *pieces;
    size_t count;
    size_t size;              /* of all pieces */
    struct bench_pages pages; /* small ones */
};

/* count tiles of length bytes from a normal distribution; the same at every call. */
int bench_data_gaussian(size_t count, uint32_t length, struct bench_data *out,
                        struct failure *failure);

/* Up to count bf16 tiles of a .safetensors file or a container, spread evenly over it. */
int bench_data_file(const char *path, size_t count, struct bench_data *out,
                    struct failure *failure);

void bench_data_free(struct bench_data *data); /* zeroed: allowed */

/* Order-0 bound of the tiles, bits a weight. */
double bench_data_bound(const struct bench_data *data);

#endif
