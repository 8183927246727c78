/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LWCMEM_FEATURES_H
#define LWCMEM_FEATURES_H

#include "codec/codec.h"

#include <stdint.h>

/*
 * The incompat bits that a tile asks for: lwc_tile_features, and those of the members of
 * a SPLIT, which only its stored bytes name. stored: tile->stored bytes, of any content.
 */
uint64_t tile_features(const struct lwc_tile *tile, const uint8_t *stored);

#endif
