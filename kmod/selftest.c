// SPDX-License-Identifier: GPL-2.0-only
/*
 * At load: do all implementations decode alike on this CPU and in this kernel?
 * Any bits are valid codes of LEVELS, so that a tile is made of pseudo-random
 * ones by counting what continues and what escapes.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "lwcmem.h"

#define WEIGHTS		(20000 + 7)	/* many blocks, and a ragged group */
#define GROUPS		DIV_ROUND_UP(WEIGHTS, LWC_GROUP)
#define STORED_MAX	(sizeof(struct lwc_levels_header) + LWC_LEVELS_SYMBOLS + \
			 GROUPS * 32 + 5 * (WEIGHTS / 8 + 1) + 2 * WEIGHTS)
#define DECODED		(2 * WEIGHTS)

static u32 next_random(u32 *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void put_le32(u8 *p, u32 value)
{
	memcpy(p, &value, sizeof(value));
}

static u32 bit(const u8 *stream, u32 position)
{
	return stream[position / 8] >> (position % 8) & 1;
}

/* bits random bits, rather ones than zeroes; the tail is zero. Returns the bytes. */
static u32 random_bits(u8 *at, u32 bits, u32 *state)
{
	u32 bytes = DIV_ROUND_UP(bits, 8), i;

	for (i = 0; i < bytes; i++)
		at[i] = next_random(state) | next_random(state);
	if (bits % 8)
		at[bytes - 1] &= (1u << bits % 8) - 1;
	return bytes;
}

static u8 *random_bytes(u8 *at, u32 count, u32 *state)
{
	while (count--)
		*at++ = next_random(state);
	return at;
}

/* Nibbles of the groups; returns how many are 15. */
static u32 make_nibbles(u8 *level0, u32 *state)
{
	u32 i, escapes = 0;

	memset(level0, 0, GROUPS * 32);
	for (i = 0; i < WEIGHTS; i++) {
		u32 in = i % LWC_GROUP;
		u8 code = next_random(state) & 15;

		level0[i / LWC_GROUP * 32 + in % 32] |= code << (in / 32 * 4);
		escapes += code == 15;
	}
	return escapes;
}

/* Two planes for each group; returns how many codes are 3. */
static u32 make_planes(u8 *level0, u32 *state)
{
	u32 group, used, i, more = 0;

	for (group = 0; group < GROUPS; group++, level0 += 16) {
		used = min_t(u32, LWC_GROUP, WEIGHTS - group * LWC_GROUP);
		memset(level0, 0, 16);
		random_bits(level0, used, state);
		random_bits(level0 + 8, used, state);
		for (i = 0; i < used; i++)
			more += bit(level0, i) & bit(level0 + 8, i);
	}
	return more;
}

/* count streams of bits bits at *at; returns at how many places all of them have a one. */
static u32 make_streams(u8 **at, u32 count, u32 bits, u32 *state)
{
	u8 *first = *at;
	u32 bytes = DIV_ROUND_UP(bits, 8), all = 0, i, stream, ones;

	for (stream = 0; stream < count; stream++)
		*at += random_bits(*at, bits, state);
	for (i = 0; i < bits; i++) {
		for (ones = 0; ones < count && bit(first + ones * bytes, i); ones++)
			;
		all += ones == count;
	}
	return all;
}

/* A stored tile of the structure; returns its length. */
static u32 make_tile(u8 structure, u8 *stored)
{
	u32 state = structure, escapes, bits[2] = { 0, 0 };
	u8 *at = stored + sizeof(struct lwc_levels_header);

	at = random_bytes(at, LWC_LEVELS_SYMBOLS, &state);
	if (structure == LWC_STRUCTURE_4) {
		escapes = make_nibbles(at, &state);
		at += GROUPS * 32;
	} else {
		bits[0] = make_planes(at, &state);
		at += GROUPS * 16;
		bits[1] = make_streams(&at, 2, bits[0], &state);
		escapes = make_streams(&at, 3, bits[1], &state);
	}
	at = random_bytes(at, escapes + WEIGHTS, &state);
	put_le32(stored, WEIGHTS);
	put_le32(stored + 4, escapes);
	put_le32(stored + 8, bits[0]);
	put_le32(stored + 12, bits[1]);
	return at - stored;
}

struct bench {
	u8 stored[STORED_MAX];
	u8 expected[DECODED];
	u8 decoded[DECODED];
};

static enum lwc_error decode(const struct lwc_impl *impl, u8 structure, const u8 *stored, u32 length,
			     u8 *decoded)
{
	struct lwc_tile entry = {
		.stored = cpu_to_le32(length),
		.chain = { LWC_CODEC_LEVELS },
		.param = structure,
	};
	struct lwc_scratch none = {};

	return lwcmem_decode_stored(impl, &entry, stored, decoded, DECODED, &none);
}

/* Same bytes as the scalar decoder, and the same verdict on a tile with one bit flipped. */
static bool agrees(const struct lwc_impl *impl, u8 structure, struct bench *bench, bool broken)
{
	const struct lwc_impl *scalar = lwc_impls[0];
	u32 length = make_tile(structure, bench->stored);
	u8 *codes = bench->stored + sizeof(struct lwc_levels_header) + LWC_LEVELS_SYMBOLS;

	if (decode(scalar, structure, bench->stored, length, bench->expected) ||
	    decode(impl, structure, bench->stored, length, bench->decoded))
		return false;
	if (broken)
		bench->decoded[DECODED / 2] ^= 1;
	if (memcmp(bench->expected, bench->decoded, DECODED))
		return false;
	codes[100] ^= 1;
	return decode(scalar, structure, bench->stored, length, bench->expected) ==
	       decode(impl, structure, bench->stored, length, bench->decoded);
}

/* RFC 3720, appendix B.4: 32 bytes of ones; and long input, which takes the interleaved path. */
static bool crc_right(struct bench *bench)
{
	u8 *data = bench->stored;
	u32 whole, halves;

	memset(data, 0xff, 32);
	if (lwc_crc32c(0, data, 32) != 0x62a8ab43)
		return false;
	make_tile(LWC_STRUCTURE_4, data);
	whole = lwc_crc32c(0, data, 60000);
	halves = lwc_crc32c(lwc_crc32c(0, data, 1001), data + 1001, 60000 - 1001);
	return whole == halves;
}

/* A frame with a content size of 64 and one repeated byte, as zstd 1.5.4 writes it. */
static bool zstd_right(struct bench *bench)
{
	static const u8 frame[] = {
		0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x40, 0x03, 0x02, 0x00, 0x77,
	};
	size_t len = lwc_zstd_workspace(), i;
	void *workspace = vmalloc(len);
	bool right;

	if (!workspace)
		return false;
	right = lwc_zstd_decode(workspace, len, bench->decoded, 64, frame, sizeof(frame)) &&
		!lwc_zstd_decode(workspace, len, bench->decoded + 64, 65, frame, sizeof(frame));
	for (i = 0; right && i < 64; i++)
		right = bench->decoded[i] == 0x77;
	vfree(workspace);
	return right;
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
		if (agrees(impl, LWC_STRUCTURE_4, bench, fails) &&
		    agrees(impl, LWC_STRUCTURE_223, bench, fails))
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
	usable = check_all(bench, mask, broken);
	vfree(bench);
	return usable;
}
