/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Structure (2,2,3) with BMI2: from two planes and five streams to four planes
 * of a code below 16, so that one byte shuffle looks it up: 0..2 is the rank,
 * 4..6 ranks 3..5, 8..14 ranks 6..12, 15 an escape; 3 and 7 do not occur.
 */
#ifndef LWC_LEVELS_PDEP_H
#define LWC_LEVELS_PDEP_H

#include "levels.h"

static inline u64 levels_pdep(u64 bits, u64 mask)
{
	u64 out;

	asm("pdep %2, %1, %0" : "=r"(out) : "r"(bits), "r"(mask));
	return out;
}

static inline u64 levels_popcount(u64 mask)
{
	u64 out;

	asm("popcnt %1, %0" : "=r"(out) : "r"(mask) : "cc");
	return out;
}

/* count <= 64 bits from bit position on; a plain load holds only 57 of them. */
static inline u64 levels_bits(const u8 *stream, u64 position, u64 count)
{
	const u8 *p = stream + (position >> 3);
	u32 shift = position & 7;
	u64 bits = lwc_le64(p) >> shift;

	if (__builtin_expect(count > 57 && shift, 0))
		bits |= (u64)p[8] << (64 - shift);
	return bits;
}

static inline void levels_223_group(const struct lwc_levels_view *view, u32 group,
				    struct levels_position *at, u64 planes[4])
{
	const u8 *level0 = view->level0 + (size_t)group * 16;
	u64 p0 = lwc_le64(level0), p1 = lwc_le64(level0 + 8);
	u64 m1 = p0 & p1, n1 = levels_popcount(m1), m2, n2, a0, a1, b0, b1, b2;

	a0 = levels_pdep(levels_bits(view->stream[0], at->bit[0], n1), m1);
	a1 = levels_pdep(levels_bits(view->stream[1], at->bit[0], n1), m1);
	at->bit[0] += n1;
	m2 = a0 & a1;
	n2 = levels_popcount(m2);
	b0 = levels_pdep(levels_bits(view->stream[2], at->bit[1], n2), m2);
	b1 = levels_pdep(levels_bits(view->stream[3], at->bit[1], n2), m2);
	b2 = levels_pdep(levels_bits(view->stream[4], at->bit[1], n2), m2);
	at->bit[1] += n2;
	planes[0] = (p0 ^ m1) | (a0 ^ m2) | b0;
	planes[1] = (p1 ^ m1) | (a1 ^ m2) | b1;
	planes[2] = (m1 ^ m2) | b2;
	planes[3] = m2;
}

/* Exponents by code, see above; the escape's entry is not used. */
static inline void levels_223_table(const u8 *symbols, u8 table[16])
{
	u32 i;

	for (i = 0; i < 16; i++)
		table[i] = i < 4 ? symbols[i] : i < 8 ? symbols[i - 1] : symbols[i - 2];
	table[3] = 0;
	table[7] = 0;
	table[15] = 0;
}

#endif
