// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* DELTA: checking the stored bytes, the tables of its classes, and decoding on any CPU. */
#include "delta_run.h"

#define WORDS_PAD	(DELTA_BLOCK * 2 + 8)
#define LOW_PAD		(DELTA_BLOCK * 8)
#define RARE		12	/* with more elements a stored byte, most tokens are 0 */

/* Stored bytes that have been looked at so far, the last one maybe only by half. */
struct cursor {
	const u8 *at;
	size_t left;
	u8 upper;		/* nibble of the byte before; NONE if that is used up */
};

#define NONE	0xff

/* False where there is none. */
static bool take_nibble(struct cursor *cursor, u32 *nibble)
{
	u8 byte;

	if (cursor->upper != NONE) {
		*nibble = cursor->upper;
		cursor->upper = NONE;
		return true;
	}
	if (!cursor->left)
		return false;
	lwc_fetch(&byte, cursor->at++, sizeof(byte));
	cursor->left--;
	*nibble = byte & 15;
	cursor->upper = byte >> 4;
	return true;
}

static bool take_byte(struct cursor *cursor, u32 *byte)
{
	u32 upper;

	if (!take_nibble(cursor, byte) || !take_nibble(cursor, &upper))
		return false;
	*byte |= upper << 4;
	return true;
}

/* The code behind `code`, to it: any number. */
static bool take_code(struct cursor *cursor, u32 *code)
{
	u32 nibble;

	if (!take_nibble(cursor, &nibble))
		return false;
	if (nibble == DELTA_NIBBLE_CODE)
		return take_byte(cursor, code);
	*code += nibble - DELTA_NIBBLE_SAME;
	return true;
}

static u32 put_token(struct delta_class *cls, u32 token, u32 begin, u32 frequency)
{
	const u64 eight = token * 0x0101010101010101ull;
	u32 end = begin + frequency;

	cls->parts[token] = (struct delta_part){ (u16)frequency, (u16)begin };
	/* those behind its part are overwritten by the next token, or not looked at */
	for (; begin < end; begin += sizeof(eight))
		memcpy(cls->token_of + begin, &eight, sizeof(eight));
	return end;
}

/* count codes of a class, and its tables. */
static enum lwc_error read_tokens(struct delta_class *cls, u32 count, struct cursor *cursor)
{
	u32 left = LWC_DELTA_TOTAL, code = DELTA_CODE_BEFORE, begin, j;
	u16 frequency[1 + DELTA_CODES];

	for (j = 1; j <= count; j++) {
		if (!take_code(cursor, &code))
			return LWC_ERR_TRUNCATED;
		if (code > LWC_DELTA_CODE_MAX)
			return LWC_ERR_STREAM;
		frequency[j] = (u16)delta_frequency(code);
		if (frequency[j] * delta_twins(j) > left)
			return LWC_ERR_STREAM;
		left -= frequency[j] * delta_twins(j);
	}
	cls->zero = left;
	begin = put_token(cls, 0, 0, left);
	for (j = 1; j <= count; j++) {
		u32 token = delta_code_token(j);

		if (delta_twins(j) == 2)
			begin = put_token(cls, token - 1, begin, frequency[j]);
		begin = put_token(cls, token, begin, frequency[j]);
	}
	return LWC_OK;
}

static enum lwc_error read_classes(struct delta_tables *tables, u32 classes, struct cursor *cursor)
{
	u32 next = 0, c, i;

	for (c = 0; c < classes; c++) {
		u32 first, count;
		enum lwc_error error;

		if (!take_byte(cursor, &first) || !take_byte(cursor, &count))
			return LWC_ERR_TRUNCATED;
		if (count > DELTA_CODES || (c ? first < next : first))
			return LWC_ERR_GEOMETRY;
		error = read_tokens(&tables->classes[c], count, cursor);
		if (error)
			return error;
		/* all from here on, until the next class takes its own */
		for (i = first; i < 256; i++)
			tables->class_of[i] = (u8)c;
		next = first + 1;
	}
	return cursor->upper != NONE && cursor->upper ? LWC_ERR_PADDING : LWC_OK;
}

enum lwc_error lwc_delta_scalar(const struct delta_streams *streams, u8 field, bool rare,
				const u8 *base, u32 count, u8 *dst)
{
	return delta_run(streams, field, rare, base, count, dst);
}

/* Behind the classes: states, low bits and words, the latter two copied to room. */
static enum lwc_error open_streams(struct delta_streams *streams, const struct cursor *cursor, u32 low,
				   u8 *room)
{
	size_t states = sizeof(streams->run.state), words;
	u32 i;

	if (cursor->left < states || cursor->left - states < low)
		return LWC_ERR_TRUNCATED;
	words = cursor->left - states - low;
	if (words % 2)
		return LWC_ERR_STREAM;
	lwc_fetch(streams->run.state, cursor->at, states);
	for (i = 0; i < LWC_DELTA_STATES; i++)
		if (streams->run.state[i] < LWC_DELTA_LOW)
			return LWC_ERR_STREAM;
	memcpy(room, cursor->at + states, low);
	memset(room + low, 0, LOW_PAD);
	streams->run.low = room;
	streams->run.bit = 0;
	streams->low_bits = (u64)low * 8;
	room += low + LOW_PAD;
	memcpy(room, cursor->at + states + low, words);
	memset(room + words, 0, WORDS_PAD);
	streams->run.words = room;
	streams->words_end = room + words;
	return LWC_OK;
}

static enum lwc_error decode(const struct lwc_impl *impl, u8 field, const u8 *src, size_t src_len, const u8 *base, u8 *dst,
			     u32 count, u8 *scratch)
{
	struct delta_tables *tables = (struct delta_tables *)scratch;
	struct cursor cursor = { .at = src + sizeof(struct lwc_delta_header), .upper = NONE };
	struct lwc_delta_header header;
	struct delta_streams streams;
	enum lwc_error error;
	u32 bits = lwc_field_size(field) * 8, i;

	if (src_len < sizeof(header))
		return LWC_ERR_TRUNCATED;
	lwc_fetch(&header, src, sizeof(header));
	cursor.left = src_len - sizeof(header);
	if (header.reserved)
		return LWC_ERR_PADDING;
	if (!header.classes || header.classes > LWC_DELTA_CLASSES)
		return LWC_ERR_GEOMETRY;
	error = read_classes(tables, header.classes, &cursor);
	if (error)
		return error;
	memset(tables->low, 0, sizeof(tables->low));
	memset(tables->lead, 0, sizeof(tables->lead));
	for (i = 0; i < LWC_DELTA_TOKENS; i++) {
		tables->least[i] = delta_token_least(i);
		tables->low[i] = (u8)delta_token_low(i);
		tables->lead[i] = (u8)((tables->least[i] + (i >= LWC_DELTA_DIRECT)) >>
				       tables->low[i]);
	}
	tables->shifted = header.shift || header.pivot;
	for (i = 0; i < 256; i++)
		tables->shift_of[i] = (u8)delta_shift(header.shift, header.pivot, i, bits);
	error = open_streams(&streams, &cursor, lwc_le32(&header.low), scratch + sizeof(*tables));
	if (error)
		return error;
	streams.run.tables = tables;
	streams.run.block = &tables->block;
	return impl->delta(&streams, field, src_len < count / RARE, base, count, dst);
}

enum lwc_error lwc_delta_decode(const struct lwc_impl *impl, u8 field, const u8 *src,
				size_t src_len, const u8 *base, u8 *dst, size_t dst_len,
				u8 *scratch)
{
	u32 element = lwc_field_size(field);

	/* the streams, and the room behind each, have to fit behind the tables */
	_Static_assert(sizeof(struct delta_tables) + LWC_TILE_MAX + LOW_PAD + WORDS_PAD <=
		       LWC_SCRATCH_TILE, "scratch");
	if (!base)
		return LWC_ERR_CHAIN;
	if (!src_len && !field) {
		memcpy(dst, base, dst_len);
		return LWC_OK;
	}
	if (!lwc_delta_field(field))
		return LWC_ERR_CHAIN;
	if (dst_len % element || dst_len > LWC_TILE_MAX)
		return LWC_ERR_GEOMETRY;
	if (src_len > dst_len)
		return LWC_ERR_TRAILING;
	return decode(impl, field, src, src_len, base, dst, (u32)(dst_len / element), scratch);
}
