/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/grid_scale.h"

#include <math.h>
#include <string.h>

#include "encode/elements.h"
#include "encode/grid_points.h"

/* Elements that are looked at between two looks at how many are off the grid. */
#define RUN 16
/* Significant bits of scales that are tried one by one: those of f16, the usual type. */
#define SCALE_BITS 11
/* What the integers of the largest value may be where it has made the scale, which is rounded. */
#define OWN_DOUBT 2
/* An integer is sure where rounding of its value and of the scale's is less than this of it. */
#define SURE 0.22
/* With the scale that follows from those, integers so many times as large are sure. */
#define SURER 2.3
/* Elements that are tried as one on the grid. */
#define ANCHORS 3
/* Time of an element and of a point, in that of elements that are only compared. */
#define FILL_STEPS 2
#define VOTE_STEPS 6
#define RANGE_STEPS 4
#define ELEMENT_STEPS 8
/* Of the elements that grid_far looks at, so many may be off. */
#define FAR_STRANGERS 2
/* More scales of few bits are not near each other but where gradual underflow leaves few values. */
#define MOST_SCALES 32

/* Magnitudes of some elements, then zeroes to a whole run; -1 for what is not finite. */
struct sample {
    float value[GRID_CHUNK];
    uint32_t count;
};

/* A value for each integer, as far as the elements have it. */
struct points {
    uint32_t bits[GRID_LARGEST_ZERO + 2];  /* 0: none */
    uint32_t votes[GRID_LARGEST_ZERO + 2]; /* how many more have it than have others */
};

uint32_t grid_misses_allowed(uint32_t elements)
{
    return elements < 64 ? 1 : elements / 32;
}

INLINE float magnitude_of(uint8_t field, const uint8_t *src, uint32_t i)
{
    uint32_t element = field == LWC_FIELD_F32 ? 4 : 2, bits = element_load(src, element, i);
    uint32_t infinity = field == LWC_FIELD_F16 ? 0x0f800000 : 0x7f800000;
    float value;

    if (field == LWC_FIELD_BF16)
        bits <<= 16;
    if (field == LWC_FIELD_F16)
        bits <<= 13;
    bits &= field == LWC_FIELD_F16 ? 0x0fffffff : 0x7fffffff;
    memcpy(&value, &bits, sizeof(value));
    if (field == LWC_FIELD_F16)
        value *= 0x1p112f;
    return bits < infinity ? value : -1;
}

INLINE void magnitudes_of(uint8_t field, const uint8_t *src, uint32_t count, float *restrict value)
{
    for (uint32_t i = 0; i < count; i++)
        value[i] = magnitude_of(field, src, i);
}

VECTORISED static void magnitudes(uint8_t field, const uint8_t *src, uint32_t count, float *value)
{
    if (field == LWC_FIELD_BF16)
        magnitudes_of(LWC_FIELD_BF16, src, count, value);
    else if (field == LWC_FIELD_F16)
        magnitudes_of(LWC_FIELD_F16, src, count, value);
    else
        magnitudes_of(LWC_FIELD_F32, src, count, value);
}

/* All elements of a small group, or runs that are spread over it. */
static void take(struct sample *sample, uint8_t field, const uint8_t *src, uint32_t count)
{
    uint32_t element = lwc_field_size(field), runs = GRID_CHUNK / RUN;

    if (count <= GRID_CHUNK) {
        magnitudes(field, src, count, sample->value);
        sample->count = (count + RUN - 1) / RUN * RUN;
        memset(sample->value + count, 0, (sample->count - count) * sizeof(float));
        return;
    }
    for (uint32_t r = 0; r < runs; r++)
        magnitudes(field, src + (size_t)(count / runs * r) * element, RUN, sample->value + r * RUN);
    sample->count = GRID_CHUNK;
}

/* The largest of magnitudes; those that are not finite are negative. */
VECTORISED static float largest_of(const float *magnitude, uint32_t count)
{
    int32_t largest = 0;
    float value;

    /* floats without sign are ordered as their bits */
    for (uint32_t i = 0; i < count; i++) {
        int32_t bits;

        memcpy(&bits, &magnitude[i], sizeof(bits));
        largest = bits > largest ? bits : largest;
    }
    memcpy(&value, &largest, sizeof(value));
    return value;
}

INLINE void only_sign(uint32_t element, const uint8_t *src, uint32_t count, uint32_t sign,
                      float *value)
{
    for (uint32_t i = 0; i < count; i++)
        value[i] = element_load(src, element, i) >> (8 * element - 1) == sign ? value[i] : 0;
}

VECTORISED static void clear_other_signs(uint32_t element, const uint8_t *src, uint32_t count,
                                         uint32_t sign, float *value)
{
    if (element == 2)
        only_sign(2, src, count, sign, value);
    else
        only_sign(4, src, count, sign, value);
}

float grid_reach(uint8_t field, const uint8_t *src, uint32_t count, bool of_differences)
{
    uint32_t element = lwc_field_size(field), n;
    float value[GRID_CHUNK], most[2] = {0, 0};

    for (uint32_t first = 0; first < count; first += n) {
        const uint8_t *at = src + (size_t)first * element;

        n = count - first < GRID_CHUNK ? count - first : GRID_CHUNK;
        for (uint32_t sign = 0; sign < (of_differences ? 2 : 1); sign++) {
            float largest;

            magnitudes(field, at, n, value);
            if (of_differences)
                clear_other_signs(element, at, n, sign, value);
            largest = largest_of(value, n);
            most[sign] = largest > most[sign] ? largest : most[sign];
        }
    }
    return most[0] + most[1];
}

/* To the nearest integer, for what is small. */
INLINE float nearest(float value)
{
    return value + 0x1.8p23f - 0x1.8p23f;
}

INLINE float multiple(float value, float inverse, float above)
{
    float ratio = value * inverse;

    return nearest(ratio < above ? ratio : above);
}

/* How near to the integers from 1 to limit elements have to be. */
struct nearness {
    float limit, relative, least;
    uint32_t misses; /* elements that need not */
};

INLINE uint32_t count_misses(const struct sample *sample, const struct nearness *nearness,
                             float inverse, uint64_t *steps)
{
    float limit = nearness->limit, relative = nearness->relative;
    float absolute = nearness->least * inverse;
    uint32_t misses = 0, i;

    for (i = 0; i < sample->count && misses <= nearness->misses; i += RUN) {
        const float *run = sample->value + i;
        uint32_t off = 0;

        for (uint32_t k = 0; k < RUN; k++) {
            float value = run[k], ratio = value * inverse, integer;
            bool far;

            ratio = ratio < limit + 1 ? ratio : limit + 1;
            integer = nearest(ratio);
            far = (integer < 1) | (integer > limit) |
                  (fabsf(ratio - integer) > integer * relative + absolute);
            off += far & (value != 0);
        }
        misses += off;
    }
    *steps += i;
    return misses;
}

/* So many integers are tried at once. */
#define LANES 8
typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t integers __attribute__((vector_size(4 * LANES)));

/* Do the first elements rule out all integers from one on that a value may be? As count_misses. */
INLINE bool all_far(const struct sample *sample, const struct nearness *nearness, float value,
                    uint32_t from)
{
    const floats zero = {0}, number = {0, 1, 2, 3, 4, 5, 6, 7};
    floats limit = zero + nearness->limit, above = limit + 1, relative = zero + nearness->relative;
    floats inverse = (number + (float)from) / value, absolute = nearness->least * inverse;
    integers near = {0}, misses = {0};
    int32_t any = 0;

    for (uint32_t k = 0; k < RUN; k++) {
        floats ratio = sample->value[k] * inverse, integer, off;
        integers small = ratio < above;

        if (sample->value[k] == 0)
            continue;
        ratio = (floats)(((integers)ratio & small) | ((integers)above & ~small));
        integer = ratio + 0x1.8p23f - 0x1.8p23f;
        off = (floats)((integers)(ratio - integer) & 0x7fffffff);
        /* true is -1 */
        misses -= (integer < 1) | (integer > limit) | (off > integer * relative + absolute);
    }
    near = misses <= (int32_t)nearness->misses;
    for (uint32_t k = 0; k < LANES; k++)
        any |= near[k];
    return !any;
}

/* The first integer from one to another that a value may be, by all elements; 0: there is none. */
VECTORISED static uint32_t next_integer(const struct sample *sample,
                                        const struct nearness *nearness, float value, uint32_t from,
                                        uint32_t to, struct grid_work *work)
{
    uint32_t i = from, last;
    uint64_t steps = 0;

    for (; i <= to; i = last + 1) {
        last = to - i < LANES ? to : i + LANES - 1;
        if (last - i == LANES - 1 && (float)last / value < 0x1p126f &&
            all_far(sample, nearness, value, i)) {
            steps += LANES * RUN;
            continue;
        }
        for (; i <= last; i++) {
            float inverse = (float)i / value;

            if (inverse < 0x1p126f &&
                count_misses(sample, nearness, inverse, &steps) <= nearness->misses) {
                work->steps += steps;
                return i;
            }
        }
    }
    work->steps += steps;
    return 0;
}

VECTORISED static void to_multiples(const float *restrict value, uint32_t count, float inverse,
                                    float above, uint16_t *restrict multiples)
{
    for (uint32_t i = 0; i < count; i++) {
        float some = multiple(value[i], inverse, above);

        multiples[i] = (uint16_t)(int32_t)(some < 0 ? above : some);
    }
}

void grid_multiples(uint8_t field, const uint8_t *src, uint32_t count, float inverse,
                    uint32_t limit, uint16_t *multiples)
{
    float value[GRID_CHUNK];

    magnitudes(field, src, count, value);
    to_multiples(value, count, inverse, (float)(limit + 1), multiples);
}

/* Rounding moves a value by so much of itself, at most. */
static float error_of(struct lwc_grid_arithmetic arithmetic)
{
    static const float errors[] = {
        [LWC_FIELD_BF16] = 0x1p-8f, [LWC_FIELD_F16] = 0x1p-11f, [LWC_FIELD_F32] = 0x1p-24f};
    float error = errors[arithmetic.field];

    return arithmetic.through == arithmetic.field ? error : error + errors[arithmetic.through];
}

/* The same of the values that gradual underflow leaves, in absolute terms. */
static float least_error(struct lwc_grid_arithmetic arithmetic)
{
    bool half = arithmetic.field == LWC_FIELD_F16 || arithmetic.through == LWC_FIELD_F16;

    return half ? 0x1p-24f : 0x1p-125f; /* no less than normal: arithmetic with those is slow */
}

/* Of a chunk; false: elements of one integer up to last differ. */
static bool fill_equal(struct points *points, const uint8_t *src, uint32_t element, uint32_t count,
                       const uint16_t *integer, uint32_t last)
{
    uint32_t magnitude = element == 4 ? 0x7fffffff : 0x7fff, differ = 0;

    for (uint32_t i = 0; i < count; i++)
        points->bits[integer[i]] = element_load(src, element, i) & magnitude;
    for (uint32_t i = 0; i < count; i++)
        differ |= (points->bits[integer[i]] ^ (element_load(src, element, i) & magnitude)) &
                  (0u - (integer[i] <= last));
    return !differ;
}

/* Where they differ, the value that more have than all others, if there is one. */
static void fill_votes(struct points *points, const uint8_t *src, uint32_t element, uint32_t count,
                       const uint16_t *integer)
{
    uint32_t magnitude = element == 4 ? 0x7fffffff : 0x7fff;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t bits = element_load(src, element, i) & magnitude;
        uint32_t *is = &points->bits[integer[i]], *votes = &points->votes[integer[i]];

        if (!*votes)
            *is = bits;
        *votes += *is == bits ? 1 : -1u;
    }
}

/* The value of each integer up to last, as far as there are elements, with a scale of 1 / inverse.
 */
static void fill_points(const struct grid_search *search, const uint8_t *src, uint32_t count,
                        double inverse, uint32_t last, struct points *points)
{
    uint32_t element = lwc_field_size(search->arithmetic.field), n;
    uint16_t integer[GRID_CHUNK];
    bool equal = true;

    for (unsigned int vote = 0; vote < 2; vote++) {
        memset(points->bits, 0, (last + 2) * sizeof(points->bits[0]));
        memset(points->votes, 0, (last + 2) * sizeof(points->votes[0]));
        for (uint32_t first = 0; first < count && (vote || equal); first += n) {
            const uint8_t *at = src + (size_t)first * element;

            n = count - first < GRID_CHUNK ? count - first : GRID_CHUNK;
            search->work->steps += vote ? VOTE_STEPS * n : FILL_STEPS * n;
            grid_multiples(search->arithmetic.field, at, n, (float)inverse, last, integer);
            if (vote)
                fill_votes(points, at, element, n, integer);
            else
                equal = fill_equal(points, at, element, n, integer, last);
        }
        if (equal)
            return;
    }
}

/* The integers up to last that points have: by rising value, or those of many votes first. */
static uint32_t list_points(const struct points *points, uint32_t last, bool by_votes,
                            uint16_t *there)
{
    uint32_t n = 0;

    /* without a branch: which integers there are cannot be predicted */
    for (uint32_t least = by_votes ? 16 : 0, above = UINT32_MAX;; above = least, least /= 4) {
        for (uint32_t i = 1; i <= last; i++) {
            there[n] = (uint16_t)i;
            n += (points->bits[i] != 0) &
                 ((by_votes == 0) | ((points->votes[i] >= least) & (points->votes[i] < above)));
        }
        if (!least)
            return n;
    }
}

/*
 * Narrows the range to what the points from 1 to last agree on; leaves those out
 * that do not agree with those before, and returns their elements.
 */
static uint32_t narrow(const struct grid_search *search, const struct points *points, uint32_t last,
                       bool by_votes, struct grid_range *range)
{
    uint16_t there[GRID_LARGEST_ZERO + 2];
    uint32_t misses = 0, n = list_points(points, last, by_votes, there);

    search->work->steps += RANGE_STEPS * n;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t integer = there[i];
        struct grid_range other = grid_limits(search->arithmetic, points->bits[integer]);
        /* ends that are ties belong to it, whatever division makes of them */
        double low = other.low * (1.0 / integer) * (1 - 0x1p-51);
        double high = other.high * (1.0 / integer) * (1 + 0x1p-51);

        low = low > range->low ? low : range->low;
        high = high < range->high ? high : range->high;
        if (low > high)
            misses += points->votes[integer] ? points->votes[integer] : 1;
        else
            *range = (struct grid_range){low, high};
    }
    return misses;
}

/* The same, and again by votes if too many were left out: the first ones may have been wrong. */
static uint32_t agree(const struct grid_search *search, const struct points *points, uint32_t last,
                      struct grid_range *range)
{
    struct grid_range again = *range;
    uint32_t misses = narrow(search, points, last, false, range);

    if (misses <= search->strangers || !search->strangers)
        return misses;
    *range = again;
    return narrow(search, points, last, true, range);
}

/* Elements whose points the scale does not give; some number above most if more. */
static uint32_t off_points(const struct grid_search *search, const struct points *points,
                           uint32_t scale, uint32_t most)
{
    struct lwc_grid_arithmetic arithmetic = search->arithmetic;
    struct lwc_grid_parameters parameters = {scale, 0};
    uint32_t misses = 0;

    for (uint32_t i = search->limit; i > 0 && misses <= most; i--) {
        if (!points->bits[i])
            continue;
        search->work->steps += ELEMENT_STEPS;
        if (lwc_grid_element(&arithmetic, parameters, (uint8_t)i) != points->bits[i])
            misses += points->votes[i] ? points->votes[i] : 1;
    }
    return misses;
}

/* Of the scales in the range, the best that the arithmetic, which rounds twice, bears out. */
static uint32_t borne_out(const struct grid_search *search, const struct points *points,
                          struct grid_range range)
{
    uint32_t best = 0, fewest = search->strangers, scale = grid_simplest(range.low, range.high),
             misses;
    int exponent, bits = 24;
    double step, at;

    if (scale && (misses = off_points(search, points, scale, fewest)) <= fewest) {
        best = scale;
        fewest = misses;
        bits = grid_bits_needed(scale);
    }
    frexp(range.low, &exponent);
    step = ldexp(1, exponent - SCALE_BITS);
    at = ceil(range.low / step) * step;
    for (uint32_t tries = 0; tries < MOST_SCALES && at <= range.high; tries++, at += step) {
        scale = grid_f32(at);
        if (scale >> 23 == 0 || scale >> 23 == 255)
            continue;
        misses = off_points(search, points, scale, fewest);
        if (misses > fewest || (misses == fewest && best && grid_bits_needed(scale) >= bits))
            continue;
        best = scale;
        fewest = misses;
        bits = grid_bits_needed(scale);
    }
    return best;
}

/*
 * The scale near to an estimate from one value; 0: the elements are on no such
 * grid. Integers that the estimate leaves in doubt wait for a better one.
 */
static uint32_t settle(const struct grid_search *search, const uint8_t *src, uint32_t count,
                       double near)
{
    double error = (double)error_of(search->arithmetic);
    double doubt = 4 * (error + (double)least_error(search->arithmetic) / near);
    struct grid_range range = {near * (1 - doubt), near * (1 + doubt)};
    uint32_t last = error * search->limit < SURE ? search->limit : (uint32_t)(SURE / error);
    struct points points;
    bool again = last < search->limit;

    if (doubt > 0.5)
        range = (struct grid_range){near / 2, near * 2};
    for (;;) {
        struct grid_range before = range;
        uint32_t misses;

        fill_points(search, src, count, 1 / near, last, &points);
        misses = agree(search, &points, last, &range);
        if (last == search->limit && (!again || !misses)) {
            if (misses > search->strangers)
                return 0;
            break;
        }
        if (last < search->limit && misses > search->strangers)
            return 0;
        near = (range.low + range.high) / 2;
        if (last == search->limit) { /* it was not as good for the largest */
            range = before;
            again = false;
        }
        last = (uint32_t)(last * SURER) < search->limit ? (uint32_t)(last * SURER) : search->limit;
    }
    if (search->arithmetic.through == search->arithmetic.field)
        return grid_simplest(range.low, range.high);
    return borne_out(search, &points, range);
}

static struct nearness nearness_of(struct lwc_grid_arithmetic arithmetic, uint32_t limit,
                                   uint32_t misses)
{
    /* a value and the one that the scale was estimated from; the latter may be a stranger by a unit
     */
    float errors = arithmetic.field == LWC_FIELD_BF16 ? 2.1f : 4.2f;

    return (struct nearness){.limit = (float)limit,
                             .relative = errors * error_of(arithmetic),
                             .least = 2.1f * least_error(arithmetic),
                             .misses = misses};
}

/* The first scale that makes a value an integer between two. */
static uint32_t try_integers(const struct grid_search *search, const struct sample *sample,
                             const uint8_t *src, uint32_t count, float value, uint32_t from,
                             uint32_t to)
{
    uint32_t allowed = grid_misses_allowed(sample->count), scale;
    struct nearness nearness =
        nearness_of(search->arithmetic, search->limit,
                    search->strangers < allowed ? search->strangers : allowed);

    while (search->work->steps <= search->work->most) {
        from = next_integer(sample, &nearness, value, from, to, search->work);
        if (!from)
            break;
        scale = settle(search, src, count, (double)value / from);
        if (scale)
            return scale;
        from++;
    }
    return 0;
}

/* The largest value of a sample and some others. */
static uint32_t anchors_of(const struct sample *sample, float anchor[ANCHORS])
{
    uint32_t count = 1;

    anchor[0] = largest_of(sample->value, sample->count);
    for (uint32_t a = 1; a < ANCHORS; a++) {
        uint32_t i = sample->count * a / ANCHORS;

        while (i < sample->count && (sample->value[i] <= 0 || sample->value[i] == anchor[0]))
            i++;
        if (i < sample->count)
            anchor[count++] = sample->value[i];
    }
    return anchor[0] > 0 ? count : 0;
}

uint32_t grid_scale(const struct grid_search *search, const uint8_t *src, uint32_t count)
{
    float anchor[ANCHORS];
    struct sample sample;
    uint32_t anchors, scale;

    take(&sample, search->arithmetic.field, src, count);
    search->work->steps += sample.count;
    anchors = anchors_of(&sample, anchor);
    if (!anchors)
        return 0x3f800000; /* all zero: any */
    if (search->reach > 0) {
        /* the largest first, which is usual: others are hard to tell from it */
        for (uint32_t i = search->limit; i >= search->limit - OWN_DOUBT; i--)
            if ((scale = try_integers(search, &sample, src, count, search->reach, i, i)))
                return scale;
        if (search->only_reach)
            return 0;
    }
    if (!search->strangers)
        anchors = 1;
    /* small integers first: those of a finer grid are on it, too */
    for (uint32_t a = 0; a < anchors; a++)
        if ((scale = try_integers(search, &sample, src, count, anchor[a], 1, search->limit)))
            return scale;
    return 0;
}

bool grid_far(struct lwc_grid_arithmetic arithmetic, uint32_t limit, const uint8_t *src,
              uint32_t count, struct grid_work *work)
{
    struct nearness nearness = nearness_of(arithmetic, limit, FAR_STRANGERS);
    /* the largest difference from a zero point in a range of 255 is no less than half of it */
    uint32_t first = limit == GRID_LARGEST_ZERO ? limit / 2 : 1;
    float anchor[ANCHORS];
    struct sample sample;
    uint32_t anchors;

    take(&sample, arithmetic.field, src, count);
    anchors = anchors_of(&sample, anchor);
    for (uint32_t a = 0; a < anchors && a < 2; a++, first = 1)
        if (next_integer(&sample, &nearness, anchor[a], first, limit, work))
            return false;
    return anchors != 0;
}
