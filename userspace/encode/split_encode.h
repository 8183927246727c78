/* SPDX-License-Identifier: BSD-3-Clause */
/* How SPLIT takes the blocks of a quantised dtype apart. Thread safe, no state. */
#ifndef LWC_SPLIT_ENCODE_H
#define LWC_SPLIT_ENCODE_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of each member of a block of the dtype, a 0 behind the last; NULL: it has none. */
const uint16_t *split_members(uint16_t dtype);

/* The member's bytes of all blocks, which are stride bytes apart, to out; src: of the first. */
void split_gather(const uint8_t *src, uint32_t bytes, uint32_t blocks, uint32_t stride,
                  uint8_t *out);

#endif
