// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* GRID in plain C. */
#include "grid_number.h"

/* Groups in which the products of all integers are looked up. */
#define LARGE_GROUP	512
/* Else those of integers that are used, out of -16 .. 15: all that four bits and a sign give. */
#define SMALL_TABLE	32

bool grid_steps_allowed(u8 through, struct lwc_grid_parameters parameters)
{
	struct lwc_field_layout field = grid_layout(through);
	u32 second = parameters.second, exponent = second >> 23;

	/* 1 .. 255 without a fraction */
	if (second && (exponent < 127 || exponent > 134 || second << (exponent - 127 + 9)))
		return false;
	return grid_rounded(grid_times(parameters.scale, 255), field) != grid_infinity_of(field);
}

u32 lwc_grid_element(const struct lwc_grid_arithmetic *arithmetic,
		     struct lwc_grid_parameters parameters, u8 integer)
{
	return grid_element(arithmetic, parameters, integer);
}

static __always_inline void large_products(const struct lwc_grid_arithmetic *arithmetic,
					   struct lwc_grid_parameters parameters,
					   const u8 *integers, u32 count, u8 *dst)
{
	u32 element = grid_layout(arithmetic->field).element, sign = element * 8 - 1, of[128], i;

	for (i = 0; i < 128; i++)
		of[i] = grid_element(arithmetic, parameters, (u8)i);
	for (i = 0; i < count; i++) {
		u32 negative = integers[i] >> 7;

		/* without a branch: signs cannot be predicted */
		grid_put(dst + (size_t)i * element, element,
			 of[((integers[i] ^ (0u - negative)) + negative) & 0x7f] ^ negative << sign);
	}
}

static __always_inline void run(const struct lwc_grid_arithmetic *arithmetic,
				struct lwc_grid_parameters parameters, const u8 *integers, u32 count,
				u8 *dst)
{
	u32 element = grid_layout(arithmetic->field).element, of[SMALL_TABLE], known = 0, i;

	if (arithmetic->kind == LWC_GRID_PRODUCT && count >= LARGE_GROUP) {
		large_products(arithmetic, parameters, integers, count, dst);
		return;
	}
	for (i = 0; i < count; i++) {
		u32 at = integers[i] % SMALL_TABLE;
		bool small = (u8)(integers[i] + SMALL_TABLE / 2) < SMALL_TABLE;
		u32 value;

		if (small && known >> at & 1) {
			value = of[at];
		} else {
			value = grid_element(arithmetic, parameters, integers[i]);
			if (small) {
				of[at] = value;
				known |= 1u << at;
			}
		}
		grid_put(dst + (size_t)i * element, element, value);
	}
}

void grid_scalar(const struct lwc_grid_arithmetic *arithmetic,
		 struct lwc_grid_parameters parameters, const u8 *integers, u32 count, u8 *dst)
{
	grid_by_arithmetic(run, arithmetic, parameters, integers, count, dst);
}
