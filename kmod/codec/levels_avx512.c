// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* LEVELS with AVX-512 VBMI2: 64 weights at a time. */
#define _MM_MALLOC_H_INCLUDED	/* it would pull in stdlib.h */
#include <immintrin.h>
#include "levels_avx512.h"

static __always_inline u32 level(const u8 *codes, u32 width, const u8 *symbols, u32 count, const u8 *next,
			u8 *out)
{
	const struct levels_lookup lookup = levels_lookup_avx512(symbols, width);
	const u8 *start = next;
	u32 base;

	for (base = 0; base < count; base += LWC_GROUP, codes += 8 * width) {
		const struct levels_looked_up group = levels_look_up_avx512(codes, width, &lookup);

		_mm512_storeu_si512(out + base, levels_fill_avx512(&group, width, &next));
	}
	return (u32)(next - start);
}

u32 levels_level_avx512(const u8 *codes, u32 width, const u8 *symbols, u32 count, const u8 *next,
			u8 *out)
{
	return levels_by_width(level, codes, width, symbols, count, next, out);
}

void levels_unpack_avx512(const u8 *codes, u32 width, u32 count, u8 *out)
{
	const __m512i ones = _mm512_set1_epi8((char)((1u << width) - 1));
	const u32 before = width == 3 ? 8 : 0;
	const __mmask64 used = (1ull << (8 * (width + (before ? 1 : 0)))) - 1;
	struct levels_lookup lookup;
	u32 base;

	levels_unpacking_avx512(width, &lookup);
	for (base = 0; base < count; base += LWC_GROUP, codes += 8 * width) {
		__m512i packed = _mm512_maskz_loadu_epi8(used, codes - before);

		packed = _mm512_permutexvar_epi8(lookup.spread, packed);
		packed = _mm512_multishift_epi64_epi8(lookup.shifts, packed);
		_mm512_storeu_si512(out + base, _mm512_and_si512(packed, ones));
	}
}

static void join_bf16(const u8 *symbols, const u8 *rest, u32 count, u8 *dst)
{
	const __m512i lower = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
	const __m512i upper = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
	__m512i first, second;
	u32 i;

	for (i = 0; i + LWC_GROUP <= count; i += LWC_GROUP) {
		levels_bf16_avx512(_mm512_loadu_si512(symbols + i), _mm512_loadu_si512(rest + i),
				   &first, &second);
		_mm512_storeu_si512(dst + 2 * (size_t)i,
				    _mm512_permutex2var_epi64(first, lower, second));
		_mm512_storeu_si512(dst + 2 * (size_t)i + 64,
				    _mm512_permutex2var_epi64(first, upper, second));
	}
}

void levels_join_avx512(u8 field, const u8 *symbols, const struct levels_parts *parts, u32 count,
			u8 *dst)
{
	struct levels_parts left = *parts;
	u32 whole = count / LWC_GROUP * LWC_GROUP;

	if (field != LWC_FIELD_BF16 || !levels_turned(field, parts->kept)) {
		levels_join(field, symbols, parts, count, dst);
		return;
	}
	join_bf16(symbols, parts->part[0], whole, dst);
	left.part[0] += whole;
	levels_join(field, symbols + whole, &left, count - whole, dst + 2 * (size_t)whole);
}
