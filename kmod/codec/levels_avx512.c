// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* LEVELS with AVX-512 VBMI2 and GFNI: 64 weights at a time. */
#define _MM_MALLOC_H_INCLUDED	/* it would pull in stdlib.h */
#include <immintrin.h>
#include "levels_pdep.h"

/* 64 codes to 64 bf16 values. Escapes without a branch: a load and an expand. */
static inline void emit(const struct lwc_levels_view *view, __m512i codes, __m512i table,
			u32 group, struct levels_position *at, u8 *dst)
{
	const __m512i first = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
	const __m512i second = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
	__m512i exponent = _mm512_permutexvar_epi8(codes, table);
	__mmask64 escaped = _mm512_cmpeq_epi8_mask(codes, _mm512_set1_epi8(15));
	__m512i low = _mm512_loadu_si512(view->low + (size_t)group * 64);
	__m512i a, b;
	u8 *out = dst + (size_t)group * 128;

	exponent = _mm512_mask_expand_epi8(exponent, escaped,
					   _mm512_loadu_si512(view->escapes + at->escape));
	at->escape += levels_popcount(escaped);
	a = _mm512_unpacklo_epi8(low, exponent);
	b = _mm512_unpackhi_epi8(low, exponent);
	a = _mm512_shrdi_epi16(a, a, 1);
	b = _mm512_shrdi_epi16(b, b, 1);
	_mm512_storeu_si512(out, _mm512_permutex2var_epi64(a, first, b));
	_mm512_storeu_si512(out + 64, _mm512_permutex2var_epi64(a, second, b));
}

/* Byte i of each of four planes to the rows of matrix i, the transpose's input. */
static inline __m512i plane_rows(void)
{
	u8 index[64] __attribute__((aligned(64)));
	u32 i, j;

	for (i = 0; i < 8; i++)
		for (j = 0; j < 8; j++)
			index[8 * i + 7 - j] = (u8)(8 * j + i);
	return _mm512_load_si512(index);
}

enum lwc_error lwc_levels_223_avx512(const struct lwc_levels_view *view, u8 *dst)
{
	struct levels_position at = { { 0, 0 }, 0 };
	u64 planes[LEVELS_BLOCK][4] __attribute__((aligned(64)));
	u32 groups = view->weights / LWC_GROUP, base, n, i;
	const __m512i diagonal = _mm512_set1_epi64((long long)0x8040201008040201ull);
	u8 symbols[16];
	__m512i rows, table;

	if (view->weights < LEVELS_BLOCK_MIN)
		return levels_223_from(view, 0, at, dst);
	levels_223_table(view->symbols, symbols);
	table = _mm512_zextsi128_si512(_mm_loadu_si128((const __m128i *)symbols));
	rows = plane_rows();
	for (base = 0; base < groups; base += n) {
		n = groups - base < LEVELS_BLOCK ? groups - base : LEVELS_BLOCK;
		if (!levels_inside(view, &at))
			return LWC_ERR_STREAM;
		for (i = 0; i < n; i++)
			levels_223_group(view, base + i, &at, planes[i]);
		for (i = 0; i < n; i++) {
			__m256i four = _mm256_load_si256((const __m256i *)planes[i]);
			__m512i p = _mm512_permutexvar_epi8(rows, _mm512_zextsi256_si512(four));

			emit(view, _mm512_gf2p8affine_epi64_epi8(diagonal, p, 0), table,
			     base + i, &at, dst);
		}
	}
	if (!levels_inside(view, &at))
		return LWC_ERR_STREAM;
	return levels_223_from(view, groups * LWC_GROUP, at, dst);
}

enum lwc_error lwc_levels_4_avx512(const struct lwc_levels_view *view, u8 *dst)
{
	struct levels_position at = { { 0, 0 }, 0 };
	u32 groups = view->weights / LWC_GROUP, group;
	const __m256i nibble = _mm256_set1_epi8(15);
	__m512i table;

	if (view->weights < LEVELS_BLOCK_MIN)
		return levels_4_from(view, 0, at, dst);
	table = _mm512_zextsi128_si512(_mm_loadu_si128((const __m128i *)view->symbols));
	for (group = 0; group < groups; group++) {
		__m256i packed = _mm256_loadu_si256((const __m256i *)(view->level0 +
								      (size_t)group * 32));
		__m256i high = _mm256_and_si256(_mm256_srli_epi16(packed, 4), nibble);

		if (group % LEVELS_BLOCK == 0 && !levels_inside(view, &at))
			return LWC_ERR_STREAM;
		packed = _mm256_and_si256(packed, nibble);
		emit(view, _mm512_inserti64x4(_mm512_castsi256_si512(packed), high, 1), table,
		     group, &at, dst);
	}
	if (!levels_inside(view, &at))
		return LWC_ERR_STREAM;
	return levels_4_from(view, groups * LWC_GROUP, at, dst);
}
