// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* LEVELS with AVX2 and BMI2: 32 weights at a time; codes below 16 for pshufb. */
#define _MM_MALLOC_H_INCLUDED	/* it would pull in stdlib.h */
#include <immintrin.h>
#include "levels_pdep.h"

/* 32 codes to 32 bf16 values; half: which half of the group. */
static inline void emit(const struct lwc_levels_view *view, __m256i codes, __m256i table,
			size_t first, struct levels_position *at, u8 *dst)
{
	__m256i exponent = _mm256_shuffle_epi8(table, codes);
	u32 escaped = (u32)_mm256_movemask_epi8(_mm256_cmpeq_epi8(codes, _mm256_set1_epi8(15)));
	__m256i low = _mm256_loadu_si256((const __m256i *)(view->low + first));
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
	_mm256_storeu_si256((__m256i *)(dst + 2 * first), _mm256_permute2x128_si256(a, b, 0x20));
	_mm256_storeu_si256((__m256i *)(dst + 2 * first + 32),
			    _mm256_permute2x128_si256(a, b, 0x31));
}

/* Bit i of the 32 to value in byte i. */
static inline __m256i spread(u32 bits, char value)
{
	const __m256i byte_of = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
						 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
	const __m256i bit_of = _mm256_set1_epi64x((long long)0x8040201008040201ull);
	__m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), byte_of);

	v = _mm256_cmpeq_epi8(_mm256_and_si256(v, bit_of), bit_of);
	return _mm256_and_si256(v, _mm256_set1_epi8(value));
}

enum lwc_error lwc_levels_223_avx2(const struct lwc_levels_view *view, u8 *dst)
{
	struct levels_position at = { { 0, 0 }, 0 };
	u64 planes[LEVELS_BLOCK][4];
	u32 groups = view->weights / LWC_GROUP, base, n, i, half;
	u8 symbols[16];
	__m256i table;

	if (view->weights < LEVELS_BLOCK_MIN)
		return levels_223_from(view, 0, at, dst);
	levels_223_table(view->symbols, symbols);
	table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)symbols));
	for (base = 0; base < groups; base += n) {
		n = groups - base < LEVELS_BLOCK ? groups - base : LEVELS_BLOCK;
		if (!levels_inside(view, &at))
			return LWC_ERR_STREAM;
		for (i = 0; i < n; i++)
			levels_223_group(view, base + i, &at, planes[i]);
		for (i = 0; i < n; i++)
			for (half = 0; half < 64; half += 32) {
				const u64 *p = planes[i];
				__m256i c = _mm256_or_si256(spread((u32)(p[0] >> half), 1),
							    spread((u32)(p[1] >> half), 2));

				c = _mm256_or_si256(c, spread((u32)(p[2] >> half), 4));
				c = _mm256_or_si256(c, spread((u32)(p[3] >> half), 8));
				emit(view, c, table, (size_t)(base + i) * 64 + half, &at, dst);
			}
	}
	if (!levels_inside(view, &at))
		return LWC_ERR_STREAM;
	return levels_223_from(view, groups * LWC_GROUP, at, dst);
}

enum lwc_error lwc_levels_4_avx2(const struct lwc_levels_view *view, u8 *dst)
{
	struct levels_position at = { { 0, 0 }, 0 };
	u32 groups = view->weights / LWC_GROUP, group;
	const __m256i nibble = _mm256_set1_epi8(15);
	__m256i table;

	if (view->weights < LEVELS_BLOCK_MIN)
		return levels_4_from(view, 0, at, dst);
	table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)view->symbols));
	for (group = 0; group < groups; group++) {
		__m256i packed = _mm256_loadu_si256((const __m256i *)(view->level0 +
								      (size_t)group * 32));

		if (group % LEVELS_BLOCK == 0 && !levels_inside(view, &at))
			return LWC_ERR_STREAM;
		emit(view, _mm256_and_si256(packed, nibble), table, (size_t)group * 64, &at, dst);
		packed = _mm256_and_si256(_mm256_srli_epi16(packed, 4), nibble);
		emit(view, packed, table, (size_t)group * 64 + 32, &at, dst);
	}
	if (!levels_inside(view, &at))
		return LWC_ERR_STREAM;
	return levels_4_from(view, groups * LWC_GROUP, at, dst);
}
