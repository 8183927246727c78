// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* GRID with AVX2: elements of integers of four bits are looked up byte by byte. */
#define _MM_MALLOC_H_INCLUDED	/* it would pull in stdlib.h */
#include <immintrin.h>
#define GRID_VECTOR 32
#include "grid_vector.h"

/* Products of eight integers, a byte each, as of magnitudes. */
static __always_inline __m256i products(const struct lwc_grid_arithmetic *arithmetic, u32 scale,
					__m128i integers)
{
	__m128i magnitudes = grid_magnitudes(integers), log = grid_logs(magnitudes);

	return (__m256i)grid_products(arithmetic, scale,
				      (grid_vector)_mm256_cvtepu8_epi32(magnitudes),
				      (grid_vector)_mm256_cvtepu8_epi32(log));
}

/* Eight words of 16 and 16 more: the low halves of two vectors of u32, in order. */
static __always_inline __m256i narrow(__m256i first, __m256i second)
{
	const __m256i low = _mm256_set1_epi32(0xffff);

	return _mm256_permute4x64_epi64(_mm256_packus_epi32(_mm256_and_si256(first, low),
							    _mm256_and_si256(second, low)), 0xd8);
}

/* The bytes of the elements of 0 .. 15, each in both lanes. */
struct table {
	__m256i low;
	__m256i high;
};

static __always_inline struct table table_of_words(__m256i words)
{
	const __m256i low = _mm256_set1_epi16(0xff);
	__m256i bytes = _mm256_packus_epi16(_mm256_and_si256(words, low),
					    _mm256_srli_epi16(words, 8));

	/* in each lane eight low bytes and eight high ones */
	bytes = _mm256_permute4x64_epi64(bytes, 0xd8);
	return (struct table){ _mm256_permute4x64_epi64(bytes, 0x44),
			       _mm256_permute4x64_epi64(bytes, 0xee) };
}

static __always_inline struct table table_of(const struct lwc_grid_arithmetic *arithmetic,
					     struct lwc_grid_parameters parameters, u32 zero)
{
	const grid_vector all = { 0, 1, 2, 3, 4, 5, 6, 7 }, logs = { 0, 0, 1, 1, 2, 2, 2, 2 };
	u32 of[16] __aligned(32);

	if (arithmetic->kind == LWC_GRID_PRODUCT)
		return table_of_words(narrow((__m256i)grid_products(arithmetic, parameters.scale,
								    all, logs),
					     (__m256i)grid_products(arithmetic, parameters.scale,
								    all + 8, logs * 0 + 3)));
	grid_pairs_bmi2(arithmetic, parameters, zero, of);
	return table_of_words(narrow(_mm256_load_si256((const __m256i *)of),
				     _mm256_load_si256((const __m256i *)(of + 8))));
}

/* 32 elements out of the table to dst, their top bits turned by sign. */
static __always_inline void put_looked_up(const struct table *table, __m256i at, __m256i sign,
					  u8 *dst)
{
	__m256i low = _mm256_shuffle_epi8(table->low, at);
	__m256i high = _mm256_xor_si256(_mm256_shuffle_epi8(table->high, at), sign);

	low = _mm256_permute4x64_epi64(low, 0xd8);
	high = _mm256_permute4x64_epi64(high, 0xd8);
	_mm256_storeu_si256((__m256i *)dst, _mm256_unpacklo_epi8(low, high));
	_mm256_storeu_si256((__m256i *)(dst + 32), _mm256_unpackhi_epi8(low, high));
}

/* 32 elements of two bytes. */
static __always_inline void put_products(const struct lwc_grid_arithmetic *arithmetic, u32 scale,
					 const struct table *table, const u8 *integers, u8 *dst)
{
	const __m256i top = _mm256_set1_epi8((char)0x80), minus = _mm256_set1_epi16((s16)0x8000);
	__m256i some = _mm256_loadu_si256((const __m256i *)integers), first, second;
	__m256i magnitudes = _mm256_andnot_si256(top, _mm256_abs_epi8(some));
	__m128i left = _mm256_castsi256_si128(some), right = _mm256_extracti128_si256(some, 1);

	if (__builtin_expect(_mm256_testz_si256(magnitudes, _mm256_set1_epi8(0x70)), 1)) {
		put_looked_up(table, magnitudes, _mm256_and_si256(some, top), dst);
		return;
	}
	first = narrow(products(arithmetic, scale, left),
		       products(arithmetic, scale, _mm_srli_si128(left, 8)));
	second = narrow(products(arithmetic, scale, right),
			products(arithmetic, scale, _mm_srli_si128(right, 8)));
	first = _mm256_xor_si256(first, _mm256_and_si256(_mm256_cvtepi8_epi16(left), minus));
	second = _mm256_xor_si256(second, _mm256_and_si256(_mm256_cvtepi8_epi16(right), minus));
	_mm256_storeu_si256((__m256i *)dst, first);
	_mm256_storeu_si256((__m256i *)(dst + 32), second);
}

/* The same with two parameters; false if one is not in the table. */
static __always_inline bool put_pairs(const struct table *table, u32 zero, const u8 *integers,
				      u8 *dst)
{
	__m256i some = _mm256_loadu_si256((const __m256i *)integers);

	some = _mm256_add_epi8(some, _mm256_set1_epi8((char)zero));
	if (!_mm256_testz_si256(some, _mm256_set1_epi8((char)0xf0)))
		return false;
	put_looked_up(table, some, _mm256_setzero_si256(), dst);
	return true;
}

/* Eight elements of four bytes. */
static __always_inline void put_words(const struct lwc_grid_arithmetic *arithmetic, u32 scale,
				      const u8 *integers, u8 *dst)
{
	__m128i some = _mm_loadl_epi64((const __m128i *)integers);
	__m256i sign = _mm256_and_si256(_mm256_cvtepi8_epi32(some),
					_mm256_set1_epi32((s32)0x80000000));

	_mm256_storeu_si256((__m256i *)dst,
			    _mm256_xor_si256(products(arithmetic, scale, some), sign));
}

static __always_inline void run(const struct lwc_grid_arithmetic *arithmetic,
				struct lwc_grid_parameters parameters, const u8 *integers, u32 count,
				u8 *dst)
{
	u32 zero = arithmetic->kind == LWC_GRID_STEPS ? grid_zero_of(parameters.second) : 0, i = 0;
	u32 element = grid_layout(arithmetic->field).element;
	bool product = arithmetic->kind == LWC_GRID_PRODUCT;
	struct table table;

	if (element == 2 && (!product || grid_small(arithmetic, parameters.scale))) {
		table = table_of(arithmetic, parameters, zero);
		for (; i + 32 <= count; i += 32)
			if (product)
				put_products(arithmetic, parameters.scale, &table, integers + i,
					     dst + 2 * i);
			else if (!put_pairs(&table, zero, integers + i, dst + 2 * i))
				break;
	} else if (product && grid_small(arithmetic, parameters.scale)) {
		for (; i + 8 <= count; i += 8)
			put_words(arithmetic, parameters.scale, integers + i, dst + 4 * i);
	}
	if (i < count)
		grid_scalar(arithmetic, parameters, integers + i, count - i, dst + i * element);
}

void grid_avx2(const struct lwc_grid_arithmetic *arithmetic,
	       struct lwc_grid_parameters parameters, const u8 *integers, u32 count, u8 *dst)
{
	grid_by_arithmetic(run, arithmetic, parameters, integers, count, dst);
}
