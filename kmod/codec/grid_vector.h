/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * LWC_GRID_PRODUCT in vectors of u32, by integer arithmetic as in grid_scalar.c:
 * what the SIMD implementations share. Each defines GRID_VECTOR, the bytes of its
 * vectors.
 */
#ifndef LWC_GRID_VECTOR_H
#define LWC_GRID_VECTOR_H

#include "grid_number.h"

typedef u32 grid_vector __attribute__((vector_size(GRID_VECTOR)));
typedef s32 grid_signed __attribute__((vector_size(GRID_VECTOR)));

/* Can no integer times the scale overflow, with all that rounding adds? */
static __always_inline bool grid_small(const struct lwc_grid_arithmetic *arithmetic, u32 scale)
{
	u32 exponent = scale >> 23 & 255;

	return exponent <= 118 + (u32)grid_bias_of(grid_layout(arithmetic->through)) &&
	       exponent <= 118 + (u32)grid_bias_of(grid_layout(arithmetic->field));
}

/*
 * How many bits of significands whose leading one is bit 30 the field does not
 * have. exponent: of f32. Where that are more than 31, nothing is left.
 */
static __always_inline grid_vector grid_excess(grid_vector *significand, grid_vector exponent,
					       struct lwc_field_layout field)
{
	grid_signed below = (grid_signed)(128 - (u32)grid_bias_of(field) - exponent), over;
	grid_vector excess = (grid_vector){} + 30 - field.mantissa;

	if (field.symbol == 8)
		return excess; /* no exponent is below that of normal numbers */
	below &= ~(below >> 31);
	excess += (grid_vector)below;
	over = excess > 31;
	*significand &= (grid_vector)~over;
	return (excess & (grid_vector)~over) | (31 & (grid_vector)over);
}

/* To the nearest with so many zero bits at the end, ties to even. */
static __always_inline grid_vector grid_round(grid_vector significand, grid_vector excess)
{
	grid_vector one = (grid_vector){} + 1;

	return (significand + (one << (excess - 1)) - 1 + (significand >> excess & 1)) >> excess
	       << excess;
}

/*
 * The bits of magnitudes (below 128) times the scale, for which grid_small; logs: the
 * numbers of their highest ones, of zero any. With the sign of the scale.
 */
static __always_inline grid_vector grid_products(const struct lwc_grid_arithmetic *arithmetic,
						 u32 scale, grid_vector magnitudes,
						 grid_vector logs)
{
	const struct lwc_field_layout field = grid_layout(arithmetic->field);
	const u32 sign = scale >> 31 << (field.element * 8 - 1);
	grid_vector product = (magnitudes << (7 - logs)) * ((scale & 0x7fffff) | 0x800000);
	grid_vector exponent = logs + (scale >> 23 & 255), carry = product >> 31, excess, some;
	grid_signed above;

	/* the leading one to bit 30; what rounds away is seen by one bit as well as by two */
	product = product >> carry | (product & carry);
	exponent += carry;
	if (arithmetic->through != arithmetic->field) {
		excess = grid_excess(&product, exponent, grid_layout(arithmetic->through));
		product = grid_round(product, excess);
	}
	/* what is zero by now has no leading one */
	some = (grid_vector)(product != 0);
	excess = grid_excess(&product, exponent, field);
	product = grid_round(product, excess) >> excess;
	/* the leading one of a normal number adds itself to the exponent */
	above = (grid_signed)(exponent + (u32)grid_bias_of(field) - 128);
	above &= ~(above >> 31);
	product += (grid_vector)above << field.mantissa;
	return (product & some) | sign;
}

/* Of integers of a byte; what has only the top bit is a zero. */
static __always_inline __m128i grid_magnitudes(__m128i integers)
{
	return _mm_and_si128(_mm_abs_epi8(integers), _mm_set1_epi8(0x7f));
}

/* Which bit of a magnitude below 128 is the highest; 0 for 0. */
static __always_inline __m128i grid_logs(__m128i magnitudes)
{
	const __m128i nibble = _mm_set1_epi8(15);
	const __m128i lower = _mm_setr_epi8(0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
	const __m128i upper = _mm_setr_epi8(0, 4, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7);

	return _mm_max_epu8(_mm_shuffle_epi8(lower, _mm_and_si128(magnitudes, nibble)),
			    _mm_shuffle_epi8(upper, _mm_and_si128(_mm_srli_epi16(magnitudes, 4),
								 nibble)));
}

#endif
