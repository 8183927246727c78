/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * DELTA from the tables of its classes to elements, for files of any ISA.
 *
 * What is decoded are copies of low bits and words with room behind them. So
 * nothing that changes meanwhile matters, and it is enough to look once a block
 * whether they were used up.
 */
#ifndef LWC_DELTA_RUN_H
#define LWC_DELTA_RUN_H

#include "delta.h"

#define DELTA_BLOCK	64	/* elements; a multiple of LWC_DELTA_STATES */

/*
 * What a token of a class does, in one word: its least value in the upper half,
 * below that its number of low bits, begin and frequency.
 */
#define TOKEN_LOW	26
#define TOKEN_BEGIN	13
#define TOKEN_MASK	0x1fffu

struct delta_class {
	u8 token_of[LWC_DELTA_TOTAL];	/* by slot */
	u64 tokens[LWC_DELTA_TOKENS];
	u32 zero;			/* frequency of token 0 */
};

struct delta_tables {
	struct delta_class classes[LWC_DELTA_CLASSES];
	u32 class_of[256];	/* by the symbol of the base: of the class, bytes from the first */
	u8 shift_of[256];
};

/* Where decoding is. */
struct delta_run {
	const struct delta_tables *tables;
	const u8 *low;
	const u8 *words;
	u64 bit;		/* of the low bits */
	u32 state[LWC_DELTA_STATES];
};

/* The streams at their beginning, and what they must be at the end. */
struct delta_streams {
	struct delta_run run;
	const u8 *words_end;
	u64 low_bits;		/* of whole bytes */
};

static __always_inline u32 le16(const u8 *from)
{
	u16 half;

	memcpy(&half, from, sizeof(half));
	return half;
}

/* Up to 57 bits from bit on. */
static __always_inline u64 bits_at(const u8 *from, u64 bit, u32 count)
{
	return lwc_le64(from + bit / 8) >> (bit % 8) & ((1ull << count) - 1);
}

/* A branch is what the CPU can foretell only where few words are taken. */
static __always_inline u32 refilled(struct delta_run *run, u32 state, bool rare)
{
	u32 low = state < LWC_DELTA_LOW;

	if (rare && !low)
		return state;
	state = state << 16 * low | (le16(run->words) & (0u - low));
	run->words += 2 * low;
	return state;
}

/*
 * The next difference, zigzag undone, of an element of the symbol. Most tokens
 * are 0 where `rare`, so that looking whether this one is saves the rest.
 */
static __always_inline u32 next_difference(struct delta_run *run, u32 number, u32 symbol,
					   bool rare)
{
	const struct delta_tables *tables = run->tables;
	const struct delta_class *cls =
		(const void *)((const u8 *)tables->classes + tables->class_of[symbol]);
	u32 shift = tables->shift_of[symbol], bits = shift;
	u32 state = run->state[number], slot = state % LWC_DELTA_TOTAL;
	u64 token, u = 0;

	state /= LWC_DELTA_TOTAL;
	if (rare && slot < cls->zero) {
		state = cls->zero * state + slot;
	} else {
		token = cls->tokens[cls->token_of[slot]];
		state = ((u32)token & TOKEN_MASK) * state + slot -
			((u32)token >> TOKEN_BEGIN & TOKEN_MASK);
		u = token >> 32 << shift;
		bits += (u32)token >> TOKEN_LOW;
	}
	run->state[number] = refilled(run, state, rare);
	u += bits_at(run->low, run->bit, bits);
	run->bit += bits;
	return (u32)(u >> 1) ^ (0u - (u32)(u & 1));
}

static __always_inline u32 load(const u8 *from, u32 element)
{
	if (element == 4)
		return lwc_le32(from);
	return element == 2 ? le16(from) : *from;
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

static __always_inline void run_element(struct delta_run *run, u32 number,
					struct lwc_field_layout layout, bool is_float, bool rare,
					const u8 *base, u8 *dst)
{
	u32 element = layout.element, bits = element * 8;
	u32 old = load(base, element), value = delta_ordered(old, bits, is_float);

	value += next_difference(run, number,
				 old >> layout.mantissa & ((1u << layout.symbol) - 1), rare);
	store(dst, element, delta_unordered(value & ~0u >> (32 - bits), bits, is_float));
}

/* A block, or the elements that are left; all of run is in registers meanwhile. */
static __always_inline void run_block(struct delta_run *in, struct lwc_field_layout layout,
				      bool is_float, bool rare, const u8 *base, u32 count, u8 *dst)
{
	u32 element = layout.element, i;
	struct delta_run run = *in;

	for (i = 0; i + LWC_DELTA_STATES <= count; i += LWC_DELTA_STATES) {
		run_element(&run, 0, layout, is_float, rare, base, dst);
		run_element(&run, 1, layout, is_float, rare, base + element,
			    dst + element);
		run_element(&run, 2, layout, is_float, rare, base + 2 * element,
			    dst + 2 * element);
		run_element(&run, 3, layout, is_float, rare, base + 3 * element,
			    dst + 3 * element);
		base += LWC_DELTA_STATES * element;
		dst += LWC_DELTA_STATES * element;
	}
	if (i < count)
		run_element(&run, 0, layout, is_float, rare, base, dst);
	if (i + 1 < count)
		run_element(&run, 1, layout, is_float, rare, base + element,
			    dst + element);
	if (i + 2 < count)
		run_element(&run, 2, layout, is_float, rare, base + 2 * element,
			    dst + 2 * element);
	*in = run;
}

static __always_inline enum lwc_error run_all(const struct delta_streams *streams,
					      struct lwc_field_layout layout, bool is_float,
					      bool rare, const u8 *base, u32 count, u8 *dst)
{
	size_t block = (size_t)DELTA_BLOCK * layout.element;
	struct delta_run run = streams->run;
	u32 i;

	for (; count >= DELTA_BLOCK; count -= DELTA_BLOCK, base += block, dst += block) {
		run_block(&run, layout, is_float, rare, base, DELTA_BLOCK, dst);
		if (run.words > streams->words_end || run.bit > streams->low_bits)
			return LWC_ERR_STREAM;
	}
	run_block(&run, layout, is_float, rare, base, count, dst);
	if (run.words != streams->words_end || streams->low_bits - run.bit > 7)
		return LWC_ERR_STREAM;
	if (streams->low_bits != run.bit && run.low[run.bit / 8] >> (run.bit % 8))
		return LWC_ERR_PADDING;
	for (i = 0; i < LWC_DELTA_STATES; i++)
		if (run.state[i] != LWC_DELTA_LOW)
			return LWC_ERR_STREAM;
	return LWC_OK;
}

/* What occurs often by itself, so that the geometry is constant in its loop. */
static __always_inline enum lwc_error delta_run(const struct delta_streams *streams, u8 field,
						bool rare, const u8 *base, u32 count, u8 *dst)
{
	static const struct lwc_field_layout bf16 = { 8, 7, 2 }, f16 = { 5, 10, 2 },
					     f32 = { 8, 23, 4 };

	if (field == LWC_FIELD_BF16 && rare)
		return run_all(streams, bf16, true, true, base, count, dst);
	if (field == LWC_FIELD_BF16)
		return run_all(streams, bf16, true, false, base, count, dst);
	if (field == LWC_FIELD_F16)
		return run_all(streams, f16, true, false, base, count, dst);
	if (field == LWC_FIELD_F32)
		return run_all(streams, f32, true, false, base, count, dst);
	return run_all(streams, lwc_field_layouts[field],
		       field < LWC_FIELD_I8, false, base, count, dst);
}

#endif
