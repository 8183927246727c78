/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* DELTA: see struct lwc_delta_header. What decoder and encoder share. */
#ifndef LWC_DELTA_H
#define LWC_DELTA_H

#include "codec.h"

/* A token: the least u >> shift that it stands for, and how many bits are below. */
static inline u32 delta_token_low(u32 token)
{
	return token < LWC_DELTA_DIRECT ? 0 : (token - LWC_DELTA_DIRECT) / 2 + 3;
}

static inline u32 delta_token_least(u32 token)
{
	u64 half = 2 + (token - LWC_DELTA_DIRECT) % 2;

	return token < LWC_DELTA_DIRECT ? token : (u32)((half << delta_token_low(token)) - 1);
}

/* Code j of a class, from 1 on, is for the token and for delta_twins - 1 before it. */
#define DELTA_CODES		(LWC_DELTA_TOKENS - 1 - LWC_DELTA_DIRECT / 2)

static inline u32 delta_code_token(u32 j)
{
	return j <= LWC_DELTA_DIRECT / 2 ? 2 * j : j + LWC_DELTA_DIRECT / 2;
}

static inline u32 delta_twins(u32 j)
{
	return j <= LWC_DELTA_DIRECT / 2 ? 2 : 1;
}

static inline u32 delta_frequency(u32 code)
{
	return (code * code + 1) / 2;
}

/* Nibbles of codes: those below the last are differences to the code before. */
#define DELTA_NIBBLE_SAME	12
#define DELTA_NIBBLE_CODE	15
#define DELTA_CODE_BEFORE	14

static inline u32 delta_shift(u32 shift, u32 pivot, u32 symbol, u32 bits)
{
	shift += pivot > symbol ? pivot - symbol : 0;
	return shift < bits - 6 ? shift : bits - 6;
}

/*
 * Elements of so many bits as integers in the order of their values, and back.
 * Signs are what no CPU can foretell: no branch on them.
 */
static __always_inline u32 delta_ordered(u32 value, u32 bits, bool is_float)
{
	u32 sign = 1u << (bits - 1), negative = value >> (bits - 1);

	return is_float ? value ^ (sign | ((0u - negative) & (sign - 1))) : value;
}

static __always_inline u32 delta_unordered(u32 value, u32 bits, bool is_float)
{
	u32 sign = 1u << (bits - 1), positive = value >> (bits - 1);

	return is_float ? value ^ (sign | ((positive - 1) & (sign - 1))) : value;
}

struct delta_streams;

/* count elements of the field by those of base; rare: most tokens are 0. */
enum lwc_error lwc_delta_scalar(const struct delta_streams *streams, u8 field, bool rare,
				const u8 *base, u32 count, u8 *dst);
enum lwc_error lwc_delta_bmi2(const struct delta_streams *streams, u8 field, bool rare,
			      const u8 *base, u32 count, u8 *dst);
enum lwc_error lwc_delta_avx512(const struct delta_streams *streams, u8 field, bool rare,
				const u8 *base, u32 count, u8 *dst);

/* DELTA by the base's tile (NULL: there is none). scratch: LWC_SCRATCH_TILE bytes. */
enum lwc_error lwc_delta_decode(const struct lwc_impl *impl, u8 field, const u8 *src,
				size_t src_len, const u8 *base, u8 *dst, size_t dst_len,
				u8 *scratch);

#endif
