// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/*
 * DELTA: checking the stored bytes, the tables of its classes, and decoding.
 *
 * What is decoded are copies of low bits and words with room behind them. So
 * nothing that changes meanwhile matters, and it is enough to look once a block
 * whether they were used up.
 */
#include "delta.h"

#define BLOCK		64	/* elements; a multiple of LWC_DELTA_STATES */
#define WORDS_PAD	(BLOCK * 2)
#define LOW_PAD		(BLOCK * 8)

/* What a token of a class does; part: see the format. */
struct token {
	u32 least;
	u16 begin;
	u16 frequency;
	u32 low;
};

struct tables {
	u8 token_of[LWC_DELTA_CLASSES][LWC_DELTA_TOTAL];	/* by slot */
	struct token tokens[LWC_DELTA_CLASSES][LWC_DELTA_TOKENS];
	u8 class_of[256];					/* by the symbol of the base */
	u8 shift_of[256];
};

/* Where decoding is. */
struct run {
	const struct tables *tables;
	const u8 *words;
	const u8 *low;
	u64 bit;		/* of low */
	u32 state[LWC_DELTA_STATES];
};

/* Stored bytes that have been looked at so far. */
struct cursor {
	const u8 *at;
	size_t left;
};

/* The tokens of class number c; false if they are not as the format says. */
static bool read_tokens(struct tables *tables, u32 c, u32 tokens, const u8 *bytes)
{
	u32 left = LWC_DELTA_TOTAL, begin, t;

	for (t = 1; t < tokens; t++) {
		u32 byte = bytes[t - 1], frequency = delta_frequency(byte);

		if (byte > DELTA_FREQUENCY_LAST || frequency > left)
			return false;
		tables->tokens[c][t].frequency = (u16)frequency;
		left -= frequency;
	}
	tables->tokens[c][0].frequency = (u16)left;
	for (t = 0, begin = 0; t < tokens; t++) {
		struct token *token = &tables->tokens[c][t];

		token->least = delta_token_least(t);
		token->low = delta_token_low(t);
		token->begin = (u16)begin;
		memset(tables->token_of[c] + begin, (int)t, token->frequency);
		begin += token->frequency;
	}
	return true;
}

static enum lwc_error read_classes(struct tables *tables, u32 classes, struct cursor *cursor)
{
	u32 symbol = 0, c;

	for (c = 0; c < classes; c++) {
		u32 first, tokens;

		if (cursor->left < 2)
			return LWC_ERR_TRUNCATED;
		first = cursor->at[0];
		tokens = cursor->at[1];
		cursor->at += 2;
		cursor->left -= 2;
		if (c ? first < symbol : first)
			return LWC_ERR_GEOMETRY;
		if (!tokens || tokens > LWC_DELTA_TOKENS)
			return LWC_ERR_GEOMETRY;
		if (cursor->left < tokens - 1)
			return LWC_ERR_TRUNCATED;
		if (!read_tokens(tables, c, tokens, cursor->at))
			return LWC_ERR_STREAM;
		cursor->at += tokens - 1;
		cursor->left -= tokens - 1;
		/* all from here on, until the next class takes its own */
		memset(tables->class_of + first, (int)c, 256 - first);
		symbol = first + 1;
	}
	return LWC_OK;
}

/* Up to 57 bits from bit on. */
static __always_inline u64 bits_at(const u8 *from, u64 bit, u32 count)
{
	return lwc_le64(from + bit / 8) >> (bit % 8) & ((1ull << count) - 1);
}

static __always_inline u32 next_difference(struct run *run, u32 *state, u32 symbol)
{
	const struct tables *tables = run->tables;
	u32 c = tables->class_of[symbol], shift = tables->shift_of[symbol];
	u32 slot = *state % LWC_DELTA_TOTAL, next, low;
	const struct token *token = &tables->tokens[c][tables->token_of[c][slot]];
	u64 u;

	next = token->frequency * (*state / LWC_DELTA_TOTAL) + slot - token->begin;
	if (next < LWC_DELTA_LOW) {
		next = next << 16 | (u32)run->words[0] | (u32)run->words[1] << 8;
		run->words += 2;
	}
	*state = next;
	low = token->low + shift;
	u = ((u64)token->least << shift) + bits_at(run->low, run->bit, low);
	run->bit += low;
	return (u32)(u >> 1) ^ (0u - (u32)(u & 1));
}

static __always_inline u32 load(const u8 *from, u32 element)
{
	if (element == 4)
		return lwc_le32(from);
	return element == 2 ? from[0] | (u32)from[1] << 8 : from[0];
}

static __always_inline void store(u8 *to, u32 element, u32 value)
{
	u16 half = (u16)value;

	if (element == 4)
		memcpy(to, &value, 4);
	else if (element == 2)
		memcpy(to, &half, 2);
	else
		*to = (u8)value;
}

/* count elements, a block or fewer. */
static __always_inline void run_block(struct run *run, struct lwc_field_layout layout,
				      bool is_float, const u8 *base, u32 count, u8 *dst)
{
	u32 element = layout.element, bits = element * 8, mask = (1u << layout.symbol) - 1, i;
	u32 all = ~0u >> (32 - bits);

	for (i = 0; i < count; i++) {
		u32 old = load(base + (size_t)i * element, element);
		u32 value = delta_ordered(old, bits, is_float);

		value += next_difference(run, &run->state[i % LWC_DELTA_STATES],
					 old >> layout.mantissa & mask);
		store(dst + (size_t)i * element, element,
		      delta_unordered(value & all, bits, is_float));
	}
}

/* The streams as they are at their beginning, and what they must be at the end. */
struct streams {
	struct run run;
	const u8 *words_end;
	u64 low_bits;		/* of whole bytes */
};

static __always_inline enum lwc_error run_all(struct streams *streams,
					      struct lwc_field_layout layout, bool is_float,
					      const u8 *base, u32 count, u8 *dst)
{
	struct run *run = &streams->run;
	u32 first, i;

	for (first = 0; first + BLOCK <= count; first += BLOCK) {
		run_block(run, layout, is_float, base + (size_t)first * layout.element, BLOCK,
			  dst + (size_t)first * layout.element);
		if (run->words > streams->words_end || run->bit > streams->low_bits)
			return LWC_ERR_STREAM;
	}
	run_block(run, layout, is_float, base + (size_t)first * layout.element, count - first,
		  dst + (size_t)first * layout.element);
	if (run->words != streams->words_end || streams->low_bits - run->bit > 7)
		return LWC_ERR_STREAM;
	if (streams->low_bits != run->bit && run->low[run->bit / 8] >> (run->bit % 8))
		return LWC_ERR_PADDING;
	for (i = 0; i < LWC_DELTA_STATES; i++)
		if (run->state[i] != LWC_DELTA_LOW)
			return LWC_ERR_STREAM;
	return LWC_OK;
}

/* Fields of a size that occurs often by themselves, so that all is constant in their loop. */
static enum lwc_error run_field(struct streams *streams, u8 field, const u8 *base, u32 count,
				u8 *dst)
{
	static const struct lwc_field_layout bf16 = { 8, 7, 2 };
	struct lwc_field_layout layout = lwc_field_layouts[field];
	bool is_float = field != LWC_FIELD_I8 && field != LWC_FIELD_BYTE;

	if (field == LWC_FIELD_BF16)
		return run_all(streams, bf16, true, base, count, dst);
	return run_all(streams, layout, is_float, base, count, dst);
}

/* Behind the classes: states, low bits and words, the latter two copied to room. */
static enum lwc_error open_streams(struct streams *streams, const struct cursor *cursor, u32 low,
				   u8 *room)
{
	size_t states = LWC_DELTA_STATES * 4, words;
	u32 i;

	if (cursor->left < states || cursor->left - states < low)
		return LWC_ERR_TRUNCATED;
	words = cursor->left - states - low;
	if (words % 2)
		return LWC_ERR_STREAM;
	for (i = 0; i < LWC_DELTA_STATES; i++)
		streams->run.state[i] = lwc_le32(cursor->at + 4 * i);
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

static enum lwc_error decode(u8 field, const u8 *src, size_t src_len, const u8 *base, u8 *dst,
			     u32 count, u8 *scratch)
{
	struct tables *tables = (struct tables *)scratch;
	struct cursor cursor = { src + sizeof(struct lwc_delta_header), 0 };
	struct lwc_delta_header header;
	struct streams streams;
	enum lwc_error error;
	u32 bits = lwc_field_size(field) * 8, i;

	if (src_len < sizeof(header))
		return LWC_ERR_TRUNCATED;
	memcpy(&header, src, sizeof(header));
	cursor.left = src_len - sizeof(header);
	if (header.reserved)
		return LWC_ERR_PADDING;
	if (!header.classes || header.classes > LWC_DELTA_CLASSES)
		return LWC_ERR_GEOMETRY;
	error = read_classes(tables, header.classes, &cursor);
	if (error)
		return error;
	for (i = 0; i < 256; i++)
		tables->shift_of[i] = (u8)delta_shift(header.shift, header.pivot, i, bits);
	error = open_streams(&streams, &cursor, lwc_le32(&header.low), scratch + sizeof(*tables));
	streams.run.tables = tables;
	return error ? error : run_field(&streams, field, base, count, dst);
}

enum lwc_error lwc_delta_decode(u8 field, const u8 *src, size_t src_len, const u8 *base, u8 *dst,
				size_t dst_len, u8 *scratch)
{
	u32 element = lwc_field_size(field);

	/* the streams, and the room behind each, have to fit behind the tables */
	_Static_assert(sizeof(struct tables) + LWC_TILE_MAX + LOW_PAD + WORDS_PAD <=
		       LWC_SCRATCH_TILE, "scratch");
	if (!base)
		return LWC_ERR_CHAIN;
	if (!src_len && !field) {
		memcpy(dst, base, dst_len);
		return LWC_OK;
	}
	if (!element)
		return LWC_ERR_CHAIN;
	if (dst_len % element || dst_len > LWC_TILE_MAX)
		return LWC_ERR_GEOMETRY;
	if (src_len > dst_len)
		return LWC_ERR_TRAILING;
	return decode(field, src, src_len, base, dst, (u32)(dst_len / element), scratch);
}
