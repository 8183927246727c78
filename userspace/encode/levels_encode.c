/* SPDX-License-Identifier: BSD-3-Clause */
/* LEVELS encoder; the format is described in uapi/lwcmem_format.h. */
#include <stdlib.h>
#include <string.h>
#include "encode/levels_encode.h"
#include "uapi/lwcmem_format.h"

struct ranking {
    uint8_t symbols[LWC_LEVELS_SYMBOLS]; /* of each rank */
    uint8_t rank[256];                   /* of each exponent; limit: escapes */
    unsigned int limit;
};

static uint16_t rotated(const uint8_t *src, uint32_t i)
{
    uint16_t v = (uint16_t)(src[2 * (size_t)i] | src[2 * (size_t)i + 1] << 8);

    return (uint16_t)(v << 1 | v >> 15);
}

static void rank_exponents(struct ranking *ranking, const uint8_t *src, uint32_t weights)
{
    uint32_t count[256] = {0}, i;
    unsigned int rank, exponent, best;

    for (i = 0; i < weights; i++)
        count[rotated(src, i) >> 8]++;
    memset(ranking->symbols, 0, sizeof(ranking->symbols));
    memset(ranking->rank, (int)ranking->limit, sizeof(ranking->rank));
    for (rank = 0; rank < ranking->limit; rank++) {
        best = 0;
        for (exponent = 1; exponent < 256; exponent++)
            if (count[exponent] > count[best])
                best = exponent;
        if (!count[best])
            break;
        ranking->symbols[rank] = (uint8_t)best;
        ranking->rank[best] = (uint8_t)rank;
        count[best] = 0;
    }
}

static void put32(uint8_t *out, uint32_t v)
{
    unsigned int i;

    for (i = 0; i < 4; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

static void set_bit(uint8_t *stream, size_t position, unsigned int bit)
{
    stream[position >> 3] |= (uint8_t)((bit & 1) << (position & 7));
}

/* How far each part reaches, before any is written. */
struct counts {
    uint32_t bits[2];
    uint32_t escapes;
};

static struct counts count_codes(int structure, const struct ranking *ranking, const uint8_t *src,
                                 uint32_t weights)
{
    struct counts counts = {{0, 0}, 0};
    uint32_t i;

    for (i = 0; i < weights; i++) {
        unsigned int rank = ranking->rank[rotated(src, i) >> 8];

        counts.escapes += rank == ranking->limit;
        if (structure == LWC_STRUCTURE_223) {
            counts.bits[0] += rank >= 3;
            counts.bits[1] += rank >= 6;
        }
    }
    return counts;
}

static void put_rank_4(uint8_t *level0, uint32_t i, unsigned int rank)
{
    uint32_t in = i % LWC_GROUP;

    level0[(size_t)(i / LWC_GROUP) * 32 + in % 32] |= (uint8_t)(rank << (in / 32 * 4));
}

static void put_rank_223(uint8_t *level0, uint8_t *const stream[5], uint32_t at[2], uint32_t i,
                         unsigned int rank)
{
    uint8_t *group = level0 + (size_t)(i / LWC_GROUP) * 16;
    uint32_t in = i % LWC_GROUP;
    unsigned int code = rank < 3 ? rank : 3;

    set_bit(group, in, code);
    set_bit(group + 8, in, code >> 1);
    if (rank < 3)
        return;
    code = rank < 6 ? rank - 3 : 3;
    set_bit(stream[0], at[0], code);
    set_bit(stream[1], at[0]++, code >> 1);
    if (rank < 6)
        return;
    code = rank - 6;
    set_bit(stream[2], at[1], code);
    set_bit(stream[3], at[1], code >> 1);
    set_bit(stream[4], at[1]++, code >> 2);
}

size_t levels_capacity(uint32_t weights)
{
    /* header, low bytes, level 0 at most 4 bits, streams 5 bits, escapes 1 byte */
    return 128 + (size_t)weights * 4;
}

size_t levels_encode(int structure, const uint8_t *src, uint32_t weights, uint8_t *out)
{
    size_t groups = ((size_t)weights + LWC_GROUP - 1) / LWC_GROUP;
    size_t header = sizeof(struct lwc_levels_header) + LWC_LEVELS_SYMBOLS, size;
    struct ranking ranking = {.limit = structure == LWC_STRUCTURE_4 ? 15 : 13};
    uint8_t *level0 = out + header, *stream[5], *escapes, *low;
    struct counts counts;
    uint32_t at[2] = {0, 0}, i;

    rank_exponents(&ranking, src, weights);
    counts = count_codes(structure, &ranking, src, weights);
    size = header + groups * (structure == LWC_STRUCTURE_4 ? 32 : 16);
    for (i = 0; i < 5; i++) {
        stream[i] = out + size;
        size += ((size_t)counts.bits[i > 1] + 7) / 8;
    }
    escapes = out + size;
    low = escapes + counts.escapes;
    size += counts.escapes + (size_t)weights;

    memset(out, 0, (size_t)(escapes - out));
    put32(out, weights);
    put32(out + 4, counts.escapes);
    put32(out + 8, counts.bits[0]);
    put32(out + 12, counts.bits[1]);
    memcpy(out + sizeof(struct lwc_levels_header), ranking.symbols, LWC_LEVELS_SYMBOLS);
    for (i = 0; i < weights; i++) {
        uint16_t v = rotated(src, i);
        unsigned int rank = ranking.rank[v >> 8];

        low[i] = (uint8_t)v;
        if (rank == ranking.limit)
            *escapes++ = (uint8_t)(v >> 8);
        if (structure == LWC_STRUCTURE_4)
            put_rank_4(level0, i, rank);
        else
            put_rank_223(level0, stream, at, i, rank);
    }
    return size;
}
