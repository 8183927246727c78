/* SPDX-License-Identifier: BSD-3-Clause */
/* The vector of lanes.h for a CPU without SIMD: one float. */
#ifndef LWC_LANES_SCALAR_H
#define LWC_LANES_SCALAR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef float lanes_vector;
#define LANES_WIDTH 1
#define LANES_ROWS 2
#define LANES_PANEL_ROWS 1
#define LANES_PANEL_VECTORS 1
#define LANES_OUTER_BYTES (256u << 10)
#define LANES_OUTER_LEAST SIZE_MAX
#define LANES_MIX_LINES 1
#define LANES_SCORES_VECTORS 1

static inline lanes_vector lanes_zero(void)
{
    return 0.0f;
}
static inline lanes_vector lanes_set(float value)
{
    return value;
}
static inline lanes_vector lanes_load(const float *x)
{
    return *x;
}
static inline void lanes_store(float *x, lanes_vector value)
{
    *x = value;
}
static inline lanes_vector lanes_fma(lanes_vector a, lanes_vector b, lanes_vector c)
{
    return fmaf(a, b, c);
}
static inline lanes_vector lanes_add(lanes_vector a, lanes_vector b)
{
    return a + b;
}

static inline float lanes_from_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}
static inline lanes_vector lanes_load_bf16(const uint8_t *weights)
{
    uint16_t bits;

    memcpy(&bits, weights, sizeof(bits));
    return lanes_from_bits((uint32_t)bits << 16);
}
/* Exact, subnormals included; a signaling NaN becomes quiet, as vcvtph2ps does it. */
static inline lanes_vector lanes_load_f16(const uint8_t *weights)
{
    uint32_t sign, exponent, mantissa;
    uint16_t bits;

    memcpy(&bits, weights, sizeof(bits));
    sign = (uint32_t)(bits & 0x8000) << 16;
    exponent = bits >> 10 & 31;
    mantissa = bits & 0x3ff;
    if (exponent == 31)
        return lanes_from_bits(sign | 0x7f800000u | mantissa << 13 | (mantissa ? 0x400000u : 0));
    if (exponent)
        return lanes_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    return (sign ? -0x1p-24f : 0x1p-24f) * (float)mantissa;
}

static inline float lanes_tree(const lanes_vector acc[64])
{
    float sums[32];

    for (int i = 0; i < 32; i++)
        sums[i] = acc[i] + acc[i + 32];
    for (int half = 16; half; half /= 2)
        for (int i = 0; i < half; i++)
            sums[i] += sums[i + half];
    return sums[0];
}

static inline lanes_vector lanes_fold(const lanes_vector acc[64])
{
    return lanes_tree(acc);
}
static inline void lanes_tree_many(const lanes_vector sums[1], float *out)
{
    out[0] = sums[0];
}

/* To the nearest fp16, of two equally near the even one; NaNs canonical. */
static inline void lanes_store_f16(uint16_t *out, lanes_vector x)
{
    uint32_t bits, sign, magnitude, dropped;

    memcpy(&bits, &x, sizeof(bits));
    sign = bits >> 16 & 0x8000;
    magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) {
        *out = 0x7e00;
    } else if (magnitude >= 0x477ff000) { /* 65520: rounds to infinity */
        *out = (uint16_t)(sign | 0x7c00);
    } else if (magnitude >= 0x38800000) { /* 2^-14: normal */
        magnitude += 0xfff + (magnitude >> 13 & 1);
        *out = (uint16_t)(sign | (magnitude - 0x38000000) >> 13);
    } else if (magnitude < 0x33000000) { /* below half of 2^-24 */
        *out = (uint16_t)sign;
    } else {
        dropped = 126 - (magnitude >> 23);
        magnitude = (magnitude & 0x7fffff) | 0x800000;
        magnitude += (1u << (dropped - 1)) - 1 + (magnitude >> dropped & 1);
        *out = (uint16_t)(sign | magnitude >> dropped);
    }
}

/* With one lane in a vector, even and odd elements are in order. */
static inline void lanes_pair_bf16(const uint8_t *weights, lanes_vector w[2])
{
    w[0] = lanes_load_bf16(weights);
    w[1] = lanes_load_bf16(weights + 2);
}
static inline void lanes_pair_activations(const float *x, lanes_vector pair[2])
{
    pair[0] = x[0];
    pair[1] = x[1];
}
static inline float lanes_pair_tree(const lanes_vector acc[64])
{
    return lanes_tree(acc);
}

/* The square of lanes_square.h: one element. */
typedef float square_row;
#define SQUARE 1

static inline square_row square_zero(void)
{
    return 0.0f;
}
static inline square_row square_load(const float *x)
{
    return *x;
}
static inline square_row square_load_bf16(const uint8_t *weights)
{
    return lanes_load_bf16(weights);
}
static inline square_row square_load_f16(const uint8_t *weights)
{
    return lanes_load_f16(weights);
}
static inline void square_store(float *x, square_row row)
{
    *x = row;
}
static inline void square_transpose(square_row rows[SQUARE])
{
    (void)rows;
}

#endif
