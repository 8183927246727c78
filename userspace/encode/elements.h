/* SPDX-License-Identifier: BSD-3-Clause */
/* Elements of a tile, and numbers of a header, as the format has them: little endian, unaligned. */
#ifndef LWC_ELEMENTS_H
#define LWC_ELEMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "uapi/lwcmem_format.h"

/* Loops over all elements: once for any CPU and once for wide vectors. */
#define VECTORISED __attribute__((target_clones("avx2", "default"), optimize("O3")))
#define INLINE static inline __attribute__((always_inline))

/* Integers, which packed integers of fewer bits may be stored in. */
static inline bool dtype_is_integer(uint16_t dtype)
{
    switch (dtype) {
    case LWC_DTYPE_I8:
    case LWC_DTYPE_U8:
    case LWC_DTYPE_I16:
    case LWC_DTYPE_U16:
    case LWC_DTYPE_I32:
    case LWC_DTYPE_U32:
    case LWC_DTYPE_I64:
    case LWC_DTYPE_U64:
        return true;
    default:
        return false;
    }
}

/* Element i of 1, 2 or 4 bytes; a constant size makes it one load. */
INLINE uint32_t element_load(const uint8_t *src, uint32_t element, size_t i)
{
    uint16_t half;
    uint32_t word;

    if (element == 1)
        return src[i];
    if (element == 2) {
        memcpy(&half, src + 2 * i, 2);
        return half;
    }
    memcpy(&word, src + 4 * i, 4);
    return word;
}

/* Returns the byte behind the number. */
static inline uint8_t *put_le32(void *to, uint32_t value)
{
    uint8_t *at = to;

    for (unsigned int i = 0; i < 4; i++)
        *at++ = (uint8_t)(value >> (8 * i));
    return at;
}

#endif
