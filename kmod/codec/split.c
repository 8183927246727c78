// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* SPLIT: checking the header, and putting members back into their blocks. */
#include "split.h"

_Static_assert(SPLIT_BUFFER + LWC_SPLIT_LEVELS_MAX <= LEVELS_BUFFER, "symbols fit the scratch");

/* Is the member's coding one that the format allows for so many bytes? */
static bool coding_ok(const struct split_member *member, u32 len)
{
	if (member->codec == LWC_CODEC_LEVELS)
		return lwc_levels_shape(member->structure) && lwc_field_size(member->field) == 1 &&
		       len <= LWC_SPLIT_LEVELS_MAX;
	if (member->structure || member->field)
		return false;
	return member->codec == LWC_CODEC_ZSTD || member->codec == LWC_CODEC_RAW;
}

/* Each member's entry, fetched once; the length of all their stored bytes in *total. */
static enum lwc_error open_members(struct split_view *view, const u8 *entries, u64 *total)
{
	u8 nonzero = 0;
	u32 i;

	*total = 0;
	view->block = 0;
	for (i = 0; i < view->count; i++) {
		struct split_member *member = &view->members[i];
		struct lwc_split_member entry;

		lwc_fetch(&entry, entries + i * sizeof(entry), sizeof(entry));
		member->stored_len = lwc_le32(&entry.stored);
		/* both 16 bits and what follows them: one load */
		member->bytes = lwc_le32(&entry.bytes) & 0xffff;
		member->codec = entry.codec;
		member->structure = entry.structure;
		member->field = entry.field;
		nonzero |= entry.reserved[0] | entry.reserved[1] | entry.reserved[2];
		if (!member->bytes)
			return LWC_ERR_GEOMETRY;
		view->block += member->bytes;
		*total += member->stored_len;
	}
	return nonzero ? LWC_ERR_PADDING : LWC_OK;
}

enum lwc_error split_open(struct split_view *view, const u8 *src, size_t src_len, size_t dst_len)
{
	size_t need = sizeof(struct lwc_split_header);
	struct lwc_split_header header;
	enum lwc_error error;
	u8 nonzero = 0;
	u64 total;
	u32 i;

	if (src_len < need)
		return LWC_ERR_TRUNCATED;
	lwc_fetch(&header, src, sizeof(header));
	for (i = 0; i < sizeof(header.reserved); i++)
		nonzero |= header.reserved[i];
	view->count = header.members;
	if (!view->count || view->count > LWC_SPLIT_MEMBERS || dst_len > LWC_TILE_MAX)
		return LWC_ERR_GEOMETRY;
	need += view->count * sizeof(struct lwc_split_member);
	if (src_len < need)
		return LWC_ERR_TRUNCATED;
	error = open_members(view, src + sizeof(header), &total);
	if (error || nonzero)
		return error ? error : LWC_ERR_PADDING;
	if (dst_len % view->block)
		return LWC_ERR_GEOMETRY;
	view->blocks = (u32)dst_len / view->block;
	if (total != src_len - need)
		return total > src_len - need ? LWC_ERR_TRUNCATED : LWC_ERR_TRAILING;
	for (i = 0; i < view->count; i++) {
		struct split_member *member = &view->members[i];
		u32 len = member->bytes * view->blocks;

		if (!coding_ok(member, len))
			return LWC_ERR_CHAIN;
		if (member->codec == LWC_CODEC_RAW && member->stored_len != len)
			return LWC_ERR_GEOMETRY;
		member->stored = src + need;
		need += member->stored_len;
	}
	return LWC_OK;
}

static __always_inline void scatter(const u8 *src, u32 bytes, u32 blocks, u8 *dst, u32 stride)
{
	for (; blocks; blocks--, src += bytes, dst += stride)
		memcpy(dst, src, bytes);
}

/* The lengths that most members have by themselves: a constant one is a move or two. */
void split_scatter(const u8 *src, u32 bytes, u32 blocks, u8 *dst, u32 stride)
{
	switch (bytes) {
	case 1:
		scatter(src, 1, blocks, dst, stride);
		break;
	case 4:
		scatter(src, 4, blocks, dst, stride);
		break;
	case 16:
		scatter(src, 16, blocks, dst, stride);
		break;
	case 32:
		scatter(src, 32, blocks, dst, stride);
		break;
	default:
		scatter(src, bytes, blocks, dst, stride);
	}
}
