/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * LEVELS, as uapi/lwcmem_format.h describes it. A tile is decoded from its
 * last level to its first: the escapes are the symbols of the weights that the
 * last level passes on; with its own codes that gives the symbols of those
 * that the level before passed on, and so on. Each step is the same operation,
 * and only level 0 has a code for each weight.
 */
#ifndef LWC_LEVELS_H
#define LWC_LEVELS_H

#include "codec.h"

/* Weights that are decoded while they are in L1. */
#define LEVELS_BLOCK		2048

/* Implementations store whole groups of symbols and load one beyond the last. */
#define LEVELS_PAD		128
#define LEVELS_BUFFER		(LWC_SCRATCH_LEVELS / 2)

/* The rest of a weight in parts, from the top: byte planes and one stream, unpacked. */
struct levels_parts {
	u32 count;
	u32 kept;
	u8 bits[4];
	const u8 *part[4];
};

u32 levels_level_scalar(const u8 *codes, u32 width, const u8 *symbols, u32 count, const u8 *next,
			u8 *out);
u32 levels_level_bmi2(const u8 *codes, u32 width, const u8 *symbols, u32 count, const u8 *next,
		      u8 *out);
u32 levels_level_avx2(const u8 *codes, u32 width, const u8 *symbols, u32 count, const u8 *next,
		      u8 *out);
u32 levels_level_avx512(const u8 *codes, u32 width, const u8 *symbols, u32 count, const u8 *next,
			u8 *out);

/* Are the bits behind the last of count codes zero? */
bool levels_tail_clear(const u8 *stream, u32 count, u32 width);

/* count codes to bytes: whole groups are written, eight bytes before codes are read. */
void levels_unpack(const struct lwc_impl *impl, const u8 *codes, u32 width, u32 count, u8 *out);

void levels_unpack_scalar(const u8 *codes, u32 width, u32 count, u8 *out);
void levels_unpack_bmi2(const u8 *codes, u32 width, u32 count, u8 *out);
void levels_unpack_avx512(const u8 *codes, u32 width, u32 count, u8 *out);

void levels_join_scalar(u8 field, const u8 *symbols, const struct levels_parts *parts, u32 count,
			u8 *dst);
void levels_join_bmi2(u8 field, const u8 *symbols, const struct levels_parts *parts, u32 count,
		      u8 *dst);
void levels_join_avx2(u8 field, const u8 *symbols, const struct levels_parts *parts, u32 count,
		      u8 *dst);
void levels_join_avx512(u8 field, const u8 *symbols, const struct levels_parts *parts, u32 count,
			u8 *dst);

void lwc_planes_scalar(const u8 *src, u8 *dst, size_t count, u32 element);

/*
 * Where the rest's first byte plane ends with the mantissa's upper seven bits,
 * decoding goes on with symbols rotated right by one bit: then they have to
 * exchange only one bit with that byte.
 */
static inline bool levels_turned(u8 field, u32 kept)
{
	return (field == LWC_FIELD_BF16 && kept == 7) ||
	       (field == LWC_FIELD_F32 && (kept == 7 || kept == 23));
}

static inline u8 levels_turn(u8 symbol)
{
	return (u8)(symbol >> 1 | symbol << 7);
}

/* Bytes [first, end), which nobody need be allowed to read, to the L2 cache. */
static inline void levels_fetch(const u8 *first, const u8 *end)
{
	for (; first < end; first += 64)
		__builtin_prefetch(first, 0, 2);
}

/* One level: see struct lwc_impl. */
typedef u32 levels_function(const u8 *codes, u32 width, const u8 *symbols, u32 count,
			    const u8 *next, u8 *out);

/* A function that is inlined for each width, so that the width is constant in it. */
static __always_inline u32 levels_by_width(levels_function *level, const u8 *codes, u32 width,
					   const u8 *symbols, u32 count, const u8 *next, u8 *out)
{
	switch (width) {
	case 1:
		return level(codes, 1, symbols, count, next, out);
	case 2:
		return level(codes, 2, symbols, count, next, out);
	case 3:
		return level(codes, 3, symbols, count, next, out);
	default:
		return level(codes, 4, symbols, count, next, out);
	}
}

/* The 64-bit word of a group that holds codes 8 * i .. 8 * i + 7, shifted down to them. */
static inline u64 levels_eight(const u8 *codes, u32 width, u32 i)
{
	u32 at = width * i, last = width * 8 - 8;

	return at <= last ? lwc_le64(codes + at) : lwc_le64(codes + last) >> (8 * (at - last));
}

#endif
