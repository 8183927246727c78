/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One file for all ISAs: the products and sums below are those of ggml's own
 * reference, in its order, each rounded by itself, so that they are the same
 * everywhere. d and m are a block's scale and offset, in half precision.
 */
#include "blocks.h"
#include "lanes_scalar.h"

static float half_at(const uint8_t *bytes)
{
    return lanes_load_f16(bytes);
}

/* d, then 16 bytes: the lower nibbles are the first half of the weights. */
static void q4_0(const uint8_t *block, float *out)
{
    float d = half_at(block);

    for (int i = 0; i < 16; i++) {
        out[i] = (float)((block[2 + i] & 15) - 8) * d;
        out[i + 16] = (float)((block[2 + i] >> 4) - 8) * d;
    }
}

/* d, m, nibbles */
static void q4_1(const uint8_t *block, float *out)
{
    float d = half_at(block), m = half_at(block + 2);

    for (int i = 0; i < 16; i++) {
        out[i] = (float)(block[4 + i] & 15) * d + m;
        out[i + 16] = (float)(block[4 + i] >> 4) * d + m;
    }
}

/* The fifth bit of weight i, from 32 bits for 32 weights. */
static int fifth(const uint8_t *bits, int i)
{
    return (bits[i / 8] >> i % 8 & 1) << 4;
}

/* d, fifth bits, nibbles */
static void q5_0(const uint8_t *block, float *out)
{
    float d = half_at(block);

    for (int i = 0; i < 16; i++) {
        out[i] = (float)(((block[6 + i] & 15) | fifth(block + 2, i)) - 16) * d;
        out[i + 16] = (float)((block[6 + i] >> 4 | fifth(block + 2, i + 16)) - 16) * d;
    }
}

/* d, m, fifth bits, nibbles */
static void q5_1(const uint8_t *block, float *out)
{
    float d = half_at(block), m = half_at(block + 2);

    for (int i = 0; i < 16; i++) {
        out[i] = (float)((block[8 + i] & 15) | fifth(block + 4, i)) * d + m;
        out[i + 16] = (float)(block[8 + i] >> 4 | fifth(block + 4, i + 16)) * d + m;
    }
}

/* d, bytes */
static void q8_0(const uint8_t *block, float *out)
{
    float d = half_at(block);

    for (int i = 0; i < 32; i++)
        out[i] = (float)(int8_t)block[2 + i] * d;
}

/* Six bits each: eight scales and eight offsets in twelve bytes. */
static void scale_of(const uint8_t *packed, int i, int *scale, int *offset)
{
    if (i < 4) {
        *scale = packed[i] & 63;
        *offset = packed[i + 4] & 63;
    } else {
        *scale = (packed[i + 4] & 15) | packed[i - 4] >> 6 << 4;
        *offset = packed[i + 4] >> 4 | packed[i] >> 6 << 4;
    }
}

/*
 * Q4_K and Q5_K: d, m, 12 bytes of scales, fifth bits (five alone), nibbles: of
 * 32 bytes the lower ones are 32 weights, the upper ones the next 32.
 */
static void q4_or_5(const uint8_t *block, bool five, float *out)
{
    float d = half_at(block), m = half_at(block + 2);
    const uint8_t *high = block + 16, *low = five ? high + 32 : high;

    for (int part = 0; part < 8; part++) {
        const uint8_t *nibbles = low + part / 2 * 32;
        float scaled, offset;
        int scale, min;

        scale_of(block + 4, part, &scale, &min);
        scaled = d * (float)scale;
        offset = m * (float)min;
        for (int i = 0; i < 32; i++) {
            int quant = part % 2 ? nibbles[i] >> 4 : nibbles[i] & 15;

            if (five)
                quant += (high[i] >> part & 1) << 4;
            out[32 * part + i] = scaled * (float)quant - offset;
        }
    }
}

static void q4_k(const uint8_t *block, float *out)
{
    q4_or_5(block, false, out);
}

static void q5_k(const uint8_t *block, float *out)
{
    q4_or_5(block, true, out);
}

/*
 * 128 bytes of nibbles, 64 of upper two bits, 16 signed scales, d. Each half of
 * the weights takes 64 and 32 of them: lower nibbles of 32 and 32 bytes, then
 * the upper ones.
 */
static void q6_k(const uint8_t *block, float *out)
{
    float d = half_at(block + 208);

    for (int part = 0; part < 8; part++) {
        const uint8_t *nibbles = block + part / 4 * 64 + part % 2 * 32;
        const uint8_t *upper = block + 128 + part / 4 * 32;
        const uint8_t *scales = block + 192 + 2 * part;

        for (int i = 0; i < 32; i++) {
            int low = part % 4 < 2 ? nibbles[i] & 15 : nibbles[i] >> 4;
            int quant = (low | (upper[i] >> 2 * (part % 4) & 3) << 4) - 32;

            out[32 * part + i] = d * (float)(int8_t)scales[i / 16] * (float)quant;
        }
    }
}

static void (*const converters[LWC_DTYPES])(const uint8_t *, float *) = {
    [LWC_DTYPE_Q4_0] = q4_0, [LWC_DTYPE_Q4_1] = q4_1, [LWC_DTYPE_Q5_0] = q5_0,
    [LWC_DTYPE_Q5_1] = q5_1, [LWC_DTYPE_Q8_0] = q8_0, [LWC_DTYPE_Q4_K] = q4_k,
    [LWC_DTYPE_Q5_K] = q5_k, [LWC_DTYPE_Q6_K] = q6_k,
};

bool blocks_known(uint32_t dtype)
{
    return dtype < LWC_DTYPES && converters[dtype];
}

void blocks_convert(enum lwc_dtype dtype, const uint8_t *blocks, size_t count, float *out)
{
    struct lwc_dtype_block block = lwc_dtype_block(dtype);

    for (size_t i = 0; i < count; i += block.elements, blocks += block.bytes) {
        converters[dtype](blocks, out + i);
        for (size_t j = i; j < i + block.elements; j++)
            out[j] = out[j] == out[j] ? out[j] : __builtin_nanf("");
    }
}
