/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* SPLIT: see struct lwc_split_header. */
#ifndef LWC_SPLIT_H
#define LWC_SPLIT_H

#include "levels.h"

/*
 * The symbols of LEVELS are decoded to the first half of the scratch, behind
 * what lwc_levels_decode needs of it once only level 0 is left.
 */
#define SPLIT_BUFFER	(2 * (LEVELS_BLOCK + LEVELS_PAD))

struct split_member {
	const u8 *stored;
	u32 stored_len;
	u32 bytes;		/* of a block */
	u8 codec;
	u8 structure;
	u8 field;
};

/* A SPLIT input after validation; the members' own streams are not checked yet. */
struct split_view {
	struct split_member members[LWC_SPLIT_MEMBERS];
	u32 count;
	u32 block;		/* bytes */
	u32 blocks;
};

enum lwc_error split_open(struct split_view *view, const u8 *src, size_t src_len, size_t dst_len);

/* src: bytes for each of so many blocks, which are stride bytes apart in dst. */
void split_scatter(const u8 *src, u32 bytes, u32 blocks, u8 *dst, u32 stride);

#endif
