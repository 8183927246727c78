// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* From a tile entry and its stored bytes to the decoded tile. */
#include "delta.h"
#include "grid.h"
#include "levels.h"
#include "sparse.h"
#include "split.h"

void lwc_planes_scalar(const u8 *src, u8 *dst, size_t count, u32 element)
{
	size_t i;
	u32 plane;

	for (plane = 0; plane < element; plane++)
		for (i = 0; i < count; i++)
			dst[i * element + plane] = src[plane * count + i];
}

static enum lwc_error decode_raw(const u8 *src, size_t src_len, u8 *dst, size_t dst_len)
{
	if (src_len != dst_len)
		return src_len < dst_len ? LWC_ERR_TRUNCATED : LWC_ERR_TRAILING;
	memcpy(dst, src, dst_len);
	return LWC_OK;
}

static enum lwc_error decode_const(const u8 *src, size_t src_len, u8 *dst, size_t dst_len)
{
	u8 element[8];
	size_t i;

	if (src_len != 1 && src_len != 2 && src_len != 4 && src_len != 8)
		return LWC_ERR_GEOMETRY;
	if (dst_len % src_len)
		return LWC_ERR_GEOMETRY;
	for (i = 0; i < src_len; i++)
		element[i] = src[i];
	for (i = 0; i < dst_len; i++)
		dst[i] = element[i & (src_len - 1)];
	return LWC_OK;
}

static enum lwc_error decode_levels(const struct lwc_impl *impl, const struct lwc_tile *entry,
				    const u8 *src, size_t src_len, u8 *dst, size_t dst_len,
				    struct lwc_scratch *scratch)
{
	u32 element = lwc_field_size(entry->field);
	struct lwc_levels_view view;
	enum lwc_error error;

	if (!element)
		return LWC_ERR_CHAIN;
	if (dst_len % element)
		return LWC_ERR_GEOMETRY;
	error = lwc_levels_open(&view, entry->param, entry->field, src, src_len,
				lwc_field_weights(entry->field, dst_len));
	return error ? error : lwc_levels_decode(impl, &view, dst, scratch->tile);
}

static enum lwc_error decode_planes(const struct lwc_impl *impl, const struct lwc_tile *entry,
				    const u8 *src, size_t src_len, u8 *dst, size_t dst_len,
				    struct lwc_scratch *scratch)
{
	u32 element = entry->param;

	if (element < 2 || element > 8 || dst_len % element || dst_len > LWC_TILE_MAX)
		return LWC_ERR_GEOMETRY;
	if (entry->chain[1] == LWC_CODEC_ZSTD) {
		if (!lwc_zstd_decode(scratch->zstd, scratch->zstd_len, scratch->tile, dst_len,
				     src, src_len))
			return LWC_ERR_ZSTD;
		src = scratch->tile;
	} else if (src_len != dst_len) {
		return src_len < dst_len ? LWC_ERR_TRUNCATED : LWC_ERR_TRAILING;
	}
	impl->planes(src, dst, dst_len / element, element);
	return LWC_OK;
}

static enum lwc_error decode_sparse(const struct lwc_impl *impl, const struct lwc_tile *entry,
				    const u8 *src, size_t src_len, u8 *dst, size_t dst_len,
				    struct lwc_scratch *scratch)
{
	u8 *bits = scratch->tile, *codes = scratch->tile + LWC_TILE_MAX / 4;
	struct sparse_view view;
	enum lwc_error error;
	size_t kept_len;
	u8 *kept;

	error = sparse_open(&view, src, src_len, dst_len);
	if (error)
		return error;
	/* the elements wait at the end of the tile until they are scattered over it */
	kept_len = (size_t)view.kept * view.element;
	kept = dst + (dst_len - kept_len);
	if (entry->chain[1] == LWC_CODEC_LEVELS)
		error = decode_levels(impl, entry, view.inner, view.inner_len, kept, kept_len,
				      scratch);
	else
		error = decode_raw(view.inner, view.inner_len, kept, kept_len);
	if (error)
		return error;
	error = sparse_mask(impl, &view, bits, codes);
	if (error)
		return error;
	impl->scatter(bits, view.count, view.element, kept, dst);
	return LWC_OK;
}

static enum lwc_error decode_grid(const struct lwc_impl *impl, const struct lwc_tile *entry,
				  const u8 *src, size_t src_len, u8 *dst, size_t dst_len,
				  struct lwc_scratch *scratch)
{
	u32 *parameters = (u32 *)(scratch->tile + LWC_SCRATCH_LEVELS);
	struct grid_view view;
	enum lwc_error error;
	u8 *integers;

	error = grid_open(&view, src, src_len, dst_len);
	if (error)
		return error;
	error = grid_parameters(impl, &view, parameters, scratch->tile);
	if (error)
		return error;
	/* the integers wait at the end of the tile until the elements are written over them */
	integers = dst + (dst_len - view.count);
	if (entry->chain[1] == LWC_CODEC_LEVELS && lwc_field_size(entry->field) != 1)
		return LWC_ERR_CHAIN;
	if (entry->chain[1] == LWC_CODEC_LEVELS)
		error = decode_levels(impl, entry, view.inner, view.inner_len, integers, view.count,
				      scratch);
	else
		error = decode_raw(view.inner, view.inner_len, integers, view.count);
	return error ? error : grid_elements(impl, &view, parameters, dst);
}

/* The symbols of a member of LEVELS, one a byte, to out. */
static enum lwc_error decode_member(const struct lwc_impl *impl, const struct split_member *member,
				    u32 len, struct lwc_scratch *scratch, u8 *out)
{
	struct lwc_levels_view view;
	enum lwc_error error;

	error = lwc_levels_open(&view, member->structure, member->field, member->stored,
				member->stored_len, lwc_field_weights(member->field, len));
	return error ? error : lwc_levels_decode(impl, &view, out, scratch->tile);
}

static enum lwc_error decode_split(const struct lwc_impl *impl, const u8 *src, size_t src_len,
				   u8 *dst, size_t dst_len, struct lwc_scratch *scratch)
{
	struct split_view view;
	enum lwc_error error;
	u32 i;

	error = split_open(&view, src, src_len, dst_len);
	for (i = 0; !error && i < view.count; i++) {
		const struct split_member *member = &view.members[i];
		u32 len = member->bytes * view.blocks;
		const u8 *content = member->stored;

		if (member->codec == LWC_CODEC_LEVELS) {
			content = scratch->tile + SPLIT_BUFFER;
			error = decode_member(impl, member, len, scratch,
					      scratch->tile + SPLIT_BUFFER);
		} else if (member->codec == LWC_CODEC_ZSTD) {
			content = scratch->tile;
			if (!lwc_zstd_decode(scratch->zstd, scratch->zstd_len, scratch->tile, len,
					     member->stored, member->stored_len))
				error = LWC_ERR_ZSTD;
		}
		if (!error)
			split_scatter(content, member->bytes, view.blocks, dst, view.block);
		dst += member->bytes;
	}
	return error;
}

enum lwc_error lwc_tile_decode(const struct lwc_impl *impl, const struct lwc_tile *entry,
			       const u8 *src, size_t src_len, u8 *dst, size_t dst_len,
			       struct lwc_scratch *scratch)
{
	switch (entry->chain[0]) {
	case LWC_CODEC_RAW:
		return decode_raw(src, src_len, dst, dst_len);
	case LWC_CODEC_CONST:
		return decode_const(src, src_len, dst, dst_len);
	case LWC_CODEC_ZSTD:
		return lwc_zstd_decode(scratch->zstd, scratch->zstd_len, dst, dst_len, src,
				       src_len) ? LWC_OK : LWC_ERR_ZSTD;
	case LWC_CODEC_LEVELS:
		return decode_levels(impl, entry, src, src_len, dst, dst_len, scratch);
	case LWC_CODEC_PLANES:
		return decode_planes(impl, entry, src, src_len, dst, dst_len, scratch);
	case LWC_CODEC_SPARSE:
		return decode_sparse(impl, entry, src, src_len, dst, dst_len, scratch);
	case LWC_CODEC_GRID:
		return decode_grid(impl, entry, src, src_len, dst, dst_len, scratch);
	case LWC_CODEC_DELTA:
		return lwc_delta_decode(impl, entry->field, src, src_len, scratch->base, dst,
					dst_len, scratch->tile);
	case LWC_CODEC_SPLIT:
		return decode_split(impl, src, src_len, dst, dst_len, scratch);
	default:
		return LWC_ERR_CHAIN;
	}
}
