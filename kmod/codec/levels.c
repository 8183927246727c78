// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* LEVELS: checking the stored bytes, and the order of the decoding. */
#include "levels.h"

const struct lwc_field_layout lwc_field_layouts[LWC_FIELDS] = {
	[LWC_FIELD_BF16] = { 8, 7, 2 },
	[LWC_FIELD_F16] = { 5, 10, 2 },
	[LWC_FIELD_F32] = { 8, 23, 4 },
	[LWC_FIELD_E4M3] = { 4, 3, 1 },
	[LWC_FIELD_E5M2] = { 5, 2, 1 },
	[LWC_FIELD_I8] = { 8, 6, 1 },
	[LWC_FIELD_NIBBLE] = { 4, 0, 1 },
};

const struct lwc_levels_shape *lwc_levels_shape(u8 structure)
{
	static const struct lwc_levels_shape shapes[LWC_STRUCTURES] = {
		[LWC_STRUCTURE_41] = { 2, { 4, 1 } },
		[LWC_STRUCTURE_3222] = { 4, { 3, 2, 2, 2 } },
		[LWC_STRUCTURE_2222] = { 4, { 2, 2, 2, 2 } },
		[LWC_STRUCTURE_211222] = { 6, { 2, 1, 1, 2, 2, 2 } },
		[LWC_STRUCTURE_111112] = { 6, { 1, 1, 1, 1, 1, 2 } },
	};

	return structure && structure < LWC_STRUCTURES ? &shapes[structure] : NULL;
}

const char *lwc_structure_name(u8 structure)
{
	static const char *const names[LWC_STRUCTURES] = {
		[LWC_STRUCTURE_41] = "(4,1)",
		[LWC_STRUCTURE_3222] = "(3,2,2,2)",
		[LWC_STRUCTURE_2222] = "(2,2,2,2)",
		[LWC_STRUCTURE_211222] = "(2,1,1,2,2,2)",
		[LWC_STRUCTURE_111112] = "(1,1,1,1,1,2)",
	};

	return structure && structure < LWC_STRUCTURES ? names[structure] : "?";
}

u32 lwc_field_size(u8 field)
{
	return field < LWC_FIELDS ? lwc_field_layouts[field].element : 0;
}

/* The header's numbers, each fetched once. */
static enum lwc_error open_header(struct lwc_levels_view *view, const u8 *src, u32 weights)
{
	struct lwc_levels_header header;
	u32 level, used = 0, bits, i;
	u8 nonzero = 0;

	lwc_fetch(&header, src, sizeof(header));
	if (lwc_le32(&header.weights) != weights || weights > LWC_LEVELS_WEIGHTS)
		return LWC_ERR_GEOMETRY;
	view->count[0] = weights;
	for (level = 0; level < LWC_LEVELS_MAX; level++) {
		u32 reached = lwc_le32(&header.reached[level]);

		if (reached > (level < view->levels ? view->count[level] : 0))
			return LWC_ERR_GEOMETRY;
		view->count[level + 1] = reached;
	}
	view->kept = header.kept;
	if (view->kept > lwc_field_layouts[view->field].mantissa)
		return LWC_ERR_GEOMETRY;
	bits = lwc_field_symbol(view->field, view->kept);
	for (level = 0; level < view->levels; level++) {
		view->first[level] = (u8)used;
		used += (1u << view->width[level]) - 1;
	}
	memset(view->symbols, 0, sizeof(view->symbols));
	memcpy(view->symbols, header.symbols, LWC_LEVELS_SYMBOLS);
	for (i = 0; i < LWC_LEVELS_SYMBOLS; i++)
		nonzero |= i < used ? view->symbols[i] >> bits : view->symbols[i];
	for (i = 0; i < sizeof(header.reserved0); i++)
		nonzero |= header.reserved0[i];
	for (i = 0; i < sizeof(header.reserved); i++)
		nonzero |= header.reserved[i];
	if (levels_turned(view->field, view->kept))
		for (i = 0; i < LWC_LEVELS_SYMBOLS; i++)
			view->symbols[i] = levels_turn(view->symbols[i]);
	return nonzero ? LWC_ERR_PADDING : LWC_OK;
}

/* Take the next len bytes of the input; *need goes on past its end, for the check. */
static const u8 *section(const u8 *src, size_t *need, size_t len)
{
	const u8 *at = src + *need;

	*need += len;
	return at;
}

bool levels_tail_clear(const u8 *stream, u32 count, u32 width)
{
	size_t bits = (size_t)count * width;

	return !(bits & 7) || !(stream[bits >> 3] >> (bits & 7));
}

/* The bits behind streams, and those of escapes that a symbol does not have. */
static bool padding_clear(const struct lwc_levels_view *view)
{
	u32 bits = lwc_field_symbol(view->field, view->kept), escapes = view->count[view->levels], i;

	for (i = 0; i < view->levels; i++)
		if (!levels_tail_clear(view->codes[i], view->count[i], view->width[i]))
			return false;
	if (!levels_tail_clear(view->stream, view->count[0], view->stream_width))
		return false;
	for (i = 0; bits < 8 && i < escapes; i++)
		if (view->escapes[i] >> bits)
			return false;
	return true;
}

enum lwc_error lwc_levels_open(struct lwc_levels_view *view, u8 structure, u8 field,
			       const u8 *src, size_t src_len, u32 weights)
{
	const struct lwc_levels_shape *shape = lwc_levels_shape(structure);
	size_t need = sizeof(struct lwc_levels_header);
	enum lwc_error error;
	u32 rest, i;

	if (!shape || !lwc_field_size(field))
		return LWC_ERR_CHAIN;
	if (src_len < need)
		return LWC_ERR_TRUNCATED;
	view->field = field;
	view->levels = shape->levels;
	memcpy(view->width, shape->width, sizeof(view->width));
	error = open_header(view, src, weights);
	if (error)
		return error;

	rest = lwc_field_rest(field, view->kept);
	view->planes = rest / 8;
	view->stream_width = rest % 8;
	for (i = 0; i < view->planes; i++)
		view->plane[i] = section(src, &need, weights);
	for (i = 0; i < view->levels; i++)
		view->codes[i] = section(src, &need, lwc_stream_bytes(view->count[i], view->width[i]));
	view->escapes = section(src, &need, view->count[view->levels]);
	view->stream = section(src, &need, lwc_stream_bytes(weights, view->stream_width));
	if (src_len != need)
		return src_len < need ? LWC_ERR_TRUNCATED : LWC_ERR_TRAILING;
	return padding_clear(view) ? LWC_OK : LWC_ERR_PADDING;
}

/* A group of codes that have up to eight bits, and the bytes before it that may be read. */
#define GROUP_BEFORE	8
#define GROUP_SIZE	(GROUP_BEFORE + LWC_GROUP)

/* The ragged group at the end of count codes, zeroes behind it. */
static void last_group(u8 group[GROUP_SIZE], const u8 *codes, u32 width, u32 count)
{
	u32 whole = count / LWC_GROUP * LWC_GROUP, first = whole / 8 * width;

	memset(group, 0, GROUP_SIZE);
	memcpy(group + GROUP_BEFORE, codes + first, lwc_stream_bytes(count, width) - first);
}

/* count codes of a level from weight first on, a multiple of 64. */
static u32 run_level(const struct lwc_impl *impl, const struct lwc_levels_view *view, u32 level,
		     u32 first, u32 count, const u8 *next, u8 *out)
{
	u32 width = view->width[level], whole = count / LWC_GROUP * LWC_GROUP, passed;
	const u8 *codes = view->codes[level] + (size_t)first / 8 * width;
	const u8 *symbols = view->symbols + view->first[level];
	u8 group[GROUP_SIZE];

	passed = impl->level(codes, width, symbols, whole, next, out);
	if (whole == count)
		return passed;
	last_group(group, codes, width, count);
	return passed + impl->level(group + GROUP_BEFORE, width, symbols, count - whole,
				    next + passed, out + whole);
}

/* All codes of a level but the first. */
static u32 run_upper(const struct lwc_impl *impl, const struct lwc_levels_view *view, u32 level,
		     size_t ahead, const u8 *next, u8 *out)
{
	u32 codes = view->count[level], first, count, passed = 0;

	if (!ahead)
		return run_level(impl, view, level, 0, codes, next, out);
	/* a few cache lines at a time: of many at once, the CPU drops some */
	for (first = 0; first < codes; first += count) {
		const u8 *at = view->codes[level] + (size_t)first / 8 * view->width[level] + ahead;

		count = min_t(u32, codes - first, LEVELS_BLOCK);
		levels_fetch(at, at + (size_t)count / 8 * view->width[level] + 64);
		passed += run_level(impl, view, level, first, count, next + passed, out + first);
	}
	return passed;
}

enum lwc_error lwc_levels_next(const struct lwc_impl *impl, const struct lwc_levels_view *view,
			       u8 *scratch, size_t ahead, const u8 **next)
{
	u8 *buffer[2] = { scratch, scratch + LEVELS_BUFFER };
	u32 level = view->levels, i;
	u8 *escapes = buffer[level & 1];

	if (ahead)
		levels_fetch(view->escapes + ahead, view->escapes + ahead + view->count[level] + 64);
	memcpy(escapes, view->escapes, view->count[level]);
	if (levels_turned(view->field, view->kept))
		for (i = 0; i < view->count[level]; i++)
			escapes[i] = levels_turn(escapes[i]);
	while (--level) {
		u32 passed = run_upper(impl, view, level, ahead, buffer[(level + 1) & 1],
				       buffer[level & 1]);

		if (passed != view->count[level + 1])
			return LWC_ERR_STREAM;
	}
	*next = buffer[1];
	return LWC_OK;
}

void levels_unpack(const struct lwc_impl *impl, const u8 *codes, u32 width, u32 count, u8 *out)
{
	u32 whole = count / LWC_GROUP * LWC_GROUP;
	u8 group[GROUP_SIZE];

	impl->unpack(codes, width, whole, out);
	if (whole == count)
		return;
	last_group(group, codes, width, count);
	impl->unpack(group + GROUP_BEFORE, width, count - whole, out + whole);
}

/* The rest of count weights from first on; stream: buffer for what has to be unpacked. */
static void rest_parts(const struct lwc_impl *impl, const struct lwc_levels_view *view, u32 first,
		       u32 count, u8 *stream, struct levels_parts *parts)
{
	u32 width = view->stream_width, i;

	parts->kept = view->kept;
	parts->count = view->planes;
	for (i = 0; i < view->planes; i++) {
		parts->bits[i] = 8;
		parts->part[i] = view->plane[i] + first;
	}
	if (!width)
		return;
	levels_unpack(impl, view->stream + (size_t)first / 8 * width, width, count, stream);
	parts->bits[i] = (u8)width;
	parts->part[i] = stream;
	parts->count++;
}

enum lwc_error lwc_levels_decode(const struct lwc_impl *impl, const struct lwc_levels_view *view,
				 u8 *dst, u8 *scratch)
{
	u32 weights = view->count[0], first, count;
	u8 *symbols = scratch, *stream = scratch + LEVELS_BLOCK + LEVELS_PAD;
	struct levels_parts parts;
	enum lwc_error error;
	u32 passed = 0;
	const u8 *next;

	error = lwc_levels_next(impl, view, scratch, 0, &next);
	if (error)
		return error;
	for (first = 0; first < weights; first += count) {
		count = min_t(u32, weights - first, LEVELS_BLOCK);
		passed += run_level(impl, view, 0, first, count, next + passed, symbols);
		rest_parts(impl, view, first, count, stream, &parts);
		impl->join(view->field, symbols, &parts, count, dst);
		dst += view->field == LWC_FIELD_NIBBLE ? count / 2 :
							 (size_t)count * lwc_field_size(view->field);
	}
	return passed == view->count[1] ? LWC_OK : LWC_ERR_STREAM;
}
