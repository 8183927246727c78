/* SPDX-License-Identifier: BSD-3-Clause */
/* The scale of a group without an offset. */
#include <math.h>
#include <string.h>

#include "encode/grid_points.h"

/* Significant bits of scales that are tried one by one: those of f16, the usual type. */
#define SCALE_BITS 11
/* Groups of eight-bit integers that are smaller have had a scale that made their largest 127. */
#define OWN_SCALE 512
#define OWN_LARGEST 126

/* Points by falling count or value. */
struct order {
    uint8_t by[GRID_POINTS];
};

static void sort_points(const struct grid_points *points, bool by_value, struct order *order)
{
    const struct grid_point *point = points->point;

    for (uint32_t i = 0; i < points->count; i++) {
        uint32_t at = i;

        for (; at > 0; at--) {
            const struct grid_point *before = &point[order->by[at - 1]];

            if (by_value ? before->value >= point[i].value : before->count >= point[i].count)
                break;
            order->by[at] = order->by[at - 1];
        }
        order->by[at] = (uint8_t)i;
    }
}

/* The same, but of all only the first is found. */
static void first_point(const struct grid_points *points, bool by_value, struct order *order)
{
    const struct grid_point *point = points->point;

    for (uint32_t i = 0; i < points->count; i++) {
        const struct grid_point *first = &point[order->by[0]];

        order->by[i] = (uint8_t)i;
        if (i && (by_value ? point[i].value > first->value : point[i].count > first->count)) {
            order->by[i] = order->by[0];
            order->by[0] = (uint8_t)i;
        }
    }
}

/* A scale and what it is worth; the fewest misses first, then the fewest bits. */
struct trial {
    uint32_t scale;
    uint32_t misses;
    int bits;
};

/* Elements off the grid of the scale; as soon as they are more than limit, some number above it. */
static uint32_t misses_of(const struct grid_points *points, const struct order *order, double scale,
                          uint32_t largest, uint32_t limit)
{
    struct lwc_grid_parameters parameters = {grid_f32(scale), 0};
    double inverse = 1 / scale;
    uint32_t misses = 0;

    /* the last ones of large integers are the smallest: there few values are on a grid */
    for (uint32_t i = points->count; i-- > 0 && misses <= limit;) {
        const struct grid_point *point = &points->point[order->by[i]];
        double integer = rint(point->value * inverse), product = integer * scale;

        if (integer < 1 || integer > largest || product < point->low || product > point->high)
            misses += point->count;
    }
    for (uint32_t i = 0; i < points->count && misses <= limit; i++) {
        const struct grid_point *point = &points->point[i];
        double integer = rint(point->value * inverse), product = integer * scale;

        /* not those that have been counted */
        if (integer >= 1 && integer <= largest && product >= point->low && product <= point->high &&
            lwc_grid_element(&points->arithmetic, parameters, (uint8_t)integer) != point->bits)
            misses += point->count;
    }
    return misses;
}

static void offer(struct grid_points *points, const struct order *order, double scale,
                  uint32_t largest, struct trial *best)
{
    uint32_t bits = grid_f32(scale), misses;

    if (bits >> 23 == 0 || bits >> 23 == 255)
        return;
    misses = misses_of(points, order, scale, largest, best->misses);
    if (misses > best->misses ||
        (misses == best->misses && best->scale && grid_bits_needed(bits) >= best->bits))
        return;
    *best = (struct trial){bits, misses, grid_bits_needed(bits)};
}

/* All scales of few bits that make the point that integer. */
static void try_scales(struct grid_points *points, const struct order *order,
                       const struct grid_point *point, uint32_t integer, uint32_t largest,
                       struct trial *best)
{
    double low = point->low / integer, high = point->high / integer, step;
    int exponent;

    frexp(low, &exponent);
    step = ldexp(1, exponent - SCALE_BITS);
    for (double scale = ceil(low / step) * step; scale <= high; scale += step)
        offer(points, order, scale, largest, best);
}

/*
 * Any scale that makes the point that integer: what all points, from the smallest
 * on, agree on. A point that does not agree is left out.
 */
static void try_interval(struct grid_points *points, const struct order *rising,
                         const struct order *order, const struct grid_point *point,
                         uint32_t integer, uint32_t largest, struct trial *best)
{
    double low = point->low / integer, high = point->high / integer;
    uint32_t misses = 0, scale;

    for (uint32_t i = points->count; i-- > 0;) {
        const struct grid_point *other = &points->point[rising->by[i]];
        double number = rint(other->value / ((low + high) / 2));
        double from = fmax(low, other->low / number), to = fmin(high, other->high / number);

        if (number < 1 || number > largest || from > to) {
            misses += other->count;
            if (misses > best->misses)
                return;
            continue;
        }
        low = from;
        high = to;
    }
    scale = grid_simplest(low, high);
    if (scale) {
        float value;

        memcpy(&value, &scale, sizeof(value));
        offer(points, order, value, largest, best);
    }
}

static void set_integers(struct grid_points *points, uint32_t scale, uint32_t largest)
{
    struct lwc_grid_parameters parameters = {scale, 0};
    float value;

    memcpy(&value, &scale, sizeof(value));
    for (uint32_t i = 0; i < points->count; i++) {
        struct grid_point *point = &points->point[i];
        double integer = rint(point->value / value);

        point->integer = -1;
        if (integer >= 1 && integer <= largest &&
            lwc_grid_element(&points->arithmetic, parameters, (uint8_t)integer) == point->bits)
            point->integer = (int32_t)integer;
    }
}

/* Is there a scale without misses that makes one of the anchors an integer from first to last? */
static bool search(struct grid_points *points, const struct order *order, uint32_t anchors,
                   uint32_t first, uint32_t last, uint32_t limit, struct trial *best)
{
    bool any = points->arithmetic.through == points->arithmetic.field;
    struct order falling;

    for (unsigned int all = 0; all < (any ? 2 : 1); all++) {
        if (all)
            sort_points(points, true, &falling);
        for (uint32_t a = 0; a < anchors; a++)
            /* small integers first: those of a finer grid are on it, too */
            for (uint32_t integer = first; integer <= last; integer++) {
                const struct grid_point *anchor = &points->point[order->by[a]];

                if (all)
                    try_interval(points, &falling, order, anchor, integer, limit, best);
                else
                    try_scales(points, order, anchor, integer, limit, best);
                if (best->scale && !best->misses)
                    return true;
            }
    }
    return false;
}

uint32_t grid_scale(struct grid_points *points, uint32_t limit, uint32_t strangers)
{
    bool large = limit > GRID_LARGEST_4, own = large && points->elements < OWN_SCALE;
    uint32_t anchors = points->count < 3 ? points->count : strangers ? 3 : 1, first = 1;
    struct trial best = {.misses = strangers};
    struct order order;

    if (!points->count)
        return 0x3f800000; /* all zero: any */
    /* one of the first points is on the grid: they occur most, or are the largest */
    if (anchors > 1)
        sort_points(points, large, &order);
    else
        first_point(points, large, &order);
    /* integers below the largest one are at least as many as points */
    if (large && points->count > strangers + 1)
        first = points->count - strangers;
    if (own &&
        !search(points, &order, anchors, first > OWN_LARGEST ? first : OWN_LARGEST, limit, limit,
                &best) &&
        strangers)
        search(points, &order, anchors, first, OWN_LARGEST - 1, limit, &best);
    else if (!own)
        search(points, &order, anchors, first, limit, limit, &best);
    if (best.scale)
        set_integers(points, best.scale, limit);
    return best.scale;
}
