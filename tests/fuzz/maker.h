/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the makers of tiles take bytes from, and where they put them. */
#ifndef FUZZ_MAKER_H
#define FUZZ_MAKER_H

#include "codec/codec.h"

#include <string.h>

#define MAKER_MAX                                                                                  \
    (5 * LWC_TILE_MAX) /* of stored bytes: (4,1) of nothing but escapes, with exceptions */

struct maker {
    const uint8_t *input; /* what is left of it */
    size_t size;
    uint64_t state; /* goes on when the input is at its end */
    struct lwc_tile entry;
    uint8_t *out;
    size_t used;
    size_t length; /* decoded */
    uint8_t *base; /* room for LWC_TILE_MAX bytes */
    bool has_base; /* length bytes of it */
    bool full;     /* of half of a tile at least */
};

static inline uint8_t maker_byte(struct maker *maker)
{
    if (maker->size) {
        maker->size--;
        maker->state = (maker->state ^ *maker->input) * 0x9e3779b97f4a7c15ull;
        return *maker->input++;
    }
    maker->state ^= maker->state << 13;
    maker->state ^= maker->state >> 7;
    maker->state ^= maker->state << 17;
    return (uint8_t)(maker->state >> 32);
}

static inline uint32_t maker_u16(struct maker *maker)
{
    uint32_t low = maker_byte(maker);

    return low | (uint32_t)maker_byte(maker) << 8;
}

static inline uint8_t *maker_take(struct maker *maker, size_t size)
{
    uint8_t *at = maker->out + maker->used;

    maker->used += size;
    if (maker->used > MAKER_MAX)
        __builtin_trap();
    return at;
}

/* The input for the first bytes; long parts repeat with a shift of their bits. */
static inline uint8_t *maker_fill(struct maker *maker, size_t size)
{
    uint8_t *at = maker_take(maker, size);
    size_t i, own = size < 256 ? size : 256;

    for (i = 0; i < own; i++)
        at[i] = maker_byte(maker);
    for (; i < size; i++)
        at[i] = (uint8_t)(at[i - own] * 5 + (i >> 8));
    return at;
}

/* Elements of size bytes: few, mostly; so many that the tile is full, now and then. */
static inline uint32_t maker_count(struct maker *maker, uint32_t size)
{
    uint32_t few = maker_u16(maker), most;

    if (maker->full) {
        most = LWC_TILE_MAX / size < LWC_LEVELS_WEIGHTS ? LWC_TILE_MAX / size : LWC_LEVELS_WEIGHTS;
        return most - (few & 1 ? 0 : few % (most / 2));
    }
    return few >> 10 == 63 ? few & 0x3ff : few & 0x7f;
}

#endif
