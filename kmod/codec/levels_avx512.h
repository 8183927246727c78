/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* A group of LEVELS in a register with AVX-512 VBMI2: what decoder and GEMV share. */
#ifndef LWC_LEVELS_AVX512_H
#define LWC_LEVELS_AVX512_H

#include "levels_pdep.h"

/* What does not change from group to group of a level. */
struct levels_lookup {
	__m512i symbols;
	__m512i spread;		/* byte b of code word i comes from byte i * width + b */
	__m512i shifts;
	__m512i ones;
};

static __always_inline struct levels_lookup levels_lookup_avx512(const u8 *symbols, u32 width)
{
	u8 spread[64] __aligned(64), shifts[64] __aligned(64);
	struct levels_lookup lookup;
	u32 i;

	for (i = 0; i < 64; i++) {
		/* codes of three bits are loaded from eight bytes before them on */
		spread[i] = (u8)(i % 8 < width ? i / 8 * width + i % 8 + (width == 3 ? 8 : 0) : 63);
		shifts[i] = (u8)(i % 8 * width);
	}
	if (symbols)
		lookup.symbols =
			_mm512_zextsi128_si512(_mm_loadu_si128((const __m128i *)symbols));
	else
		lookup.symbols = _mm512_setzero_si512();
	lookup.spread = _mm512_load_si512(spread);
	lookup.shifts = _mm512_load_si512(shifts);
	lookup.ones = _mm512_set1_epi8((char)((1u << width) - 1));
	return lookup;
}

/* 64 codes of two to four bits, a byte each. */
static __always_inline __m512i levels_codes_avx512(const u8 *codes, u32 width,
					  const struct levels_lookup *lookup)
{
	__m512i packed;

	if (width == 2)
		packed = _mm512_zextsi128_si512(_mm_loadu_si128((const __m128i *)codes));
	else
		packed = _mm512_zextsi256_si512(
			_mm256_loadu_si256((const __m256i *)(codes - (width == 3 ? 8 : 0))));
	packed = _mm512_permutexvar_epi8(lookup->spread, packed);
	return _mm512_and_si512(_mm512_multishift_epi64_epi8(lookup->shifts, packed),
				lookup->ones);
}

/* The symbols of a group; *next moves on by those that it takes. Without a branch. */
static __always_inline __m512i levels_symbols_avx512(const u8 *codes, u32 width,
					    const struct levels_lookup *lookup, const u8 **next)
{
	__m512i out, taken = _mm512_loadu_si512(*next);
	__mmask64 ones;

	if (width == 1) {
		ones = lwc_le64(codes);
		out = _mm512_broadcastb_epi8(_mm512_castsi512_si128(lookup->symbols));
	} else {
		__m512i code = levels_codes_avx512(codes, width, lookup);

		ones = _mm512_cmpeq_epi8_mask(code, lookup->ones);
		out = _mm512_permutexvar_epi8(code, lookup->symbols);
	}
	if (width == 4 && __builtin_expect(!ones, 1))
		return out;
	out = _mm512_mask_expand_epi8(out, ones, taken);
	*next += levels_popcount(ones);
	return out;
}

/*
 * 64 symbols (levels_turned) and rest bytes of bf16 to values: in each 128-bit
 * lane i, first has the weights 16 * i .. 16 * i + 7 and second the next eight.
 */
static __always_inline void levels_bf16_avx512(__m512i symbols, __m512i rest, __m512i *first,
				      __m512i *second)
{
	const __m512i top = _mm512_set1_epi8((char)0x80);
	/* each takes its top bit from the other: a where the mask has a one, else b */
	__m512i high = _mm512_ternarylogic_epi32(top, rest, symbols, 0xca);
	__m512i low = _mm512_ternarylogic_epi32(top, symbols, rest, 0xca);

	*first = _mm512_unpacklo_epi8(low, high);
	*second = _mm512_unpackhi_epi8(low, high);
}

#endif
