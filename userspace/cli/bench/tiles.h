/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All that the benchmarks know about the codec and the kernels: which
 * structures there are, and how a tile is encoded, decoded and multiplied.
 */
#ifndef LWC_BENCH_TILES_H
#define LWC_BENCH_TILES_H

#include "data.h"
#include "container/decoder.h"
#include "encode/encode.h"
#include "kernels/kernels.h"

#include <zstd.h>

/* A way to encode bf16 tiles. */
struct bench_code {
    const char *name;
    struct encode_policy policy;
};

/* The structures of LEVELS, each by itself, and what to compare them with (zstd_peer.h). */
extern const struct bench_code bench_structures[];
extern const size_t bench_structure_count;
extern const struct bench_code bench_zstd;
enum { BENCH_STRUCTURES_MAX = 8 };

/* What one thread needs to decode and multiply. */
struct bench_worker {
    unsigned int index, count; /* of this worker, and workers together */
    struct decoder decoder;
    uint8_t *tile;   /* LWC_TILE_MAX bytes, for a decoded tile */
    ZSTD_DCtx *zstd; /* of bench_zstd */
    uint8_t *planes; /* LWC_TILE_MAX bytes */
    /* activations as the fused kernels take them, and whose they are */
    float *arranged;
    const float *arranged_x;
    const struct kernels *arranged_by;
    size_t arranged_cols;
};

int bench_worker_init(struct bench_worker *worker, unsigned int index, unsigned int count,
                      struct failure *failure);
void bench_worker_free(struct bench_worker *worker); /* zeroed: allowed */

/* LWC_ISA_ bits to measure: what the CPU has and LWCMEM_ISA allows. */
int bench_isa(uint32_t *isa, struct failure *failure);

/* The tiles of data, encoded one way. */
struct bench_coded {
    struct encoded_tile *tiles;
    size_t count;
    double bits; /* a weight, with the tile entries */
};

/* As pack does under the policy; &bench_zstd.policy: as zstd_peer.h does. */
int bench_encode(const struct encode_policy *policy, const struct bench_data *data,
                 struct bench_coded *out, struct failure *failure);
void bench_coded_free(struct bench_coded *coded); /* zeroed: allowed */

/* A tile as it lies in memory, stored and decoded. */
struct bench_tile {
    struct lwc_tile entry;
    const uint8_t *stored;
    const uint8_t *plain;
    uint32_t length; /* decoded bytes */
};

int bench_decode(struct bench_worker *worker, const struct lwc_impl *impl,
                 const struct bench_tile *tile, uint8_t *out, struct failure *failure);

/* Does the ISA multiply the structure in registers? */
bool bench_fuses(const struct kernels *kernels, const struct bench_code *code);

/* rows x cols weights of the tile times the vector x; y: rows products. */
int bench_fused(struct bench_worker *worker, const struct kernels *kernels,
                const struct bench_tile *tile, size_t rows, size_t cols, const float *x, float *y,
                struct failure *failure);

/* The structure that a policy of pack gives to the data; NULL: none of bench_structures. */
int bench_favored(const char *favor, const struct bench_data *data, const struct bench_code **code,
                  struct failure *failure);

#endif
