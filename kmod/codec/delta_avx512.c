// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* DELTA: classes and differences in vectors, with VBMI; tokens in general registers. */
#define _MM_MALLOC_H_INCLUDED	/* it would pull in stdlib.h */
#include <immintrin.h>
#include "delta_run.h"

#define LANES 16
/* A window of 64 bytes has the four bytes from the bit on that is so far behind its first. */
#define WINDOW_BITS ((64 - 4) * 8)

static __always_inline __m512i look_up_128(const u8 *table, __m512i bytes)
{
	return _mm512_permutex2var_epi8(_mm512_loadu_si512(table), bytes,
					_mm512_loadu_si512(table + 64));
}

static __always_inline __m512i look_up_256(const u8 *table, __m512i bytes)
{
	return _mm512_mask_mov_epi8(look_up_128(table, bytes), _mm512_movepi8_mask(bytes),
				    look_up_128(table + 128, bytes));
}

/* Lane i of 64 bytes as lane i - 16 * part of 16 words. */
static __always_inline __m512i widened(__m512i bytes, int part)
{
	if (part == 0)
		return _mm512_cvtepu8_epi32(_mm512_castsi512_si128(bytes));
	if (part == 1)
		return _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(bytes, 1));
	if (part == 2)
		return _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(bytes, 2));
	return _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(bytes, 3));
}

/* The symbols of 64 elements. */
static __always_inline __m512i symbols_of(struct delta_layout layout, const u8 *base)
{
	/* an element of one byte ends before the symbol of an i8 does */
	const u32 bits = layout.size == 1 ? 8 - layout.mantissa : 8;
	const __m512i mask = _mm512_set1_epi8((char)(((1 << layout.symbol) - 1) &
						     ((1 << bits) - 1)));
	__m256i half[2];
	u32 i;

	if (layout.size == 1)
		return _mm512_and_si512(mask, _mm512_srli_epi16(_mm512_loadu_si512(base),
								layout.mantissa));
	for (i = 0; i < 2; i++)
		half[i] = _mm512_cvtepi16_epi8(_mm512_srli_epi16(_mm512_loadu_si512(base + 64 * i),
								 layout.mantissa));
	return _mm512_and_si512(mask, _mm512_inserti64x4(_mm512_castsi256_si512(half[0]), half[1],
							 1));
}

static __always_inline void find_classes_64(const struct delta_tables *tables, __m512i symbols,
					    struct delta_block *block)
{
	const __m512i offsets = _mm512_mullo_epi64(_mm512_set1_epi64(sizeof(struct delta_class)),
						   _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
	const __m512i classes = _mm512_add_epi64(offsets,
						 _mm512_set1_epi64((long long)tables->classes));
	u8 numbers[DELTA_BLOCK];
	u32 i;

	_mm512_storeu_si512(numbers, look_up_256(tables->class_of, symbols));
	for (i = 0; i < DELTA_BLOCK; i += 8) {
		__m512i number = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const void *)(numbers + i)));

		_mm512_storeu_si512(block->classes + i,
				    _mm512_permutexvar_epi64(number, classes));
	}
}

/* The sum of the lanes up to each. */
static __always_inline __m512i sums_to(__m512i lanes)
{
	const __m512i zero = _mm512_setzero_si512();

	lanes = _mm512_add_epi32(lanes, _mm512_alignr_epi32(lanes, zero, 15));
	lanes = _mm512_add_epi32(lanes, _mm512_alignr_epi32(lanes, zero, 14));
	lanes = _mm512_add_epi32(lanes, _mm512_alignr_epi32(lanes, zero, 12));
	return _mm512_add_epi32(lanes, _mm512_alignr_epi32(lanes, zero, 8));
}

/*
 * Of the next so many bits for each lane, the lowest 25 at least; no element of
 * two bytes depends on any above.
 */
static __always_inline __m512i next_low(struct delta_run *run, __m512i bits)
{
	const __m512i bytes = _mm512_set1_epi32(0x03020100);
	const __m512i first = _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0);
	const u8 *low = run->low + run->bit / 8;
	u32 from = (u32)(run->bit % 8), total;
	__m512i ends = sums_to(bits), at, words;

	total = (u32)_mm_extract_epi32(_mm512_extracti32x4_epi32(ends, 3), 3);
	at = _mm512_add_epi32(_mm512_sub_epi32(ends, bits), _mm512_set1_epi32((int)from));
	words = _mm512_srli_epi32(at, 3);
	if (from + total <= WINDOW_BITS)
		words = _mm512_permutexvar_epi8(
			_mm512_add_epi8(_mm512_shuffle_epi8(words, first), bytes),
			_mm512_loadu_si512(low));
	else
		words = _mm512_i32gather_epi32(words, low, 1);
	run->bit += total;
	words = _mm512_srlv_epi32(words, _mm512_and_si512(at, _mm512_set1_epi32(7)));
	return _mm512_andnot_si512(_mm512_sllv_epi32(_mm512_set1_epi32(-1), bits), words);
}

/* Zigzag undone. */
static __always_inline __m512i difference_of(__m512i u)
{
	__m512i sign = _mm512_and_si512(u, _mm512_set1_epi32(1));

	return _mm512_xor_si512(_mm512_srli_epi32(u, 1),
				_mm512_sub_epi32(_mm512_setzero_si512(), sign));
}

/* What 64 tokens and the low bits behind them stand for. */
struct meanings {
	__m512i lead;		/* u >> shift is lead << low bits, less one if it is not direct */
	__m512i bits;		/* low bits and shift */
	__m512i shift;
	u64 far;		/* tokens that are not direct */
};

static __always_inline __m512i differences_16(struct delta_run *run, const struct meanings *m,
					      bool low, int part)
{
	const __m512i one = _mm512_set1_epi32(1);
	__m512i u = widened(m->lead, part), bits = widened(m->bits, part);

	if (!low)
		return difference_of(u);
	u = _mm512_sub_epi32(_mm512_sllv_epi32(u, bits),
			     _mm512_maskz_sllv_epi32((__mmask16)(m->far >> (LANES * part)), one,
						     widened(m->shift, part)));
	return difference_of(_mm512_add_epi32(u, next_low(run, bits)));
}

/* See delta_ordered and delta_unordered; that of 32 elements of two bytes. */
static __always_inline __m512i add_ordered(__m512i old, __m512i difference, bool is_float)
{
	const __m512i sign = _mm512_set1_epi16((short)0x8000), rest = _mm512_set1_epi16(0x7fff);
	__m512i value = old;

	if (is_float)
		value = _mm512_xor_si512(_mm512_xor_si512(value, sign),
			_mm512_and_si512(_mm512_srai_epi16(value, 15), rest));
	value = _mm512_add_epi16(value, difference);
	if (is_float)
		value = _mm512_xor_si512(_mm512_xor_si512(value, sign),
			_mm512_andnot_si512(_mm512_srai_epi16(value, 15), rest));
	return value;
}

/* Elements of one byte are, until they are stored, the upper ones of two. */
static __always_inline void add_32(struct delta_layout layout, __m512i first, __m512i second,
				   const u8 *base, u8 *dst)
{
	__m512i d = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(first)),
				       _mm512_cvtepi32_epi16(second), 1);

	if (layout.size == 2) {
		_mm512_storeu_si512(dst, add_ordered(_mm512_loadu_si512(base), d, layout.is_float));
	} else {
		__m512i old = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *)base));

		old = add_ordered(_mm512_slli_epi16(old, 8), _mm512_slli_epi16(d, 8),
				  layout.is_float);
		_mm256_storeu_si256((void *)dst, _mm512_cvtepi16_epi8(_mm512_srli_epi16(old, 8)));
	}
}

static __always_inline void add_64(struct delta_run *run, struct delta_layout layout,
				   const struct meanings *m, bool low, const u8 *base, u8 *dst)
{
	const size_t half = (size_t)DELTA_BLOCK / 2 * layout.size;
	__m512i first = differences_16(run, m, low, 0), second = differences_16(run, m, low, 1);

	add_32(layout, first, second, base, dst);
	first = differences_16(run, m, low, 2);
	second = differences_16(run, m, low, 3);
	add_32(layout, first, second, base + half, dst + half);
}

static __always_inline void run_block_64(struct delta_run *run, struct delta_layout layout,
					 bool rare, const u8 *base, u32 count, u8 *dst)
{
	const struct delta_tables *tables = run->tables;
	struct delta_block *block = run->block;
	struct meanings m;

	find_classes_64(tables, symbols_of(layout, base), block);
	find_tokens(run, block, rare, count);
	m.lead = _mm512_loadu_si512(block->tokens);
	m.bits = m.shift = _mm512_setzero_si512();
	m.far = _mm512_cmpge_epu8_mask(m.lead, _mm512_set1_epi8(LWC_DELTA_DIRECT));
	if (!m.far && !tables->shifted) {
		add_64(run, layout, &m, false, base, dst);
		return;
	}
	m.shift = look_up_256(tables->shift_of, symbols_of(layout, base));
	m.bits = _mm512_add_epi8(look_up_128(tables->low, m.lead), m.shift);
	m.lead = look_up_128(tables->lead, m.lead);
	add_64(run, layout, &m, true, base, dst);
}

/* A function for each: together their frames would be too large for a kernel's stack. */
static noinline enum lwc_error run_bf16_rare(const struct delta_streams *streams,
				  const u8 *base, u32 count, u8 *dst)
{
	const struct delta_layout layout = { 2, 7, 8, true };

	return run_all(streams, layout, true, base, count, dst, run_block_64);
}

static noinline enum lwc_error run_bf16(const struct delta_streams *streams,
				  const u8 *base, u32 count, u8 *dst)
{
	const struct delta_layout layout = { 2, 7, 8, true };

	return run_all(streams, layout, false, base, count, dst, run_block_64);
}

static noinline enum lwc_error run_halves(const struct delta_streams *streams, struct lwc_field_layout field,
				  bool is_float,
				  const u8 *base, u32 count, u8 *dst)
{
	const struct delta_layout layout = { 2, field.mantissa, field.symbol, is_float };

	return run_all(streams, layout, false, base, count, dst, run_block_64);
}

static noinline enum lwc_error run_bytes(const struct delta_streams *streams, struct lwc_field_layout field,
				  bool is_float,
				  const u8 *base, u32 count, u8 *dst)
{
	const struct delta_layout layout = { 1, field.mantissa, field.symbol, is_float };

	return run_all(streams, layout, false, base, count, dst, run_block_64);
}

enum lwc_error lwc_delta_avx512(const struct delta_streams *streams, u8 field, bool rare,
				const u8 *base, u32 count, u8 *dst)
{
	struct lwc_field_layout layout = lwc_field_layouts[field];
	bool is_float = field < LWC_FIELD_I8;

	if (field == LWC_FIELD_BF16 && rare)
		return run_bf16_rare(streams, base, count, dst);
	if (field == LWC_FIELD_BF16)
		return run_bf16(streams, base, count, dst);
	if (layout.element == 2)
		return run_halves(streams, layout, is_float, base, count, dst);
	if (layout.element == 1)
		return run_bytes(streams, layout, is_float, base, count, dst);
	return lwc_delta_bmi2(streams, field, rare, base, count, dst);
}
