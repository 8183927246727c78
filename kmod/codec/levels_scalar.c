// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* LEVELS for any CPU. */
#include "levels_join.h"

u32 levels_level_scalar(const u8 *codes, u32 width, const u8 *symbols, u32 count, const u8 *next,
			u8 *out)
{
	u32 ones = (1u << width) - 1, passed = 0, base, i, j;

	for (base = 0; base < count; base += LWC_GROUP) {
		const u8 *group = codes + (size_t)base / 8 * width;

		for (i = 0; i < 8; i++) {
			u64 eight = levels_eight(group, width, i);

			for (j = 0; j < 8; j++, eight >>= width) {
				u32 code = (u32)eight & ones, on = code == ones;
				u8 symbol = symbols[code];

				/* without a branch: it could not be predicted */
				*out++ = symbol ^ ((symbol ^ next[passed]) & (0u - on));
				passed += on;
			}
		}
	}
	return passed;
}

void levels_unpack_scalar(const u8 *codes, u32 width, u32 count, u8 *out)
{
	u32 ones = (1u << width) - 1, base, i, j;

	for (base = 0; base < count; base += LWC_GROUP) {
		const u8 *group = codes + (size_t)base / 8 * width;

		for (i = 0; i < 8; i++) {
			u64 eight = levels_eight(group, width, i);

			for (j = 0; j < 8; j++, eight >>= width)
				*out++ = (u8)(eight & ones);
		}
	}
}

void levels_join_scalar(u8 field, const u8 *symbols, const struct levels_parts *parts, u32 count,
			u8 *dst)
{
	levels_join(field, symbols, parts, count, dst);
}
