// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* LEVELS: checking the stored bytes, and the decoder for any CPU. */
#include "levels.h"

static bool tail_clear(const u8 *stream, u32 bits)
{
	return !(bits & 7) || !(stream[bits >> 3] >> (bits & 7));
}

static bool ragged_clear(const struct lwc_levels_view *view, u8 structure)
{
	u32 used = view->weights % LWC_GROUP, i;
	size_t group = view->weights / LWC_GROUP;
	u64 beyond;

	if (!used)
		return true;
	if (structure == LWC_STRUCTURE_223) {
		beyond = ~0ull << used;
		return !((lwc_le64(view->level0 + group * 16) |
			  lwc_le64(view->level0 + group * 16 + 8)) & beyond);
	}
	for (i = used; i < LWC_GROUP; i++)
		if (view->level0[group * 32 + i % 32] >> (i / 32 * 4) & 15)
			return false;
	return true;
}

enum lwc_error lwc_levels_open(struct lwc_levels_view *view, u8 structure,
			       const u8 *src, size_t src_len, u32 weights)
{
	size_t group_bytes = structure == LWC_STRUCTURE_4 ? 32 : 16;
	size_t groups = ((size_t)weights + LWC_GROUP - 1) / LWC_GROUP;
	size_t need;
	u32 i;

	if (structure != LWC_STRUCTURE_4 && structure != LWC_STRUCTURE_223)
		return LWC_ERR_CHAIN;
	if (src_len < sizeof(struct lwc_levels_header) + LWC_LEVELS_SYMBOLS)
		return LWC_ERR_TRUNCATED;
	view->weights = weights;
	view->escape_count = lwc_le32(src + 4);
	view->bits[0] = lwc_le32(src + 8);
	view->bits[1] = lwc_le32(src + 12);
	if (lwc_le32(src) != weights || weights > LWC_TILE_MAX / 2 ||
	    view->escape_count > weights || view->bits[0] > weights ||
	    view->bits[1] > view->bits[0])
		return LWC_ERR_GEOMETRY;
	if (structure == LWC_STRUCTURE_4 && view->bits[0])
		return LWC_ERR_GEOMETRY;

	view->symbols = src + sizeof(struct lwc_levels_header);
	view->level0 = view->symbols + LWC_LEVELS_SYMBOLS;
	need = sizeof(struct lwc_levels_header) + LWC_LEVELS_SYMBOLS + groups * group_bytes;
	for (i = 0; i < 5; i++) {
		view->stream[i] = src + need;
		need += ((size_t)view->bits[i > 1] + 7) / 8;
	}
	view->escapes = src + need;
	need += view->escape_count;
	view->low = src + need;
	need += weights;
	if (src_len != need)
		return src_len < need ? LWC_ERR_TRUNCATED : LWC_ERR_TRAILING;

	for (i = 0; i < 5; i++)
		if (!tail_clear(view->stream[i], view->bits[i > 1]))
			return LWC_ERR_PADDING;
	return ragged_clear(view, structure) ? LWC_OK : LWC_ERR_PADDING;
}

static void put(u8 *dst, u32 i, u8 exponent, u8 low)
{
	u16 v = levels_join(exponent, low);

	dst[2 * (size_t)i] = (u8)v;
	dst[2 * (size_t)i + 1] = (u8)(v >> 8);
}

static enum lwc_error at_end(const struct lwc_levels_view *view,
			     const struct levels_position *at)
{
	return at->bit[0] == view->bits[0] && at->bit[1] == view->bits[1] &&
	       at->escape == view->escape_count ? LWC_OK : LWC_ERR_STREAM;
}

enum lwc_error levels_4_from(const struct lwc_levels_view *view, u32 first,
			     struct levels_position at, u8 *dst)
{
	u32 i;

	for (i = first; i < view->weights; i++) {
		u32 in = i % LWC_GROUP;
		u8 byte = view->level0[(size_t)(i / LWC_GROUP) * 32 + in % 32];
		u8 code = byte >> (in / 32 * 4) & 15, exponent;

		if (code < 15) {
			exponent = view->symbols[code];
		} else {
			if (at.escape >= view->escape_count)
				return LWC_ERR_STREAM;
			exponent = view->escapes[at.escape++];
		}
		put(dst, i, exponent, view->low[i]);
	}
	return at_end(view, &at);
}

static u32 bit_at(const u8 *stream, u64 position)
{
	return stream[position >> 3] >> (position & 7) & 1;
}

enum lwc_error levels_223_from(const struct lwc_levels_view *view, u32 first,
			       struct levels_position at, u8 *dst)
{
	u32 i;

	for (i = first; i < view->weights; i++) {
		const u8 *level0 = view->level0 + (size_t)(i / LWC_GROUP) * 16;
		u32 in = i % LWC_GROUP, rank, code;

		rank = bit_at(level0, in) | bit_at(level0 + 8, in) << 1;
		if (rank == 3) {
			if (at.bit[0] >= view->bits[0])
				return LWC_ERR_STREAM;
			code = bit_at(view->stream[0], at.bit[0]) |
			       bit_at(view->stream[1], at.bit[0]) << 1;
			at.bit[0]++;
			rank = 3 + code;
			if (code == 3) {
				if (at.bit[1] >= view->bits[1])
					return LWC_ERR_STREAM;
				code = bit_at(view->stream[2], at.bit[1]) |
				       bit_at(view->stream[3], at.bit[1]) << 1 |
				       bit_at(view->stream[4], at.bit[1]) << 2;
				at.bit[1]++;
				rank = 6 + code;
			}
		}
		if (rank < 13) {
			put(dst, i, view->symbols[rank], view->low[i]);
		} else {
			if (at.escape >= view->escape_count)
				return LWC_ERR_STREAM;
			put(dst, i, view->escapes[at.escape++], view->low[i]);
		}
	}
	return at_end(view, &at);
}
