// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* SPARSE with AVX-512 VBMI2: a vector of elements at a time. */
#define _MM_MALLOC_H_INCLUDED	/* it would pull in stdlib.h */
#include <immintrin.h>
#include "levels_pdep.h"
#include "sparse.h"

/* A vector of elements for each step; returns how many are done. */
static __always_inline u32 scatter(const u8 *mask, u32 count, u32 element, const u8 **from, u8 *dst)
{
	const u32 step = 64 / element;
	const u8 *src = *from, *end = dst + (size_t)count * element;
	u32 i;

	/* a vector is read beyond the elements that are taken: not behind the last ones */
	for (i = 0; i + step <= count && src + 64 <= end; i += step) {
		__m512i next = _mm512_loadu_si512(src), out;
		u64 bits = 0;

		memcpy(&bits, mask + i / 8, step / 8);
		if (element == 4)
			out = _mm512_maskz_expand_epi32((__mmask16)bits, next);
		else if (element == 2)
			out = _mm512_maskz_expand_epi16((__mmask32)bits, next);
		else
			out = _mm512_maskz_expand_epi8(bits, next);
		_mm512_storeu_si512(dst + i * element, out);
		src += levels_popcount(bits) * element;
	}
	*from = src;
	return i;
}

void sparse_scatter_avx512(const u8 *mask, u32 count, u32 element, const u8 *src, u8 *dst)
{
	sparse_by_element(scatter, mask, count, element, src, dst);
}
