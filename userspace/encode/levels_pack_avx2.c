/* SPDX-License-Identifier: BSD-3-Clause */
#include <immintrin.h>
#include <string.h>

#include "encode/elements.h"
#include "encode/levels_pack.h"

/* Values that are counted in vectors, as many of them at once as there are registers for. */
#define PART 6
#define KNOWN (2 * PART)
/* Symbols at a time: below 256 vectors. */
#define CHUNK 4096
/* So few of a chunk, one in so many, may be others. */
#define OTHERS_ONE_IN 16
/* More values than that in a chunk, and registers cannot hold most of it. */
#define VALUES_MANY 64

/* The usual symbols of a chunk; false: others are too many. */
static bool choose(const uint32_t counts[256], uint32_t size, uint8_t usual[KNOWN])
{
    uint32_t values = 0, covered = 0, used;

    for (uint32_t s = 0; s < 256; s++)
        values += counts[s] != 0;
    if (values > VALUES_MANY)
        return false;
    used = packer_rank(counts, usual, KNOWN);
    for (uint32_t k = 0; k < used; k++)
        covered += counts[usual[k]];
    /* any other value does for those that are not there: it is not counted twice */
    for (uint32_t s = 0; used < KNOWN; s++)
        if (!counts[s])
            usual[used++] = (uint8_t)s;
    return covered >= size - size / OTHERS_ONE_IN;
}

static uint32_t sum_bytes(__m256i bytes)
{
    __m256i sums = _mm256_sad_epu8(bytes, _mm256_setzero_si256());
    __m128i sum = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));

    return (uint32_t)(_mm_cvtsi128_si64(sum) + _mm_extract_epi64(sum, 1));
}

/* Adds a chunk's symbols of one part of the usual ones to counts, and to found where they are. */
static void count_part(const uint8_t *symbols, const uint8_t usual[PART], uint32_t counts[256],
                       uint32_t found[CHUNK / 32])
{
    __m256i seen[PART], is[PART];

    for (uint32_t k = 0; k < PART; k++) {
        seen[k] = _mm256_setzero_si256();
        is[k] = _mm256_set1_epi8((char)usual[k]);
    }
    for (uint32_t i = 0; i < CHUNK / 32; i++) {
        __m256i v = _mm256_loadu_si256((const __m256i *)symbols + i);
        __m256i any = _mm256_setzero_si256();

#pragma GCC unroll 6
        for (uint32_t k = 0; k < PART; k++) {
            __m256i equal = _mm256_cmpeq_epi8(v, is[k]);

            seen[k] = _mm256_sub_epi8(seen[k], equal);
            any = _mm256_or_si256(any, equal);
        }
        found[i] |= (uint32_t)_mm256_movemask_epi8(any);
    }
    for (uint32_t k = 0; k < PART; k++)
        counts[usual[k]] += sum_bytes(seen[k]);
}

/* Adds a chunk to counts; returns how many symbols are none of the usual ones. */
static uint32_t count_usual(const uint8_t *symbols, const uint8_t usual[KNOWN],
                            uint32_t counts[256])
{
    uint32_t found[CHUNK / 32] = {0}, others = 0;

    for (uint32_t k = 0; k < KNOWN; k += PART)
        count_part(symbols, usual + k, counts, found);
    for (uint32_t i = 0; i < CHUNK / 32; i++)
        for (uint32_t left = ~found[i]; left; left &= left - 1, others++)
            counts[symbols[32 * i + (uint32_t)__builtin_ctz(left)]]++;
    return others;
}

/*
 * Exponents of weights take few values. What those are the chunk before tells, which was
 * counted one by one; so are all as long as there are many.
 */
void packer_count_avx2(const uint8_t *symbols, uint32_t count, uint32_t counts[256])
{
    uint32_t one_by_one[256];
    uint8_t usual[KNOWN];
    bool few = false;

    memset(counts, 0, 256 * sizeof(counts[0]));
    for (; count >= CHUNK; symbols += CHUNK, count -= CHUNK) {
        if (few) {
            few = count_usual(symbols, usual, counts) <= CHUNK / OTHERS_ONE_IN;
            continue;
        }
        packer_count_scalar(symbols, CHUNK, one_by_one);
        few = choose(one_by_one, CHUNK, usual);
        for (uint32_t s = 0; s < 256; s++)
            counts[s] += one_by_one[s];
    }
    packer_count_scalar(symbols, count, one_by_one);
    for (uint32_t s = 0; s < 256; s++)
        counts[s] += one_by_one[s];
}

/* How 32 codes come next to each other. */
struct widths {
    __m256i pairs, fours, bytes;
    __m128i half;
};

static struct widths widths_of(uint32_t width)
{
    uint8_t bytes[16];

    for (uint32_t i = 0; i < 16; i++)
        bytes[i] = (uint8_t)(i < 2 * width ? i / width * 8 + i % width : 0x80);
    return (struct widths){
        .pairs = _mm256_set1_epi16((short)(1 | 256 << width)),
        .fours = _mm256_set1_epi32(1 | 65536 << (2 * width)),
        .bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)bytes)),
        .half = _mm_cvtsi32_si128((int)(4 * width)),
    };
}

/* 32 codes to a stream; writes up to 16 bytes more. */
INLINE void put_32(__m256i codes, const struct widths *widths, uint32_t width, uint8_t *out)
{
    const __m256i low = _mm256_set1_epi64x(0xffffffff);
    __m256i v = _mm256_madd_epi16(_mm256_maddubs_epi16(widths->pairs, codes), widths->fours);

    v = _mm256_or_si256(_mm256_and_si256(v, low),
                        _mm256_sll_epi64(_mm256_srli_epi64(v, 32), widths->half));
    v = _mm256_shuffle_epi8(v, widths->bytes);
    _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(v));
    _mm_storeu_si128((__m128i *)(out + 2 * width), _mm256_extracti128_si256(v, 1));
}

/* Vectors stop so many codes before the end: what they write too much is the room of those. */
#define BEHIND 128

void packer_codes_avx2(const uint8_t *codes, uint32_t count, uint32_t width, uint8_t *out)
{
    struct widths widths = widths_of(width);
    uint32_t i = 0;

    for (; i + 32 + BEHIND <= count; i += 32, out += 4 * width)
        put_32(_mm256_loadu_si256((const __m256i *)(codes + i)), &widths, width, out);
    packer_codes_scalar(codes + i, count - i, width, out);
}

/* Of 32 symbols those whose byte of pass is ones to the front; never beyond what has been read. */
INLINE uint8_t *keep_32(__m256i symbols, __m256i pass, uint8_t *front)
{
    uint64_t symbol[4], mask[4];

    _mm256_storeu_si256((__m256i *)symbol, symbols);
    _mm256_storeu_si256((__m256i *)mask, pass);
    for (uint32_t k = 0; k < 4; k++) {
        uint64_t some = _pext_u64(symbol[k], mask[k]);

        memcpy(front, &some, 8);
        front += (uint32_t)_mm_popcnt_u64(mask[k]) / 8;
    }
    return front;
}

uint32_t packer_level_avx2(uint8_t *symbols, uint32_t count, const uint8_t *symbol, uint32_t known,
                           uint32_t width, uint8_t *out)
{
    struct widths widths = widths_of(width);
    uint32_t ones = (1u << width) - 1, i = 0, on;
    __m256i is[15], flip[15], all = _mm256_set1_epi8((char)ones);
    uint8_t *front = symbols;

    for (uint32_t c = 0; c < known; c++) {
        is[c] = _mm256_set1_epi8((char)symbol[c]);
        flip[c] = _mm256_set1_epi8((char)(c ^ ones));
    }
    for (; i + 32 + BEHIND <= count; i += 32, out += 4 * width) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(symbols + i)), codes = all;

        for (uint32_t c = 0; c < known; c++)
            codes = _mm256_xor_si256(codes, _mm256_and_si256(_mm256_cmpeq_epi8(v, is[c]), flip[c]));
        put_32(codes, &widths, width, out);
        front = keep_32(v, _mm256_cmpeq_epi8(codes, all), front);
    }
    on = packer_level_scalar(symbols + i, count - i, symbol, known, width, out);
    memmove(front, symbols + i, on);
    return (uint32_t)(front - symbols) + on;
}
