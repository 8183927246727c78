// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* LEVELS with AVX2 and BMI2: 32 weights at a time; codes below 16 for pshufb. */
#define _MM_MALLOC_H_INCLUDED	/* it would pull in stdlib.h */
#include <immintrin.h>
#include "levels_avx2.h"

static inline void emit(const struct lwc_levels_view *view, __m256i codes, __m256i table,
			size_t start, struct levels_position *at, u8 *dst)
{
	__m256i first, second;

	levels_values_avx2(view, codes, table, start, at, &first, &second);
	_mm256_storeu_si256((__m256i *)(dst + 2 * start), first);
	_mm256_storeu_si256((__m256i *)(dst + 2 * start + 32), second);
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
	table = levels_table_avx2(symbols);
	for (base = 0; base < groups; base += n) {
		n = groups - base < LEVELS_BLOCK ? groups - base : LEVELS_BLOCK;
		if (!levels_inside(view, &at))
			return LWC_ERR_STREAM;
		for (i = 0; i < n; i++)
			levels_223_group(view, base + i, &at, planes[i]);
		for (i = 0; i < n; i++)
			for (half = 0; half < 64; half += 32)
				emit(view, levels_codes_avx2(planes[i], half), table,
				     (size_t)(base + i) * 64 + half, &at, dst);
	}
	if (!levels_inside(view, &at))
		return LWC_ERR_STREAM;
	return levels_223_from(view, groups * LWC_GROUP, at, dst);
}

enum lwc_error lwc_levels_4_avx2(const struct lwc_levels_view *view, u8 *dst)
{
	struct levels_position at = { { 0, 0 }, 0 };
	u32 groups = view->weights / LWC_GROUP, group, half;
	__m256i table;

	if (view->weights < LEVELS_BLOCK_MIN)
		return levels_4_from(view, 0, at, dst);
	table = levels_table_avx2(view->symbols);
	for (group = 0; group < groups; group++) {
		if (group % LEVELS_BLOCK == 0 && !levels_inside(view, &at))
			return LWC_ERR_STREAM;
		for (half = 0; half < 64; half += 32)
			emit(view, levels_nibbles_avx2(view->level0 + (size_t)group * 32, half),
			     table, (size_t)group * 64 + half, &at, dst);
	}
	if (!levels_inside(view, &at))
		return LWC_ERR_STREAM;
	return levels_4_from(view, groups * LWC_GROUP, at, dst);
}
