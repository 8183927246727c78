/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Symbols and the rest to elements, in plain C: each ISA compiles it with its
 * own instructions. What occurs often has constant widths.
 */
#ifndef LWC_LEVELS_JOIN_H
#define LWC_LEVELS_JOIN_H

#include "levels.h"

/*
 * A symbol that is rotated (levels_turned) and the byte plane become the two
 * upper bytes of a bf16 or f32 by an exchange of their top bits.
 */
static __always_inline u32 levels_upper(u32 turned, u32 rest)
{
	u32 exchange = (turned ^ rest) & 0x80;

	return (turned ^ exchange) << 8 | (rest ^ exchange);
}

static __always_inline void levels_join_turned_16(const u8 *symbols, const u8 *rest, u32 count, u8 *dst)
{
	u32 i;

	for (i = 0; i < count; i++) {
		u16 v = (u16)levels_upper(symbols[i], rest[i]);

		memcpy(dst + 2 * (size_t)i, &v, sizeof(v));
	}
}

static __always_inline void levels_join_turned_32(const u8 *symbols, const struct levels_parts *parts,
					 bool lower, u32 count, u8 *dst)
{
	const u8 *rest = parts->part[0], *middle = parts->part[1], *last = parts->part[2];
	u32 i;

	for (i = 0; i < count; i++) {
		u32 v = levels_upper(symbols[i], rest[i]) << 16;

		if (lower)
			v |= (u32)middle[i] << 8 | last[i];
		memcpy(dst + 4 * (size_t)i, &v, sizeof(v));
	}
}

/* parts of 8 bits each but the last one, of last bits; then the field's own geometry */
static __always_inline u32 levels_element(u32 symbol, const struct levels_parts *parts, u32 count, u32 last,
				 u32 i, u32 kept, u32 mantissa, u32 sign)
{
	u32 rest = 0, part;

	for (part = 0; part < count; part++)
		rest = rest << (part + 1 < count ? 8 : last) | parts->part[part][i];
	return (rest >> kept) << sign | symbol << mantissa |
	       (rest & ((1u << kept) - 1)) << (mantissa - kept);
}

static __always_inline void levels_join_16(const u8 *symbols, const struct levels_parts *parts, u32 parts_n,
				  u32 last, u32 count, u32 kept, u32 mantissa, u8 *dst)
{
	u32 i;

	for (i = 0; i < count; i++) {
		u16 v = (u16)levels_element(symbols[i], parts, parts_n, last, i, kept, mantissa, 15);

		memcpy(dst + 2 * (size_t)i, &v, sizeof(v));
	}
}

static __always_inline void levels_join_32(const u8 *symbols, const struct levels_parts *parts, u32 parts_n,
				  u32 last, u32 count, u32 kept, u8 *dst)
{
	u32 i;

	for (i = 0; i < count; i++) {
		u32 v = levels_element(symbols[i], parts, parts_n, last, i, kept, 23, 31);

		memcpy(dst + 4 * (size_t)i, &v, sizeof(v));
	}
}

static __always_inline void levels_join_8(const u8 *symbols, const struct levels_parts *parts, u32 count,
				 u32 kept, u32 mantissa, u8 *dst)
{
	u32 i;

	for (i = 0; i < count; i++)
		dst[i] = (u8)levels_element(symbols[i], parts, 1, kept + 1, i, kept, mantissa, 7);
}

/* Eight at a time: a symbol has no bits that its shift could bring into its neighbour. */
static __always_inline void levels_join_i8(const u8 *symbols, const u8 *rest, u32 count, u32 kept,
					   u8 *dst)
{
	u32 i;

	for (i = 0; i + 8 <= count; i += 8) {
		u64 v = lwc_le64(symbols + i) << kept | lwc_le64(rest + i);

		memcpy(dst + i, &v, sizeof(v));
	}
	for (; i < count; i++)
		dst[i] = (u8)(symbols[i] << kept | rest[i]);
}

static __always_inline void levels_join_nibbles(const u8 *symbols, u32 count, u8 *dst)
{
	u32 i;

	for (i = 0; i < count / 2; i++)
		dst[i] = (u8)(symbols[2 * i] | symbols[2 * i + 1] << 4);
}

static __always_inline void levels_join(u8 field, const u8 *symbols, const struct levels_parts *parts,
			       u32 count, u8 *dst)
{
	u32 kept = parts->kept, n = parts->count, last = n ? parts->bits[n - 1] : 0;

	switch (field) {
	case LWC_FIELD_NIBBLE:
		levels_join_nibbles(symbols, count, dst);
		break;
	case LWC_FIELD_BF16:
		if (levels_turned(field, kept))
			levels_join_turned_16(symbols, parts->part[0], count, dst);
		else
			levels_join_16(symbols, parts, n, last, count, kept, 7, dst);
		break;
	case LWC_FIELD_F16:
		if (kept == 10)
			levels_join_16(symbols, parts, 2, 3, count, 10, 10, dst);
		else
			levels_join_16(symbols, parts, n, last, count, kept, 10, dst);
		break;
	case LWC_FIELD_F32:
		if (kept == 23)
			levels_join_turned_32(symbols, parts, true, count, dst);
		else if (kept == 7)
			levels_join_turned_32(symbols, parts, false, count, dst);
		else if (kept == 10)
			levels_join_32(symbols, parts, 2, 3, count, 10, dst);
		else
			levels_join_32(symbols, parts, n, last, count, kept, dst);
		break;
	case LWC_FIELD_I8:
		if (kept)
			levels_join_i8(symbols, parts->part[0], count, kept, dst);
		else
			memcpy(dst, symbols, count);
		break;
	default:
		levels_join_8(symbols, parts, count, kept, lwc_field_layouts[field].mantissa, dst);
	}
}

#endif
