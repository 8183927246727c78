// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* GRID in plain C, and its arithmetic: integers alone do what IEEE 754 says of floats. */
#include "grid.h"

/* Groups in which the products of all integers are looked up. */
#define LARGE_GROUP	512
/* Else those of integers that are used, out of -16 .. 15: all that four bits and a sign give. */
#define SMALL_TABLE	32

/* The magnitude significand * 2^(exponent - 150): exponents are those of f32. */
struct number {
	u64 significand;
	s32 exponent;
};

static s32 bias_of(const struct lwc_field_layout *field)
{
	return (1 << (field->symbol - 1)) - 1;
}

static u32 infinity_of(const struct lwc_field_layout *field)
{
	return ((1u << field->symbol) - 1) << field->mantissa;
}

/* Bits of a finite value of the field, its sign left out. */
static struct number number_of(u32 bits, const struct lwc_field_layout *field)
{
	u32 one = 1u << field->mantissa, exponent = bits >> field->mantissa & ((1u << field->symbol) - 1);

	return (struct number){
		(bits & (one - 1)) | (exponent ? one : 0),
		(s32)(exponent ? exponent : 1) - bias_of(field) - field->mantissa + 150,
	};
}

static struct number f32_number(u32 bits)
{
	return number_of(bits, &lwc_field_layouts[LWC_FIELD_F32]);
}

/*
 * To the nearest of the field, ties to even, with gradual underflow. The lowest
 * bit of the significand may stand for any that were shifted out, where it has
 * 32 bits or more.
 */
static u32 rounded(struct number exact, const struct lwc_field_layout *field)
{
	s32 exponent, shift;
	u32 infinity = infinity_of(field), top, result;
	u64 kept, rest, half;

	if (!exact.significand)
		return 0;
	top = 63 - (u32)__builtin_clzll(exact.significand);
	exponent = exact.exponent + (s32)top - 150 + bias_of(field);
	shift = (s32)top - field->mantissa;
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
	if (exponent > 1 << field->symbol)
		return infinity;
	/* the leading one of a normal number adds itself to the exponent */
	result = ((u32)(exponent - 1) << field->mantissa) + (u32)kept;
	return result < infinity ? result : infinity;
}

/* Rounded to one field and then to another. */
static u32 rounded_twice(struct number exact, u8 through, u8 field)
{
	u32 bits = rounded(exact, &lwc_field_layouts[through]);

	if (through == field)
		return bits;
	if (bits == infinity_of(&lwc_field_layouts[through]))
		return infinity_of(&lwc_field_layouts[field]);
	return rounded(number_of(bits, &lwc_field_layouts[through]), &lwc_field_layouts[field]);
}

/* scale times an integer below 2^24 */
static struct number times(u32 scale, u64 integer)
{
	struct number product = f32_number(scale);

	product.significand *= integer;
	return product;
}

/* Bits shifted out are kept in the lowest one. */
static u64 shifted(u64 value, u32 by)
{
	if (!by)
		return value;
	if (by > 63)
		return value != 0;
	return value >> by | ((value & ((1ull << by) - 1)) != 0);
}

/* a (below 2^32) plus or minus b (below 2^24); the magnitude, good enough for rounded(). */
static struct number sum_of(struct number a, struct number b, bool minus, bool *negative)
{
	struct number sum;

	if (!a.significand || !b.significand)
		sum.exponent = a.significand ? a.exponent : b.exponent;
	else
		sum.exponent = a.exponent > b.exponent ? a.exponent : b.exponent;
	/* by less than 30 bits nothing is lost; by more, what is lost decides only a tie */
	a.significand <<= 29;
	b.significand <<= 29;
	if (a.significand && b.significand) {
		a.significand = shifted(a.significand, (u32)(sum.exponent - a.exponent));
		b.significand = shifted(b.significand, (u32)(sum.exponent - b.exponent));
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
static u32 zero_of(u32 second)
{
	return second ? (u32)f32_number(second).significand >> (150 - (second >> 23)) : 0;
}

bool grid_steps_allowed(u8 through, struct lwc_grid_parameters parameters)
{
	const struct lwc_field_layout *field = &lwc_field_layouts[through];
	u32 second = parameters.second, exponent = second >> 23;

	/* 1 .. 255 without a fraction */
	if (second && (exponent < 127 || exponent > 134 || second << (exponent - 127 + 9)))
		return false;
	return rounded(times(parameters.scale, 255), field) != infinity_of(field);
}

static __always_inline u32 element_of(const struct lwc_grid_arithmetic *arithmetic,
			     struct lwc_grid_parameters parameters, u8 integer)
{
	const struct lwc_field_layout *through = &lwc_field_layouts[arithmetic->through];
	u32 sign = lwc_field_layouts[arithmetic->field].element * 8 - 1u;
	struct number a, b;
	bool negative;

	if (arithmetic->kind == LWC_GRID_PRODUCT) {
		u32 magnitude = integer >> 7 ? (0u - integer) & 0x7f : integer;

		negative = integer >> 7 != parameters.scale >> 31;
		a = times(parameters.scale, magnitude);
	} else if (arithmetic->kind == LWC_GRID_AFFINE) {
		a = times(parameters.scale, integer);
		b = f32_number(parameters.second);
		a = sum_of(a, b, parameters.second >> 31, &negative);
	} else {
		u32 zero = zero_of(parameters.second), sum = (integer + zero) & 255;

		a = number_of(rounded(times(parameters.scale, sum), through), through);
		b = number_of(rounded(times(parameters.scale, zero), through), through);
		a = sum_of(a, b, true, &negative);
	}
	return rounded_twice(a, arithmetic->through, arithmetic->field) | (u32)negative << sign;
}

u32 lwc_grid_element(const struct lwc_grid_arithmetic *arithmetic,
		     struct lwc_grid_parameters parameters, u8 integer)
{
	return element_of(arithmetic, parameters, integer);
}

static void large_products(const struct lwc_grid_arithmetic *arithmetic,
			   struct lwc_grid_parameters parameters, const u8 *integers, u32 count,
			   u8 *dst)
{
	u32 element = lwc_field_size(arithmetic->field), sign = element * 8 - 1, of[128], i;

	for (i = 0; i < 128; i++)
		of[i] = lwc_grid_element(arithmetic, parameters, (u8)i);
	for (i = 0; i < count; i++) {
		u32 negative = integers[i] >> 7;

		grid_put(dst + (size_t)i * element, element,
			 of[(negative ? 0u - integers[i] : integers[i]) & 0x7f] ^ negative << sign);
	}
}

void grid_scalar(const struct lwc_grid_arithmetic *arithmetic,
		 struct lwc_grid_parameters parameters, const u8 *integers, u32 count, u8 *dst)
{
	u32 element = lwc_field_size(arithmetic->field), of[SMALL_TABLE], known = 0, i;

	if (arithmetic->kind == LWC_GRID_PRODUCT && count >= LARGE_GROUP) {
		large_products(arithmetic, parameters, integers, count, dst);
		return;
	}
	for (i = 0; i < count; i++) {
		u32 at = integers[i] % SMALL_TABLE;
		bool small = (u8)(integers[i] + SMALL_TABLE / 2) < SMALL_TABLE;
		u32 value;

		if (small && known >> at & 1) {
			value = of[at];
		} else {
			value = lwc_grid_element(arithmetic, parameters, integers[i]);
			if (small) {
				of[at] = value;
				known |= 1u << at;
			}
		}
		grid_put(dst + (size_t)i * element, element, value);
	}
}
