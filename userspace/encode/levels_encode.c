/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/levels_encode.h"

#include <string.h>

#include "encode/elements.h"
#include "kmod/codec/codec.h"

uint8_t levels_field_of(uint16_t dtype)
{
    static const uint8_t fields[LWC_DTYPES] = {
        [LWC_DTYPE_BF16] = LWC_FIELD_BF16,    [LWC_DTYPE_F16] = LWC_FIELD_F16,
        [LWC_DTYPE_F32] = LWC_FIELD_F32,      [LWC_DTYPE_F8_E4M3] = LWC_FIELD_E4M3,
        [LWC_DTYPE_F8_E5M2] = LWC_FIELD_E5M2, [LWC_DTYPE_I8] = LWC_FIELD_I8,
        [LWC_DTYPE_U8] = LWC_FIELD_I8,
    };

    return dtype < LWC_DTYPES ? fields[dtype] : 0;
}

INLINE uint32_t any_of(const uint8_t *src, uint32_t element, uint32_t weights)
{
    uint32_t any = 0;

    for (uint32_t i = 0; i < weights; i++)
        any |= element_load(src, element, i);
    return any;
}

/* Elements or'ed together, until the lowest bit is there: what is above that does not matter. */
VECTORISED static uint32_t any_bits(const uint8_t *src, uint32_t element, uint32_t weights)
{
    uint32_t any = 0, n;

    for (; weights && !(any & 1); weights -= n, src += (size_t)n * element) {
        n = weights < 1024 ? weights : 1024;
        any |= element == 1   ? any_of(src, 1, n)
               : element == 2 ? any_of(src, 2, n)
                              : any_of(src, 4, n);
    }
    return any;
}

/* Bits of the rest of one element. */
INLINE uint32_t rest_of(uint32_t v, struct lwc_field_layout g, uint32_t kept)
{
    uint32_t mantissa = v & ((1u << g.mantissa) - 1);

    return mantissa >> (g.mantissa - kept) | (v >> (g.element * 8 - 1)) << kept;
}

INLINE void split_elements(struct lwc_field_layout g, uint32_t kept, uint32_t planes, uint32_t last,
                           const uint8_t *src, const struct levels_survey *survey)
{
    uint32_t weights = survey->weights, mask = (1u << g.symbol) - 1;
    uint8_t *restrict symbols = survey->symbols;

    for (uint32_t i = 0; i < weights; i++)
        symbols[i] = (uint8_t)(element_load(src, g.element, i) >> g.mantissa & mask);
    for (uint32_t p = 0; p < planes; p++) {
        uint32_t shift = 8 * (planes - 1 - p) + last;
        uint8_t *restrict part = survey->part[p];

        for (uint32_t i = 0; i < weights; i++)
            part[i] = (uint8_t)(rest_of(element_load(src, g.element, i), g, kept) >> shift);
    }
    if (last) {
        uint8_t *restrict part = survey->part[planes];

        for (uint32_t i = 0; i < weights; i++)
            part[i] =
                (uint8_t)(rest_of(element_load(src, g.element, i), g, kept) & ((1u << last) - 1));
    }
}

VECTORISED static void split_nibbles(const uint8_t *src, uint32_t bytes, uint8_t *restrict symbols)
{
    for (uint32_t i = 0; i < bytes; i++) {
        symbols[2 * i] = src[i] & 15;
        symbols[2 * i + 1] = src[i] >> 4;
    }
}

/* What occurs often with constant geometry. */
VECTORISED static void split(const struct levels_survey *survey, const uint8_t *src)
{
    static const struct lwc_field_layout bf16 = {8, 7, 2}, f16 = {5, 10, 2}, f32 = {8, 23, 4};
    uint8_t field = survey->field, kept = survey->kept;

    if (field == LWC_FIELD_BF16 && kept == 7)
        split_elements(bf16, 7, 1, 0, src, survey);
    else if (field == LWC_FIELD_F16 && kept == 10)
        split_elements(f16, 10, 1, 3, src, survey);
    else if (field == LWC_FIELD_F32 && kept == 23)
        split_elements(f32, 23, 3, 0, src, survey);
    else if (field == LWC_FIELD_F32 && kept == 7)
        split_elements(f32, 7, 1, 0, src, survey);
    else
        split_elements(lwc_field_layouts[field], kept, survey->planes, survey->last, src, survey);
}

VECTORISED static void split_integers(const struct levels_survey *survey, const uint8_t *src)
{
    uint32_t weights = survey->weights, kept = survey->kept;
    uint8_t *restrict symbols = survey->symbols, *restrict rest = survey->part[0];

    for (uint32_t i = 0; i < weights; i++)
        symbols[i] = (uint8_t)(src[i] >> kept);
    for (uint32_t i = 0; kept && i < weights; i++)
        rest[i] = (uint8_t)(src[i] & ((1u << kept) - 1));
}

size_t levels_scratch(uint32_t weights)
{
    return (size_t)weights * (1 + LEVELS_PARTS);
}

static void set_kept(struct levels_survey *survey, uint32_t kept)
{
    uint32_t rest = lwc_field_rest(survey->field, kept);

    survey->kept = (uint8_t)kept;
    survey->planes = (uint8_t)(rest / 8);
    survey->last = rest % 8;
}

/* Divide integers where the best of the structures takes least. */
static void survey_integers(struct levels_survey *survey, uint32_t structures, const uint8_t *src)
{
    size_t smallest = SIZE_MAX;
    struct levels_survey best;

    survey->packer->count(src, survey->weights, survey->bytes);
    memcpy(survey->count, survey->bytes, sizeof(survey->count));
    for (uint32_t kept = 0; kept <= lwc_field_layouts[LWC_FIELD_I8].mantissa; kept++) {
        for (uint32_t s = 0; kept && s < 256; s++)
            survey->count[s] = s < 128 ? survey->count[2 * s] + survey->count[2 * s + 1] : 0;
        survey->used = packer_rank(survey->count, survey->ranked, LWC_LEVELS_SYMBOLS);
        set_kept(survey, kept);
        if (levels_pick(survey, structures, smallest, &smallest) || !kept)
            best = *survey;
    }
    *survey = best;
    split_integers(survey, src);
}

/* Whatever the field. */
static void begin_survey(struct levels_survey *survey, uint8_t field, const uint8_t *src,
                         uint32_t weights, uint8_t *scratch)
{
    survey->packer = levels_packer_select();
    survey->src = src;
    survey->weights = weights;
    survey->field = field;
    survey->symbols = scratch;
    for (uint32_t p = 0; p < LEVELS_PARTS; p++)
        survey->part[p] = scratch + (size_t)weights * (1 + p);
}

void levels_survey(struct levels_survey *survey, uint8_t field, uint32_t structures,
                   const uint8_t *src, uint32_t weights, uint8_t *scratch)
{
    const struct lwc_field_layout *g = &lwc_field_layouts[field];
    uint32_t any, bytes[256];

    begin_survey(survey, field, src, weights, scratch);
    if (field == LWC_FIELD_I8) {
        survey_integers(survey, structures, src);
        return;
    }
    if (field == LWC_FIELD_NIBBLE) {
        survey->packer->count(src, weights / 2, bytes);
        levels_survey_nibbles(survey, src, bytes, weights, scratch);
        return;
    }
    any = any_bits(src, g->element, weights) & ((1u << g->mantissa) - 1);
    set_kept(survey, any ? g->mantissa - (uint32_t)__builtin_ctz(any) : 0);
    split(survey, src);
    survey->packer->count(survey->symbols, weights, survey->count);
    survey->used = packer_rank(survey->count, survey->ranked, LWC_LEVELS_SYMBOLS);
}

void levels_survey_nibbles(struct levels_survey *survey, const uint8_t *src,
                           const uint32_t bytes[256], uint32_t weights, uint8_t *scratch)
{
    begin_survey(survey, LWC_FIELD_NIBBLE, src, weights, scratch);
    memset(survey->count, 0, sizeof(survey->count));
    for (uint32_t b = 0; b < 256; b++) {
        survey->count[b & 15] += bytes[b];
        survey->count[b >> 4] += bytes[b];
    }
    set_kept(survey, 0);
    survey->used = packer_rank(survey->count, survey->ranked, LWC_LEVELS_SYMBOLS);
}

/* reached[l]: weights that level l passes on; the last level's are escapes. */
static void count_levels(const struct levels_survey *survey, const struct lwc_levels_shape *shape,
                         uint32_t *reached)
{
    uint32_t rank = 0, weights = survey->weights;

    for (uint32_t l = 0; l < shape->levels; l++) {
        for (uint32_t c = 0; c < (1u << shape->width[l]) - 1 && rank < survey->used; c++)
            weights -= survey->count[survey->ranked[rank++]];
        reached[l] = weights;
    }
}

static size_t size_of(const struct levels_survey *survey, const struct lwc_levels_shape *shape,
                      const uint32_t *reached)
{
    uint32_t count = survey->weights;
    size_t size = sizeof(struct lwc_levels_header) + (size_t)survey->planes * count +
                  lwc_stream_bytes(count, survey->last);

    for (uint32_t l = 0; l < shape->levels; l++) {
        size += lwc_stream_bytes(count, shape->width[l]);
        count = reached[l];
    }
    return size + count;
}

size_t levels_size(const struct levels_survey *survey, uint8_t structure)
{
    const struct lwc_levels_shape *shape = lwc_levels_shape(structure);
    uint32_t reached[LWC_LEVELS_MAX] = {0};

    count_levels(survey, shape, reached);
    return size_of(survey, shape, reached);
}

uint8_t levels_pick(const struct levels_survey *survey, uint32_t structures, size_t limit,
                    size_t *size)
{
    uint8_t best = 0;

    for (uint8_t structure = 1; structure < LWC_STRUCTURES; structure++) {
        size_t trial;

        if (!(structures >> structure & 1))
            continue;
        trial = levels_size(survey, structure);
        if (trial < limit) {
            limit = *size = trial;
            best = structure;
        }
    }
    return best;
}

size_t levels_capacity(uint32_t weights)
{
    /* the rest at most 3 bytes, each level at most 4 bits, an escape */
    return sizeof(struct lwc_levels_header) + 64 + (size_t)weights * 8;
}

static void put_header(const struct levels_survey *survey, const struct lwc_levels_shape *shape,
                       const uint32_t *reached, uint8_t *out)
{
    struct lwc_levels_header header = {.kept = survey->kept};
    uint32_t symbols = 0;

    put_le32(&header.weights, survey->weights);
    for (uint32_t l = 0; l < shape->levels; l++) {
        put_le32(&header.reached[l], reached[l]);
        symbols += (1u << shape->width[l]) - 1;
    }
    memcpy(header.symbols, survey->ranked, symbols < survey->used ? symbols : survey->used);
    memcpy(out, &header, sizeof(header));
}

/* Streams of all levels and the escapes; returns the end of what was written. */
static uint8_t *put_levels(struct levels_survey *survey, const struct lwc_levels_shape *shape,
                           uint8_t *out)
{
    uint32_t first = 0, weights = survey->weights;
    uint8_t *symbols = survey->symbols;

    for (uint32_t l = 0; l < shape->levels; l++) {
        uint32_t ones = (1u << shape->width[l]) - 1, on;
        uint32_t known = survey->used > first ? survey->used - first : 0;

        on = survey->packer->level(symbols, weights, survey->ranked + first,
                                   known < ones ? known : ones, shape->width[l], out);
        out += lwc_stream_bytes(weights, shape->width[l]);
        first += ones;
        weights = on;
    }
    memcpy(out, symbols, weights);
    return out + weights;
}

size_t levels_encode(struct levels_survey *survey, uint8_t structure, uint8_t *out)
{
    const struct lwc_levels_shape *shape = lwc_levels_shape(structure);
    uint32_t reached[LWC_LEVELS_MAX] = {0}, weights = survey->weights;
    uint8_t *at = out + sizeof(struct lwc_levels_header);

    if (survey->field == LWC_FIELD_NIBBLE)
        split_nibbles(survey->src, weights / 2, survey->symbols);
    count_levels(survey, shape, reached);
    put_header(survey, shape, reached, out);
    for (uint32_t p = 0; p < survey->planes; p++, at += weights)
        memcpy(at, survey->part[p], weights);
    at = put_levels(survey, shape, at);
    if (survey->last)
        survey->packer->codes(survey->part[survey->planes], weights, survey->last, at);
    return size_of(survey, shape, reached);
}
