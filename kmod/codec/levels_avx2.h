/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* LEVELS in registers with AVX2: what decoder and GEMV share. */
#ifndef LWC_LEVELS_AVX2_H
#define LWC_LEVELS_AVX2_H

#include "levels_pdep.h"

/*
 * 32 symbols (levels_turned) and rest bytes of bf16 to values: in each 128-bit
 * lane i, first has the weights 16 * i .. 16 * i + 7 and second the next eight.
 */
static __always_inline void levels_bf16_avx2(__m256i symbols, __m256i rest, __m256i *first, __m256i *second)
{
	__m256i exchange = _mm256_and_si256(_mm256_xor_si256(symbols, rest),
					    _mm256_set1_epi8((char)0x80));
	__m256i high = _mm256_xor_si256(symbols, exchange), low = _mm256_xor_si256(rest, exchange);

	*first = _mm256_unpacklo_epi8(low, high);
	*second = _mm256_unpackhi_epi8(low, high);
}

#endif
