/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/grid_points.h"

#include <math.h>
#include <string.h>

#include "encode/elements.h"

static double value_of(uint8_t field, uint32_t bits)
{
    uint32_t exponent, mantissa;
    float value;

    if (field == LWC_FIELD_F16) {
        exponent = bits >> 10 & 31;
        mantissa = bits & 1023;
        return exponent ? (1024 + mantissa) * (double)(1u << exponent) * 0x1p-25
                        : mantissa * 0x1p-24;
    }
    bits <<= field == LWC_FIELD_BF16 ? 16 : 0;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint32_t infinity_of(uint8_t field)
{
    return field == LWC_FIELD_BF16 ? 0x7f80 : field == LWC_FIELD_F16 ? 0x7c00 : 0x7f800000;
}

static uint32_t sign_of(uint8_t field)
{
    return 1u << (lwc_field_size(field) * 8 - 1);
}

uint32_t grid_f32(double value)
{
    float narrow = (float)value;
    uint32_t bits;

    memcpy(&bits, &narrow, sizeof(bits));
    return bits;
}

int grid_bits_needed(uint32_t value)
{
    uint32_t mantissa = value & 0x7fffff;

    return mantissa ? 23 - __builtin_ctz(mantissa) : 0;
}

/* Positive doubles grow with their bits. */
static uint64_t double_bits(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

uint32_t grid_simplest(double low, double high)
{
    uint64_t from, bits;
    double value;

    if (!(low > 0 && low <= high && high < 0x1p128))
        return 0;
    from = double_bits(low) - 1;
    bits = double_bits(high);
    /* of what lies above from, no number has more zeroes at its end */
    bits &= ~0ull << (63 - __builtin_clzll(from ^ bits));
    memcpy(&value, &bits, sizeof(value));
    return bits << 35 || value < 0x1p-126 ? 0 : grid_f32(value);
}

static int8_t *slot_of(struct grid_points *points, uint32_t bits)
{
    uint32_t at = bits * 0x9e3779b1u >> 25;

    while (points->slots[at] >= 0 && points->point[points->slots[at]].bits != bits)
        at = (at + 1) & 127;
    return &points->slots[at];
}

struct grid_point *grid_find(struct grid_points *points, uint32_t bits)
{
    int8_t slot = *slot_of(points, bits);

    return slot < 0 ? NULL : &points->point[slot];
}

bool grid_collect(struct grid_points *points, uint8_t field, const uint8_t *src, uint32_t count,
                  uint32_t limit)
{
    uint32_t element = lwc_field_size(field), sign = sign_of(field), infinity = infinity_of(field);

    points->count = 0;
    points->elements = count;
    memset(points->slots, 0xff, sizeof(points->slots));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bits = element_load(src, element, i);
        int8_t *slot = slot_of(points, bits);

        if (*slot >= 0) {
            points->point[*slot].count++;
            continue;
        }
        if (points->count == limit || (bits & ~sign) + 1 >= infinity)
            return false;
        *slot = (int8_t)points->count;
        points->point[points->count++] =
            (struct grid_point){.bits = bits, .count = 1, .integer = -1};
    }
    return true;
}

double grid_spacing(uint8_t field, double value)
{
    const struct lwc_field_layout *layout = &lwc_field_layouts[field];
    int lowest = 2 - (1 << (layout->symbol - 1)), exponent;
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    exponent = (int)(bits >> 52) - 1023; /* of a value that is normal in a double */
    bits = (uint64_t)((exponent < lowest ? lowest : exponent) - layout->mantissa + 1023) << 52;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* A magnitude of the field that has one more bit of mantissa. */
static inline __attribute__((always_inline)) double half_steps(uint8_t field, uint64_t bits)
{
    const struct lwc_field_layout *layout = &lwc_field_layouts[field];
    int bias = (1 << (layout->symbol - 1)) - 1, mantissa = layout->mantissa + 1;
    double value;

    if (!(bits >> mantissa))
        return ldexp((double)bits, 1 - bias - mantissa);
    bits = (bits << (52 - mantissa)) + ((uint64_t)(1023 - bias) << 52);
    memcpy(&value, &bits, sizeof(value));
    return value;
}

struct grid_range grid_limits(struct lwc_grid_arithmetic arithmetic, uint32_t magnitude)
{
    uint8_t field = arithmetic.field, through = arithmetic.through;
    uint64_t twice = 2 * (uint64_t)magnitude;
    struct grid_range range = {half_steps(field, twice - 1), half_steps(field, twice + 1)};

    if (through != field) { /* not less than what can round to it */
        double error = grid_spacing(through, range.high) / 2;

        range.low -= error;
        range.high += error;
    } else if (magnitude & 1) { /* ties go to the even neighbours: the ends are theirs */
        double width = range.high - range.low;

        range.low += width * 0x1p-25;
        range.high -= width * 0x1p-25;
    }
    return range;
}

/* The same where the magnitude may be zero. */
static void set_limits(struct grid_point *point, struct lwc_grid_arithmetic arithmetic,
                       uint32_t magnitude)
{
    struct grid_range range;

    point->value = value_of(arithmetic.field, magnitude);
    if (magnitude) {
        range = grid_limits(arithmetic, magnitude);
    } else {
        range.high = half_steps(arithmetic.field, 1);
        if (arithmetic.through != arithmetic.field)
            range.high += grid_spacing(arithmetic.through, range.high) / 2;
        range.low = -range.high;
    }
    point->low = range.low;
    point->high = range.high;
}

void grid_set_arithmetic(struct grid_points *points, struct lwc_grid_arithmetic arithmetic)
{
    points->arithmetic = arithmetic;
    for (uint32_t i = 0; i < points->count; i++) {
        struct grid_point *point = &points->point[i];
        uint32_t magnitude = point->bits & ~sign_of(arithmetic.field);
        double low;

        set_limits(point, arithmetic, magnitude);
        if (point->bits == magnitude)
            continue;
        low = -point->high;
        point->high = -point->low;
        point->low = low;
        point->value = -point->value;
    }
}
