/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/sparse_encode.h"

#include <string.h>

#include "encode/elements.h"
#include "uapi/lwcmem_format.h"

INLINE size_t nonzero(const uint8_t *src, size_t count, uint32_t element)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += element_load(src, element, i) != 0;
    return sum;
}

VECTORISED size_t sparse_nonzero(const uint8_t *src, size_t count, uint32_t element)
{
    return element == 1   ? nonzero(src, count, 1)
           : element == 2 ? nonzero(src, count, 2)
                          : nonzero(src, count, 4);
}

size_t sparse_capacity(size_t count)
{
    return sizeof(struct lwc_sparse_header) + count / 8 + 1 + 64;
}

/* The code of a mask of four elements with at most two bits; the missing ones are filled in. */
static int code_of_four(uint32_t mask, uint32_t *filled)
{
    static const uint8_t elements[6] = {3, 5, 6, 9, 10, 12};

    for (int code = 0; code < 6; code++)
        if ((mask & ~(uint32_t)elements[code]) == 0) {
            *filled = elements[code];
            return code;
        }
    return -1;
}

static uint32_t mask_of_four(const uint8_t *src, uint32_t element, size_t first)
{
    uint32_t mask = 0;

    for (uint32_t i = 0; i < 4; i++)
        mask |= (uint32_t)(element_load(src, element, first + i) != 0) << i;
    return mask;
}

static int all_two_of_four(const uint8_t *src, size_t count, uint32_t element)
{
    uint32_t filled;

    if (count % 4)
        return 0;
    for (size_t i = 0; i < count; i += 4)
        if (code_of_four(mask_of_four(src, element, i), &filled) < 0)
            return 0;
    return 1;
}

/* Bits of the mask from element first on go to out; what they select goes to kept. */
static size_t keep(const uint8_t *src, uint32_t element, size_t first, uint32_t n, uint32_t mask,
                   uint8_t *kept, size_t at)
{
    for (uint32_t i = 0; i < n; i++) {
        memcpy(kept + at * element, src + (first + i) * element, element);
        at += mask >> i & 1;
    }
    return at;
}

static size_t put_two_of_four(const uint8_t *src, size_t count, uint32_t element, uint8_t *out,
                              uint8_t *kept, size_t *stored)
{
    size_t bytes = (count / 4 * 3 + 7) / 8, bit = 0;

    memset(out, 0, bytes);
    *stored = 0;
    for (size_t i = 0; i < count; i += 4, bit += 3) {
        uint32_t filled = 0, code;

        code = (uint32_t)code_of_four(mask_of_four(src, element, i), &filled) << (bit % 8);
        out[bit / 8] |= (uint8_t)code;
        if (code >> 8)
            out[bit / 8 + 1] |= (uint8_t)(code >> 8);
        *stored = keep(src, element, i, 4, filled, kept, *stored);
    }
    return bytes;
}

static size_t put_bits(const uint8_t *src, size_t count, uint32_t element, uint8_t *out,
                       uint8_t *kept, size_t *stored)
{
    *stored = 0;
    for (size_t i = 0; i < count; i += 8) {
        uint32_t n = count - i < 8 ? (uint32_t)(count - i) : 8, mask = 0;

        for (uint32_t k = 0; k < n; k++)
            mask |= (uint32_t)(element_load(src, element, i + k) != 0) << k;
        out[i / 8] = (uint8_t)mask;
        *stored = keep(src, element, i, n, mask, kept, *stored);
    }
    return (count + 7) / 8;
}

size_t sparse_encode(const uint8_t *src, size_t count, uint32_t element, uint8_t *out,
                     uint8_t *kept, size_t *stored)
{
    int two_of_four = all_two_of_four(src, count, element);
    struct lwc_sparse_header header = {
        .element = (uint8_t)element,
        .mask = two_of_four ? LWC_MASK_2_OF_4 : LWC_MASK_BITS,
    };
    size_t size = (two_of_four ? put_two_of_four : put_bits)(src, count, element,
                                                             out + sizeof(header), kept, stored);

    put_le32(&header.kept, (uint32_t)*stored);
    memcpy(out, &header, sizeof(header));
    return sizeof(header) + size;
}
