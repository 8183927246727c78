/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numeric kernels with one result: the same bits on every ISA.
 *
 * A dot product has 64 virtual lanes. Element c goes to lane c mod 64 by
 * acc = fma(w, x, acc) in fp32 with c increasing; lanes start at +0 and a lane
 * without an element stays untouched. Then the tree: lane i += lane i + 32 for
 * i < 32, then + 16, + 8, + 4, + 2, + 1. A NaN result is written as the
 * canonical NaN 0x7fc00000. Weights become fp32 exactly (bf16, fp16 with
 * subnormals, fp32). Those in blocks do by the formulas of ggml's reference,
 * scale * quant, scale * quant + offset, or (scale * part's scale) * quant -
 * offset * part's offset, each operation rounded to fp32, NaNs canonical.
 *
 * All functions are thread safe, allocate nothing, and expect the default
 * MXCSR (round to nearest, no flush to zero): see kernels_enter.
 * Arrays need no alignment; 64 bytes is fastest. Counts are elements.
 */
#ifndef LWC_KERNELS_H
#define LWC_KERNELS_H

#include "kmod/codec/codec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * n activation vectors of `cols` floats: vector t starts at x + t * x_stride.
 * packed: what pack has made of them, or NULL; without it, each vector of
 * several is multiplied by itself.
 */
struct activations {
    const float *x;
    size_t x_stride;
    size_t n;
    const float *packed;
};

/* Result of row r for vector t goes to y[t * y_stride + r]. */
struct products {
    float *y;
    size_t y_stride;
};

struct kernels {
    const char *name; /* scalar, avx2, avx512 */
    uint32_t isa;     /* LWC_ISA_ bits that it needs */

    /*
     * rows x cols weights of the dtype (BF16, F16, F32), row-major, times n vectors. scratch:
     * gemm_scratch floats, the caller's; 64-byte alignment is fastest. NULL if that is 0 or
     * the vectors are not packed.
     */
    void (*gemm)(enum lwc_dtype dtype, const void *weights, size_t rows, size_t cols,
                 const struct activations *in, const struct products *out, float *scratch);
    size_t (*gemm_scratch)(size_t cols, size_t n);
    /* n * cols floats to the order in which gemm of this ISA takes many vectors; 64-byte alignment
     * is fastest */
    void (*pack)(const struct activations *in, size_t cols, float *out);
    /* count weights to fp32; of a dtype in blocks, whole ones */
    void (*convert)(enum lwc_dtype dtype, const void *weights, size_t count, float *out);
    /* sum of x[i] * y[i] in lanes and tree */
    float (*dot)(const float *x, const float *y, size_t count);
    /* out[i] += a * x[i] by fma */
    void (*axpy)(float a, const float *x, size_t count, float *out);
    /* out[i] = weight[i] * (x[i] * (1 / sqrt(dot(x, x) / count + epsilon))) */
    void (*rmsnorm)(const float *x, const float *weight, size_t count, float epsilon, float *out);
    /* x[i] = exp(x[i] - max) / sum; two passes, sum in lanes and tree */
    void (*softmax)(float *x, size_t count);
    /*
     * Attention of one head over `positions` cached keys or values of dim
     * elements, one after another; dtype F32 or F16.
     * scores: out[p] = dot(query, key p) * scale.
     * scores_many: the same for n queries; that of key p and query t goes to
     * out->y[t * out->y_stride + p]. scratch: scores_scratch floats, the caller's;
     * 64-byte alignment is fastest.
     * mix: n lines of scores, `stride` apart, to n * dim elements:
     * out[t * dim + i] = fma(scores[t * stride + p], value p [i], out[t * dim + i]),
     * p increasing.
     */
    void (*scores)(enum lwc_dtype dtype, const float *query, const void *keys, size_t positions,
                   size_t dim, float scale, float *out);
    void (*scores_many)(enum lwc_dtype dtype, const struct activations *queries, const void *keys,
                        size_t positions, size_t dim, float scale, const struct products *out,
                        float *scratch);
    size_t (*scores_scratch)(size_t dim, size_t n);
    void (*mix)(enum lwc_dtype dtype, const float *scores, size_t stride, size_t n,
                const void *values, size_t positions, size_t dim, float *out);
    /* To the nearest fp16, of two equally near the even one; a NaN as 0x7e00. */
    void (*to_f16)(const float *x, size_t count, uint16_t *out);
    /* gate[i] = silu(gate[i]) * up[i] */
    void (*silu_multiply)(float *gate, const float *up, size_t count);
    /* x[i] += y[i] */
    void (*add)(float *x, const float *y, size_t count);
    /* rotate halves: head of dim floats, cosines and sines of dim / 2 floats */
    void (*rotate_half)(float *head, const float *cosines, const float *sines, size_t dim);
    /*
     * Rows of a bf16 LEVELS tile times n vectors, weights decoded in registers:
     * rows [first_row, first_row + rows) of the tile, whose rows have cols
     * weights, a multiple of 64. view: from lwc_levels_open of the tile, field
     * bf16 with all 7 bits kept. x: n vectors of cols floats one after another,
     * each as levels_arrange leaves it; 64-byte alignment is fastest. scratch:
     * LWC_SCRATCH_TILE bytes, the caller's. Row r of the call is written as row
     * r of out. Same bits as gemm on the decoded tile. NULL where this ISA has
     * none. LWC_ERR_STREAM as the decoders: then out holds garbage that must
     * not be used.
     */
    enum lwc_error (*gemm_levels)(const struct lwc_levels_view *view, size_t cols, size_t first_row,
                                  size_t rows, const float *x, size_t n, const struct products *out,
                                  uint8_t *scratch);
    /* More vectors than these are faster by gemm from decoded weights. */
    size_t levels_vectors;
    /* cols floats, a multiple of 64, to the order in which gemm_levels of this ISA takes them */
    void (*levels_arrange)(const float *x, size_t cols, float *out);
};

/* Fastest kernels whose ISA is in mask (bits that the CPU has); never NULL. */
const struct kernels *kernels_select(uint32_t mask);

/* All of them, slowest first. */
extern const struct kernels *const kernels_all[];
extern const size_t kernels_count;

/* Can weights of the dtype be multiplied? */
bool kernels_can_multiply(uint32_t dtype);
/* For messages. */
#define KERNELS_DTYPES "BF16, F16, F32, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K can"

/*
 * gemm for every dtype that can be multiplied. Blocks become fp32 a few rows at
 * a time. scratch: kernels_scratch floats, the caller's, not used if they are none.
 */
void kernels_multiply(const struct kernels *kernels, enum lwc_dtype dtype, const void *weights,
                      size_t rows, size_t cols, const struct activations *in,
                      const struct products *out, float *scratch);
size_t kernels_scratch(const struct kernels *kernels, enum lwc_dtype dtype, size_t cols, size_t n);

/* Set the default MXCSR; returns the caller's for kernels_leave. Per thread. */
uint32_t kernels_enter(void);
void kernels_leave(uint32_t mxcsr);

/* One sequence of IEEE operations on every ISA, no libm. */
float kernels_exp(float x);
/* Natural logarithm of x > 0, normal; within 2^-50 of it. */
double kernels_log(double x);
/* e^x; 0 below the range of double, infinity above it. */
double kernels_power(double x);
/* base^(-2 i / dim): how far position 1 turns pair i of a head of dim, for the rotary embedding. */
double kernels_frequency(float base, size_t dim, size_t i);
/* cosine and sine of position * frequency */
void kernels_rotary(uint64_t position, double frequency, float *cosine, float *sine);

#endif
