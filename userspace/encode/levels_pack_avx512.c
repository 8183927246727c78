/* SPDX-License-Identifier: BSD-3-Clause */
#include <immintrin.h>
#include <string.h>

#include "encode/elements.h"
#include "encode/levels_pack.h"

/* How 64 codes come next to each other. */
struct widths {
    __m512i pairs, fours, bytes;
    __m128i half;
};

static struct widths widths_of(uint32_t width)
{
    uint8_t bytes[64];

    for (uint32_t i = 0; i < 64; i++)
        bytes[i] = (uint8_t)(i / width * 8 % 64 + i % width);
    return (struct widths){
        .pairs = _mm512_set1_epi16((short)(1 | 256 << width)),
        .fours = _mm512_set1_epi32(1 | 65536 << (2 * width)),
        .bytes = _mm512_loadu_si512(bytes),
        .half = _mm_cvtsi32_si128((int)(4 * width)),
    };
}

INLINE __mmask64 first_of(uint32_t n)
{
    return _bzhi_u64(~0ull, n < 64 ? n : 64);
}

/* The stream of count codes, of 64 if it is more. */
INLINE void put_64(__m512i codes, uint32_t count, const struct widths *widths, uint32_t width,
                   uint8_t *out)
{
    const __m512i low = _mm512_set1_epi64(0xffffffff);
    __m512i v = _mm512_madd_epi16(_mm512_maddubs_epi16(widths->pairs, codes), widths->fours);
    uint32_t bits = count < 64 ? count * width : 64 * width;

    v = _mm512_or_si512(_mm512_and_si512(v, low),
                        _mm512_sll_epi64(_mm512_srli_epi64(v, 32), widths->half));
    v = _mm512_permutexvar_epi8(widths->bytes, v);
    _mm512_mask_storeu_epi8(out, first_of((bits + 7) / 8), v);
}

void packer_codes_avx512(const uint8_t *codes, uint32_t count, uint32_t width, uint8_t *out)
{
    struct widths widths = widths_of(width);

    for (uint32_t i = 0; i < count; i += 64, out += 8 * width)
        put_64(_mm512_maskz_loadu_epi8(first_of(count - i), codes + i), count - i, &widths, width,
               out);
}

uint32_t packer_level_avx512(uint8_t *symbols, uint32_t count, const uint8_t *symbol,
                             uint32_t known, uint32_t width, uint8_t *out)
{
    struct widths widths = widths_of(width);
    uint8_t code[256], ones = (uint8_t)((1u << width) - 1);
    uint32_t on = 0;
    __m512i table[4];

    memset(code, ones, sizeof(code));
    for (uint32_t c = 0; c < known; c++)
        code[symbol[c]] = (uint8_t)c;
    for (uint32_t t = 0; t < 4; t++)
        table[t] = _mm512_loadu_si512(code + 64 * t);
    for (uint32_t i = 0; i < count; i += 64, out += 8 * width) {
        __mmask64 there = first_of(count - i), pass;
        __m512i v = _mm512_maskz_loadu_epi8(there, symbols + i), codes;

        codes = _mm512_mask_blend_epi8(_mm512_movepi8_mask(v),
                                       _mm512_permutex2var_epi8(table[0], v, table[1]),
                                       _mm512_permutex2var_epi8(table[2], v, table[3]));
        /* 0, which is not all ones, where there is none */
        codes = _mm512_maskz_mov_epi8(there, codes);
        put_64(codes, count - i, &widths, width, out);
        pass = _mm512_cmpeq_epi8_mask(codes, _mm512_set1_epi8((char)ones));
        /* in the register: to memory, compressing is microcode of a hundred cycles */
        v = _mm512_maskz_compress_epi8(pass, v);
        _mm512_mask_storeu_epi8(symbols + on, first_of((uint32_t)_mm_popcnt_u64(pass)), v);
        on += (uint32_t)_mm_popcnt_u64(pass);
    }
    return on;
}
