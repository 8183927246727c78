// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* SPARSE with BMI2 in general registers: eight bytes of elements at a time. */
#include "levels_pdep.h"
#include "sparse.h"

/* Eight elements for each byte of the mask; returns how many are done. */
static __always_inline u32 scatter(const u8 *mask, u32 count, u32 element, const u8 **from, u8 *dst)
{
	const u64 ones = element == 4 ? 0xffffffffull : element == 2 ? 0xffff : 0xff;
	const u64 lows = element == 4 ? 0x0000000100000001ull :
			 element == 2 ? 0x0001000100010001ull : 0x0101010101010101ull;
	const u32 in_word = 8 / element;
	const u8 *src = *from, *end = dst + (size_t)count * element;
	u32 i, j;

	/* words are read beyond the elements that are taken: not behind the last ones */
	for (i = 0; i + 8 <= count && src + 8 * element <= end; i += 8) {
		u32 bits = mask[i / 8];

		for (j = 0; j < 8; j += in_word) {
			u64 where = levels_pdep(bits >> j, lows) * ones, word;

			word = levels_pdep(lwc_le64(src), where);
			memcpy(dst + (i + j) * element, &word, 8);
			src += levels_popcount(where) / 8;
		}
	}
	*from = src;
	return i;
}

void sparse_scatter_bmi2(const u8 *mask, u32 count, u32 element, const u8 *src, u8 *dst)
{
	sparse_by_element(scatter, mask, count, element, src, dst);
}
