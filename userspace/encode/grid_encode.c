/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/grid_encode.h"

#include "encode/elements.h"
#include "encode/grid_points.h"
#include "kmod/codec/cpu.h"
#include "kmod/codec/grid.h"

/* Exceptions that a tile may have: one in so many elements; what is far from it needs no doubt. */
#define EXCEPTIONS_ONE_IN 24
#define FEW_EXCEPTIONS_ONE_IN 4096
/* So many elements of a group are looked at before all. */
#define FIRST_LOOK 512
/* Integers of large values may be by so much too large: bf16 has not as many bits. */
#define ZERO_DOUBT 3
/* Groups that are looked at before all, and how many of them may fit nothing. */
#define SAMPLES 8
#define SAMPLES_OFF 2

#define NONE UINT32_MAX

/* Time of an element in steps. */
#define COLLECT_STEPS 3
#define PRODUCT_STEPS 2
#define DIFFERENCE_STEPS 12

/* Elements that tell: any values differ in most of them, the integers of two groups do not. */
#define HOPELESS 48
/* Elements of one group that tell for multiples of a scale: the more the more there may be. */
#define FAR 32
#define FAR_ZERO 64

/* What is searched for: the arithmetic, and the largest integer (of pairs: how many). */
struct attempt {
    struct lwc_grid_arithmetic arithmetic;
    uint32_t limit;
};

static const struct attempt four_bits = {{LWC_GRID_PRODUCT, 0, 0}, GRID_LARGEST_4};
static const struct attempt offsets = {{LWC_GRID_AFFINE, 0, 0}, GRID_PAIR_VALUES};
static const struct attempt zero_points = {{LWC_GRID_STEPS, 0, 0}, GRID_PAIR_VALUES};
static const struct attempt eight_bits = {{LWC_GRID_PRODUCT, 0, 0}, GRID_LARGEST_8};
static const struct attempt eight_bits_zero = {{LWC_GRID_STEPS, 0, 0}, GRID_LARGEST_ZERO};

/* A tile. */
struct tile {
    struct grid_fit *fit;
    const struct lwc_impl *impl;
    const uint8_t *src;
    uint32_t element;
    uint32_t count;
    uint32_t row;
    uint8_t field;
};

static const uint8_t *at(const struct tile *tile, uint32_t first)
{
    return tile->src + (size_t)first * tile->element;
}

static bool is_pair(const struct attempt *attempt)
{
    return attempt->limit == GRID_PAIR_VALUES;
}

static bool exhausted(const struct grid_fit *fit)
{
    return fit->work.steps > fit->work.most;
}

/* What a group is made from, as far as that is known. */
struct solution {
    struct lwc_grid_parameters parameters;
    struct grid_points points; /* of pairs */
};

/* A group, and what is looked at of it. */
struct look {
    uint32_t first, count; /* elements */
    uint32_t looked_at;
    uint32_t strangers;
};

/* Parameters of a group, by its first elements; false: there are none. */
static bool solve(const struct tile *tile, const struct attempt *attempt, const struct look *look,
                  struct solution *solution)
{
    const uint8_t *src = at(tile, look->first);
    struct grid_work *work = &tile->fit->work;
    bool differences = attempt->limit == GRID_LARGEST_ZERO;
    struct grid_search search = {.arithmetic = attempt->arithmetic,
                                 .limit = attempt->limit,
                                 .strangers = look->strangers,
                                 .work = work};

    solution->parameters = (struct lwc_grid_parameters){0, 0};
    if (is_pair(attempt)) {
        work->steps += COLLECT_STEPS * (uint64_t)look->looked_at;
        if (!grid_collect(&solution->points, tile->field, src, look->looked_at,
                          GRID_PAIR_VALUES + 1))
            return false;
        grid_set_arithmetic(&solution->points, attempt->arithmetic);
        return grid_pair(&solution->points, work, &solution->parameters);
    }
    /* differences from a zero point are products, but for what f32 loses of two */
    if (differences)
        search.arithmetic =
            (struct lwc_grid_arithmetic){LWC_GRID_PRODUCT, tile->field, tile->field};
    if (attempt->limit > GRID_LARGEST_4 && look->count < tile->count) {
        search.reach = grid_reach(tile->field, src, look->count, differences);
        search.only_reach = differences || !look->strangers;
        work->steps += look->count;
    }
    solution->parameters.scale = grid_scale(&search, src, look->looked_at);
    return solution->parameters.scale != 0;
}

/* Without the sign. */
static float f32_value(uint32_t bits)
{
    float value;

    bits &= 0x7fffffff;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/*
 * A scale is negative where zeroes are: there a sign of zero that is not the
 * scale's costs a symbol. Without zeroes, four-bit formats give the largest value
 * of a group the integer -8: as many symbols as they have.
 */
static uint32_t sign_of_scale(const struct tile *tile, uint32_t scale, uint32_t limit,
                              uint32_t first, uint32_t count)
{
    uint32_t sign = tile->element * 8 - 1, top = 0, n, minus = 0;
    uint16_t integer[GRID_CHUNK];
    int32_t zeroes = 0;

    for (uint32_t i = first; i < first + count; i++) {
        uint32_t bits = element_load(tile->src, tile->element, i);

        zeroes += (bits == 0) - (bits == 1u << sign);
    }
    if (zeroes)
        return zeroes < 0 ? 0x80000000 : 0;
    for (uint32_t from = first; from < first + count; from += n) {
        n = first + count - from < GRID_CHUNK ? first + count - from : GRID_CHUNK;
        grid_multiples(tile->field, at(tile, from), n, 1 / f32_value(scale), limit, integer);
        for (uint32_t i = 0; i < n; i++) {
            if (integer[i] <= top || integer[i] > limit)
                continue;
            top = integer[i];
            minus = element_load(tile->src, tile->element, from + i) >> sign;
        }
    }
    return minus ? 0 : 0x80000000;
}

/* How magnitudes become integers: zero above limit, cut to what each sign may have. */
struct signs {
    uint32_t limit;
    uint32_t most[2]; /* of positive and negative elements */
    uint32_t minus;   /* the scale's sign */
    uint32_t minus_zero;
};

INLINE void put_signs(const uint8_t *src, uint32_t element, uint32_t count,
                      const uint16_t *restrict magnitude, const struct signs *signs,
                      uint8_t *restrict out)
{
    const struct signs to = *signs;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t bits = element_load(src, element, i), sign = bits >> (element * 8 - 1);
        uint32_t other = 0u - (sign ^ to.minus), most = sign ? to.most[1] : to.most[0];
        uint32_t integer = magnitude[i] < most ? magnitude[i] : most;

        integer = magnitude[i] <= to.limit ? integer : 0;
        integer = (integer ^ other) - other;
        out[i] = (uint8_t)(bits << 1 << (32 - element * 8) ? integer : other & to.minus_zero);
    }
}

VECTORISED static void put_chunk(const uint8_t *src, uint32_t element, uint32_t count,
                                 const uint16_t *magnitude, const struct signs *signs, uint8_t *out)
{
    if (element == 2)
        put_signs(src, 2, count, magnitude, signs, out);
    else
        put_signs(src, 4, count, magnitude, signs, out);
}

/* Exceptions for what the decoder does not make of the integers of a chunk. */
static void check_chunk(const struct tile *tile, struct lwc_grid_parameters parameters,
                        uint32_t first, uint32_t count)
{
    uint8_t made[GRID_CHUNK * 4], *last = made + (tile->element - 1) * (size_t)count;
    struct grid_fit *fit = tile->fit;

    memcpy(last, fit->integers + first, count);
    tile->impl->grid(&fit->arithmetic, parameters, last, count, made);
    if (!memcmp(made, at(tile, first), (size_t)count * tile->element))
        return;
    for (uint32_t i = 0; i < count; i++)
        if (element_load(made, tile->element, i) !=
            element_load(tile->src, tile->element, first + i))
            fit->positions[fit->exceptions++] = first + i;
}

/* The integers of a group that is multiples of the scale. */
static void put_products(const struct tile *tile, const struct attempt *attempt,
                         struct lwc_grid_parameters parameters, uint32_t first, uint32_t count)
{
    struct signs signs = {
        attempt->limit, {attempt->limit, attempt->limit}, parameters.scale >> 31, 0x80};
    uint16_t magnitude[GRID_CHUNK];
    uint32_t n;

    if (attempt->arithmetic.kind == LWC_GRID_STEPS) {
        uint32_t zero = (uint32_t)f32_value(parameters.second);

        signs = (struct signs){attempt->limit, {255 - zero, zero}, 0, 0};
    }
    tile->fit->work.steps +=
        (signs.minus_zero ? PRODUCT_STEPS : DIFFERENCE_STEPS) * (uint64_t)count;
    for (uint32_t from = first; from < first + count; from += n) {
        n = first + count - from < GRID_CHUNK ? first + count - from : GRID_CHUNK;
        grid_multiples(tile->field, at(tile, from), n, 1 / f32_value(parameters.scale),
                       attempt->limit, magnitude);
        put_chunk(at(tile, from), tile->element, n, magnitude, &signs, tile->fit->integers + from);
        check_chunk(tile, parameters, from, n);
    }
}

/* The same of a pair. */
static void put_pairs(const struct tile *tile, struct solution *solution, uint32_t first,
                      uint32_t count)
{
    struct grid_fit *fit = tile->fit;

    for (uint32_t i = first; i < first + count; i++) {
        const struct grid_point *point =
            grid_find(&solution->points, element_load(tile->src, tile->element, i));

        if (point && point->integer >= 0)
            fit->integers[i] = (uint8_t)point->integer;
        else
            fit->positions[fit->exceptions++] = i;
    }
}

/* All elements of a group as exceptions. */
static void put_exceptions(const struct tile *tile, uint32_t first, uint32_t count)
{
    memset(tile->fit->integers + first, 0, count);
    for (uint32_t i = first; i < first + count; i++)
        tile->fit->positions[tile->fit->exceptions++] = i;
}

/*
 * A zero point that makes all differences integers of a byte, as near to the
 * middle as may be: then few of them differ. false: there is none.
 */
static bool choose_zero(const struct tile *tile, uint32_t first, uint32_t count,
                        struct lwc_grid_parameters *parameters)
{
    uint32_t sign = tile->element * 8 - 1, n, most[2] = {0, 0};
    uint16_t integer[GRID_CHUNK];

    for (uint32_t from = first; from < first + count; from += n) {
        n = first + count - from < GRID_CHUNK ? first + count - from : GRID_CHUNK;
        grid_multiples(tile->field, at(tile, from), n, 1 / f32_value(parameters->scale),
                       GRID_LARGEST_ZERO, integer);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t *side = &most[element_load(tile->src, tile->element, from + i) >> sign];

            if (integer[i] <= GRID_LARGEST_ZERO && integer[i] > *side)
                *side = integer[i];
        }
    }
    if (most[0] + most[1] > 255 + ZERO_DOUBT)
        return false;
    parameters->second = grid_f32(most[0] > 127 ? 255 - most[0] : most[1] > 128 ? most[1] : 128);
    return grid_steps_allowed(LWC_FIELD_F32, *parameters);
}

/* The integers of what is looked at of a group, and exceptions; false: there are no parameters. */
static bool put_look(const struct tile *tile, const struct attempt *attempt,
                     const struct look *look, struct lwc_grid_parameters *parameters)
{
    uint32_t first = look->first, n = look->looked_at;
    struct solution solution;
    bool found = solve(tile, attempt, look, &solution);

    if (found && attempt->limit == GRID_LARGEST_ZERO)
        found = choose_zero(tile, first, n, &solution.parameters);
    *parameters = solution.parameters;
    if (!found)
        return false;
    if (is_pair(attempt)) {
        put_pairs(tile, &solution, first, n);
        return true;
    }
    if (attempt->arithmetic.kind == LWC_GRID_PRODUCT)
        parameters->scale |= sign_of_scale(tile, parameters->scale, attempt->limit, first, n);
    put_products(tile, attempt, *parameters, first, n);
    return true;
}

/* One group, if the exceptions do not become more than allowed. */
static bool fit_group(const struct tile *tile, const struct attempt *attempt, uint32_t number,
                      uint32_t allowed)
{
    struct grid_fit *fit = tile->fit;
    uint32_t first = number * fit->group, n = tile->count - first;
    struct lwc_grid_parameters parameters;
    struct look look;

    n = n < fit->group ? n : fit->group;
    look = (struct look){first, n, n, grid_misses_allowed(n)};
    if (!put_look(tile, attempt, &look, &parameters)) {
        if (fit->exceptions + n > allowed)
            return false;
        parameters = (struct lwc_grid_parameters){0x3f800000, 0};
        put_exceptions(tile, first, n);
    }
    fit->parameters[number] = parameters.scale;
    if (attempt->arithmetic.kind != LWC_GRID_PRODUCT)
        fit->parameters[fit->groups + number] = parameters.second;
    return fit->exceptions <= allowed;
}

/*
 * All groups. What a group takes that fits is not held against the search, as long
 * as all of them do.
 */
static bool fit_groups(const struct tile *tile, const struct attempt *attempt, uint32_t group)
{
    struct grid_fit *fit = tile->fit;
    uint64_t most = fit->work.most;

    fit->arithmetic = attempt->arithmetic;
    fit->group = group;
    fit->groups = (tile->count + group - 1) / group;
    fit->exceptions = 0;
    for (uint32_t g = 0; g < fit->groups; g++) {
        uint32_t left = tile->count - g * group, before = fit->exceptions;
        uint64_t steps = fit->work.steps, cap;

        left = left < group ? left : group;
        cap = (uint64_t)left * GRID_STEPS_FOUND;
        if (!fit_group(tile, attempt, g, tile->count / EXCEPTIONS_ONE_IN) || exhausted(fit)) {
            fit->work.most = most;
            return false;
        }
        steps = fit->work.steps - steps;
        if (fit->exceptions - before < left)
            fit->work.most += steps < cap ? steps : cap;
    }
    return true;
}

/*
 * Exceptions among the first elements of some groups; NONE if they are too many.
 * Eight-bit integers of a small group must do without strangers: a search among any
 * values takes too long.
 */
static uint32_t looks_right(const struct tile *tile, const struct attempt *attempt, uint32_t group)
{
    uint32_t groups = (tile->count + group - 1) / group, off = 0, seen = 0, missed = 0;
    uint32_t samples = groups < SAMPLES ? groups : SAMPLES;
    struct grid_fit *fit = tile->fit;

    fit->arithmetic = attempt->arithmetic;
    fit->exceptions = 0;
    for (uint32_t s = 0; s < samples; s++) {
        uint32_t first = (uint32_t)((uint64_t)groups * s / samples) * group,
                 n = tile->count - first;
        struct look look = {.first = first, .count = n < group ? n : group};
        struct lwc_grid_parameters parameters;

        look.looked_at = look.count < FIRST_LOOK ? look.count : FIRST_LOOK;
        if (attempt->limit <= GRID_PAIR_VALUES || look.looked_at == FIRST_LOOK)
            look.strangers = grid_misses_allowed(look.looked_at);
        if (put_look(tile, attempt, &look, &parameters)) {
            seen += look.looked_at;
            continue;
        }
        missed += look.looked_at;
        if (++off > (groups < EXCEPTIONS_ONE_IN ? 0 : SAMPLES_OFF))
            return NONE;
    }
    return fit->exceptions <= seen / EXCEPTIONS_ONE_IN ? fit->exceptions + missed : NONE;
}

/* The types that arithmetic may have gone through: that of the field and narrower ones. */
static unsigned int types_of(uint8_t types[3], const struct tile *tile)
{
    uint32_t any = 0, n = 0, look = tile->count < FIRST_LOOK ? tile->count : FIRST_LOOK;

    for (uint32_t i = 0; tile->field == LWC_FIELD_F32 && i < look; i++)
        any |= element_load(tile->src, 4, i);
    if (tile->field == LWC_FIELD_F32 && !(any & 0xffff))
        types[n++] = LWC_FIELD_BF16;
    if (tile->field == LWC_FIELD_F32 && !(any & 0x1fff))
        types[n++] = LWC_FIELD_F16;
    types[n++] = tile->field;
    if (tile->field == LWC_FIELD_BF16)
        types[n++] = LWC_FIELD_F16;
    return n;
}

/* Have few elements so many values that no group can be a grid of pairs? */
static bool no_pairs(const struct tile *tile)
{
    struct grid_points points;

    return !grid_collect(&points, tile->field, tile->src,
                         tile->count < HOPELESS ? tile->count : HOPELESS, GRID_POINTS);
}

/* Are elements where a group should begin, in some places, far from integers up to a limit? */
static bool no_products(const struct tile *tile, uint32_t limit)
{
    /* groups begin with rows, or go on over them */
    const uint32_t steps[] = {256, tile->row && tile->row <= tile->count / 4 ? tile->row : 256};
    struct lwc_grid_arithmetic loosest = {LWC_GRID_PRODUCT, LWC_FIELD_F16, tile->field};
    uint32_t look = limit == GRID_LARGEST_ZERO ? FAR_ZERO : FAR, off = 0;
    uint8_t types[3];

    types_of(types, tile);
    if (tile->field != LWC_FIELD_BF16)
        loosest.through = types[0];
    if (tile->count < 1024)
        return false;
    for (uint32_t i = 0; i < 3 && off < 2; i++) {
        bool far = true;

        for (uint32_t k = 0; k < 2 && far; k++)
            if (k == 0 || steps[1] % steps[0])
                far = grid_far(loosest, limit, at(tile, tile->count / 3 * i / steps[k] * steps[k]),
                               look, &tile->fit->work);
        off += far;
    }
    return off > 1;
}

/*
 * One size of groups, in one of the types, or the best of them where it is in doubt.
 * failed counts those whose samples did fit, but not all groups.
 */
static bool fit_size(const struct tile *tile, struct attempt attempt, uint32_t group,
                     uint32_t *failed)
{
    uint32_t smallest = attempt.limit == GRID_LARGEST_ZERO            ? FAR_ZERO
                        : attempt.arithmetic.kind == LWC_GRID_PRODUCT ? LWC_GRID_GROUP_MIN
                                                                      : LWC_GRID_PAIR_MIN;
    uint8_t types[3] = {LWC_FIELD_F32};
    unsigned int types_n = attempt.limit == GRID_LARGEST_ZERO ? 1 : types_of(types, tile);
    uint32_t seen[3], fewest = NONE, t;
    struct attempt best = attempt;
    bool there = false; /* what the best one made is */

    if (group < smallest || group > tile->count)
        return false;
    for (t = 0; t < types_n; t++) {
        attempt.arithmetic.through = types[t];
        seen[t] = looks_right(tile, &attempt, group);
    }
    for (unsigned int n = 0; n < types_n; n++, seen[t] = NONE) {
        t = 0;
        for (unsigned int i = 1; i < types_n; i++)
            t = seen[i] < seen[t] ? i : t;
        attempt.arithmetic.through = types[t];
        if (seen[t] == NONE)
            break;
        if (!fit_groups(tile, &attempt, group)) {
            *failed += tile->count / group >= SAMPLES;
            there = false;
            continue;
        }
        if (tile->fit->exceptions <= tile->count / FEW_EXCEPTIONS_ONE_IN)
            return true;
        there = tile->fit->exceptions < fewest;
        if (there) {
            fewest = tile->fit->exceptions;
            best = attempt;
        }
        /* others may be better only if they looked so */
        for (unsigned int i = 0; i < types_n; i++)
            seen[i] = seen[i] > seen[t] ? NONE : seen[i];
    }
    return fewest != NONE && (there || fit_groups(tile, &best, group));
}

/* The largest group size that fits. */
static bool fit_kind(const struct tile *tile, struct attempt attempt)
{
    /* half a usual group where rows begin in the middle of one */
    const uint32_t least = tile->row % 32 == LWC_GRID_GROUP_MIN ? LWC_GRID_GROUP_MIN : 0;
    const uint32_t groups[] = {tile->count, tile->row, 256, 128, 64, 32, least};
    uint32_t failed = 0;

    attempt.arithmetic.field = tile->field;
    for (unsigned int i = is_pair(&attempt) ? 1 : 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        /* what is nearly a grid of one size is no better one of a smaller size */
        if (exhausted(tile->fit) || failed > 1)
            return false;
        if (fit_size(tile, attempt, groups[i], &failed))
            return true;
    }
    return false;
}

bool grid_fit(struct grid_fit *fit, uint8_t field, const uint8_t *src, uint32_t count, uint32_t row)
{
    const struct tile tile = {.fit = fit,
                              .impl = lwc_impl_select(lwc_cpu_isa()),
                              .src = src,
                              .element = lwc_field_size(field),
                              .count = count,
                              .row = row,
                              .field = field};
    bool products, pairs;

    fit->work.steps = 0;
    fit->work.most = GRID_STEPS_TILE + (uint64_t)count * GRID_STEPS_ELEMENT;
    products = !no_products(&tile, GRID_LARGEST_8);
    pairs = !no_pairs(&tile);
    return (products && fit_kind(&tile, four_bits)) ||
           (pairs && (fit_kind(&tile, offsets) || fit_kind(&tile, zero_points))) ||
           (products && fit_kind(&tile, eight_bits)) ||
           (!no_products(&tile, GRID_LARGEST_ZERO) && fit_kind(&tile, eight_bits_zero));
}
