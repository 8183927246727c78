/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* GRID: see struct lwc_grid_header, and grid in struct lwc_impl. */
#ifndef LWC_GRID_H
#define LWC_GRID_H

#include "levels.h"

/* A GRID input after validation. */
struct grid_view {
	const u8 *stored[2];	/* scales; offsets or zero points */
	u32 stored_len[2];
	const u8 *positions;	/* of exceptions */
	const u8 *values;
	const u8 *inner;
	size_t inner_len;
	u32 count;		/* elements */
	u32 group;
	u32 groups;
	u32 exceptions;
	u32 element;
	u32 kinds;		/* of parameters, 1 or 2 */
	struct lwc_grid_arithmetic arithmetic;
};

enum lwc_error grid_open(struct grid_view *view, const u8 *src, size_t src_len, size_t dst_len);

/* parameters: of each kind view->groups; scratch: as for lwc_levels_decode. */
enum lwc_error grid_parameters(const struct lwc_impl *impl, const struct grid_view *view,
			       u32 *parameters, u8 *scratch);

/* dst: the integers in its last view->count bytes; they become the elements. */
enum lwc_error grid_elements(const struct lwc_impl *impl, const struct grid_view *view,
			     const u32 *parameters, u8 *dst);

/* Are scale and zero point such as LWC_GRID_STEPS allows? */
bool grid_steps_allowed(u8 through, struct lwc_grid_parameters parameters);

void grid_scalar(const struct lwc_grid_arithmetic *arithmetic,
		 struct lwc_grid_parameters parameters, const u8 *integers, u32 count, u8 *dst);
void grid_avx2(const struct lwc_grid_arithmetic *arithmetic,
	       struct lwc_grid_parameters parameters, const u8 *integers, u32 count, u8 *dst);
void grid_avx512(const struct lwc_grid_arithmetic *arithmetic,
		 struct lwc_grid_parameters parameters, const u8 *integers, u32 count, u8 *dst);

/* The elements of 0 .. 15 less the zero point (modulo 256), which LWC_GRID_AFFINE has not. */
void grid_pairs_bmi2(const struct lwc_grid_arithmetic *arithmetic,
		     struct lwc_grid_parameters parameters, u32 zero, u32 of[16]);

static __always_inline void grid_put(u8 *dst, u32 element, u32 value)
{
	if (element == 2) {
		u16 v = (u16)value;

		memcpy(dst, &v, sizeof(v));
	} else {
		memcpy(dst, &value, sizeof(value));
	}
}

#endif
