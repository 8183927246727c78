/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Squares of eight by eight floats for AVX2 and AVX-512, transposed. Twice as
 * wide ones are no faster: they take more shuffles an element.
 */
#ifndef LWC_LANES_SQUARE_H
#define LWC_LANES_SQUARE_H

#include <immintrin.h>
#include <stdint.h>

typedef __m256 square_row;
#define SQUARE 8

static inline square_row square_zero(void)
{
    return _mm256_setzero_ps();
}
static inline square_row square_load(const float *x)
{
    return _mm256_loadu_ps(x);
}
static inline square_row square_load_bf16(const uint8_t *weights)
{
    __m128i half = _mm_loadu_si128((const __m128i *)weights);

    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}
static inline square_row square_load_f16(const uint8_t *weights)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)weights));
}
static inline void square_store(float *x, square_row row)
{
    _mm256_storeu_ps(x, row);
}

/* rows[i] gets element i of all. */
static inline __attribute__((always_inline)) void square_transpose(square_row rows[SQUARE])
{
    __m256 pairs[8], fours[8];

    _Pragma("GCC unroll 8") for (int i = 0; i < 4; i++)
    {
        pairs[2 * i] = _mm256_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
    }
    _Pragma("GCC unroll 8") for (int i = 0; i < 4; i++)
    {
        int low = i / 2 * 4 + i % 2;

        fours[2 * i] = _mm256_shuffle_ps(pairs[low], pairs[low + 2], 0x44);
        fours[2 * i + 1] = _mm256_shuffle_ps(pairs[low], pairs[low + 2], 0xee);
    }
    _Pragma("GCC unroll 8") for (int i = 0; i < 4; i++)
    {
        rows[i] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
        rows[i + 4] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
    }
}

#endif
