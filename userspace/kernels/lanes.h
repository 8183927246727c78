/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All kernels of one ISA, over its lanes_vector. A file of an ISA includes its
 * lanes_ISA.h, then this one, which defines static functions, and makes its
 * table of them. Loops over elements are plain C: the compiler vectorises them
 * without changing an operation.
 */
#ifndef LWC_LANES_H
#define LWC_LANES_H

#include "blocks.h"
#include "exp.h"
#include "kernels.h"

#define LANES 64
#define LANES_VECTORS (LANES / LANES_WIDTH)
/* Vectors of activations that share one conversion of the weights, in registers. */
#define LANES_BLOCK 4
/*
 * One vector is multiplied with LANES_ROWS rows at once: a core that reads a
 * single row has too few cache lines under way to use the bandwidth of the
 * memory. The rows are `part` rows apart, at most this many.
 */
#define LANES_PART 64
/* Bytes that the weights are fetched ahead of their use: into the L2 cache, into the L1 cache. */
#define LANES_AHEAD_L2 8192
#define LANES_AHEAD_L1 1024
/* The compiler keeps arrays in registers only if it unrolls all loops over them early. */
#define LANES_FOR(i, count) _Pragma("GCC unroll 8") for (size_t i = 0; i < (count); i++)

static inline float lanes_canonical(float value)
{
    return value == value ? value : __builtin_nanf("");
}

static inline __attribute__((always_inline)) lanes_vector
lanes_weights(enum lwc_dtype dtype, const uint8_t *weights, size_t element)
{
    if (dtype == LWC_DTYPE_BF16)
        return lanes_load_bf16(weights + 2 * element);
    if (dtype == LWC_DTYPE_F16)
        return lanes_load_f16(weights + 2 * element);
    return lanes_load((const float *)(const void *)(weights + 4 * element));
}

/* The last count < 64 weights as fp32. */
static inline __attribute__((always_inline)) void
lanes_tail(enum lwc_dtype dtype, const uint8_t *weights, size_t count, float tail[LANES])
{
    uint32_t element = dtype == LWC_DTYPE_F32 ? 4 : 2;
    uint8_t padded[LANES * 4] = {0};

    memcpy(padded, weights, count * element);
    for (size_t v = 0; v < LANES_VECTORS; v++)
        lanes_store(tail + v * LANES_WIDTH, lanes_weights(dtype, padded, v * LANES_WIDTH));
}

/* acc[v] = fma(w, x, acc[v]) for the count lanes that have an element. */
static inline void lanes_finish(lanes_vector acc[LANES_VECTORS], const float *w, const float *x,
                                size_t count)
{
    float lanes[LANES_WIDTH];
    size_t v;

    for (v = 0; (v + 1) * LANES_WIDTH <= count; v++)
        acc[v] =
            lanes_fma(lanes_load(w + v * LANES_WIDTH), lanes_load(x + v * LANES_WIDTH), acc[v]);
    if (v * LANES_WIDTH == count)
        return;
    lanes_store(lanes, acc[v]);
    for (size_t i = v * LANES_WIDTH; i < count; i++)
        lanes[i - v * LANES_WIDTH] = __builtin_fmaf(w[i], x[i], lanes[i - v * LANES_WIDTH]);
    acc[v] = lanes_load(lanes);
}

/* Weights of 2 * LANES_WIDTH lanes, and the same lanes of the activations; bf16: even and odd. */
static inline __attribute__((always_inline)) void
lanes_pair(enum lwc_dtype dtype, const uint8_t *weights, size_t element, lanes_vector w[2])
{
    if (dtype == LWC_DTYPE_BF16) {
        lanes_pair_bf16(weights + 2 * element, w);
        return;
    }
    w[0] = lanes_weights(dtype, weights, element);
    w[1] = lanes_weights(dtype, weights, element + LANES_WIDTH);
}

static inline __attribute__((always_inline)) void
lanes_activations(enum lwc_dtype dtype, const float *x, lanes_vector pair[2])
{
    if (dtype == LWC_DTYPE_BF16) {
        lanes_pair_activations(x, pair);
        return;
    }
    pair[0] = lanes_load(x);
    pair[1] = lanes_load(x + LANES_WIDTH);
}

/* Ahead of the cache lines that begin in bytes [first, first + size) of a row's lanes. */
static inline __attribute__((always_inline)) void lanes_prefetch(const uint8_t *lanes, size_t first,
                                                                 size_t size)
{
    for (size_t line = (first + 63) & ~(size_t)63; line < first + size; line += 64) {
        __builtin_prefetch(lanes + LANES_AHEAD_L2 + line, 0, 2);
        __builtin_prefetch(lanes + LANES_AHEAD_L1 + line);
    }
}

/* LANES_ROWS rows that are `apart` bytes from each other times one vector. Row i to y[i * y_apart].
 */
static inline __attribute__((always_inline)) void
lanes_streams(enum lwc_dtype dtype, const uint8_t *weights, size_t apart, size_t cols,
              const float *x, float *y, size_t y_apart)
{
    lanes_vector acc[LANES_ROWS][LANES_VECTORS];
    size_t element = dtype == LWC_DTYPE_F32 ? 4 : 2;

    for (size_t i = 0; i < LANES_ROWS; i++)
        for (size_t v = 0; v < LANES_VECTORS; v++)
            acc[i][v] = lanes_zero();
    for (size_t c = 0; c < cols; c += LANES) {
        /* one load instruction a row: the CPU's prefetchers learn strides by instruction */
#pragma GCC unroll 1
        for (size_t v = 0; v < LANES_VECTORS; v += 2) {
            lanes_vector pair[2];

            lanes_activations(dtype, x + c + v * LANES_WIDTH, pair);
            for (size_t i = 0; i < LANES_ROWS; i++) {
                const uint8_t *row = weights + i * apart;
                lanes_vector w[2];

                lanes_prefetch(row + element * c, v * LANES_WIDTH * element,
                               2 * LANES_WIDTH * element);
                lanes_pair(dtype, row, c + v * LANES_WIDTH, w);
                /* loads in the order of the fetches: sorted by the compiler, a sixth slower */
                __asm__ volatile("" ::: "memory");
                acc[i][v] = lanes_fma(w[0], pair[0], acc[i][v]);
                acc[i][v + 1] = lanes_fma(w[1], pair[1], acc[i][v + 1]);
            }
        }
    }
    for (size_t i = 0; i < LANES_ROWS; i++)
        y[i * y_apart] =
            lanes_canonical(dtype == LWC_DTYPE_BF16 ? lanes_pair_tree(acc[i]) : lanes_tree(acc[i]));
}

/* One row times BLOCK vectors. */
static inline __attribute__((always_inline)) void lanes_row(enum lwc_dtype dtype,
                                                            const uint8_t *weights, size_t cols,
                                                            const float *x, size_t x_stride,
                                                            float *y, size_t y_stride, size_t block)
{
    lanes_vector acc[LANES_BLOCK][LANES_VECTORS];
    size_t whole = cols - cols % LANES, element = dtype == LWC_DTYPE_F32 ? 4 : 2;
    float tail[LANES];

    for (size_t t = 0; t < block; t++)
        for (size_t v = 0; v < LANES_VECTORS; v++)
            acc[t][v] = lanes_zero();
    for (size_t c = 0; c < whole; c += LANES) {
        for (size_t v = 0; v < LANES_VECTORS; v++) {
            lanes_vector w = lanes_weights(dtype, weights, c + v * LANES_WIDTH);

            for (size_t t = 0; t < block; t++)
                acc[t][v] =
                    lanes_fma(w, lanes_load(x + t * x_stride + c + v * LANES_WIDTH), acc[t][v]);
        }
    }
    if (cols > whole)
        lanes_tail(dtype, weights + element * whole, cols - whole, tail);
    for (size_t t = 0; t < block; t++) {
        if (cols > whole)
            lanes_finish(acc[t], tail, x + t * x_stride + whole, cols - whole);
        y[t * y_stride] = lanes_canonical(lanes_tree(acc[t]));
    }
}

/* All rows times one vector. */
static inline __attribute__((always_inline)) void lanes_vector_rows(enum lwc_dtype dtype,
                                                                    const uint8_t *weights,
                                                                    size_t rows, size_t cols,
                                                                    const float *x, float *y)
{
    size_t row_bytes = cols * (dtype == LWC_DTYPE_F32 ? 4 : 2);
    size_t r = 0;

    if (cols % LANES == 0)
        for (size_t part; (part = (rows - r) / LANES_ROWS); r += LANES_ROWS * part) {
            part = part < LANES_PART ? part : LANES_PART;
            for (size_t i = 0; i < part; i++)
                lanes_streams(dtype, weights + (r + i) * row_bytes, part * row_bytes, cols, x,
                              y + r + i, part);
        }
    for (; r < rows; r++)
        lanes_row(dtype, weights + r * row_bytes, cols, x, 0, y + r, 0, 1);
}

#include "lanes_outer.h"
#include "lanes_panel.h"

static inline __attribute__((always_inline)) void
lanes_rows(enum lwc_dtype dtype, const uint8_t *weights, size_t rows, size_t cols,
           const struct activations *in, const struct products *out, float *scratch)
{
    if (in->packed && in->n > 1) {
        size_t outer = outer_count(in->n);

        if (outer)
            lanes_outer(dtype, weights, rows, cols, in, out, scratch);
        if (outer < in->n)
            lanes_panels(dtype, weights, rows, cols, in, outer, in->packed + outer * cols, out);
        return;
    }
    for (size_t t = 0; t < in->n; t++)
        lanes_vector_rows(dtype, weights, rows, cols, in->x + t * in->x_stride,
                          out->y + t * out->y_stride);
}

static void gemm(enum lwc_dtype dtype, const void *weights, size_t rows, size_t cols,
                 const struct activations *in, const struct products *out, float *scratch)
{
    if (dtype == LWC_DTYPE_BF16)
        lanes_rows(LWC_DTYPE_BF16, weights, rows, cols, in, out, scratch);
    else if (dtype == LWC_DTYPE_F16)
        lanes_rows(LWC_DTYPE_F16, weights, rows, cols, in, out, scratch);
    else
        lanes_rows(LWC_DTYPE_F32, weights, rows, cols, in, out, scratch);
}

static void pack(const struct activations *in, size_t cols, float *out)
{
    size_t outer = outer_count(in->n);

    outer_pack(in, cols, out);
    panel_pack(in, outer, cols, out + outer * cols);
}

static size_t gemm_scratch(size_t cols, size_t n)
{
    return outer_count(n) ? outer_scratch(cols) : 0;
}

static void convert(enum lwc_dtype dtype, const void *weights, size_t count, float *out)
{
    const uint8_t *at = weights;
    uint32_t element = dtype == LWC_DTYPE_F32 ? 4 : 2;
    size_t whole = count - count % LANES_WIDTH;
    float tail[LANES];

    if (dtype == LWC_DTYPE_F32) {
        memcpy(out, weights, 4 * count);
        return;
    }
    if (blocks_known(dtype)) {
        blocks_convert(dtype, weights, count, out);
        return;
    }
    for (size_t i = 0; i < whole; i += LANES_WIDTH)
        lanes_store(out + i, lanes_weights(dtype, at, i));
    if (count > whole) {
        lanes_tail(dtype, at + whole * element, count - whole, tail);
        memcpy(out + whole, tail, 4 * (count - whole));
    }
}

static float dot(const float *x, const float *y, size_t count)
{
    float sum;

    lanes_row(LWC_DTYPE_F32, (const uint8_t *)x, count, y, 0, &sum, 0, 1);
    return sum;
}

static void axpy(float a, const float *x, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = lanes_canonical(__builtin_fmaf(a, x[i], out[i]));
}

static void rmsnorm(const float *x, const float *weight, size_t count, float epsilon, float *out)
{
    float mean = dot(x, x, count) / (float)count + epsilon;
    float scale = 1.0f / __builtin_sqrtf(mean);

    for (size_t i = 0; i < count; i++)
        out[i] = lanes_canonical(weight[i] * (x[i] * scale));
}

/* Sum in lanes and tree. */
static float sum_lanes(const float *x, size_t count)
{
    lanes_vector acc[LANES_VECTORS];
    size_t whole = count - count % LANES;
    float ones[LANES];

    for (size_t v = 0; v < LANES_VECTORS; v++)
        acc[v] = lanes_zero();
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t v = 0; v < LANES_VECTORS; v++)
            acc[v] = lanes_add(acc[v], lanes_load(x + i + v * LANES_WIDTH));
    for (size_t i = 0; i < LANES; i++)
        ones[i] = 1.0f;
    lanes_finish(acc, ones, x + whole, count - whole);
    return lanes_tree(acc);
}

#include "lanes_attention.h"
#include "lanes_scores.h"

static void silu_multiply(float *gate, const float *up, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float g = gate[i];

        gate[i] = lanes_canonical(g / (1.0f + exp_fixed(-g)) * up[i]);
    }
}

static void add(float *x, const float *y, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = lanes_canonical(x[i] + y[i]);
}

static void rotate_half(float *head, const float *cosines, const float *sines, size_t dim)
{
    size_t half = dim / 2;

    for (size_t i = 0; i < half; i++) {
        float a = head[i], b = head[i + half];

        head[i] = lanes_canonical(a * cosines[i] - b * sines[i]);
        head[i + half] = lanes_canonical(b * cosines[i] + a * sines[i]);
    }
}

#define LANES_TABLE                                                                                \
    .gemm = gemm, .gemm_scratch = gemm_scratch, .pack = pack, .convert = convert, .dot = dot,      \
    .axpy = axpy, .rmsnorm = rmsnorm, .softmax = softmax, .scores = scores,                        \
    .scores_many = scores_many, .scores_scratch = scores_scratch, .mix = mix, .to_f16 = to_f16,    \
    .silu_multiply = silu_multiply, .add = add, .rotate_half = rotate_half

#endif
