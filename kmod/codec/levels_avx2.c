// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* LEVELS with AVX2 and BMI2: codes in vectors, what goes on spread by pdep. */
#define _MM_MALLOC_H_INCLUDED	/* it would pull in stdlib.h */
#include <immintrin.h>
#include "levels_avx2.h"

/* Symbols of 32 codes, zero where the code is all ones, and there ones. */
struct half {
	__m256i symbols;
	__m256i ones;
};

/* Sixteen-entry tables for one code (one[0]) or for two in a nibble (the lower, the upper). */
struct tables {
	__m256i symbols[2];
	__m256i ones[2];
};

static __m256i twice(const u8 table[16])
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
}

static __always_inline struct tables tables_of(const u8 *symbols, u32 width)
{
	u32 ones = (1u << width) - 1, which, i;
	u8 symbol[16], mask[16];
	struct tables tables;

	for (which = 0; which < 2; which++) {
		for (i = 0; i < 16; i++) {
			u32 code = (width == 2 && which ? i >> 2 : i) & ones;

			symbol[i] = code == ones ? 0 : symbols[code];
			mask[i] = code == ones ? 255 : 0;
		}
		tables.symbols[which] = twice(symbol);
		tables.ones[which] = twice(mask);
	}
	return tables;
}

/* Each nibble of 16 bytes to a byte. */
static inline __m256i nibbles(const u8 *codes)
{
	__m256i w = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)codes));

	w = _mm256_or_si256(w, _mm256_slli_epi16(w, 4));
	return _mm256_and_si256(w, _mm256_set1_epi8(15));
}

/* 32 bits to bytes of ones or zeroes. */
static inline __m256i bits(u32 word)
{
	const __m256i byte_of = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
						 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
	const __m256i bit_of = _mm256_set1_epi64x((long long)0x8040201008040201ull);
	__m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32((int)word), byte_of);

	return _mm256_cmpeq_epi8(_mm256_and_si256(v, bit_of), bit_of);
}

/* 32 codes of three bits: four of them, twelve bits, to each 32-bit element and then apart. */
static inline __m256i triples(const u8 *codes, u32 half)
{
	const __m128i first = _mm_setr_epi8(0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12);
	__m128i packed = _mm_loadu_si128((const __m128i *)(codes + (half ? 8 : 0)));
	__m256i v;

	if (half)
		packed = _mm_srli_si128(packed, 4);
	/* 64-bit elements with 24 bits: from byte 0, 3, 6, 9 on */
	v = _mm256_cvtepu32_epi64(_mm_shuffle_epi8(packed, first));
	v = _mm256_or_si256(v, _mm256_slli_epi64(v, 20));
	v = _mm256_and_si256(v, _mm256_set1_epi64x(0x00000fff00000fffll));
	v = _mm256_or_si256(v, _mm256_slli_epi32(v, 10));
	v = _mm256_and_si256(v, _mm256_set1_epi32(0x003f003f));
	v = _mm256_or_si256(v, _mm256_slli_epi16(v, 5));
	return _mm256_and_si256(v, _mm256_set1_epi8(7));
}

static __always_inline void halves(const u8 *codes, u32 width, const struct tables *tables,
			  struct half half[2])
{
	u32 i;

	if (width == 2) {
		/* so that unpacking within 128 bits leaves the order as it is */
		__m256i pairs = _mm256_permute4x64_epi64(nibbles(codes), 0xd8);
		__m256i low = _mm256_shuffle_epi8(tables->symbols[0], pairs);
		__m256i high = _mm256_shuffle_epi8(tables->symbols[1], pairs);

		half[0].symbols = _mm256_unpacklo_epi8(low, high);
		half[1].symbols = _mm256_unpackhi_epi8(low, high);
		low = _mm256_shuffle_epi8(tables->ones[0], pairs);
		high = _mm256_shuffle_epi8(tables->ones[1], pairs);
		half[0].ones = _mm256_unpacklo_epi8(low, high);
		half[1].ones = _mm256_unpackhi_epi8(low, high);
		return;
	}
	for (i = 0; i < 2; i++) {
		__m256i code;

		if (width == 1) {
			half[i].ones = bits(lwc_le32(codes + 4 * i));
			half[i].symbols = _mm256_andnot_si256(half[i].ones, tables->symbols[0]);
			continue;
		}
		code = width == 3 ? triples(codes, i) : nibbles(codes + 16 * i);
		half[i].symbols = _mm256_shuffle_epi8(tables->symbols[0], code);
		half[i].ones = _mm256_cmpeq_epi8(code, _mm256_set1_epi8((char)((1u << width) - 1)));
	}
}

/* Groups between vector and general registers, long enough for the stores to retire. */
#define BATCH	6

/* Where codes are all ones, a byte each. */
struct batch {
	u64 ones[BATCH * 8] __aligned(32);
};

/* The symbols go to their place in out at once, with zeroes for those that are passed on. */
static __always_inline void put_batch(struct batch *batch, u32 group, const struct half half[2],
				      u8 *out)
{
	u32 i;

	for (i = 0; i < 2; i++) {
		_mm256_store_si256((__m256i *)(batch->ones + 8 * group + 4 * i), half[i].ones);
		_mm256_storeu_si256((__m256i *)(out + LWC_GROUP * group + 32 * i),
				    half[i].symbols);
	}
}

/* The symbols at next to their places among those of n groups; returns how many. */
static __always_inline u64 take_batch(const struct batch *batch, u32 n, const u8 *next, u8 *out)
{
	u64 passed = 0;
	u32 i;

#pragma GCC unroll 8
	for (i = 0; i < 8 * n; i++) {
		u64 ones = batch->ones[i];
		u64 eight = lwc_le64(out + 8 * i) |
			    levels_pdep(lwc_le64(next + passed / 8), ones);

		memcpy(out + 8 * i, &eight, 8);
		passed += levels_popcount(ones);
	}
	return passed / 8;
}

/* (4,1): with fifteen symbols on one level it is rare that a weight goes on. */
static __always_inline u32 level_rare(const u8 *codes, const u8 *symbols, u32 count, const u8 *next,
				      u8 *out, struct batch *batch)
{
	const struct tables tables = tables_of(symbols, 4);
	struct half half[2];
	u64 passed = 0;
	u32 base;

	for (base = 0; base < count; base += LWC_GROUP, codes += 32) {
		halves(codes, 4, &tables, half);
		put_batch(batch, 0, half, out + base);
		if (_mm256_movemask_epi8(_mm256_or_si256(half[0].ones, half[1].ones)))
			passed += take_batch(batch, 1, next + passed, out + base);
	}
	return (u32)passed;
}

static __always_inline u32 level(const u8 *codes, u32 width, const u8 *symbols, u32 count,
				 const u8 *next, u8 *out, struct batch *batch)
{
	struct tables tables = tables_of(symbols, width);
	struct half half[2];
	u64 passed = 0;
	u32 base, n, g;

	if (width == 1)
		tables.symbols[0] = _mm256_set1_epi8((char)symbols[0]);
	for (base = 0; base < count; base += n * LWC_GROUP) {
		n = min_t(unsigned int, (count - base + LWC_GROUP - 1) / LWC_GROUP, BATCH);
		for (g = 0; g < n; g++, codes += 8 * width) {
			halves(codes, width, &tables, half);
			put_batch(batch, g, half, out + base);
		}
		passed += take_batch(batch, n, next + passed, out + base);
	}
	return (u32)passed;
}

u32 levels_level_avx2(const u8 *codes, u32 width, const u8 *symbols, u32 count, const u8 *next,
		      u8 *out)
{
	/* one for all, so that the frame stays small */
	struct batch batch;

	switch (width) {
	case 1:
		return level(codes, 1, symbols, count, next, out, &batch);
	case 2:
		return level(codes, 2, symbols, count, next, out, &batch);
	case 3:
		return level(codes, 3, symbols, count, next, out, &batch);
	default:
		return level_rare(codes, symbols, count, next, out, &batch);
	}
}

static void join_bf16(const u8 *symbols, const u8 *rest, u32 count, u8 *dst)
{
	__m256i first, second;
	u32 i;

	for (i = 0; i < count; i += 32) {
		levels_bf16_avx2(_mm256_loadu_si256((const __m256i *)(symbols + i)),
				 _mm256_loadu_si256((const __m256i *)(rest + i)), &first, &second);
		_mm256_storeu_si256((__m256i *)(dst + 2 * (size_t)i),
				    _mm256_permute2x128_si256(first, second, 0x20));
		_mm256_storeu_si256((__m256i *)(dst + 2 * (size_t)i + 32),
				    _mm256_permute2x128_si256(first, second, 0x31));
	}
}

void levels_join_avx2(u8 field, const u8 *symbols, const struct levels_parts *parts, u32 count,
		      u8 *dst)
{
	struct levels_parts left = *parts;
	u32 whole = 0;

	if (field == LWC_FIELD_BF16 && levels_turned(field, parts->kept)) {
		whole = count / 32 * 32;
		join_bf16(symbols, parts->part[0], whole, dst);
		left.part[0] += whole;
	}
	levels_join(field, symbols + whole, &left, count - whole, dst + 2 * (size_t)whole);
}
