/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* SPARSE: see struct lwc_sparse_header, and scatter in struct lwc_impl. */
#ifndef LWC_SPARSE_H
#define LWC_SPARSE_H

#include "codec.h"

/* A SPARSE input after validation. */
struct sparse_view {
	const u8 *mask;		/* as it is stored */
	const u8 *inner;
	size_t inner_len;
	u32 count;		/* elements */
	u32 kept;
	u32 element;
	u8 kind;		/* of the mask */
};

enum lwc_error sparse_open(struct sparse_view *view, const u8 *src, size_t src_len,
			   size_t dst_len);

/*
 * The mask as bits, to (view->count + 7) / 8 bytes of bits (64 bytes more are
 * written). stream: buffer for a code for each four elements and 64 more.
 */
enum lwc_error sparse_mask(const struct lwc_impl *impl, const struct sparse_view *view, u8 *bits,
			   u8 *codes);

/* A vector or word at a time, from *from; returns how many elements are done. */
typedef u32 sparse_function(const u8 *mask, u32 count, u32 element, const u8 **from, u8 *dst);

void sparse_scatter_scalar(const u8 *mask, u32 count, u32 element, const u8 *src, u8 *dst);
void sparse_scatter_bmi2(const u8 *mask, u32 count, u32 element, const u8 *src, u8 *dst);
void sparse_scatter_avx512(const u8 *mask, u32 count, u32 element, const u8 *src, u8 *dst);

/* scatter with a function that is inlined for each size of elements, and the rest one by one. */
static __always_inline void sparse_by_element(sparse_function *scatter, const u8 *mask, u32 count,
					      u32 element, const u8 *src, u8 *dst)
{
	u32 done;

	if (element == 4)
		done = scatter(mask, count, 4, &src, dst);
	else if (element == 2)
		done = scatter(mask, count, 2, &src, dst);
	else
		done = scatter(mask, count, 1, &src, dst);
	sparse_scatter_scalar(mask + done / 8, count - done, element, src,
			      dst + (size_t)done * element);
}

#endif
