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
	return token < LWC_DELTA_DIRECT ? token : (2 + token % 2) << delta_token_low(token);
}

/* Of a byte up to DELTA_FREQUENCY_LAST, which is LWC_DELTA_TOTAL. */
#define DELTA_FREQUENCY_LAST	80

static inline u32 delta_frequency(u32 byte)
{
	return byte < 8 ? byte : (8 + byte % 8) << (byte / 8 - 1);
}

static inline u32 delta_shift(u32 shift, u32 pivot, u32 symbol, u32 bits)
{
	shift += pivot > symbol ? pivot - symbol : 0;
	return shift < bits - 5 ? shift : bits - 5;
}

/* Elements of so many bits as integers in the order of their values, and back. */
static __always_inline u32 delta_ordered(u32 value, u32 bits, bool is_float)
{
	u32 sign = 1u << (bits - 1);

	if (!is_float)
		return value;
	return value & sign ? ~value : value ^ sign;
}

static __always_inline u32 delta_unordered(u32 value, u32 bits, bool is_float)
{
	u32 sign = 1u << (bits - 1);

	if (!is_float)
		return value;
	return value & sign ? value ^ sign : ~value;
}

/* DELTA by the base's tile (NULL: there is none). scratch: LWC_SCRATCH_TILE bytes. */
enum lwc_error lwc_delta_decode(u8 field, const u8 *src, size_t src_len, const u8 *base, u8 *dst,
				size_t dst_len, u8 *scratch);

#endif
