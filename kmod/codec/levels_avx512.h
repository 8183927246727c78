/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* A group of LEVELS in a register with AVX-512 VBMI2: what decoder and GEMV share. */
#ifndef LWC_LEVELS_AVX512_H
#define LWC_LEVELS_AVX512_H

#include "levels_pdep.h"

/* What does not change from group to group of a level. */
struct levels_lookup {
	__m512i symbols;	/* by code; again and again, as a code's upper bits are its neighbour's */
	__m512i escape;		/* what stands there for the code that passes a weight on */
	__m512i spread;		/* byte b of code word i comes from byte i * width + b */
	__m512i shifts;
};

/*
 * How codes become bytes whose upper bits are their neighbours': a word for
 * eight codes begins with theirs. Codes of three bits are loaded from eight
 * bytes before them on.
 */
static __always_inline void levels_unpacking_avx512(u32 width, struct levels_lookup *lookup)
{
	const u64 bytes = 0x0706050403020100ull, word = 0x0101010101010101ull * width;
	const u64 first = bytes + (width == 3 ? 0x0808080808080808ull : 0);

	lookup->spread = _mm512_add_epi8(
		_mm512_set1_epi64((s64)first),
		_mm512_set_epi64((s64)(7 * word), (s64)(6 * word), (s64)(5 * word), (s64)(4 * word),
				 (s64)(3 * word), (s64)(2 * word), (s64)word, 0));
	lookup->shifts = _mm512_set1_epi64((s64)(bytes * width));
}

/* A byte that none of count < 16 symbols is. */
static __always_inline u8 levels_absent(const u8 *symbols, u32 count)
{
	u32 used = 0, i;

	for (i = 0; i < count; i++)
		used |= symbols[i] < 16 ? 1u << symbols[i] : 0;
	return (u8)__builtin_ctz(~used);
}

static __always_inline struct levels_lookup levels_lookup_avx512(const u8 *symbols, u32 width)
{
	const u32 escape = (1u << width) - 1;
	struct levels_lookup lookup;
	u8 by_code[16] __aligned(16) = { 0 };
	u32 i;

	levels_unpacking_avx512(width, &lookup);
	for (i = 0; i < escape; i++)
		by_code[i] = symbols[i];
	by_code[escape] = levels_absent(symbols, escape);
	lookup.escape = _mm512_set1_epi8((char)by_code[escape]);
	if (width == 1)
		lookup.symbols = _mm512_set1_epi8((char)by_code[0]);
	else if (width == 2)
		lookup.symbols = _mm512_set1_epi32((s32)lwc_le32(by_code));
	else if (width == 3)
		lookup.symbols = _mm512_set1_epi64((long long)lwc_le64(by_code));
	else
		lookup.symbols = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)by_code));
	return lookup;
}

/* 64 codes of two to four bits, each in the lower bits of a byte. */
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
	return _mm512_multishift_epi64_epi8(lookup->shifts, packed);
}

/* The symbols of a group before the next level's are filled in, and where those go. */
struct levels_looked_up {
	__m512i symbols;
	__mmask64 passed;
};

static __always_inline struct levels_looked_up levels_look_up_avx512(const u8 *codes, u32 width,
					    const struct levels_lookup *lookup)
{
	struct levels_looked_up group = { lookup->symbols, 0 };

	if (width == 1) {
		group.passed = lwc_le64(codes);
		return group;
	}
	group.symbols = _mm512_permutexvar_epi8(levels_codes_avx512(codes, width, lookup),
						lookup->symbols);
	group.passed = _mm512_cmpeq_epi8_mask(group.symbols, lookup->escape);
	return group;
}

/* The symbols of a group; *next moves on by those that it takes. */
static __always_inline __m512i levels_fill_avx512(const struct levels_looked_up *group, u32 width,
					 const u8 **next)
{
	u64 passed = group->passed;
	__m512i taken;

	if (width == 4) {
		/* tested in a general register: a test of the mask takes the vectors' ports */
		asm("" : "+r"(passed));
		if (__builtin_expect(!passed, 1))
			return group->symbols;
	}
	taken = _mm512_loadu_si512(*next);
	*next += levels_popcount(passed);
	return _mm512_mask_expand_epi8(group->symbols, group->passed, taken);
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
