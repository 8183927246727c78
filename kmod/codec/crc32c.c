// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* crc32c (Castagnoli, RFC 3720 appendix B.4). */
#include "codec.h"

/* Reflected polynomial, four bits at a time: small, for CPUs without SSE4.2. */
static u32 crc_nibble(u32 crc)
{
	u32 i;

	for (i = 0; i < 4; i++)
		crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
	return crc;
}

static u32 crc_plain(u32 crc, const u8 *data, size_t len)
{
	u32 table[16], i;

	for (i = 0; i < 16; i++)
		table[i] = crc_nibble(i);
	while (len--) {
		crc ^= *data++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

#define STREAM		1024	/* bytes of each of three interleaved streams */

static inline u64 step(u64 crc, const u8 *data)
{
	asm("crc32q %1, %0" : "+r"(crc) : "rm"(lwc_le64(data)));
	return crc;
}

/*
 * crc after STREAM zero bytes is linear in crc: a table of what each byte of
 * it contributes. Computed by the instruction itself, 128 steps an entry.
 */
struct shift_table {
	u32 of[32];
};

static void shift_init(struct shift_table *shift)
{
	u32 bit, i;

	for (bit = 0; bit < 32; bit++) {
		u64 crc = 1ull << bit, zero = 0;

		for (i = 0; i < STREAM / 8; i++)
			asm("crc32q %1, %0" : "+r"(crc) : "r"(zero));
		shift->of[bit] = (u32)crc;
	}
}

static u32 shift_apply(const struct shift_table *shift, u32 crc)
{
	u32 out = 0, bit;

	for (bit = 0; bit < 32; bit++)
		out ^= shift->of[bit] & (0u - (crc >> bit & 1));
	return out;
}

static u32 crc_fast(u32 crc, const u8 *data, size_t len)
{
	u64 a = crc, b, c;
	size_t i;

	if (len >= 16 * 3 * STREAM) {
		struct shift_table shift;

		shift_init(&shift);
		for (; len >= 3 * STREAM; len -= 3 * STREAM, data += 3 * STREAM) {
			b = 0;
			c = 0;
			for (i = 0; i < STREAM; i += 8) {
				a = step(a, data + i);
				b = step(b, data + STREAM + i);
				c = step(c, data + 2 * STREAM + i);
			}
			a = shift_apply(&shift, (u32)a) ^ b;
			a = shift_apply(&shift, (u32)a) ^ c;
		}
	}
	for (; len >= 8; len -= 8, data += 8)
		a = step(a, data);
	for (; len; len--, data++) {
		u32 narrow = (u32)a;

		asm("crc32b %1, %0" : "+r"(narrow) : "rm"(*data));
		a = narrow;
	}
	return (u32)a;
}

u32 lwc_crc32c(u32 crc, const u8 *data, size_t len)
{
	crc = ~crc;
	crc = lwc_has_crc32() ? crc_fast(crc, data, len) : crc_plain(crc, data, len);
	return ~crc;
}
