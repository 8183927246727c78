/* SPDX-License-Identifier: BSD-3-Clause */
/* The vector of lanes.h for AVX2, FMA and F16C. */
#ifndef LWC_LANES_AVX2_H
#define LWC_LANES_AVX2_H

#include "lanes_square.h"

typedef __m256 lanes_vector;
#define LANES_WIDTH 8
#define LANES_ROWS 4
#define LANES_PANEL_ROWS 1
#define LANES_PANEL_VECTORS 2
#define LANES_OUTER_BYTES (256u << 10)
#define LANES_OUTER_LEAST 16
#define LANES_MIX_LINES 2
#define LANES_SCORES_VECTORS 1

static inline lanes_vector lanes_zero(void)
{
    return _mm256_setzero_ps();
}
static inline lanes_vector lanes_set(float value)
{
    return _mm256_set1_ps(value);
}
static inline lanes_vector lanes_load(const float *x)
{
    return _mm256_loadu_ps(x);
}
static inline void lanes_store(float *x, lanes_vector value)
{
    _mm256_storeu_ps(x, value);
}
static inline lanes_vector lanes_fma(lanes_vector a, lanes_vector b, lanes_vector c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline lanes_vector lanes_add(lanes_vector a, lanes_vector b)
{
    return _mm256_add_ps(a, b);
}
static inline lanes_vector lanes_load_bf16(const uint8_t *weights)
{
    return square_load_bf16(weights);
}
static inline lanes_vector lanes_load_f16(const uint8_t *weights)
{
    return square_load_f16(weights);
}

/* Sum of eight lanes: + 4, + 2, + 1. */
static inline __m128 lanes_tree_8(__m256 sums)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_add_ss(two, _mm_shuffle_ps(two, two, 1));
}

static inline float lanes_tree(const lanes_vector acc[8])
{
    __m256 a = _mm256_add_ps(acc[0], acc[4]), b = _mm256_add_ps(acc[1], acc[5]);
    __m256 c = _mm256_add_ps(acc[2], acc[6]), d = _mm256_add_ps(acc[3], acc[7]);

    return _mm_cvtss_f32(lanes_tree_8(_mm256_add_ps(_mm256_add_ps(a, c), _mm256_add_ps(b, d))));
}

/* The first three steps of lanes_tree. */
static inline lanes_vector lanes_fold(const lanes_vector acc[8])
{
    __m256 a = _mm256_add_ps(acc[0], acc[4]), b = _mm256_add_ps(acc[1], acc[5]);
    __m256 c = _mm256_add_ps(acc[2], acc[6]), d = _mm256_add_ps(acc[3], acc[7]);

    return _mm256_add_ps(_mm256_add_ps(a, c), _mm256_add_ps(b, d));
}

/* out[i] = the rest of lanes_tree for the folded lanes of sum i, eight sums at once. */
static inline void lanes_tree_many(const lanes_vector sums[8], float *out)
{
    __m256 four[4], two[2];

    for (int i = 0; i < 4; i++)
        four[i] = _mm256_add_ps(_mm256_permute2f128_ps(sums[2 * i], sums[2 * i + 1], 0x20),
                                _mm256_permute2f128_ps(sums[2 * i], sums[2 * i + 1], 0x31));
    for (int i = 0; i < 2; i++)
        two[i] = _mm256_add_ps(_mm256_shuffle_ps(four[2 * i], four[2 * i + 1], 0x44),
                               _mm256_shuffle_ps(four[2 * i], four[2 * i + 1], 0xee));
    four[0] = _mm256_add_ps(_mm256_shuffle_ps(two[0], two[1], 0x88),
                            _mm256_shuffle_ps(two[0], two[1], 0xdd));
    _mm256_storeu_ps(out,
                     _mm256_permutevar8x32_ps(four[0], _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
}

/* Eight floats to fp16, NaNs canonical. */
static inline void lanes_store_f16(uint16_t *out, lanes_vector x)
{
    __m256 canonical =
        _mm256_blendv_ps(x, _mm256_set1_ps(__builtin_nanf("")), _mm256_cmp_ps(x, x, _CMP_UNORD_Q));

    _mm_storeu_si128((__m128i *)out,
                     _mm256_cvtps_ph(canonical, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

/* 16 weights: even ones, odd ones. */
static inline void lanes_pair_bf16(const uint8_t *weights, lanes_vector w[2])
{
    __m256i both = _mm256_loadu_si256((const __m256i *)weights);

    w[0] = _mm256_castsi256_ps(_mm256_slli_epi32(both, 16));
    w[1] = _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32((int)0xffff0000u)));
}

/* 16 activations in that order. */
static inline void lanes_pair_activations(const float *x, lanes_vector pair[2])
{
    __m256 low = _mm256_loadu2_m128(x + 8, x), high = _mm256_loadu2_m128(x + 12, x + 4);

    pair[0] = _mm256_shuffle_ps(low, high, 0x88);
    pair[1] = _mm256_shuffle_ps(low, high, 0xdd);
}

/* lanes_tree where acc[2 * h + p] has lanes 16 * h + p + {0, 2, 4, ...}: + 1 comes between p. */
static inline float lanes_pair_tree(const lanes_vector acc[8])
{
    __m256 sums[2];

    for (int p = 0; p < 2; p++)
        sums[p] =
            _mm256_add_ps(_mm256_add_ps(acc[p], acc[4 + p]), _mm256_add_ps(acc[2 + p], acc[6 + p]));
    return _mm_cvtss_f32(_mm_add_ss(lanes_tree_8(sums[0]), lanes_tree_8(sums[1])));
}

#endif
