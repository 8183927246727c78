/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* What the LEVELS decoders of all ISAs share. */
#ifndef LWC_LEVELS_H
#define LWC_LEVELS_H

#include "codec.h"

/*
 * Positions are checked once a block. Inside one, a decoder may run past the
 * end of a stream by 64 bits a group, and past the escapes by 64 bytes a group
 * and one load; the low bytes come last and are longer than that, so that it
 * still reads inside the input. Smaller tiles take the scalar path.
 */
#define LEVELS_BLOCK		16
#define LEVELS_BLOCK_MIN	2048

/* Decode weights first.. one by one, from the given stream positions on. */
struct levels_position {
	u64 bit[2];
	u64 escape;
};

enum lwc_error levels_4_from(const struct lwc_levels_view *view, u32 first,
			     struct levels_position at, u8 *dst);
enum lwc_error levels_223_from(const struct lwc_levels_view *view, u32 first,
			       struct levels_position at, u8 *dst);
void lwc_planes_scalar(const u8 *src, u8 *dst, size_t count, u32 element);

enum lwc_error lwc_levels_4_bmi2(const struct lwc_levels_view *view, u8 *dst);
enum lwc_error lwc_levels_223_bmi2(const struct lwc_levels_view *view, u8 *dst);
enum lwc_error lwc_levels_4_avx2(const struct lwc_levels_view *view, u8 *dst);
enum lwc_error lwc_levels_223_avx2(const struct lwc_levels_view *view, u8 *dst);
enum lwc_error lwc_levels_4_avx512(const struct lwc_levels_view *view, u8 *dst);
enum lwc_error lwc_levels_223_avx512(const struct lwc_levels_view *view, u8 *dst);

static inline bool levels_inside(const struct lwc_levels_view *view,
				 const struct levels_position *at)
{
	return at->bit[0] <= view->bits[0] && at->bit[1] <= view->bits[1] &&
	       at->escape <= view->escape_count;
}

/* The exponent joins its low byte: undo the rotation. */
static inline u16 levels_join(u8 exponent, u8 low)
{
	u16 rotated = (u16)(exponent << 8 | low);

	return (u16)(rotated >> 1 | rotated << 15);
}

#endif
