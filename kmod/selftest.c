// SPDX-License-Identifier: GPL-2.0-only
/*
 * At load: do all implementations decode alike on this CPU and in this kernel?
 * Any bits are valid codes of LEVELS, so that a tile is made of pseudo-random
 * ones by counting what each level passes on. Any integers are those of GRID. SPLIT
 * has a member of each codec. Tokens of DELTA are coded here as an encoder would.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "lwcmem.h"

#define WEIGHTS		(20000 + 7)	/* many blocks, and a ragged group */
#define GROUPS		DIV_ROUND_UP(WEIGHTS, LWC_GROUP)
/* byte plane, codes of at most 4 bits on all levels, escapes */
#define STORED_MAX	(sizeof(struct lwc_levels_header) + WEIGHTS + \
			 LWC_LEVELS_MAX * (WEIGHTS / 2 + 1) + WEIGHTS)
#define DECODED		(2 * WEIGHTS)
#define GRID_GROUP	96

/* Bytes of SPLIT's members in a block: together six, in blocks that make up DECODED. */
#define BLOCKS		(WEIGHTS / 3)
#define SPLIT_LEVELS	3
#define SPLIT_RAW	2
#define SPLIT_ZSTD	1
#define SPLIT_BYTES	(SPLIT_LEVELS + SPLIT_RAW + SPLIT_ZSTD)
#define FRAME		11	/* bytes of the last one */
#define REPEATED	0x77

#define DELTA_SHIFT	2	/* low bits of each element */

static u32 next_random(u32 *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static u8 *random_bytes(u8 *at, u32 count, u32 *state)
{
	while (count--)
		*at++ = next_random(state);
	return at;
}

/* A stream of count random codes at *at; returns how many are all ones. */
static u32 make_codes(u8 **at, u32 count, u32 width, u32 *state)
{
	u32 ones = (1u << width) - 1, bytes = DIV_ROUND_UP(count * width, 8), passed = 0, i;

	memset(*at, 0, bytes);
	for (i = 0; i < count; i++) {
		u32 code = next_random(state) & ones, bit = i * width;

		/* a code of three bits may lie in two bytes */
		(*at)[bit / 8] |= code << bit % 8;
		if (bit % 8 + width > 8)
			(*at)[bit / 8 + 1] |= code >> (8 - bit % 8);
		passed += code == ones;
	}
	*at += bytes;
	return passed;
}

/* A stored tile of the structure, of bf16 or of i8 that are symbols only; returns its length. */
static u32 make_tile(u8 structure, u8 field, u8 *stored)
{
	const struct lwc_levels_shape *shape = lwc_levels_shape(structure);
	struct lwc_levels_header header = { .weights = cpu_to_le32(WEIGHTS) };
	u8 *at = stored + sizeof(header);
	u32 state = structure, count = WEIGHTS, symbols = 0, level;

	if (field == LWC_FIELD_BF16) {
		header.kept = 7;
		at = random_bytes(at, WEIGHTS, &state);
	}
	for (level = 0; level < shape->levels; level++) {
		count = make_codes(&at, count, shape->width[level], &state);
		header.reached[level] = cpu_to_le32(count);
		symbols += (1u << shape->width[level]) - 1;
	}
	random_bytes(header.symbols, symbols, &state);
	memcpy(stored, &header, sizeof(header));
	return random_bytes(at, count, &state) - stored;
}

struct bench {
	u8 stored[STORED_MAX];
	u8 expected[DECODED];
	u8 decoded[DECODED];
	u8 base[DECODED];
	const u8 *given;		/* base, or NULL: DELTA is without one */
	u8 scratch[LWC_SCRATCH_TILE];
	void *zstd;
	size_t zstd_len;
};

static enum lwc_error decode(const struct lwc_impl *impl, const struct lwc_tile *entry,
			     struct bench *bench, u8 *decoded)
{
	struct lwc_scratch scratch = {
		.tile = bench->scratch, .zstd = bench->zstd, .zstd_len = bench->zstd_len,
		.base = bench->given,
	};

	return lwcmem_decode_stored(impl, entry, bench->stored, decoded, DECODED, &scratch);
}

/* Same bytes as the scalar decoder. */
static bool same(const struct lwc_impl *impl, const struct lwc_tile *entry, struct bench *bench,
		 bool broken)
{
	if (decode(lwc_impls[0], entry, bench, bench->expected) ||
	    decode(impl, entry, bench, bench->decoded))
		return false;
	if (broken)
		bench->decoded[DECODED / 2] ^= 1;
	return !memcmp(bench->expected, bench->decoded, DECODED);
}

/* Same bytes as the scalar decoder, and the same verdict on a tile with one bit flipped. */
static bool agrees(const struct lwc_impl *impl, u8 structure, struct bench *bench, bool broken)
{
	struct lwc_tile entry = {
		.stored = cpu_to_le32(make_tile(structure, LWC_FIELD_BF16, bench->stored)),
		.chain = { LWC_CODEC_LEVELS },
		.param = structure,
		.field = LWC_FIELD_BF16,
	};
	u8 *codes = bench->stored + sizeof(struct lwc_levels_header) + WEIGHTS;

	if (!same(impl, &entry, bench, broken))
		return false;
	codes[100] ^= 1;
	return decode(lwc_impls[0], &entry, bench, bench->expected) ==
	       decode(impl, &entry, bench, bench->decoded);
}

static u8 *put_u32(u8 *at, u32 value)
{
	__le32 stored = cpu_to_le32(value);

	memcpy(at, &stored, sizeof(stored));
	return at + sizeof(stored);
}

/* Integers, most of four bits, and parameters of groups, as they are; returns the length. */
static u32 make_grid(u8 kind, u8 *stored)
{
	u32 groups = DIV_ROUND_UP(WEIGHTS, GRID_GROUP), state = kind, i;
	u32 seconds = kind == LWC_GRID_PRODUCT ? 0 : groups;
	struct lwc_grid_header header = {
		.group = cpu_to_le32(GRID_GROUP),
		.scales = cpu_to_le32(4 * groups),
		.seconds = cpu_to_le32(4 * seconds),
		.field = LWC_FIELD_BF16,
		.kind = kind,
		.through = LWC_FIELD_F16,
	};
	u8 *at = stored + sizeof(header);

	memcpy(stored, &header, sizeof(header));
	/* 2^-15 to 2^-13: some products are subnormal in f16 */
	for (i = 0; i < groups; i++)
		at = put_u32(at, 0x38000000 + next_random(&state));
	/* the zero point 8.0, or an offset of about -2^-12 */
	for (i = 0; i < seconds; i++)
		at = put_u32(at, kind == LWC_GRID_STEPS ? 0x41000000 :
							  0xb9800000 + next_random(&state));
	for (i = 0; i < WEIGHTS; i++) {
		u32 any = next_random(&state);

		*at++ = i / GRID_GROUP % 4 ? any % 16 : any;
	}
	return at - stored;
}

static bool grid_agrees(const struct lwc_impl *impl, u8 kind, struct bench *bench, bool broken)
{
	struct lwc_tile entry = {
		.stored = cpu_to_le32(make_grid(kind, bench->stored)),
		.chain = { LWC_CODEC_GRID, LWC_CODEC_RAW },
	};

	return same(impl, &entry, bench, broken);
}

/* A frame with a content size of two bytes and one block, of one repeated byte. */
static u8 *put_frame(u8 *at, u32 length)
{
	u32 size = length - 256, block = 1 | 1 << 1 | length << 3;
	const u8 frame[FRAME] = {
		0x28, 0xb5, 0x2f, 0xfd, 0x60, size, size >> 8,
		block, block >> 8, block >> 16, REPEATED,
	};

	memcpy(at, frame, FRAME);
	return at + FRAME;
}

static u32 make_split(u8 structure, u8 *stored)
{
	struct lwc_split_member members[] = {
		{ .bytes = cpu_to_le16(SPLIT_LEVELS), .codec = LWC_CODEC_LEVELS,
		  .structure = structure, .field = LWC_FIELD_I8 },
		{ .bytes = cpu_to_le16(SPLIT_RAW), .codec = LWC_CODEC_RAW },
		{ .bytes = cpu_to_le16(SPLIT_ZSTD), .codec = LWC_CODEC_ZSTD },
	};
	struct lwc_split_header header = { .members = ARRAY_SIZE(members) };
	u8 *first = stored + sizeof(header) + sizeof(members), *raw, *frame, *end;
	u32 state = structure;

	raw = first + make_tile(structure, LWC_FIELD_I8, first);
	frame = random_bytes(raw, SPLIT_RAW * BLOCKS, &state);
	end = put_frame(frame, SPLIT_ZSTD * BLOCKS);
	members[0].stored = cpu_to_le32(raw - first);
	members[1].stored = cpu_to_le32(frame - raw);
	members[2].stored = cpu_to_le32(end - frame);
	memcpy(stored, &header, sizeof(header));
	memcpy(stored + sizeof(header), members, sizeof(members));
	return end - stored;
}

/* Are the members that are known where they belong? */
static bool split_in_place(const struct bench *bench, u32 stored)
{
	const u8 *raw = bench->stored + stored - FRAME - SPLIT_RAW * BLOCKS;
	u32 differ = 0, i;

	for (i = 0; i < BLOCKS; i++) {
		const u8 *block = bench->decoded + i * SPLIT_BYTES;

		differ |= memcmp(block + SPLIT_LEVELS, raw + i * SPLIT_RAW, SPLIT_RAW);
		differ |= block[SPLIT_BYTES - 1] ^ REPEATED;
	}
	return !differ;
}

static bool split_agrees(const struct lwc_impl *impl, u8 structure, struct bench *bench,
			 bool broken)
{
	u32 stored = make_split(structure, bench->stored);
	struct lwc_tile entry = {
		.stored = cpu_to_le32(stored),
		.chain = { LWC_CODEC_SPLIT },
	};

	return same(impl, &entry, bench, broken) && split_in_place(bench, stored);
}

/* Words of random tokens, the last element's first, to the end of room; returns their begin. */
static u8 *make_words(u32 *states, u8 *end)
{
	static const u16 frequency[] = { 3840, 128, 128 }, begin[] = { 0, 3840, 3968 };
	u32 state = LWC_CODEC_DELTA, i;

	for (i = 0; i < LWC_DELTA_STATES; i++)
		states[i] = LWC_DELTA_LOW;
	for (i = WEIGHTS; i--;) {
		u32 any = next_random(&state) % 32, token = any < 3 ? any : 0;
		u32 share = frequency[token], *x = &states[i % LWC_DELTA_STATES];

		if (*x >= share << 20) {
			end -= 2;
			end[0] = (u8)*x;
			end[1] = (u8)(*x >> 8);
			*x >>= 16;
		}
		*x = *x / share * LWC_DELTA_TOTAL + begin[token] + *x % share;
	}
	return end;
}

/* One class with one code, 16: it gives tokens 1 and 2 frequencies of 128. */
static u32 make_delta(struct bench *bench)
{
	static const u8 classes[] = { 0x00, 0x01, 0x0e };
	u32 states[LWC_DELTA_STATES], state = 1, low = WEIGHTS * DELTA_SHIFT, i;
	u8 *end = bench->decoded + DECODED, *words = make_words(states, end), *at = bench->stored;
	struct lwc_delta_header header = {
		.low = cpu_to_le32(DIV_ROUND_UP(low, 8)), .classes = 1, .shift = DELTA_SHIFT,
	};

	memcpy(at, &header, sizeof(header));
	memcpy(at + sizeof(header), classes, sizeof(classes));
	at += sizeof(header) + sizeof(classes);
	for (i = 0; i < LWC_DELTA_STATES; i++)
		at = put_u32(at, states[i]);
	at = random_bytes(at, DIV_ROUND_UP(low, 8), &state);
	at[-1] &= (1u << low % 8) - 1;
	memcpy(at, words, end - words);
	random_bytes(bench->base, DECODED, &state);
	return at + (end - words) - bench->stored;
}

static bool delta_agrees(const struct lwc_impl *impl, struct bench *bench, bool broken)
{
	struct lwc_tile entry = {
		.stored = cpu_to_le32(make_delta(bench)),
		.chain = { LWC_CODEC_DELTA },
		.field = LWC_FIELD_BF16,
	};
	bool right;

	bench->given = bench->base;
	right = same(impl, &entry, bench, broken);
	/* what follows a changed token is another difference or an error, on all alike */
	bench->stored[sizeof(struct lwc_delta_header) + 6] ^= 1;
	right = right && decode(lwc_impls[0], &entry, bench, bench->expected) ==
			 decode(impl, &entry, bench, bench->decoded);
	bench->given = NULL;
	return right;
}

static bool refuses_delta(const struct lwc_impl *impl, struct bench *bench)
{
	struct lwc_tile entry = { .chain = { LWC_CODEC_DELTA } };

	if (decode(impl, &entry, bench, bench->decoded) != LWC_ERR_CHAIN)
		return false;
	entry.field = LWC_FIELD_BF16;
	entry.stored = cpu_to_le32(1000);
	return decode(impl, &entry, bench, bench->decoded) == LWC_ERR_CHAIN;
}

/* RFC 3720, appendix B.4: 32 bytes of ones; and long input, which takes the interleaved path. */
static bool crc_right(struct bench *bench)
{
	u8 *data = bench->stored;
	u32 whole, halves;

	memset(data, 0xff, 32);
	if (lwc_crc32c(0, data, 32) != 0x62a8ab43)
		return false;
	make_tile(LWC_STRUCTURE_41, LWC_FIELD_BF16, data);
	whole = lwc_crc32c(0, data, 60000);
	halves = lwc_crc32c(lwc_crc32c(0, data, 1001), data + 1001, 60000 - 1001);
	return whole == halves;
}

/* Content of the right size, and of no other. */
static bool zstd_right(struct bench *bench)
{
	size_t len = put_frame(bench->stored, 300) - bench->stored, i;
	bool right;

	right = lwc_zstd_decode(bench->zstd, bench->zstd_len, bench->decoded, 300, bench->stored,
				len) &&
		!lwc_zstd_decode(bench->zstd, bench->zstd_len, bench->decoded + 300, 301,
				 bench->stored, len);
	for (i = 0; right && i < 300; i++)
		right = bench->decoded[i] == REPEATED;
	return right;
}

static bool agrees_on_all(const struct lwc_impl *impl, struct bench *bench, bool broken)
{
	u8 structure, kind;

	for (structure = 1; structure < LWC_STRUCTURES; structure++)
		if (!agrees(impl, structure, bench, broken) ||
		    !split_agrees(impl, structure, bench, broken))
			return false;
	for (kind = 0; kind < LWC_GRIDS; kind++)
		if (!grid_agrees(impl, kind, bench, broken))
			return false;
	return delta_agrees(impl, bench, broken) && refuses_delta(impl, bench);
}

static u32 check_all(struct bench *bench, u32 mask, u32 broken)
{
	unsigned int i;

	if (!crc_right(bench)) {
		pr_err("self test: crc32c is wrong\n");
		return 0;
	}
	if (!zstd_right(bench)) {
		pr_err("self test: zstd is wrong\n");
		return 0;
	}
	for (i = 0; i < lwc_impl_count; i++) {
		const struct lwc_impl *impl = lwc_impls[i];
		bool fails = broken & impl->isa;

		if (!(mask & impl->isa))
			continue;
		if (agrees_on_all(impl, bench, fails))
			continue;
		pr_err("self test: %s decodes wrongly here and is not used\n", impl->name);
		mask &= ~impl->isa;
	}
	return mask & LWC_ISA_SCALAR ? mask : 0;
}

u32 lwcmem_selftest(u32 mask, u32 broken)
{
	struct bench *bench = vmalloc(sizeof(*bench));
	u32 usable;

	if (!bench)
		return 0;
	bench->given = NULL;
	bench->zstd_len = lwc_zstd_workspace();
	bench->zstd = vmalloc(bench->zstd_len);
	usable = bench->zstd ? check_all(bench, mask, broken) : 0;
	vfree(bench->zstd);
	vfree(bench);
	return usable;
}
