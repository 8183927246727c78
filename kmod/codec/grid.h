/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* GRID: see struct lwc_grid_header. */
#ifndef LWC_GRID_H
#define LWC_GRID_H

#include "levels.h"

/* A GRID input after validation. */
struct grid_view {
	const u8 *scales;
	u32 scales_len;
	const u8 *positions;	/* of exceptions */
	const u8 *values;
	const u8 *inner;
	size_t inner_len;
	u32 count;		/* elements */
	u32 group;
	u32 groups;
	u32 exceptions;
	u32 element;
	u32 parameters;		/* of all groups: scales, and offsets if affine */
	u8 field;
	bool affine;
};

enum lwc_error grid_open(struct grid_view *view, const u8 *src, size_t src_len, size_t dst_len);

/* Are the parameters such as the format allows? scales: view->parameters of them. */
enum lwc_error grid_check_scales(const struct grid_view *view, const u32 *scales);

/* dst: the integers in its last view->count bytes; they become the elements. */
enum lwc_error grid_multiply(const struct grid_view *view, const u32 *scales, u8 *dst);

#endif
