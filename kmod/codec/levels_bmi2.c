// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* LEVELS with BMI2 in general registers: no vector state, so no FPU section. */
#include "levels_pdep.h"

#define BYTES_LOW_BIT	0x0101010101010101ull

/* Codes of eight weights, one a byte, to eight values. */
static inline void eight(const struct lwc_levels_view *view, const u8 *table, u64 codes,
			 u32 first, struct levels_position *at, u8 *dst)
{
	u32 i;

	for (i = 0; i < 8; i++, codes >>= 8) {
		u32 code = codes & 15;
		u8 exponent = code == 15 ? view->escapes[at->escape] : table[code];
		u16 v = levels_join(exponent, view->low[first + i]);

		at->escape += code == 15;
		memcpy(dst + 2 * (size_t)(first + i), &v, 2);
	}
}

enum lwc_error lwc_levels_223_bmi2(const struct lwc_levels_view *view, u8 *dst)
{
	struct levels_position at = { { 0, 0 }, 0 };
	u32 groups = view->weights / LWC_GROUP, group, i;
	u64 planes[4];
	u8 table[16];

	if (view->weights < LEVELS_BLOCK_MIN)
		return levels_223_from(view, 0, at, dst);
	levels_223_table(view->symbols, table);
	for (group = 0; group < groups; group++) {
		if (group % LEVELS_BLOCK == 0 && !levels_inside(view, &at))
			return LWC_ERR_STREAM;
		levels_223_group(view, group, &at, planes);
		for (i = 0; i < 64; i += 8)
			eight(view, table,
			      levels_pdep(planes[0] >> i, BYTES_LOW_BIT) |
			      levels_pdep(planes[1] >> i, BYTES_LOW_BIT << 1) |
			      levels_pdep(planes[2] >> i, BYTES_LOW_BIT << 2) |
			      levels_pdep(planes[3] >> i, BYTES_LOW_BIT << 3),
			      group * LWC_GROUP + i, &at, dst);
	}
	if (!levels_inside(view, &at))
		return LWC_ERR_STREAM;
	return levels_223_from(view, groups * LWC_GROUP, at, dst);
}

enum lwc_error lwc_levels_4_bmi2(const struct lwc_levels_view *view, u8 *dst)
{
	struct levels_position at = { { 0, 0 }, 0 };
	u32 groups = view->weights / LWC_GROUP, group, i;

	if (view->weights < LEVELS_BLOCK_MIN)
		return levels_4_from(view, 0, at, dst);
	for (group = 0; group < groups; group++) {
		const u8 *level0 = view->level0 + (size_t)group * 32;

		if (group % LEVELS_BLOCK == 0 && !levels_inside(view, &at))
			return LWC_ERR_STREAM;
		for (i = 0; i < 64; i += 8)
			eight(view, view->symbols,
			      lwc_le64(level0 + i % 32) >> (i / 32 * 4) & 0x0f0f0f0f0f0f0f0full,
			      group * LWC_GROUP + i, &at, dst);
	}
	if (!levels_inside(view, &at))
		return LWC_ERR_STREAM;
	return levels_4_from(view, groups * LWC_GROUP, at, dst);
}
