/* SPDX-License-Identifier: BSD-3-Clause */
/* Scale and offset, or scale and zero point, of a group of four-bit integers. */
#include <math.h>
#include <string.h>

#include "encode/grid_points.h"

/* Mantissa bits of parameters that are tried one by one: those of f16, the usual type. */
#define TRIED_BITS 11
/* A point that is checked takes the time of so many elements that are looked at. */
#define POINT_STEPS 8
#define RANGE_STEPS 3
#define TRIAL_STEPS 4

/* Points in rising order. */
struct rising {
    const struct grid_point *by[GRID_PAIR_VALUES + 1];
    uint32_t count;
    struct grid_work *work;
};

static bool exhausted(const struct rising *rising)
{
    return rising->work->steps > rising->work->most;
}

/* All points but the one that is left out (GRID_POINTS: none is). */
static void sort_rising(const struct grid_points *points, uint32_t without, struct rising *rising)
{
    rising->count = 0;
    for (uint32_t i = 0; i < points->count; i++) {
        uint32_t at = rising->count;

        if (i == without)
            continue;
        for (; at > 0 && rising->by[at - 1]->value > points->point[i].value; at--)
            rising->by[at] = rising->by[at - 1];
        rising->by[at] = &points->point[i];
        rising->count++;
    }
}

/* How GRID stores an integer of 0 .. 15. */
static uint8_t stored(const struct lwc_grid_arithmetic *arithmetic,
                      struct lwc_grid_parameters parameters, uint32_t integer)
{
    float second;

    memcpy(&second, &parameters.second, sizeof(second));
    return (uint8_t)(arithmetic->kind == LWC_GRID_STEPS ? integer - (uint32_t)second : integer);
}

/* Are all points on the grid, if the first one has the integer lowest? */
static bool is_exact(const struct lwc_grid_arithmetic *arithmetic, const struct rising *rising,
                     struct lwc_grid_parameters parameters, uint32_t lowest)
{
    double first = rising->by[0]->value;
    float scale;

    memcpy(&scale, &parameters.scale, sizeof(scale));
    for (uint32_t i = rising->count; i-- > 0;) { /* the largest shows most errors */
        rising->work->steps += POINT_STEPS;
        double integer = lowest + rint((rising->by[i]->value - first) / scale);

        if (integer >= GRID_PAIR_VALUES ||
            lwc_grid_element(arithmetic, parameters,
                             stored(arithmetic, parameters, (uint32_t)integer)) !=
                rising->by[i]->bits)
            return false;
    }
    return true;
}

static const double inverses[GRID_PAIR_VALUES] = {
    0,       1,       1.0 / 2,  1.0 / 3,  1.0 / 4,  1.0 / 5,  1.0 / 6,  1.0 / 7,
    1.0 / 8, 1.0 / 9, 1.0 / 10, 1.0 / 11, 1.0 / 12, 1.0 / 13, 1.0 / 14, 1.0 / 15};

/* Scales for the offset, with the first point at integer 0 and the last one at span. */
static bool scales_for_offset(const struct rising *rising, double offset, uint32_t span,
                              double *low, double *high)
{
    double inverse = span / (rising->by[rising->count - 1]->value - offset);
    double from = 0, to = INFINITY;

    if (!(inverse > 0 && inverse < INFINITY))
        return false;
    for (uint32_t i = 1; i < rising->count && from <= to; i++) {
        const struct grid_point *point = rising->by[i];
        uint32_t integer = (uint32_t)(int32_t)((point->value - offset) * inverse + 0.5);
        double first, last;

        rising->work->steps += RANGE_STEPS;
        if (integer - 1 >= GRID_PAIR_VALUES - 1)
            return false;
        /* ends that are ties belong to it, whatever division makes of them */
        first = (point->low - offset) * inverses[integer] * (1 - 0x1p-51);
        last = (point->high - offset) * inverses[integer] * (1 + 0x1p-51);
        from = first > from ? first : from;
        to = last < to ? last : to;
    }
    *low = from;
    *high = to;
    return from > 0 && from <= to;
}

/*
 * Widths of what rounds to the value of largest magnitude that three values may be
 * off together: each by a half, and by the products of LWC_GRID_STEPS, which may
 * have a larger exponent.
 */
#define AFFINE_ERRORS 2
#define STEPS_ERRORS 8

/* Are all points near integers, if the first one and the last one are span apart? */
static bool spans(const struct rising *rising, uint32_t span, uint32_t errors)
{
    const struct grid_point *first = rising->by[0], *last = rising->by[rising->count - 1];
    double inverse = span / (last->value - first->value);
    double doubt = fmax(first->high - first->low, last->high - last->low) * inverse * errors;

    rising->work->steps += rising->count;
    if (exhausted(rising))
        return false;
    for (uint32_t i = 1; doubt < 0.5 && i + 1 < rising->count; i++) {
        double integer = (rising->by[i]->value - first->value) * inverse;

        if (fabs(integer - rint(integer)) > doubt)
            return false;
    }
    return true;
}

/* Distance of numbers with TRIED_BITS near a value. */
static double step_of(double value)
{
    int exponent;

    frexp(value, &exponent);
    return ldexp(1, exponent - TRIED_BITS);
}

/*
 * With a smaller one the last integer would be too large. Limits that come from
 * rounding may be next to zero, and the steps from there without end.
 */
static double least_scale(const struct rising *rising)
{
    return (rising->by[rising->count - 1]->value - rising->by[0]->value) / GRID_PAIR_VALUES;
}

/* The first scale of few bits between low and high that is exact; else the simplest one, or 0. */
static uint32_t exact_scale(const struct lwc_grid_arithmetic *arithmetic,
                            const struct rising *rising, uint32_t offset, double low, double high)
{
    double step;
    struct lwc_grid_parameters trial = {0, offset};

    low = fmax(low, least_scale(rising));
    step = step_of(low);
    if (low <= high)
        trial.scale = grid_simplest(low, high);

    /* what is rounded once is in these limits if it is exact, and only then */
    if (trial.scale &&
        (arithmetic->through == arithmetic->field || is_exact(arithmetic, rising, trial, 0)))
        return trial.scale;
    for (double scale = ceil(low / step) * step; scale <= high && !exhausted(rising);
         scale += step) {
        trial.scale = grid_f32(scale);
        rising->work->steps += TRIAL_STEPS;
        if (trial.scale >> 23 && is_exact(arithmetic, rising, trial, 0))
            return trial.scale;
    }
    return 0;
}

/*
 * LWC_GRID_AFFINE where the smallest value is the offset: of all offsets with few
 * bits the one whose scale has the fewest.
 */
static bool find_affine(const struct lwc_grid_arithmetic *arithmetic, const struct rising *rising,
                        struct lwc_grid_parameters *parameters)
{
    const struct grid_point *first = rising->by[0];
    /* below a power of two steps are smaller than above; around zero they are without end */
    double step = first->low < 0 && first->high > 0
                      ? step_of(fmax(-first->low, first->high))
                      : step_of(fmin(fabs(first->low), fabs(first->high)));
    double low, high;
    int fewest = 24;

    for (uint32_t span = GRID_PAIR_VALUES - 1; span + 1 >= rising->count; span--) {
        if (!spans(rising, span, AFFINE_ERRORS))
            continue;
        for (double at = ceil(first->low / step) * step; at <= first->high && !exhausted(rising);
             at += step) {
            struct lwc_grid_parameters trial = {.second = at == 0 ? 0 : grid_f32(at)};

            rising->work->steps += TRIAL_STEPS;
            if ((!trial.second || (trial.second >> 23 & 255)) &&
                scales_for_offset(rising, at, span, &low, &high))
                trial.scale = exact_scale(arithmetic, rising, trial.second, low, high);
            if (!trial.scale || grid_bits_needed(trial.scale) >= fewest)
                continue;
            *parameters = trial;
            fewest = grid_bits_needed(trial.scale);
            if (fewest < TRIED_BITS)
                return true;
        }
    }
    return fewest < 24;
}

/*
 * Scales of LWC_GRID_STEPS, with the first point and the last one span apart. What
 * the products with the integer and with the zero point are rounded by comes to the
 * rounding of their difference.
 */
static bool scales_for_steps(uint8_t through, const struct rising *rising, uint32_t span,
                             double *low, double *high)
{
    double step = (rising->by[rising->count - 1]->value - rising->by[0]->value) / span;
    double inverse = 1 / step, products = grid_spacing(through, GRID_PAIR_VALUES * step);

    *low = step / 2;
    *high = step * 2;
    for (uint32_t i = 0; i < rising->count; i++) {
        const struct grid_point *point = rising->by[i];
        double value = fabs(point->value), integer = rint(value * inverse);
        double error = (point->high - point->low) / 2 + 2 * products;

        rising->work->steps += RANGE_STEPS;
        if (integer < 1)
            continue;
        *low = fmax(*low, (value - error) / integer);
        *high = fmin(*high, (value + error) / integer);
    }
    *low = fmax(*low, least_scale(rising));
    return *low <= *high;
}

/* With the first point at integer lowest. */
static bool find_zero_point(const struct lwc_grid_arithmetic *arithmetic,
                            const struct rising *rising, uint32_t lowest, double low, double high,
                            struct lwc_grid_parameters *parameters)
{
    double step = step_of(low), first = rising->by[0]->value;

    for (double scale = ceil(low / step) * step; scale <= high && !exhausted(rising);
         scale += step) {
        double zero = lowest - rint(first / scale);
        struct lwc_grid_parameters trial = {grid_f32(scale), grid_f32(zero)};

        rising->work->steps += TRIAL_STEPS;
        if (zero < 0 || zero > 255 || !(trial.scale >> 23) ||
            !is_exact(arithmetic, rising, trial, lowest))
            continue;
        *parameters = trial;
        return true;
    }
    return false;
}

static bool find_steps(const struct lwc_grid_arithmetic *arithmetic, const struct rising *rising,
                       struct lwc_grid_parameters *parameters)
{
    double low, high;

    for (uint32_t span = GRID_PAIR_VALUES - 1; span + 1 >= rising->count; span--) {
        if (!spans(rising, span, STEPS_ERRORS) ||
            !scales_for_steps(arithmetic->through, rising, span, &low, &high))
            continue;
        for (uint32_t lowest = 0; lowest + span < GRID_PAIR_VALUES; lowest++)
            if (find_zero_point(arithmetic, rising, lowest, low, high, parameters))
                return true;
    }
    return false;
}

static bool find_pair(const struct grid_points *points, uint32_t without, struct grid_work *work,
                      struct lwc_grid_parameters *parameters)
{
    struct rising rising = {.work = work};

    sort_rising(points, without, &rising);
    if (rising.count < 2 || rising.count > GRID_PAIR_VALUES)
        return false;
    return points->arithmetic.kind == LWC_GRID_AFFINE
               ? find_affine(&points->arithmetic, &rising, parameters)
               : find_steps(&points->arithmetic, &rising, parameters);
}

static void set_integers(struct grid_points *points, struct lwc_grid_parameters parameters)
{
    for (uint32_t i = 0; i < points->count; i++)
        points->point[i].integer = -1;
    for (uint32_t i = GRID_PAIR_VALUES; i-- > 0;) {
        uint8_t integer = stored(&points->arithmetic, parameters, i);
        struct grid_point *point =
            grid_find(points, lwc_grid_element(&points->arithmetic, parameters, integer));

        if (point)
            point->integer = integer;
    }
}

bool grid_pair(struct grid_points *points, struct grid_work *work,
               struct lwc_grid_parameters *parameters)
{
    bool found = find_pair(points, GRID_POINTS, work, parameters);

    /* a stranger is rare */
    for (uint32_t i = 0; !found && i < points->count; i++)
        if (points->point[i].count <= grid_misses_allowed(points->elements))
            found = find_pair(points, i, work, parameters);
    if (found)
        set_integers(points, *parameters);
    return found;
}
