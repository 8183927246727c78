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

uint32_t grid_infinity(uint8_t field)
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

uint32_t grid_simplest(double low, double high)
{
    int exponent;

    frexp(low, &exponent);
    for (int kept = 1; kept <= 24; kept++) {
        double step = ldexp(1, exponent - kept), value = ceil(low / step) * step;
        uint32_t bits = grid_f32(value);

        if (value > high || (double)(float)value != value)
            continue;
        return bits >> 23 && bits >> 23 < 255 ? bits : 0;
    }
    return 0;
}

uint32_t grid_misses_allowed(uint32_t elements)
{
    return elements < 64 ? 1 : elements / 32 < GRID_STRANGERS ? elements / 32 : GRID_STRANGERS;
}

static int16_t *slot_of(struct grid_points *points, uint32_t bits)
{
    uint32_t at = bits * 0x9e3779b1u >> 22;

    while (points->slots[at] >= 0 && points->point[points->slots[at]].bits != bits)
        at = (at + 1) & 1023;
    return &points->slots[at];
}

struct grid_point *grid_find(struct grid_points *points, uint32_t bits)
{
    int16_t slot = *slot_of(points, bits);

    return slot < 0 ? NULL : &points->point[slot];
}

bool grid_collect(struct grid_points *points, uint8_t field, const uint8_t *src, uint32_t count,
                  uint32_t limit, bool with_sign)
{
    uint32_t element = lwc_field_size(field), sign = sign_of(field),
             infinity = grid_infinity(field);

    points->count = 0;
    points->elements = count;
    points->zeroes = 0;
    memset(points->slots, 0xff, sizeof(points->slots));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bits = element_load(src, element, i), magnitude = bits & ~sign;
        int16_t *slot;

        if (!magnitude)
            points->zeroes += bits ? -1 : 1;
        if (!with_sign && !magnitude)
            continue;
        slot = slot_of(points, with_sign ? bits : magnitude);
        if (*slot >= 0) {
            points->point[*slot].count++;
            continue;
        }
        if (points->count == limit || magnitude + 1 >= infinity)
            return false;
        *slot = (int16_t)points->count;
        points->point[points->count++] =
            (struct grid_point){.bits = with_sign ? bits : magnitude, .count = 1, .integer = -1};
    }
    return true;
}

/* Distance of neighbours of the field near a value. */
static double spacing(uint8_t field, double value)
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

/* What rounds to a magnitude at once, to the end points. */
static void set_limits(struct grid_point *point, uint8_t field, uint32_t magnitude)
{
    double near = magnitude ? value_of(field, magnitude - 1) : -value_of(field, 1);
    double far = value_of(field, magnitude + 1);

    point->low = (point->value + near) / 2;
    point->high = (point->value + far) / 2;
    if (magnitude & 1) { /* ties go to the even neighbours: the ends are theirs */
        point->low += (point->value - near) * 0x1p-24;
        point->high -= (far - point->value) * 0x1p-24;
    }
}

void grid_set_arithmetic(struct grid_points *points, struct lwc_grid_arithmetic arithmetic)
{
    uint8_t field = arithmetic.field, through = arithmetic.through;

    points->arithmetic = arithmetic;
    for (uint32_t i = 0; i < points->count; i++) {
        struct grid_point *point = &points->point[i];
        uint32_t magnitude = point->bits & ~sign_of(field);

        point->value = value_of(field, magnitude);
        if (through == field) {
            set_limits(point, field, magnitude);
        } else { /* not less than what can round to it */
            double error = (spacing(field, point->value) + spacing(through, point->value)) / 2;

            point->low = point->value - error;
            point->high = point->value + error;
        }
        if (point->bits != magnitude) {
            double low = -point->high;

            point->high = -point->low;
            point->low = low;
            point->value = -point->value;
        }
    }
}
