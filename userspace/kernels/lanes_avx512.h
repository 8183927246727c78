/* SPDX-License-Identifier: BSD-3-Clause */
/* The vector of lanes.h for AVX-512 F and DQ. */
#ifndef LWC_LANES_AVX512_H
#define LWC_LANES_AVX512_H

#include <immintrin.h>
#include <stdint.h>

typedef __m512 lanes_vector;
#define LANES_WIDTH 16

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

static inline float lanes_tree(const lanes_vector acc[4])
{
    __m512 all = _mm512_add_ps(_mm512_add_ps(acc[0], acc[2]), _mm512_add_ps(acc[1], acc[3]));
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

#endif
