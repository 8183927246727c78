/* SPDX-License-Identifier: BSD-3-Clause */
/* The vector of lanes.h for AVX-512 F and DQ. */
#ifndef LWC_LANES_AVX512_H
#define LWC_LANES_AVX512_H

#include "lanes_square.h"

typedef __m512 lanes_vector;
#define LANES_WIDTH 16
#define LANES_ROWS 4
#define LANES_PANEL_ROWS 4
#define LANES_PANEL_VECTORS 1
#define LANES_OUTER_BYTES (512u << 10)
#define LANES_OUTER_LEAST 48
#define LANES_MIX_LINES 4
#define LANES_SCORES_VECTORS 2

static inline lanes_vector lanes_zero(void)
{
    return _mm512_setzero_ps();
}
static inline lanes_vector lanes_set(float value)
{
    return _mm512_set1_ps(value);
}
static inline lanes_vector lanes_load(const float *x)
{
    return _mm512_loadu_ps(x);
}
static inline void lanes_store(float *x, lanes_vector value)
{
    _mm512_storeu_ps(x, value);
}
static inline lanes_vector lanes_fma(lanes_vector a, lanes_vector b, lanes_vector c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline lanes_vector lanes_add(lanes_vector a, lanes_vector b)
{
    return _mm512_add_ps(a, b);
}
static inline lanes_vector lanes_load_bf16(const uint8_t *weights)
{
    __m256i half = _mm256_loadu_si256((const __m256i *)weights);

    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}
static inline lanes_vector lanes_load_f16(const uint8_t *weights)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)weights));
}

/* Sum of 16 lanes: + 8, + 4, + 2, + 1. */
static inline __m128 lanes_tree_16(__m512 sums)
{
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(sums), _mm512_extractf32x8_ps(sums, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_add_ss(two, _mm_shuffle_ps(two, two, 1));
}

static inline float lanes_tree(const lanes_vector acc[4])
{
    __m512 sums = _mm512_add_ps(_mm512_add_ps(acc[0], acc[2]), _mm512_add_ps(acc[1], acc[3]));

    return _mm_cvtss_f32(lanes_tree_16(sums));
}

/* The first two steps of lanes_tree. */
static inline lanes_vector lanes_fold(const lanes_vector acc[4])
{
    return _mm512_add_ps(_mm512_add_ps(acc[0], acc[2]), _mm512_add_ps(acc[1], acc[3]));
}

/* a's and b's lanes, + 2 steps of 128 bits; what is left of each lies side by side. */
static inline __m512 lanes_halve(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}
static inline __m512 lanes_quarter(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

/* out[i] = the rest of lanes_tree for the folded lanes of sum i, 16 sums at once. */
static inline void lanes_tree_many(const lanes_vector sums[16], float *out)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512 four[4], two[2];

    for (int i = 0; i < 4; i++)
        four[i] = lanes_quarter(lanes_halve(sums[4 * i], sums[4 * i + 1]),
                                lanes_halve(sums[4 * i + 2], sums[4 * i + 3]));
    for (int i = 0; i < 2; i++)
        two[i] = _mm512_add_ps(_mm512_shuffle_ps(four[2 * i], four[2 * i + 1], 0x44),
                               _mm512_shuffle_ps(four[2 * i], four[2 * i + 1], 0xee));
    four[0] = _mm512_add_ps(_mm512_shuffle_ps(two[0], two[1], 0x88),
                            _mm512_shuffle_ps(two[0], two[1], 0xdd));
    _mm512_storeu_ps(out, _mm512_permutexvar_ps(order, four[0]));
}

/* 16 floats to fp16, NaNs canonical. */
static inline void lanes_store_f16(uint16_t *out, lanes_vector x)
{
    __m512 canonical = _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x,
                                            _mm512_set1_ps(__builtin_nanf("")));

    _mm256_storeu_si256((__m256i *)out,
                        _mm512_cvtps_ph(canonical, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

/* 32 weights: even ones, odd ones. */
static inline void lanes_pair_bf16(const uint8_t *weights, lanes_vector w[2])
{
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000u);
    __m512i both = _mm512_loadu_si512(weights);

    w[0] = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
    w[1] = _mm512_castsi512_ps(_mm512_and_si512(both, upper));
}

/* 32 activations in that order. */
static inline void lanes_pair_activations(const float *x, lanes_vector pair[2])
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    __m512 low = _mm512_loadu_ps(x), high = _mm512_loadu_ps(x + 16);

    pair[0] = _mm512_permutex2var_ps(low, even, high);
    pair[1] = _mm512_permutex2var_ps(low, odd, high);
}

/* lanes_tree where acc[2 * h + p] has lanes 32 * h + p + {0, 2, 4, ...}: + 1 comes between p. */
static inline float lanes_pair_tree(const lanes_vector acc[4])
{
    return _mm_cvtss_f32(_mm_add_ss(lanes_tree_16(_mm512_add_ps(acc[0], acc[2])),
                                    lanes_tree_16(_mm512_add_ps(acc[1], acc[3]))));
}

#endif
