/* SPDX-License-Identifier: BSD-3-Clause */
#include "zstd_peer.h"

#include <emmintrin.h>
#include <stdlib.h>
#include <string.h>

/* The stored bytes: size of the first frame (u32), the frame of the low bytes, that of the high. */

size_t bench_zstd_capacity(size_t length)
{
    return sizeof(uint32_t) + 2 * ZSTD_compressBound(length / 2);
}

size_t bench_zstd_encode(const uint8_t *src, size_t length, uint8_t *out, size_t capacity)
{
    size_t half = length / 2, used = sizeof(uint32_t);
    uint8_t *plane = malloc(half + 1);

    for (size_t p = 0; plane && p < 2; p++) {
        size_t size;

        for (size_t i = 0; i < half; i++)
            plane[i] = src[2 * i + p];
        size = ZSTD_compress(out + used, capacity - used, plane, half, 1);
        if (ZSTD_isError(size)) {
            free(plane);
            return 0;
        }
        if (p == 0)
            memcpy(out, &(uint32_t){(uint32_t)size}, sizeof(uint32_t));
        used += size;
    }
    if (!plane)
        return 0;
    free(plane);
    return used;
}

static void interleave(const uint8_t *low, const uint8_t *high, uint8_t *out, size_t count)
{
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        __m128i l = _mm_loadu_si128((const __m128i *)(low + i));
        __m128i h = _mm_loadu_si128((const __m128i *)(high + i));

        _mm_storeu_si128((__m128i *)(out + 2 * i), _mm_unpacklo_epi8(l, h));
        _mm_storeu_si128((__m128i *)(out + 2 * i + 16), _mm_unpackhi_epi8(l, h));
    }
    for (; i < count; i++) {
        out[2 * i] = low[i];
        out[2 * i + 1] = high[i];
    }
}

int bench_zstd_decode(ZSTD_DCtx *context, const uint8_t *stored, size_t size, uint8_t *planes,
                      uint8_t *out, size_t length)
{
    size_t half = length / 2;
    uint32_t first;

    if (size < sizeof(first))
        return -1;
    memcpy(&first, stored, sizeof(first));
    stored += sizeof(first);
    size -= sizeof(first);
    if (first > size || ZSTD_decompressDCtx(context, planes, half, stored, first) != half ||
        ZSTD_decompressDCtx(context, planes + half, half, stored + first, size - first) != half)
        return -1;
    interleave(planes, planes + half, out, half);
    return 0;
}
