// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* GRID: integers times scales, in integer arithmetic. */
#include "grid.h"

/* Integers whose products are looked up: those of four bits, or all in large groups. */
#define SMALL_TABLE	16
#define LARGE_TABLE	128
#define LARGE_GROUP	512

enum lwc_error grid_open(struct grid_view *view, const u8 *src, size_t src_len, size_t dst_len)
{
	size_t need = sizeof(struct lwc_grid_header);
	struct lwc_grid_header header;

	if (src_len < need)
		return LWC_ERR_TRUNCATED;
	memcpy(&header, src, sizeof(header));
	view->group = lwc_le32(&header.group);
	view->scales_len = lwc_le32(&header.scales);
	view->exceptions = lwc_le32(&header.exceptions);
	view->field = header.field;
	view->affine = header.kind == LWC_GRID_AFFINE;
	if (header.reserved[0] || header.reserved[1])
		return LWC_ERR_PADDING;
	if (header.kind > LWC_GRID_AFFINE)
		return LWC_ERR_GEOMETRY;
	if (view->field != LWC_FIELD_BF16 && view->field != LWC_FIELD_F16 &&
	    view->field != LWC_FIELD_F32)
		return LWC_ERR_GEOMETRY;
	view->element = lwc_field_size(view->field);
	if (!dst_len || dst_len % view->element || dst_len / view->element > LWC_LEVELS_WEIGHTS)
		return LWC_ERR_GEOMETRY;
	view->count = (u32)(dst_len / view->element);
	if (view->group < (view->affine ? LWC_GRID_AFFINE_MIN : LWC_GRID_GROUP_MIN) ||
	    view->group > LWC_TILE_MAX ||
	    view->exceptions > view->count)
		return LWC_ERR_GEOMETRY;
	view->groups = (view->count + view->group - 1) / view->group;
	view->parameters = view->groups * (view->affine ? 2 : 1);
	view->scales = src + need;
	need += view->scales_len;
	if (need > src_len)
		return LWC_ERR_TRUNCATED;
	view->positions = src + need;
	need += (size_t)view->exceptions * 4;
	view->values = src + need;
	need += (size_t)view->exceptions * view->element;
	if (need > src_len)
		return LWC_ERR_TRUNCATED;
	view->inner = src + need;
	view->inner_len = src_len - need;
	return LWC_OK;
}

enum lwc_error grid_check_scales(const struct grid_view *view, const u32 *scales)
{
	u32 i;

	for (i = 0; i < view->parameters; i++) {
		u32 exponent = scales[i] >> 23 & 255;
		bool offset = i >= view->groups;

		if (exponent == 255 || (!exponent && !(offset && !scales[i])))
			return LWC_ERR_STREAM;
		if (view->affine && !offset && scales[i] >> 31)
			return LWC_ERR_STREAM;
	}
	return LWC_OK;
}

/*
 * exact * 2^(exponent - 150) to the nearest of the field, ties to even: IEEE
 * 754, with gradual underflow. No sign. The lowest bit of exact may stand for
 * any that were shifted out, where exact has 32 bits or more.
 */
static u32 rounded(u64 exact, s32 exponent, const struct lwc_field_layout *field)
{
	s32 bias = (1 << (field->symbol - 1)) - 1, shift;
	u32 infinity = ((1u << field->symbol) - 1) << field->mantissa, top, result;
	u64 kept, rest, half;

	if (!exact)
		return 0;
	top = 63 - (u32)__builtin_clzll(exact);
	exponent += (s32)top - 150 + bias;
	shift = (s32)top - field->mantissa;
	if (exponent < 1) {
		shift += 1 - exponent;
		exponent = 1;
	}
	if (shift > 63)
		return 0;
	if (shift <= 0) {
		kept = exact << -shift;
	} else {
		kept = exact >> shift;
		rest = exact & ((1ull << shift) - 1);
		half = 1ull << (shift - 1);
		kept += rest > half || (rest == half && (kept & 1));
	}
	if (exponent > 1 << field->symbol)
		return infinity;
	/* the leading one of a normal number adds itself to the exponent */
	result = ((u32)(exponent - 1) << field->mantissa) + (u32)kept;
	return result < infinity ? result : infinity;
}

/* The significand of a normal f32, or zero, as an integer. */
static u64 integer_part(u32 bits)
{
	return bits << 1 ? (bits & 0x7fffff) | 0x800000 : 0;
}

/* magnitude (below 2^8) times the magnitude of a scale. No sign. */
static u32 product(u32 scale, u32 magnitude, const struct lwc_field_layout *field)
{
	return rounded(integer_part(scale) * magnitude, (s32)(scale >> 23 & 255), field);
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

/* integer (below 2^8) times a scale plus an offset, with its sign. */
static u32 sum(u32 scale, u32 offset, u32 integer, const struct lwc_field_layout *field, u32 sign)
{
	/* 32 and 24 bits, with 29 below them */
	u64 a = integer_part(scale) * integer << 29, b = integer_part(offset) << 29, exact;
	s32 ea = (s32)(scale >> 23), eb = (s32)(offset >> 23 & 255), exponent;
	bool negative = offset >> 31;

	if (!a || !b)
		exponent = a ? ea : eb;
	else
		exponent = ea > eb ? ea : eb;
	/* by less than 30 bits nothing is lost; by more, what is lost decides only a tie */
	if (a && b) {
		a = shifted(a, (u32)(exponent - ea));
		b = shifted(b, (u32)(exponent - eb));
	}
	if (!negative) {
		exact = a + b;
	} else {
		negative = b > a;
		exact = negative ? b - a : a - b;
	}
	return rounded(exact, exponent - 29, field) | (u32)(exact && negative) << sign;
}

u32 lwc_grid_product(u32 scale, u32 magnitude, u8 field)
{
	return product(scale, magnitude, &lwc_field_layouts[field]);
}

u32 lwc_grid_sum(u32 scale, u32 offset, u32 integer, u8 field)
{
	return sum(scale, offset, integer, &lwc_field_layouts[field],
		   lwc_field_layouts[field].element * 8 - 1u);
}

struct products {
	u32 known;
	u32 of[LARGE_TABLE];
};

static void put(u8 *dst, u32 element, u32 value)
{
	if (element == 2) {
		u16 v = (u16)value;

		memcpy(dst, &v, sizeof(v));
	} else {
		memcpy(dst, &value, sizeof(value));
	}
}

/* An integer as it is stored, times the scale, whose sign zero does not take. */
static __always_inline u32 element_of(u8 stored, u32 scale, const struct products *products,
				      const struct lwc_field_layout *field, u32 sign)
{
	u32 negative = stored >> 7, magnitude = negative ? (0u - stored) & 0x7f : stored;
	u32 value = magnitude < products->known ? products->of[magnitude] :
						  product(scale, magnitude, field);

	return value | (negative ^ (magnitude ? scale >> 31 : 0)) << sign;
}

static enum lwc_error put_exceptions(const struct grid_view *view, u8 *dst)
{
	u32 i, next = 0;

	for (i = 0; i < view->exceptions; i++) {
		u32 at = lwc_le32(view->positions + 4 * (size_t)i);

		if (at < next || at >= view->count)
			return LWC_ERR_STREAM;
		memcpy(dst + (size_t)at * view->element,
		       view->values + (size_t)i * view->element, view->element);
		next = at + 1;
	}
	return LWC_OK;
}

static void multiply_group(const struct grid_view *view, u32 scale, u32 first, u32 end, u8 *dst)
{
	const struct lwc_field_layout *field = &lwc_field_layouts[view->field];
	const u8 *integers = dst + (size_t)view->count * (view->element - 1);
	u32 element = view->element, sign = element * 8 - 1, i;
	struct products products;

	products.known = view->group >= LARGE_GROUP ? LARGE_TABLE : SMALL_TABLE;
	for (i = 0; i < products.known; i++)
		products.of[i] = product(scale, i, field);
	/* an element is written over integers that have been read */
	for (i = first; i < end; i++)
		put(dst + (size_t)i * element, element,
		    element_of(integers[i], scale, &products, field, sign));
}

static void add_group(const struct grid_view *view, u32 scale, u32 offset, u32 first, u32 end,
		      u8 *dst)
{
	const struct lwc_field_layout *field = &lwc_field_layouts[view->field];
	const u8 *integers = dst + (size_t)view->count * (view->element - 1);
	u32 element = view->element, sign = element * 8 - 1, of[SMALL_TABLE], i;

	for (i = 0; i < SMALL_TABLE; i++)
		of[i] = sum(scale, offset, i, field, sign);
	for (i = first; i < end; i++)
		put(dst + (size_t)i * element, element,
		    integers[i] < SMALL_TABLE ? of[integers[i]] :
						sum(scale, offset, integers[i], field, sign));
}

enum lwc_error grid_multiply(const struct grid_view *view, const u32 *scales, u8 *dst)
{
	u32 first, end, group;

	for (first = 0, group = 0; first < view->count; first = end, group++) {
		end = view->count - first < view->group ? view->count : first + view->group;
		if (view->affine)
			add_group(view, scales[group], scales[view->groups + group], first, end,
				  dst);
		else
			multiply_group(view, scales[group], first, end, dst);
	}
	return put_exceptions(view, dst);
}
