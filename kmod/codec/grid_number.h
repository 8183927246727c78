/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* The arithmetic of GRID: integers alone do what IEEE 754 says of floats. */
#ifndef LWC_GRID_NUMBER_H
#define LWC_GRID_NUMBER_H

#include "grid.h"

/* lwc_field_layouts, known to the compiler where the field is. */
static __always_inline struct lwc_field_layout grid_layout(u8 field)
{
	struct lwc_field_layout layout = { 8, 7, 2 };

	if (field == LWC_FIELD_F16) {
		layout.symbol = 5;
		layout.mantissa = 10;
	} else if (field == LWC_FIELD_F32) {
		layout.mantissa = 23;
		layout.element = 4;
	}
	return layout;
}

/* The magnitude significand * 2^(exponent - 150): exponents are those of f32. */
struct grid_number {
	u64 significand;
	s32 exponent;
};

static __always_inline s32 grid_bias_of(struct lwc_field_layout field)
{
	return (1 << (field.symbol - 1)) - 1;
}

static __always_inline u32 grid_infinity_of(struct lwc_field_layout field)
{
	return ((1u << field.symbol) - 1) << field.mantissa;
}

/* Bits of a finite value of the field, its sign left out. */
static __always_inline struct grid_number grid_number_of(u32 bits, struct lwc_field_layout field)
{
	u32 one = 1u << field.mantissa, exponent = bits >> field.mantissa & ((1u << field.symbol) - 1);

	return (struct grid_number){
		(bits & (one - 1)) | (exponent ? one : 0),
		(s32)(exponent ? exponent : 1) - grid_bias_of(field) - field.mantissa + 150,
	};
}

static __always_inline struct grid_number grid_f32_number(u32 bits)
{
	return grid_number_of(bits, grid_layout(LWC_FIELD_F32));
}

/*
 * To the nearest of the field, ties to even, with gradual underflow. The lowest
 * bit of the significand may stand for any that were shifted out, where it has
 * 32 bits or more.
 */
static __always_inline u32 grid_rounded(struct grid_number exact, struct lwc_field_layout field)
{
	s32 exponent, shift;
	u32 infinity = grid_infinity_of(field), top, result;
	u64 kept, rest, half;

	if (!exact.significand)
		return 0;
	top = 63 - (u32)__builtin_clzll(exact.significand);
	exponent = exact.exponent + (s32)top - 150 + grid_bias_of(field);
	shift = (s32)top - field.mantissa;
	if (exponent < 1) {
		shift += 1 - exponent;
		exponent = 1;
	}
	if (shift > 63)
		return 0;
	if (shift <= 0) {
		kept = exact.significand << -shift;
	} else {
		kept = exact.significand >> shift;
		rest = exact.significand & ((1ull << shift) - 1);
		half = 1ull << (shift - 1);
		kept += rest > half || (rest == half && (kept & 1));
	}
	if (exponent > 1 << field.symbol)
		return infinity;
	/* the leading one of a normal number adds itself to the exponent */
	result = ((u32)(exponent - 1) << field.mantissa) + (u32)kept;
	return result < infinity ? result : infinity;
}

/* Rounded to one field and then to another. */
static __always_inline u32 grid_rounded_twice(struct grid_number exact, u8 through, u8 field)
{
	u32 bits = grid_rounded(exact, grid_layout(through));

	if (through == field)
		return bits;
	if (bits == grid_infinity_of(grid_layout(through)))
		return grid_infinity_of(grid_layout(field));
	return grid_rounded(grid_number_of(bits, grid_layout(through)), grid_layout(field));
}

/* scale times an integer below 2^24 */
static __always_inline struct grid_number grid_times(u32 scale, u64 integer)
{
	struct grid_number product = grid_f32_number(scale);

	product.significand *= integer;
	return product;
}

/* Bits shifted out are kept in the lowest one. */
static __always_inline u64 grid_shifted(u64 value, u32 by)
{
	if (!by)
		return value;
	if (by > 63)
		return value != 0;
	return value >> by | ((value & ((1ull << by) - 1)) != 0);
}

/* a (below 2^32) plus or minus b (below 2^24); the magnitude, good enough for grid_rounded(). */
static __always_inline struct grid_number grid_sum_of(struct grid_number a, struct grid_number b,
						      bool minus, bool *negative)
{
	struct grid_number sum;

	if (!a.significand || !b.significand)
		sum.exponent = a.significand ? a.exponent : b.exponent;
	else
		sum.exponent = a.exponent > b.exponent ? a.exponent : b.exponent;
	/* by less than 30 bits nothing is lost; by more, what is lost decides only a tie */
	a.significand <<= 29;
	b.significand <<= 29;
	if (a.significand && b.significand) {
		a.significand = grid_shifted(a.significand, (u32)(sum.exponent - a.exponent));
		b.significand = grid_shifted(b.significand, (u32)(sum.exponent - b.exponent));
	}
	sum.exponent -= 29;
	*negative = minus && b.significand > a.significand;
	if (!minus)
		sum.significand = a.significand + b.significand;
	else
		sum.significand = *negative ? b.significand - a.significand :
					      a.significand - b.significand;
	return sum;
}

/* A zero point that grid_steps_allowed. */
static __always_inline u32 grid_zero_of(u32 second)
{
	return second ? (u32)grid_f32_number(second).significand >> (150 - (second >> 23)) : 0;
}

static __always_inline u32 grid_element(const struct lwc_grid_arithmetic *arithmetic,
					struct lwc_grid_parameters parameters, u8 integer)
{
	struct lwc_field_layout through = grid_layout(arithmetic->through);
	u32 sign = grid_layout(arithmetic->field).element * 8 - 1u;
	struct grid_number a, b;
	bool negative;

	if (arithmetic->kind == LWC_GRID_PRODUCT) {
		u32 magnitude = integer >> 7 ? (0u - integer) & 0x7f : integer;

		negative = integer >> 7 != parameters.scale >> 31;
		a = grid_times(parameters.scale, magnitude);
	} else if (arithmetic->kind == LWC_GRID_AFFINE) {
		a = grid_times(parameters.scale, integer);
		b = grid_f32_number(parameters.second);
		a = grid_sum_of(a, b, parameters.second >> 31, &negative);
	} else {
		u32 zero = grid_zero_of(parameters.second), sum = (integer + zero) & 255;

		a = grid_number_of(grid_rounded(grid_times(parameters.scale, sum), through), through);
		b = grid_number_of(grid_rounded(grid_times(parameters.scale, zero), through), through);
		a = grid_sum_of(a, b, true, &negative);
	}
	return grid_rounded_twice(a, arithmetic->through, arithmetic->field) | (u32)negative << sign;
}

/* The elements of a group: as grid in struct lwc_impl. */
typedef void grid_function(const struct lwc_grid_arithmetic *arithmetic,
			   struct lwc_grid_parameters parameters, const u8 *integers, u32 count,
			   u8 *dst);

/* A function that is inlined for each arithmetic that is usual, which is constant in it. */
static __always_inline void grid_by_arithmetic(grid_function *run,
					       const struct lwc_grid_arithmetic *arithmetic,
					       struct lwc_grid_parameters parameters,
					       const u8 *integers, u32 count, u8 *dst)
{
	const struct lwc_grid_arithmetic bf16 = { LWC_GRID_PRODUCT, LWC_FIELD_BF16, LWC_FIELD_BF16 };
	const struct lwc_grid_arithmetic both = { LWC_GRID_PRODUCT, LWC_FIELD_F16, LWC_FIELD_BF16 };
	const struct lwc_grid_arithmetic f16 = { LWC_GRID_PRODUCT, LWC_FIELD_F16, LWC_FIELD_F16 };

	if (!memcmp(arithmetic, &bf16, sizeof(bf16)))
		run(&bf16, parameters, integers, count, dst);
	else if (!memcmp(arithmetic, &both, sizeof(both)))
		run(&both, parameters, integers, count, dst);
	else if (!memcmp(arithmetic, &f16, sizeof(f16)))
		run(&f16, parameters, integers, count, dst);
	else
		run(arithmetic, parameters, integers, count, dst);
}

#endif
