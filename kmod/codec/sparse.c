// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* SPARSE: checking the stored bytes, the mask, and scattering on any CPU. */
#include "levels.h"
#include "sparse.h"

enum lwc_error sparse_open(struct sparse_view *view, const u8 *src, size_t src_len,
			   size_t dst_len)
{
	size_t mask_len, need = sizeof(struct lwc_sparse_header);
	struct lwc_sparse_header header;

	if (src_len < need)
		return LWC_ERR_TRUNCATED;
	lwc_fetch(&header, src, sizeof(header));
	view->kept = lwc_le32(&header.kept);
	view->element = header.element;
	view->kind = header.mask;
	if (view->element != 1 && view->element != 2 && view->element != 4)
		return LWC_ERR_GEOMETRY;
	if (dst_len % view->element || dst_len > LWC_TILE_MAX)
		return LWC_ERR_GEOMETRY;
	view->count = (u32)(dst_len / view->element);
	if (view->kept > view->count)
		return LWC_ERR_GEOMETRY;
	if (view->kind == LWC_MASK_BITS)
		mask_len = lwc_stream_bytes(view->count, 1);
	else if (view->kind == LWC_MASK_2_OF_4 && view->count % 4 == 0)
		mask_len = lwc_stream_bytes(view->count / 4, 3);
	else
		return LWC_ERR_GEOMETRY;
	if (header.reserved[0] || header.reserved[1])
		return LWC_ERR_PADDING;
	if (src_len - need < mask_len)
		return LWC_ERR_TRUNCATED;
	view->mask = src + need;
	view->inner = view->mask + mask_len;
	view->inner_len = src_len - need - mask_len;
	return LWC_OK;
}

static u32 ones_of(const u8 *bits, u32 count)
{
	static const u8 ones[16] = { 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4 };
	u32 bytes = (count + 7) / 8, sum = 0, i;

	for (i = 0; i < bytes; i++)
		sum += ones[bits[i] & 15] + ones[bits[i] >> 4];
	return sum;
}

static enum lwc_error bits_mask(const struct sparse_view *view, u8 *bits)
{
	u32 used = view->count % 8, bytes = (view->count + 7) / 8;

	lwc_fetch(bits, view->mask, bytes);
	if (used && bits[bytes - 1] >> used)
		return LWC_ERR_PADDING;
	return ones_of(bits, view->count) == view->kept ? LWC_OK : LWC_ERR_STREAM;
}

static enum lwc_error two_of_four_mask(const struct lwc_impl *impl, const struct sparse_view *view,
				       u8 *bits, u8 *codes)
{
	/* the elements of codes 6 and 7: none, which the check of the codes finds */
	static const u8 elements[8] = { 3, 5, 6, 9, 10, 12, 0, 0 };
	u32 fours = view->count / 4, i;
	u8 largest = 0;

	if (fours * 2 != view->kept)
		return LWC_ERR_STREAM;
	if (!levels_tail_clear(view->mask, fours, 3))
		return LWC_ERR_PADDING;
	levels_unpack(impl, view->mask, 3, fours, codes);
	codes[fours] = 0;
	for (i = 0; i < fours; i += 2) {
		u8 upper = codes[i + 1];

		largest = max(largest, codes[i]);
		largest = max(largest, upper);
		bits[i / 2] = elements[codes[i]];
		if (i + 1 < fours)
			bits[i / 2] |= elements[upper] << 4;
	}
	return largest < 6 ? LWC_OK : LWC_ERR_STREAM;
}

enum lwc_error sparse_mask(const struct lwc_impl *impl, const struct sparse_view *view, u8 *bits,
			   u8 *codes)
{
	return view->kind == LWC_MASK_BITS ? bits_mask(view, bits) :
					     two_of_four_mask(impl, view, bits, codes);
}

void sparse_scatter_scalar(const u8 *mask, u32 count, u32 element, const u8 *src, u8 *dst)
{
	u32 i, b;

	for (i = 0; i < count; i++, dst += element) {
		u32 one = mask[i / 8] >> (i % 8) & 1;

		if (one) {
			for (b = 0; b < element; b++)
				dst[b] = src[b];
			src += element;
		} else {
			for (b = 0; b < element; b++)
				dst[b] = 0;
		}
	}
}
