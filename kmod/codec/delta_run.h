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

struct delta_part {
	u16 frequency;
	u16 begin;
};

struct delta_class {
	u8 token_of[LWC_DELTA_TOTAL + 8];	/* by slot, and room for eight at once */
	struct delta_part parts[LWC_DELTA_TOKENS];
	u32 zero;			/* frequency of token 0 */
};

/* The elements that are decoded together. */
struct delta_block {
	const struct delta_class *classes[DELTA_BLOCK];
	u8 tokens[DELTA_BLOCK];
};

struct delta_tables {
	struct delta_class classes[LWC_DELTA_CLASSES];
	u32 least[LWC_DELTA_TOKENS];
	u8 low[128];		/* by token; 0 behind them */
	u8 lead[128];		/* the first two bits of least + 1 or, of one that is direct, least */
	u8 class_of[256];	/* by the symbol of the base */
	u8 shift_of[256];
	bool shifted;		/* is any of shift_of more than 0 */
	struct delta_block block;
};

/* Where decoding is. */
struct delta_run {
	const struct delta_tables *tables;
	struct delta_block *block;	/* in the scratch: a kernel's stack is small */
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

/* Elements of a field. */
struct delta_layout {
	u32 size;
	u32 mantissa;
	u32 symbol;
	bool is_float;
};

static __always_inline u32 load(const u8 *from, u32 size)
{
	u16 half;

	if (size == 4)
		return lwc_le32(from);
	memcpy(&half, from, size);
	return size == 2 ? half : *from;
}

static __always_inline void store(u8 *to, u32 size, u32 value)
{
	u16 half = (u16)value;

	if (size == 4)
		memcpy(to, &value, 4);
	else if (size == 2)
		memcpy(to, &half, 2);
	else
		*to = (u8)value;
}

static __always_inline u32 symbol_of(u32 value, struct delta_layout layout)
{
	return value >> layout.mantissa & ((1u << layout.symbol) - 1);
}

/* The words for a turn of all states, the next one lowest; and how many were taken so far. */
struct delta_words {
	u64 next;
	size_t taken;
};

/* A branch is what the CPU can foretell only where few words are taken. */
static __always_inline u32 refilled(struct delta_words *words, u32 state, bool rare)
{
	u32 filled = state << 16 | (u16)words->next;
	u64 left = words->next >> 16 | words->next << 48;

	if (rare && state < LWC_DELTA_LOW) {
		words->next = left;
		words->taken++;
		return filled;
	}
	/* what compilers make of this is a branch */
	if (!rare)
		asm("cmpl %[low], %[state]\n\t"
		    "cmovb %[filled], %[state]\n\t"
		    "cmovb %[left], %[next]\n\t"
		    "adc $0, %[taken]"
		    : [state] "+&r" (state), [next] "+&r" (words->next),
		      [taken] "+&r" (words->taken)
		    : [filled] "r" (filled), [left] "r" (left), [low] "i" (LWC_DELTA_LOW)
		    : "cc");
	return state;
}

/*
 * The next token of a state, for an element of the class. Most tokens are 0
 * where `rare`, so that looking whether this one is saves the rest.
 */
static __always_inline u8 next_token(u32 *state, const struct delta_class *cls,
				     struct delta_words *words, bool rare)
{
	u32 slot = *state % LWC_DELTA_TOTAL, next = *state / LWC_DELTA_TOTAL, token = 0;

	if (rare && slot < cls->zero) {
		next = cls->zero * next + slot;
	} else {
		u32 rest;

		token = cls->token_of[slot];
		rest = slot - cls->parts[token].begin;
		/* not to be had only after the product, which all else waits for */
		asm("" : "+r" (rest));
		next = cls->parts[token].frequency * next + rest;
	}
	*state = refilled(words, next, rare);
	return (u8)token;
}

/* The tokens of count elements, of which the classes are known; all of run is in registers. */
static __always_inline void run_tokens(struct delta_run *run, struct delta_block *block, bool rare,
				       u32 count)
{
	u32 s0 = run->state[0], s1 = run->state[1], s2 = run->state[2], s3 = run->state[3];
	struct delta_words words = { .taken = 0 };
	u8 *tokens = block->tokens;
	size_t i;

#define TOKEN(n) (tokens[i + n] = next_token(&s##n, block->classes[i + n], &words, rare))
	for (i = 0; i + LWC_DELTA_STATES <= count; i += LWC_DELTA_STATES) {
		words.next = lwc_le64(run->words + 2 * words.taken);
		TOKEN(0);
		TOKEN(1);
		TOKEN(2);
		TOKEN(3);
	}
	words.next = lwc_le64(run->words + 2 * words.taken);
	if (i < count)
		TOKEN(0);
	if (i + 1 < count)
		TOKEN(1);
	if (i + 2 < count)
		TOKEN(2);
#undef TOKEN
	run->words += 2 * words.taken;
	run->state[0] = s0;
	run->state[1] = s1;
	run->state[2] = s2;
	run->state[3] = s3;
}

/* The loop has just so many registers; so by itself. */
static noinline void often_tokens(struct delta_run *run, struct delta_block *block)
{
	run_tokens(run, block, false, DELTA_BLOCK);
}

static noinline void rare_tokens(struct delta_run *run, struct delta_block *block)
{
	run_tokens(run, block, true, DELTA_BLOCK);
}

static __always_inline void find_tokens(struct delta_run *run, struct delta_block *block, bool rare,
					u32 count)
{
	if (count < DELTA_BLOCK)
		run_tokens(run, block, false, count);
	else if (rare)
		rare_tokens(run, block);
	else
		often_tokens(run, block);
}

/* Up to 57 bits from bit on. */
static __always_inline u64 bits_at(const u8 *from, u64 bit, u32 count)
{
	return lwc_le64(from + bit / 8) >> (bit % 8) & ((1ull << count) - 1);
}

static __always_inline void find_classes(const struct delta_tables *tables,
					 struct delta_layout layout, const u8 *base, u32 count,
					 struct delta_block *block)
{
	u32 i;

	for (i = 0; i < count; i++) {
		u32 symbol = symbol_of(load(base + i * layout.size, layout.size), layout);

		block->classes[i] = &tables->classes[tables->class_of[symbol]];
	}
}

/* The elements of count tokens. */
static __always_inline void add_differences(struct delta_run *run, struct delta_layout layout,
					    bool rare, const struct delta_block *block,
					    const u8 *base, u32 count, u8 *dst)
{
	const struct delta_tables *tables = run->tables;
	u32 width = layout.size * 8, i;
	u64 bit = run->bit;

	for (i = 0; i < count; i++, base += layout.size, dst += layout.size) {
		u32 old, value, shift, token, bits;
		u64 u;

		if (rare && !tables->shifted && i + 8 <= count &&
		    !lwc_le64(block->tokens + i)) {
			memcpy(dst, base, 8 * layout.size);
			i += 7;
			base += 7 * layout.size;
			dst += 7 * layout.size;
			continue;
		}
		old = load(base, layout.size);
		shift = tables->shift_of[symbol_of(old, layout)];
		token = block->tokens[i];
		bits = shift + tables->low[token];
		u = ((u64)tables->least[token] << shift) + bits_at(run->low, bit, bits);
		bit += bits;
		value = delta_ordered(old, width, layout.is_float) +
			((u32)(u >> 1) ^ (0u - (u32)(u & 1)));
		store(dst, layout.size, delta_unordered(value & ~0u >> (32 - width), width,
							layout.is_float));
	}
	run->bit = bit;
}

static __always_inline void run_block(struct delta_run *run, struct delta_layout layout, bool rare,
				      const u8 *base, u32 count, u8 *dst)
{
	find_classes(run->tables, layout, base, count, run->block);
	find_tokens(run, run->block, rare, count);
	add_differences(run, layout, rare, run->block, base, count, dst);
}

static inline bool run_overran(const struct delta_streams *streams, const struct delta_run *run)
{
	return run->words > streams->words_end || run->bit > streams->low_bits;
}

static inline enum lwc_error run_end(const struct delta_streams *streams,
				     const struct delta_run *run)
{
	u32 i;

	if (run->words != streams->words_end || streams->low_bits - run->bit > 7)
		return LWC_ERR_STREAM;
	if (streams->low_bits != run->bit && run->low[run->bit / 8] >> (run->bit % 8))
		return LWC_ERR_PADDING;
	for (i = 0; i < LWC_DELTA_STATES; i++)
		if (run->state[i] != LWC_DELTA_LOW)
			return LWC_ERR_STREAM;
	return LWC_OK;
}

typedef void (*delta_run_block)(struct delta_run *run, struct delta_layout layout, bool rare,
			    const u8 *base, u32 count, u8 *dst);

/* block: of DELTA_BLOCK elements. */
static __always_inline enum lwc_error run_all(const struct delta_streams *streams,
					      struct delta_layout layout, bool rare,
					      const u8 *base, u32 count, u8 *dst,
					      delta_run_block whole_block)
{
	size_t block = (size_t)DELTA_BLOCK * layout.size;
	struct delta_run run = streams->run;

	for (; count >= DELTA_BLOCK; count -= DELTA_BLOCK, base += block, dst += block) {
		whole_block(&run, layout, rare, base, DELTA_BLOCK, dst);
		if (run_overran(streams, &run))
			return LWC_ERR_STREAM;
	}
	run_block(&run, layout, rare, base, count, dst);
	return run_end(streams, &run);
}

/* What occurs often by itself, so that the geometry is constant in its loop. */
static __always_inline enum lwc_error delta_run(const struct delta_streams *streams, u8 field,
						bool rare, const u8 *base, u32 count, u8 *dst)
{
	static const struct delta_layout bf16 = { 2, 7, 8, true }, f16 = { 2, 10, 5, true },
					 f32 = { 4, 23, 8, true };
	struct lwc_field_layout other = lwc_field_layouts[field];

	if (field == LWC_FIELD_BF16 && rare)
		return run_all(streams, bf16, true, base, count, dst, run_block);
	if (field == LWC_FIELD_BF16)
		return run_all(streams, bf16, false, base, count, dst, run_block);
	if (field == LWC_FIELD_F16)
		return run_all(streams, f16, false, base, count, dst, run_block);
	if (field == LWC_FIELD_F32)
		return run_all(streams, f32, false, base, count, dst, run_block);
	return run_all(streams, (struct delta_layout){ other.element, other.mantissa, other.symbol,
						       field < LWC_FIELD_I8 },
		       false, base, count, dst, run_block);
}

#endif
