// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* GRID: checking the stored bytes, and the order of the decoding. */
#include "grid.h"

static bool is_float(u8 field)
{
	return field == LWC_FIELD_BF16 || field == LWC_FIELD_F16 || field == LWC_FIELD_F32;
}

/* The header's numbers, each fetched once. */
static enum lwc_error open_header(struct grid_view *view, const u8 *src, size_t dst_len)
{
	struct lwc_grid_header header;
	u32 smallest;

	lwc_fetch(&header, src, sizeof(header));
	view->group = lwc_le32(&header.group);
	view->stored_len[0] = lwc_le32(&header.scales);
	view->stored_len[1] = lwc_le32(&header.seconds);
	view->exceptions = lwc_le32(&header.exceptions);
	view->arithmetic.kind = header.kind;
	view->arithmetic.through = header.through;
	view->arithmetic.field = header.field;
	if (header.reserved)
		return LWC_ERR_PADDING;
	if (header.kind >= LWC_GRIDS || !is_float(header.through) || !is_float(header.field))
		return LWC_ERR_GEOMETRY;
	view->element = lwc_field_size(header.field);
	if (!dst_len || dst_len % view->element || dst_len > LWC_TILE_MAX)
		return LWC_ERR_GEOMETRY;
	view->count = (u32)(dst_len / view->element);
	smallest = header.kind == LWC_GRID_PRODUCT ? LWC_GRID_GROUP_MIN : LWC_GRID_PAIR_MIN;
	if (view->group < smallest || view->group > LWC_TILE_MAX || view->exceptions > view->count)
		return LWC_ERR_GEOMETRY;
	view->groups = (view->count + view->group - 1) / view->group;
	view->kinds = header.kind == LWC_GRID_PRODUCT ? 1 : 2;
	return view->kinds == 1 && view->stored_len[1] ? LWC_ERR_GEOMETRY : LWC_OK;
}

enum lwc_error grid_open(struct grid_view *view, const u8 *src, size_t src_len, size_t dst_len)
{
	size_t need = sizeof(struct lwc_grid_header);
	enum lwc_error error;
	u32 i;

	if (src_len < need)
		return LWC_ERR_TRUNCATED;
	error = open_header(view, src, dst_len);
	if (error)
		return error;
	for (i = 0; i < view->kinds; i++) {
		view->stored[i] = src + need;
		need += view->stored_len[i];
	}
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

static bool is_normal(u32 bits)
{
	u32 exponent = bits >> 23 & 255;

	return exponent && exponent != 255;
}

static bool allowed(const struct lwc_grid_arithmetic *arithmetic,
		    struct lwc_grid_parameters parameters)
{
	if (!is_normal(parameters.scale))
		return false;
	if (arithmetic->kind == LWC_GRID_PRODUCT)
		return true;
	if (parameters.scale >> 31 || (parameters.second && !is_normal(parameters.second)))
		return false;
	return arithmetic->kind != LWC_GRID_STEPS ||
	       grid_steps_allowed(arithmetic->through, parameters);
}

static struct lwc_grid_parameters parameters_of(const struct grid_view *view,
						const u32 *parameters, u32 group)
{
	return (struct lwc_grid_parameters){
		parameters[group],
		view->kinds > 1 ? parameters[view->groups + group] : 0,
	};
}

/* One kind of parameters of all groups. */
static enum lwc_error load_kind(const struct lwc_impl *impl, const u8 *stored, u32 stored_len,
				u32 groups, u32 *parameters, u8 *scratch)
{
	struct lwc_levels_view levels;
	enum lwc_error error;

	if (stored_len == 4 * (size_t)groups) {
		lwc_fetch(parameters, stored, stored_len);
		return LWC_OK;
	}
	error = lwc_levels_open(&levels, LWC_STRUCTURE_2222, LWC_FIELD_F32, stored, stored_len,
				groups);
	return error ? error : lwc_levels_decode(impl, &levels, (u8 *)parameters, scratch);
}

enum lwc_error grid_parameters(const struct lwc_impl *impl, const struct grid_view *view,
			       u32 *parameters, u8 *scratch)
{
	enum lwc_error error;
	u32 i;

	for (i = 0; i < view->kinds; i++) {
		error = load_kind(impl, view->stored[i], view->stored_len[i], view->groups,
				  parameters + i * view->groups, scratch);
		if (error)
			return error;
	}
	for (i = 0; i < view->groups; i++)
		if (!allowed(&view->arithmetic, parameters_of(view, parameters, i)))
			return LWC_ERR_STREAM;
	return LWC_OK;
}

static enum lwc_error put_exceptions(const struct grid_view *view, u8 *dst)
{
	u32 i, next = 0;

	for (i = 0; i < view->exceptions; i++) {
		u32 at;

		lwc_fetch(&at, view->positions + 4 * (size_t)i, sizeof(at));
		if (at < next || at >= view->count)
			return LWC_ERR_STREAM;
		memcpy(dst + (size_t)at * view->element,
		       view->values + (size_t)i * view->element, view->element);
		next = at + 1;
	}
	return LWC_OK;
}

enum lwc_error grid_elements(const struct lwc_impl *impl, const struct grid_view *view,
			     const u32 *parameters, u8 *dst)
{
	const u8 *integers = dst + (size_t)view->count * (view->element - 1);
	u32 first, count, group;

	for (first = 0, group = 0; first < view->count; first += count, group++) {
		count = min(view->count - first, view->group);
		impl->grid(&view->arithmetic, parameters_of(view, parameters, group),
			   integers + first, count, dst + (size_t)first * view->element);
	}
	return put_exceptions(view, dst);
}
