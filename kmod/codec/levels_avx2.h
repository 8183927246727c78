/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* Half groups of LEVELS in registers with AVX2: what decoder and GEMV share. */
#ifndef LWC_LEVELS_AVX2_H
#define LWC_LEVELS_AVX2_H

#include "levels_pdep.h"

/* The 32 codes of the weights from number start on to their bf16 values in order: 16 and 16. */
static inline void levels_values_avx2(const struct lwc_levels_view *view, __m256i codes,
				      __m256i table, size_t start, struct levels_position *at,
				      __m256i *first, __m256i *second)
{
	__m256i exponent = _mm256_shuffle_epi8(table, codes);
	u32 escaped = (u32)_mm256_movemask_epi8(_mm256_cmpeq_epi8(codes, _mm256_set1_epi8(15)));
	__m256i low = _mm256_loadu_si256((const __m256i *)(view->low + start));
	__m256i a, b;

	if (__builtin_expect(escaped != 0, 0)) {
		u8 bytes[32] __attribute__((aligned(32)));

		_mm256_store_si256((__m256i *)bytes, exponent);
		for (; escaped; escaped &= escaped - 1)
			bytes[__builtin_ctz(escaped)] = view->escapes[at->escape++];
		exponent = _mm256_load_si256((const __m256i *)bytes);
	}
	a = _mm256_unpacklo_epi8(low, exponent);
	b = _mm256_unpackhi_epi8(low, exponent);
	a = _mm256_or_si256(_mm256_srli_epi16(a, 1), _mm256_slli_epi16(a, 15));
	b = _mm256_or_si256(_mm256_srli_epi16(b, 1), _mm256_slli_epi16(b, 15));
	*first = _mm256_permute2x128_si256(a, b, 0x20);
	*second = _mm256_permute2x128_si256(a, b, 0x31);
}

/* Bit i of the 32 to value in byte i. */
static inline __m256i levels_spread_avx2(u32 bits, char value)
{
	const __m256i byte_of = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
						 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
	const __m256i bit_of = _mm256_set1_epi64x((long long)0x8040201008040201ull);
	__m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), byte_of);

	v = _mm256_cmpeq_epi8(_mm256_and_si256(v, bit_of), bit_of);
	return _mm256_and_si256(v, _mm256_set1_epi8(value));
}

/* Half a group's codes from its four planes; half: 0 or 32. */
static inline __m256i levels_codes_avx2(const u64 planes[4], u32 half)
{
	__m256i c = _mm256_or_si256(levels_spread_avx2((u32)(planes[0] >> half), 1),
				    levels_spread_avx2((u32)(planes[1] >> half), 2));

	c = _mm256_or_si256(c, levels_spread_avx2((u32)(planes[2] >> half), 4));
	return _mm256_or_si256(c, levels_spread_avx2((u32)(planes[3] >> half), 8));
}

/* The codes of half a group of packed nibbles; half: 0 or 32. */
static inline __m256i levels_nibbles_avx2(const u8 *packed, u32 half)
{
	__m256i both = _mm256_loadu_si256((const __m256i *)packed);

	return _mm256_and_si256(half ? _mm256_srli_epi16(both, 4) : both, _mm256_set1_epi8(15));
}

/* Exponents by code in the form that levels_values_avx2 looks up. */
static inline __m256i levels_table_avx2(const u8 table[16])
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
}

#endif
