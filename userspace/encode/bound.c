/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/bound.h"
#include <math.h>
#include "encode/elements.h"
#include "encode/levels_encode.h"
#include "kmod/codec/codec.h"

/* n times the order-0 entropy of bits [shift, shift + width), width at most 8, of n elements. */
static double entropy_bits(const uint8_t *src, size_t n, uint32_t element, unsigned int shift,
                           unsigned int width)
{
    uint32_t count[256] = {0};
    double bits = 0;

    for (size_t i = 0; i < n; i++)
        count[element_load(src, element, i) >> shift & ((1u << width) - 1)]++;
    for (unsigned int symbol = 0; symbol < 256; symbol++)
        if (count[symbol])
            bits += count[symbol] * log2((double)n / count[symbol]);
    return bits;
}

double tile_bound_bits(uint16_t dtype, const uint8_t *src, size_t len)
{
    const struct lwc_field_layout *field = &lwc_field_layouts[levels_field_of(dtype)];
    size_t n;

    if (dtype_is_integer(dtype))
        return entropy_bits(src, len, 1, 0, 8);
    if (!field->element)
        return -1;
    n = len / field->element;
    return entropy_bits(src, n, field->element, field->mantissa, field->symbol) +
           (double)n * (field->element * 8 - field->symbol);
}
