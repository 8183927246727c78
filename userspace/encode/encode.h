/* SPDX-License-Identifier: BSD-3-Clause */
/* From a decoded tile to its stored bytes: the smallest codec that applies. */
#ifndef LWC_ENCODE_H
#define LWC_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "uapi/lwcmem_format.h"

/*
 * structures: those that LEVELS may choose from, bit s for enum lwc_structure
 * s; 0 for none. slow_gain: zstd decodes an order of magnitude slower than
 * LEVELS, so a tile takes it only if that saves more than so many percent.
 * try_all: try zstd on each tile, not only where a probe says that it may gain.
 */
struct encode_policy {
    uint32_t structures;
    int zstd_level;
    unsigned int slow_gain;
    bool try_all;
};

/*
 * entry: chain, param, field and stored are set; offset, crc, base and ref are
 * the caller's. data: size bytes, grown with realloc, the caller's to free; zero
 * the struct before its first use.
 */
struct encoded_tile {
    struct lwc_tile entry;
    uint8_t *data;
    size_t size;
    size_t capacity;
};

struct encoder;

/* NULL without memory. An encoder serves one thread at a time. */
struct encoder *encoder_new(const struct encode_policy *policy);
void encoder_free(struct encoder *encoder);

/*
 * Encode len bytes (1 .. LWC_TILE_MAX) of elements of dtype (enum lwc_dtype),
 * in rows of row elements from the first on; 0: not known.
 * A len that is no multiple of the element size is allowed: it is stored as
 * bytes. 0, or -ENOMEM.
 */
int encode_tile(struct encoder *encoder, uint16_t dtype, uint32_t row, const uint8_t *src,
                size_t len, struct encoded_tile *out);

/*
 * The same where base, len decoded bytes of a base's tile, is at hand: the
 * result may be DELTA, which may be no bytes at all, if len is 64 or more. Other codecs are not
 * tried where DELTA takes less than an eighth of the tile.
 */
int encode_tile_by(struct encoder *encoder, uint16_t dtype, uint32_t row, const uint8_t *src,
                   const uint8_t *base, size_t len, struct encoded_tile *out);

#endif
