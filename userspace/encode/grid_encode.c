/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/grid_encode.h"

#include "encode/elements.h"
#include "encode/grid_points.h"

/* Exceptions that a tile may have: one in so many elements; what is far from it needs no doubt. */
#define EXCEPTIONS_ONE_IN 24
#define FEW_EXCEPTIONS_ONE_IN 1024
/* So many elements are looked at before all: a group that is not on a grid shows it soon. */
#define FIRST_LOOK 512

/* Elements that tell: any values differ in most of them, the integers of two groups do not. */
#define HOPELESS 48

/* What is searched for: the arithmetic, and the largest integer. */
struct attempt {
    struct lwc_grid_arithmetic arithmetic;
    uint32_t limit;
};

static uint32_t parameters_of(const struct attempt *attempt)
{
    return attempt->arithmetic.kind == LWC_GRID_PRODUCT ? 1 : 2;
}

static bool collect(struct grid_points *points, const struct attempt *attempt, const uint8_t *src,
                    uint32_t count, uint32_t strangers)
{
    return grid_collect(points, attempt->arithmetic.field, src, count, attempt->limit + strangers,
                        attempt->arithmetic.kind != LWC_GRID_PRODUCT);
}

/* Values that a group may have besides those of its integers. */
static uint32_t strangers_of(const struct attempt *attempt, uint32_t count)
{
    return attempt->arithmetic.kind == LWC_GRID_PRODUCT ? grid_misses_allowed(count) : 1;
}

static bool solve(struct grid_points *points, const struct attempt *attempt, uint32_t strangers,
                  struct lwc_grid_parameters *parameters)
{
    grid_set_arithmetic(points, attempt->arithmetic);
    if (attempt->arithmetic.kind != LWC_GRID_PRODUCT)
        return grid_pair(points, parameters);
    parameters->scale = grid_scale(points, attempt->limit, strangers);
    return parameters->scale != 0;
}

/*
 * A scale is negative where zeroes are: there a sign of zero that is not the
 * scale's costs a symbol. Without zeroes, four-bit formats give the largest value
 * of a group the integer -8: as many symbols as they have.
 */
static uint32_t sign_of_scale(const struct grid_points *points, const uint8_t *src, uint32_t count)
{
    uint32_t element = lwc_field_size(points->arithmetic.field), sign = element * 8 - 1;
    uint32_t top = 0, negative = 0;

    if (points->zeroes)
        return points->zeroes < 0 ? 0x80000000 : 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bits = element_load(src, element, i), magnitude = bits & ((1u << sign) - 1);
        const struct grid_point *point;

        if (magnitude <= top)
            continue;
        for (point = points->point; point->bits != magnitude; point++)
            ;
        if (point->integer < 0)
            continue;
        top = magnitude;
        negative = bits >> sign;
    }
    return negative ? 0 : 0x80000000;
}

/* Integers of the group that begins at element first; exceptions for what is not on the grid. */
static void put_integers(struct grid_fit *fit, struct grid_points *points,
                         struct lwc_grid_parameters parameters, const uint8_t *src, uint32_t first,
                         uint32_t count)
{
    uint32_t element = lwc_field_size(fit->arithmetic.field), sign = element * 8 - 1;
    bool product = fit->arithmetic.kind == LWC_GRID_PRODUCT;

    for (uint32_t i = first; i < first + count; i++) {
        uint32_t bits = element_load(src, element, i), magnitude = bits & ((1u << sign) - 1);
        bool other = product && bits >> sign != parameters.scale >> 31;
        const struct grid_point *point = NULL;
        uint32_t integer = 0;

        if (product && !magnitude) {
            fit->integers[i] = other ? 0x80 : 0;
            continue;
        }
        point = grid_find(points, product ? magnitude : bits);
        if (point && point->integer >= 0)
            integer = (uint32_t)point->integer;
        else
            fit->positions[fit->exceptions++] = i;
        fit->integers[i] = (uint8_t)(other ? 0u - integer : integer);
    }
}

static bool fit_groups(struct grid_fit *fit, const struct attempt *attempt, const uint8_t *src,
                       uint32_t count, uint32_t group)
{
    uint32_t groups = (count + group - 1) / group, allowed = count / EXCEPTIONS_ONE_IN;
    uint32_t element = lwc_field_size(attempt->arithmetic.field);
    struct grid_points points;

    fit->arithmetic = attempt->arithmetic;
    fit->group = group;
    fit->groups = groups;
    fit->exceptions = 0;
    for (uint32_t g = 0; g < groups; g++) {
        uint32_t first = g * group, n = count - first < group ? count - first : group;
        const uint8_t *at = src + (size_t)first * element;
        struct lwc_grid_parameters parameters = {0, 0};
        uint32_t strangers = strangers_of(attempt, n);

        if (!(collect(&points, attempt, at, n, strangers) &&
              solve(&points, attempt, strangers, &parameters))) {
            if (fit->exceptions + n > allowed)
                return false;
            grid_collect(&points, attempt->arithmetic.field, NULL, 0, 0, false);
            parameters = (struct lwc_grid_parameters){0x3f800000, 0};
        } else if (attempt->arithmetic.kind == LWC_GRID_PRODUCT) {
            parameters.scale |= sign_of_scale(&points, at, n);
        }
        put_integers(fit, &points, parameters, src, first, n);
        if (fit->exceptions > allowed)
            return false;
        fit->parameters[g] = parameters.scale;
        if (parameters_of(attempt) > 1)
            fit->parameters[groups + g] = parameters.second;
    }
    return true;
}

/*
 * Which of the types fit a group, as far as it is looked at? A bit each. Eight-bit
 * integers of a small group must fit without strangers: a search among any values
 * takes too long.
 */
static uint32_t types_that_fit(struct attempt attempt, const uint8_t *types, unsigned int types_n,
                               const uint8_t *src, uint32_t look)
{
    uint32_t strangers = strangers_of(&attempt, look), fit = 0;
    struct lwc_grid_parameters parameters;
    struct grid_points points;

    if (attempt.limit > GRID_PAIR_VALUES && look < FIRST_LOOK)
        strangers = 0;
    if (!collect(&points, &attempt, src, look, strangers))
        return 0;
    for (unsigned int t = 0; t < types_n; t++) {
        attempt.arithmetic.through = types[t];
        if (solve(&points, &attempt, strangers, &parameters))
            fit |= 1u << t;
    }
    return fit;
}

/* The same of the first group, and, where that costs little, of one in the middle. */
static uint32_t looks_right(const struct attempt *attempt, const uint8_t *types,
                            unsigned int types_n, const uint8_t *src, uint32_t count,
                            uint32_t group)
{
    uint32_t smallest =
        attempt->arithmetic.kind == LWC_GRID_PRODUCT ? LWC_GRID_GROUP_MIN : LWC_GRID_PAIR_MIN;
    uint32_t look = group < FIRST_LOOK ? group : FIRST_LOOK, fit, element, middle;

    if (group < smallest || group > count)
        return 0;
    fit = types_that_fit(*attempt, types, types_n, src, look);
    middle = count / 2 / group * group;
    element = lwc_field_size(attempt->arithmetic.field);
    if (attempt->limit <= GRID_PAIR_VALUES && middle + group <= count)
        fit |= types_that_fit(*attempt, types, types_n, src + (size_t)middle * element, look);
    return fit;
}

/* Are few elements of so many values that none of the groups can be a grid? */
static bool hopeless(const struct attempt *attempt, const uint8_t *src, uint32_t count)
{
    struct grid_points points;

    return !collect(&points, attempt, src, count < HOPELESS ? count : HOPELESS, GRID_STRANGERS);
}

/* The types that arithmetic may have gone through: that of the field and narrower ones. */
static unsigned int types_of(uint8_t types[3], uint8_t field, const uint8_t *src, uint32_t count)
{
    uint32_t any = 0, n = 0, look = count < FIRST_LOOK ? count : FIRST_LOOK;

    for (uint32_t i = 0; field == LWC_FIELD_F32 && i < look; i++)
        any |= element_load(src, 4, i);
    if (field == LWC_FIELD_F32 && !(any & 0xffff))
        types[n++] = LWC_FIELD_BF16;
    if (field == LWC_FIELD_F32 && !(any & 0x1fff))
        types[n++] = LWC_FIELD_F16;
    types[n++] = field;
    if (field == LWC_FIELD_BF16)
        types[n++] = LWC_FIELD_F16;
    return n;
}

/* The first group size that fits in one of the types, or the best of them where it is in doubt. */
static bool fit_kind(struct grid_fit *fit, uint8_t kind, uint8_t field, uint32_t limit,
                     const uint8_t *src, uint32_t count, uint32_t row)
{
    const uint32_t groups[] = {count, row, 256, 128, 64, 32};
    uint8_t types[3];
    unsigned int types_n = types_of(types, field, src, count);

    if (hopeless(&(struct attempt){{kind, field, field}, limit}, src, count))
        return false;
    for (unsigned int i = kind == LWC_GRID_PRODUCT ? 0 : 2; i < sizeof(groups) / sizeof(groups[0]);
         i++) {
        struct attempt best = {.limit = 0}, attempt = {{kind, field, field}, limit};
        uint32_t fewest = count, fit_types;

        fit_types = looks_right(&attempt, types, types_n, src, count, groups[i]);

        for (unsigned int t = 0; t < types_n; t++) {
            attempt.arithmetic.through = types[t];
            if (!(fit_types >> t & 1) || !fit_groups(fit, &attempt, src, count, groups[i]))
                continue;
            if (fit->exceptions <= count / FEW_EXCEPTIONS_ONE_IN)
                return true;
            if (fit->exceptions < fewest) {
                fewest = fit->exceptions;
                best = attempt;
            }
        }
        if (best.limit)
            return fit_groups(fit, &best, src, count, groups[i]);
    }
    return false;
}

bool grid_fit(struct grid_fit *fit, uint8_t field, const uint8_t *src, uint32_t count, uint32_t row)
{
    return fit_kind(fit, LWC_GRID_PRODUCT, field, GRID_LARGEST_4, src, count, row) ||
           fit_kind(fit, LWC_GRID_AFFINE, field, GRID_PAIR_VALUES, src, count, row) ||
           fit_kind(fit, LWC_GRID_STEPS, field, GRID_PAIR_VALUES, src, count, row) ||
           fit_kind(fit, LWC_GRID_PRODUCT, field, GRID_LARGEST_8, src, count, row);
}
