/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/grid_encode.h"

#include <math.h>
#include <string.h>

#include "encode/elements.h"
#include "kmod/codec/codec.h"

/* Magnitudes of integers of four bits, and of eight: differences from a zero point included. */
#define LARGEST_4 15
#define LARGEST_8 127
/* Exceptions that a tile may have: one in so many elements. */
#define EXCEPTIONS_ONE_IN 64

/* A value that occurs, and the real numbers that round to it. */
struct point {
    uint32_t bits;
    double value, low, high;
};

/* A magnitude, and its integer on the grid. */
struct level {
    struct point point;
    uint32_t integer;
};

struct levels {
    struct level level[LARGEST_8];
    uint32_t count;
    uint32_t top;        /* the largest one's bits */
    int16_t slots[1024]; /* hash of bits to a level, -1: free */
};

static double value_of(uint8_t field, uint32_t bits)
{
    uint32_t exponent, mantissa;
    float value;

    if (field == LWC_FIELD_F16) {
        exponent = bits >> 10 & 31;
        mantissa = bits & 1023;
        return exponent ? ldexp(1024 + mantissa, (int)exponent - 25) : ldexp(mantissa, -24);
    }
    bits <<= field == LWC_FIELD_BF16 ? 16 : 0;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint32_t infinity_of(uint8_t field)
{
    return field == LWC_FIELD_BF16 ? 0x7f80 : field == LWC_FIELD_F16 ? 0x7c00 : 0x7f800000;
}

static uint32_t load(uint8_t field, const uint8_t *src, size_t i)
{
    return element_load(src, lwc_field_size(field), i);
}

static uint32_t sign_bit(uint8_t field)
{
    return lwc_field_size(field) * 8 - 1;
}

static uint32_t magnitude_bits(uint8_t field, uint32_t bits)
{
    return bits & ~(1u << sign_bit(field));
}

static struct point point_of(uint8_t field, uint32_t bits)
{
    uint32_t magnitude = magnitude_bits(field, bits);
    struct point point = {.bits = bits, .value = value_of(field, magnitude)};
    double near = magnitude ? value_of(field, magnitude - 1) : -value_of(field, 1);
    double far = value_of(field, magnitude + 1);

    point.low = (point.value + near) / 2;
    point.high = (point.value + far) / 2;
    if (bits & 1) { /* ties go to the even neighbours: the ends are theirs */
        point.low += (point.value - near) * 0x1p-24;
        point.high -= (far - point.value) * 0x1p-24;
    }
    if (bits != magnitude) {
        double low = -point.high;

        point.high = -point.low;
        point.low = low;
        point.value = -point.value;
    }
    return point;
}

static struct level *find_level(struct levels *levels, uint32_t bits, int16_t **slot)
{
    uint32_t at = bits * 0x9e3779b1u >> 22;

    while (levels->slots[at] >= 0 && levels->level[levels->slots[at]].point.bits != bits)
        at = (at + 1) & 1023;
    *slot = &levels->slots[at];
    return **slot < 0 ? NULL : &levels->level[**slot];
}

/* The magnitudes of a group but zero; false if they are more than limit, or not finite. */
static bool collect(struct levels *levels, uint8_t field, const uint8_t *src, uint32_t count,
                    uint32_t limit)
{
    uint32_t infinity = infinity_of(field);

    levels->count = levels->top = 0;
    memset(levels->slots, 0xff, sizeof(levels->slots));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bits = magnitude_bits(field, load(field, src, i));
        struct level *level;
        int16_t *slot;

        if (!bits || find_level(levels, bits, &slot))
            continue;
        if (levels->count == limit || bits + 1 >= infinity)
            return false;
        *slot = (int16_t)levels->count;
        level = &levels->level[levels->count++];
        level->point = point_of(field, bits);
        levels->top = bits > levels->top ? bits : levels->top;
    }
    return true;
}

/* Could all levels be integers times one scale, if the largest is `largest` times it? */
static bool consistent(struct levels *levels, const struct level *top, uint32_t largest,
                       double *low, double *high)
{
    *low = top->point.low / largest;
    *high = top->point.high / largest;
    for (uint32_t i = 0; i < levels->count; i++) {
        struct level *level = &levels->level[i];
        double integer = rint(level->point.value / ((*low + *high) / 2));

        if (integer < 1)
            return false;
        level->integer = (uint32_t)integer;
        *low = fmax(*low, level->point.low / integer);
        *high = fmin(*high, level->point.high / integer);
        if (*low > *high)
            return false;
    }
    return true;
}

/* The f32 between low and high with the fewest bits in its mantissa; 0: there is none. */
static uint32_t simplest(double low, double high)
{
    int exponent;
    float value;
    uint32_t bits;

    frexp(low, &exponent);
    for (int kept = 1; kept <= 24; kept++) {
        double step = ldexp(1, exponent - kept);

        value = (float)(ceil(low / step) * step);
        if ((double)value < low || (double)value > high)
            continue;
        memcpy(&bits, &value, sizeof(bits));
        return bits >> 23 && bits >> 23 < 255 ? bits : 0;
    }
    return 0;
}

/* The scale of a group, and the integers of its levels; 0: no scale is good enough. */
static uint32_t scale_of(struct levels *levels, uint32_t limit)
{
    const struct level *top = &levels->level[0];
    double low, high;

    if (!levels->count)
        return 0x3f800000; /* all zero: any */
    for (uint32_t i = 1; i < levels->count; i++)
        if (levels->level[i].point.value > top->point.value)
            top = &levels->level[i];
    /* more levels than integers below the largest cannot be */
    for (uint32_t largest = levels->count; largest <= limit; largest++) {
        uint32_t scale;

        if (consistent(levels, top, largest, &low, &high) && (scale = simplest(low, high)))
            return scale;
    }
    return 0;
}

/*
 * Four-bit formats give the largest value of a group the integer -8, whatever
 * its sign, by a scale with the other sign: as many symbols as they have.
 */
static uint32_t sign_of_scale(const struct levels *levels, uint8_t field, const uint8_t *src,
                              uint32_t first, uint32_t count)
{
    uint32_t sign = sign_bit(field);

    for (uint32_t i = first; i < first + count; i++) {
        uint32_t bits = load(field, src, i);

        if (levels->count && magnitude_bits(field, bits) == levels->top)
            return bits >> sign ? 0 : 0x80000000;
    }
    return 0;
}

/* Integers of the group that begins at element first; exceptions where the arithmetic differs. */
static void put_integers(struct grid_fit *fit, struct levels *levels, uint8_t field,
                         const uint8_t *src, uint32_t first, uint32_t count, uint32_t scale)
{
    uint32_t sign = sign_bit(field);

    for (uint32_t i = first; i < first + count; i++) {
        uint32_t bits = load(field, src, i), magnitude = magnitude_bits(field, bits);
        struct level *level = NULL;
        uint32_t integer = 0;
        int16_t *slot;

        if (magnitude && (level = find_level(levels, magnitude, &slot)))
            integer = level->integer;
        if (lwc_grid_product(scale, integer, field) != magnitude) {
            fit->integers[i] = 0;
            fit->positions[fit->exceptions++] = i;
            continue;
        }
        if (integer > fit->largest)
            fit->largest = integer;
        if (!integer)
            fit->integers[i] = bits >> sign ? 0x80 : 0;
        else
            fit->integers[i] = (uint8_t)(bits >> sign != scale >> 31 ? 0u - integer : integer);
    }
}

static bool fit_groups(struct grid_fit *fit, uint8_t field, const uint8_t *src, uint32_t count,
                       uint32_t group, uint32_t limit)
{
    uint32_t element = lwc_field_size(field);
    struct levels levels;

    fit->group = group;
    fit->groups = 0;
    fit->exceptions = 0;
    fit->largest = 0;
    fit->affine = false;
    for (uint32_t first = 0; first < count; first += group) {
        uint32_t n = count - first < group ? count - first : group, scale = 0;

        if (collect(&levels, field, src + (size_t)first * element, n, limit))
            scale = scale_of(&levels, limit);
        if (!scale && fit->exceptions + n > count / EXCEPTIONS_ONE_IN)
            return false;
        if (scale)
            scale |= sign_of_scale(&levels, field, src, first, n);
        if (!scale) {
            levels.count = 0;
            memset(levels.slots, 0xff, sizeof(levels.slots));
            scale = 0x3f800000;
        }
        put_integers(fit, &levels, field, src, first, n, scale);
        if (fit->exceptions > count / EXCEPTIONS_ONE_IN)
            return false;
        fit->scales[fit->groups++] = scale;
    }
    return true;
}

/* Four-bit integers with an offset: at most so many values. */
#define POINTS 16

/* The values of a group in rising order; 0: too many, a negative zero, or not finite. */
static uint32_t collect_points(struct point points[POINTS], uint8_t field, const uint8_t *src,
                               uint32_t count)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t bits = load(field, src, i), at = n;
        struct point point;

        while (at > 0 && points[at - 1].bits != bits)
            at--;
        if (at)
            continue;
        if (n == POINTS || magnitude_bits(field, bits) + 1 >= infinity_of(field) ||
            (bits && !magnitude_bits(field, bits)))
            return 0;
        point = point_of(field, bits);
        for (at = n++; at > 0 && points[at - 1].value > point.value; at--)
            points[at] = points[at - 1];
        points[at] = point;
    }
    return n;
}

/* A scale for the offset, with the first point at integer 0 and the last one at span; 0: none. */
static uint32_t scale_for_offset(const struct point *points, uint32_t n, double offset,
                                 uint32_t span)
{
    double step = (points[n - 1].value - offset) / span, low = 0, high = INFINITY;

    for (uint32_t i = 1; i < n; i++) {
        double integer = rint((points[i].value - offset) / step);

        if (!(integer >= 1))
            return 0;
        low = fmax(low, (points[i].low - offset) / integer);
        high = fmin(high, (points[i].high - offset) / integer);
        if (low > high)
            return 0;
    }
    return low > 0 ? simplest(low, high) : 0;
}

/* Mantissa bits of an offset that are tried: those of f16, the usual type. */
#define OFFSET_BITS 11

/* Mantissa bits that an f32 needs. */
static int bits_needed(uint32_t value)
{
    uint32_t mantissa = value & 0x7fffff;

    return mantissa ? 23 - __builtin_ctz(mantissa) : 0;
}

/*
 * Scale and offset of a group whose smallest value is the offset: of all
 * offsets with few bits the one whose scale has the fewest.
 */
static bool solve_affine(const struct point *points, uint32_t n, uint32_t *scale, uint32_t *offset)
{
    double size = fmax(fabs(points[0].low), fabs(points[0].high)), step;
    int exponent, fewest = 24;

    if (n < 2)
        return false;
    frexp(size, &exponent);
    step = ldexp(1, exponent - OFFSET_BITS);
    for (uint32_t span = POINTS - 1; span + 1 >= n; span--)
        for (double at = ceil(points[0].low / step) * step; at <= points[0].high; at += step) {
            float value = (float)at;
            uint32_t bits, trial = 0;

            memcpy(&bits, &value, sizeof(bits));
            if (at == 0)
                bits = 0;
            if (!bits || (bits >> 23 & 255))
                trial = scale_for_offset(points, n, at, span);
            if (!trial || bits_needed(trial) >= fewest)
                continue;
            *scale = trial;
            *offset = bits;
            fewest = bits_needed(trial);
            if (fewest < OFFSET_BITS)
                return true;
        }
    return fewest < 24;
}

/* Integers of a group; false if one is not exact. */
static bool put_affine(struct grid_fit *fit, uint8_t field, const uint8_t *src, uint32_t first,
                       uint32_t count, uint32_t scale, uint32_t offset)
{
    uint32_t of[POINTS];

    for (uint32_t i = 0; i < POINTS; i++)
        of[i] = lwc_grid_sum(scale, offset, i, field);
    for (uint32_t i = first; i < first + count; i++) {
        uint32_t bits = load(field, src, i), integer = 0;

        while (integer < POINTS && of[integer] != bits)
            integer++;
        if (integer == POINTS)
            return false;
        fit->integers[i] = (uint8_t)integer;
    }
    return true;
}

/* A group that is not on an affine grid: all of its elements are exceptions. */
static void put_all_exceptions(struct grid_fit *fit, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        fit->integers[i] = 0;
        fit->positions[fit->exceptions++] = i;
    }
}

static bool fit_affine(struct grid_fit *fit, uint8_t field, const uint8_t *src, uint32_t count,
                       uint32_t group)
{
    uint32_t groups = (count + group - 1) / group, element = lwc_field_size(field);

    fit->group = group;
    fit->groups = groups;
    fit->exceptions = 0;
    fit->largest = POINTS - 1;
    fit->affine = true;
    for (uint32_t g = 0; g < groups; g++) {
        uint32_t first = g * group, n = count - first < group ? count - first : group;
        uint32_t scale = 0x3f800000, offset = 0, points_n;
        struct point points[POINTS];

        points_n = collect_points(points, field, src + (size_t)first * element, n);
        if (!(points_n && solve_affine(points, points_n, &scale, &offset) &&
              put_affine(fit, field, src, first, n, scale, offset))) {
            if (fit->exceptions + n > count / EXCEPTIONS_ONE_IN)
                return false;
            put_all_exceptions(fit, first, n);
            scale = 0x3f800000;
            offset = 0;
        }
        fit->scales[g] = scale;
        fit->scales[groups + g] = offset;
    }
    return true;
}

/* So many elements are looked at before all: a group that is not on a grid shows it soon. */
#define FIRST_LOOK 512

bool grid_fit(struct grid_fit *fit, uint8_t field, const uint8_t *src, uint32_t count, uint32_t row)
{
    const uint32_t groups[] = {count, row, 256, 128, 64, 32};
    struct point points[POINTS];
    struct levels levels;

    for (unsigned int i = 2; i < sizeof(groups) / sizeof(groups[0]); i++) {
        uint32_t scale, offset, n;

        if (groups[i] > count || !(n = collect_points(points, field, src, groups[i])))
            continue;
        if (collect(&levels, field, src, groups[i], LARGEST_4) && scale_of(&levels, LARGEST_4))
            continue; /* no offset is needed */
        if (solve_affine(points, n, &scale, &offset) &&
            fit_affine(fit, field, src, count, groups[i]))
            return true;
    }
    for (unsigned int large = 0; large < 2; large++) {
        uint32_t limit = large ? LARGEST_8 : LARGEST_4;

        for (unsigned int i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
            uint32_t group = groups[i], look;

            if (group < LWC_GRID_GROUP_MIN || group > count)
                continue;
            look = group < FIRST_LOOK ? group : FIRST_LOOK;
            if (collect(&levels, field, src, look, limit) && scale_of(&levels, limit) &&
                fit_groups(fit, field, src, count, group, limit))
                return true;
        }
    }
    return false;
}
