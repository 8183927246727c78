// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* GRID with AVX-512 VBMI: elements of integers of four bits and a sign are looked up in registers. */
#define _MM_MALLOC_H_INCLUDED	/* it would pull in stdlib.h */
#include <immintrin.h>
#define GRID_VECTOR 64
#include "grid_vector.h"

/* Products of 16 integers, a byte each, as of magnitudes. */
static __always_inline __m512i products(const struct lwc_grid_arithmetic *arithmetic, u32 scale,
					__m128i integers)
{
	__m128i magnitudes = grid_magnitudes(integers), log = grid_logs(magnitudes);

	return (__m512i)grid_products(arithmetic, scale,
				      (grid_vector)_mm512_cvtepu8_epi32(magnitudes),
				      (grid_vector)_mm512_cvtepu8_epi32(log));
}

/* The elements of 0 .. 15. */
static __always_inline __m512i table_of(const struct lwc_grid_arithmetic *arithmetic,
					struct lwc_grid_parameters parameters, u32 zero)
{
	const grid_vector all = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	const grid_vector logs = { 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3 };
	u32 of[16] __aligned(64);

	if (arithmetic->kind == LWC_GRID_PRODUCT)
		return (__m512i)grid_products(arithmetic, parameters.scale, all, logs);
	grid_pairs_bmi2(arithmetic, parameters, zero, of);
	return _mm512_load_si512(of);
}

/* 32 elements of two bytes; table: of words. */
static __always_inline __m512i halves(const struct lwc_grid_arithmetic *arithmetic, u32 scale,
				      __m512i table, __m256i integers)
{
	const __m512i top = _mm512_set1_epi16((s16)0x8000);
	__m512i words = _mm512_cvtepi8_epi16(integers), first, second, values;

	if (arithmetic->kind != LWC_GRID_PRODUCT)
		return _mm512_permutexvar_epi16(words, table);
	if (__builtin_expect(!_mm256_test_epi8_mask(_mm256_abs_epi8(integers),
						    _mm256_set1_epi8(0x70)), 1)) {
		/* of 0x80 the lower bits are those of a zero, too */
		values = _mm512_permutexvar_epi16(_mm512_abs_epi16(words), table);
	} else {
		first = products(arithmetic, scale, _mm256_castsi256_si128(integers));
		second = products(arithmetic, scale, _mm256_extracti128_si256(integers, 1));
		values = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(first)),
					    _mm512_cvtepi32_epi16(second), 1);
	}
	return _mm512_xor_si512(values, _mm512_and_si512(words, top));
}

/* 16 elements of four bytes. */
static __always_inline __m512i words(const struct lwc_grid_arithmetic *arithmetic, u32 scale,
				     __m512i table, __m128i integers)
{
	__m512i wide = _mm512_cvtepi8_epi32(integers), values;

	if (arithmetic->kind != LWC_GRID_PRODUCT)
		return _mm512_permutexvar_epi32(wide, table);
	if (__builtin_expect(!_mm_test_epi8_mask(_mm_abs_epi8(integers), _mm_set1_epi8(0x70)), 1))
		values = _mm512_permutexvar_epi32(_mm512_abs_epi32(wide), table);
	else
		values = products(arithmetic, scale, integers);
	return _mm512_xor_si512(values,
				_mm512_and_si512(wide, _mm512_set1_epi32((s32)0x80000000)));
}

/* With the zero point, is every integer in the table? */
static __always_inline bool all_small(const u8 *integers, u32 count, u32 zero)
{
	const __m512i plus = _mm512_set1_epi8((char)zero);
	__mmask64 wrong = 0;
	u32 i;

	for (i = 0; i < count; i += 64) {
		__mmask64 there = count - i < 64 ? (1ull << (count - i)) - 1 : ~0ull;
		__m512i some = _mm512_maskz_loadu_epi8(there, integers + i);

		wrong |= _mm512_mask_test_epi8_mask(there, _mm512_add_epi8(some, plus),
						    _mm512_set1_epi8((char)0xf0));
	}
	return !wrong;
}

/* As many elements as a vector holds. */
static __always_inline __m512i elements(const struct lwc_grid_arithmetic *arithmetic, u32 scale,
					__m512i table, __m256i integers)
{
	if (grid_layout(arithmetic->field).element == 4)
		return words(arithmetic, scale, table, _mm256_castsi256_si128(integers));
	return halves(arithmetic, scale, table, integers);
}

/* The zero point is added to integers before they are looked up. */
static __always_inline void run_elements(const struct lwc_grid_arithmetic *arithmetic, u32 scale,
					 __m512i table, u32 zero, const u8 *integers, u32 count,
					 u8 *dst)
{
	const u32 element = grid_layout(arithmetic->field).element, step = 64 / element;
	const __m256i plus = _mm256_set1_epi8((char)zero);
	const __mmask32 all = ~0u >> (32 - step);
	__mmask32 there;
	__m256i some;
	u32 i;

	if (element == 2)
		table = _mm512_castsi256_si512(_mm512_cvtepi32_epi16(table));
	for (i = 0; i + step <= count; i += step) {
		some = _mm256_add_epi8(_mm256_maskz_loadu_epi8(all, integers + i), plus);
		_mm512_storeu_si512(dst + element * i, elements(arithmetic, scale, table, some));
	}
	if (i == count)
		return;
	there = (1u << (count - i)) - 1;
	some = _mm256_add_epi8(_mm256_maskz_loadu_epi8(there, integers + i), plus);
	_mm512_mask_storeu_epi8(dst + element * i, (1ull << (element * (count - i))) - 1,
				elements(arithmetic, scale, table, some));
}

static __always_inline void run(const struct lwc_grid_arithmetic *arithmetic,
				struct lwc_grid_parameters parameters, const u8 *integers, u32 count,
				u8 *dst)
{
	bool product = arithmetic->kind == LWC_GRID_PRODUCT;
	u32 zero = arithmetic->kind == LWC_GRID_STEPS ? grid_zero_of(parameters.second) : 0;
	__m512i table;

	if (product ? !grid_small(arithmetic, parameters.scale) :
		      !all_small(integers, count, zero)) {
		grid_scalar(arithmetic, parameters, integers, count, dst);
		return;
	}
	table = table_of(arithmetic, parameters, zero);
	run_elements(arithmetic, parameters.scale, table, zero, integers, count, dst);
}

void grid_avx512(const struct lwc_grid_arithmetic *arithmetic,
		 struct lwc_grid_parameters parameters, const u8 *integers, u32 count, u8 *dst)
{
	grid_by_arithmetic(run, arithmetic, parameters, integers, count, dst);
}
