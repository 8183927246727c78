// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* LEVELS with AVX-512 VBMI2 and GFNI: 64 weights at a time. */
#define _MM_MALLOC_H_INCLUDED	/* it would pull in stdlib.h */
#include <immintrin.h>
#include "levels_avx512.h"

static inline void emit(const struct lwc_levels_view *view, __m512i codes, __m512i table,
			u32 group, struct levels_position *at, u8 *dst)
{
	u8 *out = dst + (size_t)group * 128;
	__m512i first, second;

	levels_values_avx512(view, codes, table, group, at, &first, &second);
	_mm512_storeu_si512(out, first);
	_mm512_storeu_si512(out + 64, second);
}

enum lwc_error lwc_levels_223_avx512(const struct lwc_levels_view *view, u8 *dst)
{
	struct levels_position at = { { 0, 0 }, 0 };
	u64 planes[LEVELS_BLOCK][4] __attribute__((aligned(64)));
	u32 groups = view->weights / LWC_GROUP, base, n, i;
	u8 symbols[16];
	__m512i rows, table;

	if (view->weights < LEVELS_BLOCK_MIN)
		return levels_223_from(view, 0, at, dst);
	levels_223_table(view->symbols, symbols);
	table = levels_table_avx512(symbols);
	rows = levels_rows_avx512();
	for (base = 0; base < groups; base += n) {
		n = groups - base < LEVELS_BLOCK ? groups - base : LEVELS_BLOCK;
		if (!levels_inside(view, &at))
			return LWC_ERR_STREAM;
		for (i = 0; i < n; i++)
			levels_223_group(view, base + i, &at, planes[i]);
		for (i = 0; i < n; i++)
			emit(view, levels_codes_avx512(planes[i], rows), table, base + i, &at, dst);
	}
	if (!levels_inside(view, &at))
		return LWC_ERR_STREAM;
	return levels_223_from(view, groups * LWC_GROUP, at, dst);
}

enum lwc_error lwc_levels_4_avx512(const struct lwc_levels_view *view, u8 *dst)
{
	struct levels_position at = { { 0, 0 }, 0 };
	u32 groups = view->weights / LWC_GROUP, group;
	__m512i table;

	if (view->weights < LEVELS_BLOCK_MIN)
		return levels_4_from(view, 0, at, dst);
	table = levels_table_avx512(view->symbols);
	for (group = 0; group < groups; group++) {
		if (group % LEVELS_BLOCK == 0 && !levels_inside(view, &at))
			return LWC_ERR_STREAM;
		emit(view, levels_nibbles_avx512(view->level0 + (size_t)group * 32), table,
		     group, &at, dst);
	}
	if (!levels_inside(view, &at))
		return LWC_ERR_STREAM;
	return levels_4_from(view, groups * LWC_GROUP, at, dst);
}
