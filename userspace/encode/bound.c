/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/bound.h"
#include <math.h>
#include <string.h>
#include "encode/levels_encode.h"
#include "kmod/codec/codec.h"

/* What is counted of an element: bits [shift, shift + bits). */
static int counted(uint16_t dtype, unsigned int *shift, unsigned int *bits)
{
    uint8_t field = levels_field_of(dtype);

    if (dtype == LWC_DTYPE_I8 || dtype == LWC_DTYPE_U8) {
        *shift = 0;
        *bits = 8;
        return 1;
    }
    if (!field)
        return 0;
    *shift = lwc_field_layouts[field].mantissa;
    *bits = lwc_field_layouts[field].symbol;
    return 1;
}

double tile_bound_bits(uint16_t dtype, const uint8_t *src, size_t len)
{
    unsigned int element = lwc_dtype_size(dtype), shift, width;
    uint32_t count[256] = {0}, value;
    size_t n, k;
    double bits;

    if (!counted(dtype, &shift, &width))
        return -1;
    n = len / element;
    for (k = 0; k < n; k++) {
        value = 0;
        memcpy(&value, src + k * element, element);
        count[value >> shift & ((1u << width) - 1)]++;
    }
    bits = (double)n * (element * 8 - width);
    for (k = 0; k < 256; k++)
        if (count[k])
            bits += count[k] * log2((double)n / count[k]);
    return bits;
}
