/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* Groups of LEVELS in registers with AVX-512: what decoder and GEMV share. */
#ifndef LWC_LEVELS_AVX512_H
#define LWC_LEVELS_AVX512_H

#include "levels_pdep.h"

/*
 * The 64 codes of a group to its bf16 values in order: first 32, second 32.
 * Escapes without a branch: a load and an expand.
 */
static inline void levels_values_avx512(const struct lwc_levels_view *view, __m512i codes,
					__m512i table, u32 group, struct levels_position *at,
					__m512i *first, __m512i *second)
{
	const __m512i lower = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
	const __m512i upper = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
	__m512i exponent = _mm512_permutexvar_epi8(codes, table);
	__mmask64 escaped = _mm512_cmpeq_epi8_mask(codes, _mm512_set1_epi8(15));
	__m512i low = _mm512_loadu_si512(view->low + (size_t)group * 64);
	__m512i a, b;

	exponent = _mm512_mask_expand_epi8(exponent, escaped,
					   _mm512_loadu_si512(view->escapes + at->escape));
	at->escape += levels_popcount(escaped);
	a = _mm512_unpacklo_epi8(low, exponent);
	b = _mm512_unpackhi_epi8(low, exponent);
	a = _mm512_shrdi_epi16(a, a, 1);
	b = _mm512_shrdi_epi16(b, b, 1);
	*first = _mm512_permutex2var_epi64(a, lower, b);
	*second = _mm512_permutex2var_epi64(a, upper, b);
}

/* Byte i of each of four planes to the rows of matrix i, the transpose's input. */
static inline __m512i levels_rows_avx512(void)
{
	u8 index[64] __attribute__((aligned(64)));
	u32 i, j;

	for (i = 0; i < 8; i++)
		for (j = 0; j < 8; j++)
			index[8 * i + 7 - j] = (u8)(8 * j + i);
	return _mm512_load_si512(index);
}

/* Four planes of 64 bits to 64 codes; rows: from levels_rows_avx512. */
static inline __m512i levels_codes_avx512(const u64 planes[4], __m512i rows)
{
	const __m512i diagonal = _mm512_set1_epi64((long long)0x8040201008040201ull);
	__m256i four = _mm256_load_si256((const __m256i *)planes);
	__m512i p = _mm512_permutexvar_epi8(rows, _mm512_zextsi256_si512(four));

	return _mm512_gf2p8affine_epi64_epi8(diagonal, p, 0);
}

/* The codes of a group of packed nibbles. */
static inline __m512i levels_nibbles_avx512(const u8 *packed)
{
	const __m256i nibble = _mm256_set1_epi8(15);
	__m256i both = _mm256_loadu_si256((const __m256i *)packed);
	__m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);

	return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_and_si256(both, nibble)), high, 1);
}

/* Exponents by code in the form that levels_values_avx512 looks up. */
static inline __m512i levels_table_avx512(const u8 table[16])
{
	return _mm512_zextsi128_si512(_mm_loadu_si128((const __m128i *)table));
}

#endif
