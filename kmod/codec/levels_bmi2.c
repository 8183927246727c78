// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* LEVELS with BMI2 in general registers, eight weights at a time: no FPU section. */
#include "levels_pdep.h"

#define EVERY_BYTE	0x0101010101010101ull

/* Symbols of eight codes of one or two bits, one a byte, by selecting with masks. */
static inline u64 select_symbols(u64 codes, u32 width, const u64 symbol[3])
{
	u64 low = (codes & EVERY_BYTE) * 255, high;

	if (width == 1)
		return symbol[0];
	high = (codes >> 1 & EVERY_BYTE) * 255;
	return symbol[0] ^ (low & symbol[1]) ^ (high & symbol[2]);
}

static inline u64 look_symbols_up(u64 codes, const u8 *symbols)
{
	u64 out = 0;
	u32 i;

	for (i = 0; i < 64; i += 8)
		out |= (u64)symbols[codes >> i & 15] << i;
	return out;
}

static __always_inline u32 level(const u8 *codes, u32 width, const u8 *symbols, u32 count, const u8 *next,
			u8 *out)
{
	const u64 mask = ((1u << width) - 1) * EVERY_BYTE;
	u64 symbol[3], passed = 0;
	u32 base, i, bit;

	/* as exclusive-or with the first one */
	symbol[0] = symbols[0] * EVERY_BYTE;
	symbol[1] = (symbols[1] ^ symbols[0]) * EVERY_BYTE;
	symbol[2] = (symbols[2] ^ symbols[0]) * EVERY_BYTE;
	for (base = 0; base < count; base += LWC_GROUP, codes += 8 * width) {
		for (i = 0; i < 8; i++) {
			u64 eight = levels_pdep(levels_eight(codes, width, i), mask), ones = eight;
			u64 found;

			for (bit = 1; bit < width; bit++)
				ones &= eight >> bit;
			ones = (ones & EVERY_BYTE) * 255;
			if (width <= 2)
				found = select_symbols(eight, width, symbol);
			else
				found = look_symbols_up(eight, symbols);
			found = (found & ~ones) | levels_pdep(lwc_le64(next + passed), ones);
			memcpy(out + base + 8 * i, &found, 8);
			passed += levels_popcount(ones) / 8;
		}
	}
	return (u32)passed;
}

u32 levels_level_bmi2(const u8 *codes, u32 width, const u8 *symbols, u32 count, const u8 *next,
		      u8 *out)
{
	return levels_by_width(level, codes, width, symbols, count, next, out);
}

void levels_unpack_bmi2(const u8 *codes, u32 width, u32 count, u8 *out)
{
	const u64 mask = ((1u << width) - 1) * EVERY_BYTE;
	u32 base, i;

	for (base = 0; base < count; base += LWC_GROUP, codes += 8 * width) {
		for (i = 0; i < 8; i++) {
			u64 eight = levels_pdep(levels_eight(codes, width, i), mask);

			memcpy(out + base + 8 * i, &eight, 8);
		}
	}
}

/* Four bytes of src to the even bytes of the result, or with shift 8 to the odd ones. */
static inline u64 every_other(const u8 *src, u32 shift)
{
	return levels_pdep(lwc_le32(src), 0x00ff00ff00ff00ffull << shift);
}

void levels_join_bmi2(u8 field, const u8 *symbols, const struct levels_parts *parts, u32 count,
		      u8 *dst)
{
	struct levels_parts left = *parts;
	u32 i = 0;

	if (field == LWC_FIELD_BF16 && levels_turned(field, parts->kept)) {
		for (; i + 4 <= count; i += 4) {
			u64 four = every_other(symbols + i, 8) | every_other(parts->part[0] + i, 0);
			u64 exchange = (four ^ four >> 8) & 0x0080008000800080ull;

			four ^= exchange | exchange << 8;
			memcpy(dst + 2 * (size_t)i, &four, 8);
		}
		left.part[0] += i;
	}
	levels_join(field, symbols + i, &left, count - i, dst + 2 * (size_t)i);
}
