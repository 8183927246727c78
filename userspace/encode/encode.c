/* SPDX-License-Identifier: BSD-3-Clause */
/* Tries the codecs that can hold a tile and keeps the smallest result. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "encode/delta_encode.h"
#include "encode/elements.h"
#include "encode/encode.h"
#include "encode/grid_encode.h"
#include "encode/levels_encode.h"
#include "encode/probe.h"
#include "encode/sparse_encode.h"
#include "encode/split_encode.h"
#include "kmod/codec/codec.h"

struct encoder {
    struct encode_policy policy;
    ZSTD_CCtx *zstd;
    uint8_t *planes;  /* LWC_TILE_MAX bytes */
    uint8_t *scratch; /* of LEVELS */
    uint8_t *kept;    /* LWC_TILE_MAX bytes: elements that are not zero */
    struct grid_fit grid;
    struct delta_encoder *delta; /* NULL until a tile has a base */
    uint8_t *trial;              /* a candidate's stored bytes */
    size_t trial_size;
};

struct encoder *encoder_new(const struct encode_policy *policy)
{
    struct encoder *encoder = calloc(1, sizeof(*encoder));
    size_t levels = levels_capacity(LWC_LEVELS_WEIGHTS), zstd = ZSTD_compressBound(LWC_TILE_MAX);

    if (!encoder)
        return NULL;
    encoder->policy = *policy;
    encoder->zstd = ZSTD_createCCtx();
    encoder->planes = malloc(LWC_TILE_MAX);
    encoder->scratch = malloc(levels_scratch(LWC_LEVELS_WEIGHTS));
    encoder->kept = malloc(LWC_TILE_MAX);
    encoder->grid.parameters = malloc(LWC_LEVELS_WEIGHTS / LWC_GRID_GROUP_MIN * sizeof(uint32_t));
    encoder->grid.integers = malloc(LWC_LEVELS_WEIGHTS);
    encoder->grid.positions = malloc(LWC_LEVELS_WEIGHTS * sizeof(uint32_t));
    encoder->trial_size = (levels > zstd ? levels : zstd) + sparse_capacity(LWC_TILE_MAX);
    encoder->trial = malloc(encoder->trial_size);
    if (!encoder->zstd || !encoder->planes || !encoder->scratch || !encoder->kept ||
        !encoder->grid.parameters || !encoder->grid.integers || !encoder->grid.positions ||
        !encoder->trial) {
        encoder_free(encoder);
        return NULL;
    }
    /* a window no larger than a tile: the kernel's decoder has a fixed workspace */
    ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_compressionLevel, policy->zstd_level);
    ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_windowLog, 18);
    return encoder;
}

void encoder_free(struct encoder *encoder)
{
    if (!encoder)
        return;
    ZSTD_freeCCtx(encoder->zstd);
    free(encoder->planes);
    free(encoder->scratch);
    free(encoder->kept);
    free(encoder->grid.parameters);
    free(encoder->grid.integers);
    free(encoder->grid.positions);
    delta_encoder_free(encoder->delta);
    free(encoder->trial);
    free(encoder);
}

static int put_bytes(struct encoded_tile *out, const uint8_t *data, size_t size)
{
    if (size > out->capacity) {
        uint8_t *grown = realloc(out->data, size);

        if (!grown)
            return -ENOMEM;
        out->data = grown;
        out->capacity = size;
    }
    memcpy(out->data, data, size);
    out->size = size;
    return 0;
}

/* Take the candidate if it is smaller than what out holds. entry: chain, param and field. */
static int offer(struct encoded_tile *out, struct lwc_tile entry, const uint8_t *data, size_t size)
{
    if (out->size && size >= out->size)
        return 0;
    out->entry = entry;
    return put_bytes(out, data, size);
}

/* RAW; the bytes themselves only when nothing was smaller. */
static void offer_raw(struct encoded_tile *out, size_t len)
{
    if (out->size && len >= out->size)
        return;
    out->entry = (struct lwc_tile){.chain = {LWC_CODEC_RAW}};
    out->size = len;
}

/*
 * len bytes in so many parts of equal length to one frame in encoder->trial. Each
 * part ends its own zstd block, so that it has its own statistics, but may
 * repeat what is in those before it. Returns its bytes, or SIZE_MAX without memory.
 */
static size_t compress_parts(struct encoder *encoder, const uint8_t *src, size_t len,
                             unsigned int parts)
{
    ZSTD_outBuffer out = {.dst = encoder->trial, .size = encoder->trial_size};
    size_t left = ZSTD_CCtx_setPledgedSrcSize(encoder->zstd, len);

    for (unsigned int i = 1; i <= parts && !left; i++, src += len / parts) {
        ZSTD_inBuffer in = {.src = src, .size = len / parts};

        left =
            ZSTD_compressStream2(encoder->zstd, &out, &in, i < parts ? ZSTD_e_flush : ZSTD_e_end);
    }
    ZSTD_CCtx_reset(encoder->zstd, ZSTD_reset_session_only);
    return left ? SIZE_MAX : out.pos;
}

static int offer_zstd(struct encoder *encoder, struct encoded_tile *out, const uint8_t *src,
                      size_t len, unsigned int element)
{
    size_t size = compress_parts(encoder, src, len, element);

    if (size == SIZE_MAX)
        return -ENOMEM;
    if (out->entry.chain[0] != LWC_CODEC_RAW &&
        size * 100 > out->size * (100 - encoder->policy.slow_gain))
        return 0;
    if (element > 1)
        return offer(out,
                     (struct lwc_tile){.chain = {LWC_CODEC_PLANES, LWC_CODEC_ZSTD},
                                       .param = (uint8_t)element},
                     encoder->trial, size);
    return offer(out, (struct lwc_tile){.chain = {LWC_CODEC_ZSTD}}, encoder->trial, size);
}

static void split_planes(uint8_t *planes, const uint8_t *src, size_t len, unsigned int element)
{
    size_t count = len / element, i;
    unsigned int plane;

    for (plane = 0; plane < element; plane++)
        for (i = 0; i < count; i++)
            planes[plane * count + i] = src[i * element + plane];
}

static int offer_levels(struct encoder *encoder, struct encoded_tile *out,
                        struct levels_survey *survey, uint32_t structures)
{
    size_t size;
    uint8_t structure = levels_pick(survey, structures, out->size, &size);

    if (!structure)
        return 0;
    levels_encode(survey, structure, encoder->trial);
    return offer(
        out,
        (struct lwc_tile){.chain = {LWC_CODEC_LEVELS}, .param = structure, .field = survey->field},
        encoder->trial, size);
}

/* SPARSE is worth its mask where one element in so many is zero. */
#define SPARSE_ONE_IN 8

/* What is not zero by LEVELS (field, or 0) or as it is, where enough is zero. */
static int offer_sparse(struct encoder *encoder, struct encoded_tile *out, uint8_t field,
                        const uint8_t *src, size_t count, uint32_t element)
{
    uint8_t *at = encoder->trial, structure = 0;
    struct levels_survey survey;
    struct lwc_tile entry = {.chain = {LWC_CODEC_SPARSE, LWC_CODEC_RAW}};
    size_t size, stored, inner;

    if (sparse_nonzero(src, count, element) > count - count / SPARSE_ONE_IN)
        return 0;
    size = sparse_encode(src, count, element, at, encoder->kept, &stored);
    if (size >= out->size)
        return 0;
    inner = stored * element;
    if (field && stored <= LWC_LEVELS_WEIGHTS) {
        levels_survey(&survey, field, encoder->policy.structures, encoder->kept, (uint32_t)stored,
                      encoder->scratch);
        structure = levels_pick(&survey, encoder->policy.structures, inner, &inner);
    }
    if (size + inner >= out->size)
        return 0;
    if (structure) {
        levels_encode(&survey, structure, at + size);
        entry.chain[1] = LWC_CODEC_LEVELS;
        entry.param = structure;
        entry.field = field;
    } else {
        memcpy(at + size, encoder->kept, inner);
    }
    return offer(out, entry, at, size + inner);
}

/*
 * The integers of a grid to at, by the smallest codec that GRID allows: as they
 * are, or LEVELS in any structure, for they are no floats that the policy's
 * choice concerns. Sets what the entry says of them; returns the bytes.
 */
static size_t put_integers(struct encoder *encoder, const struct grid_fit *fit, uint32_t count,
                           struct lwc_tile *entry, uint8_t *at)
{
    struct levels_survey survey;
    size_t size = count;

    levels_survey(&survey, LWC_FIELD_I8, ~0u, fit->integers, count, encoder->scratch);
    entry->param = levels_pick(&survey, ~0u, count, &size);
    if (entry->param) {
        levels_encode(&survey, entry->param, at);
        entry->chain[1] = LWC_CODEC_LEVELS;
        entry->field = LWC_FIELD_I8;
    } else {
        entry->chain[1] = LWC_CODEC_RAW;
        memcpy(at, fit->integers, count);
    }
    return size;
}

/* Parameters of GRID to at, by LEVELS where that is smaller; returns the bytes. */
static size_t put_parameters(struct encoder *encoder, const uint32_t *parameters, uint32_t count,
                             uint8_t *at)
{
    struct levels_survey survey;

    levels_survey(&survey, LWC_FIELD_F32, 0, (const uint8_t *)parameters, count, encoder->scratch);
    if (levels_size(&survey, LWC_STRUCTURE_2222) < 4 * (size_t)count)
        return levels_encode(&survey, LWC_STRUCTURE_2222, at);
    for (uint32_t i = 0; i < count; i++)
        at = put_le32(at, parameters[i]);
    return 4 * (size_t)count;
}

/* Header, parameters and exceptions of GRID to at; returns their end. */
static uint8_t *put_grid(struct encoder *encoder, const struct grid_fit *fit, const uint8_t *src,
                         uint8_t *at)
{
    struct lwc_grid_header header = {.field = fit->arithmetic.field,
                                     .kind = fit->arithmetic.kind,
                                     .through = fit->arithmetic.through};
    uint32_t element = lwc_field_size(fit->arithmetic.field);
    size_t scales, seconds = 0;

    scales = put_parameters(encoder, fit->parameters, fit->groups, at + sizeof(header));
    if (fit->arithmetic.kind != LWC_GRID_PRODUCT)
        seconds = put_parameters(encoder, fit->parameters + fit->groups, fit->groups,
                                 at + sizeof(header) + scales);
    put_le32(&header.group, fit->group);
    put_le32(&header.exceptions, fit->exceptions);
    put_le32(&header.scales, (uint32_t)scales);
    put_le32(&header.seconds, (uint32_t)seconds);
    memcpy(at, &header, sizeof(header));
    at += sizeof(header) + scales + seconds;
    for (uint32_t i = 0; i < fit->exceptions; i++)
        at = put_le32(at, fit->positions[i]);
    for (uint32_t i = 0; i < fit->exceptions; i++, at += element)
        memcpy(at, src + (size_t)fit->positions[i] * element, element);
    return at;
}

/* Integers times scales, where the tile is that: see encode/grid_encode.h. */
static int offer_grid(struct encoder *encoder, struct encoded_tile *out, uint8_t field,
                      const uint8_t *src, uint32_t count, uint32_t row)
{
    struct grid_fit *fit = &encoder->grid;
    struct lwc_tile entry = {.chain = {LWC_CODEC_GRID}};
    uint8_t *at;
    size_t size;

    if (!encoder->policy.structures || !grid_fit(fit, field, src, count, row))
        return 0;
    at = put_grid(encoder, fit, src, encoder->trial);
    size = (size_t)(at - encoder->trial) + put_integers(encoder, fit, count, &entry, at);
    return offer(out, entry, encoder->trial, size);
}

/* A tile so small that trying costs nothing. */
#define SMALL_TILE 16384
/* Percent of blocks that repeat from which on zstd finds more than LEVELS loses to it. */
#define REPEATS_ENOUGH 3

/* Bits of a byte from which on no structure of LEVELS is smaller than the bytes themselves. */
#define LEVELS_BITS 7.6

/*
 * One member's content, in encoder->planes, to at by the smallest codec that is
 * worth its time; sets what the entry says of that. As with the integers of
 * GRID, any structure will do. all: try all. Returns the bytes.
 */
static size_t put_member(struct encoder *encoder, size_t len, bool all,
                         struct lwc_split_member *entry, uint8_t *at)
{
    static const uint8_t fields[] = {LWC_FIELD_I8, LWC_FIELD_NIBBLE};
    const uint8_t *content = encoder->planes;
    unsigned int worth = 100 - encoder->policy.slow_gain;
    double bits = probe_entropy(content, len, 8);
    bool levels = (all || bits < LEVELS_BITS) && len <= LWC_SPLIT_LEVELS_MAX;
    struct levels_survey survey;
    size_t size = len, zstd = len;

    entry->codec = LWC_CODEC_RAW;
    for (unsigned int i = 0; i < 2 && levels; i++) {
        uint32_t weights = lwc_field_weights(fields[i], len);
        uint8_t structure;

        if (weights > LWC_LEVELS_WEIGHTS)
            continue;
        if (fields[i] == LWC_FIELD_I8)
            levels_survey(&survey, LWC_FIELD_I8, ~0u, content, weights, encoder->scratch);
        else
            levels_survey_nibbles(&survey, content, survey.bytes, weights, encoder->scratch);
        structure = levels_pick(&survey, ~0u, size, &size);
        if (!structure)
            continue;
        levels_encode(&survey, structure, at);
        entry->codec = LWC_CODEC_LEVELS;
        entry->structure = structure;
        entry->field = fields[i];
    }
    /* with too little room zstd says so: then it saves nothing */
    if (all || bits * (double)len / 8 * 100 < (double)(size * worth) ||
        probe_repeats(content, len) >= REPEATS_ENOUGH)
        zstd = ZSTD_compress2(encoder->zstd, encoder->kept, LWC_TILE_MAX, content, len);
    if (!ZSTD_isError(zstd) && zstd < size && zstd * 100 <= size * worth) {
        memcpy(at, encoder->kept, zstd);
        entry->codec = LWC_CODEC_ZSTD;
        entry->structure = entry->field = 0;
        size = zstd;
    } else if (entry->codec == LWC_CODEC_RAW) {
        memcpy(at, content, len);
    }
    put_le32(&entry->stored, (uint32_t)size);
    return size;
}

/* The blocks of a quantised dtype, member by member. */
static int offer_split(struct encoder *encoder, struct encoded_tile *out, const uint16_t *members,
                       uint32_t block, const uint8_t *src, size_t len)
{
    struct lwc_split_header header = {0};
    uint32_t blocks = (uint32_t)(len / block);
    bool all = encoder->policy.try_all || len <= SMALL_TILE;
    uint8_t *entries = encoder->trial + sizeof(header), *at;

    while (members[header.members])
        header.members++;
    memcpy(encoder->trial, &header, sizeof(header));
    at = entries + header.members * sizeof(struct lwc_split_member);
    for (; *members; src += *members++, entries += sizeof(struct lwc_split_member)) {
        struct lwc_split_member entry = {.bytes = *members};

        split_gather(src, *members, blocks, block, encoder->planes);
        at += put_member(encoder, (size_t)*members * blocks, all, &entry, at);
        memcpy(entries, &entry, sizeof(entry));
    }
    return offer(out, (struct lwc_tile){.chain = {LWC_CODEC_SPLIT}}, encoder->trial,
                 (size_t)(at - encoder->trial));
}

/* What zstd on planes may come to, without repetition: see probe_entropy. */
static size_t entropy_size(const struct levels_survey *survey)
{
    double bits = probe_entropy(survey->symbols, survey->weights, 8);

    for (uint32_t p = 0; p < survey->planes; p++)
        bits += probe_entropy(survey->part[p], survey->weights, 8);
    if (survey->last)
        bits += probe_entropy(survey->part[survey->planes], survey->weights, survey->last);
    return (size_t)(bits * survey->weights / 8);
}

/*
 * Integers of four bits, packed into any larger ones: the structures of put_integers. whole: the
 * survey of these if they have a byte.
 */
static int offer_nibbles(struct encoder *encoder, struct encoded_tile *out, uint16_t dtype,
                         const struct levels_survey *whole, const uint8_t *src, size_t len)
{
    uint32_t weights = (uint32_t)(2 * len);
    struct levels_survey survey;

    if (!encoder->policy.structures || !dtype_is_integer(dtype) || 2 * len > LWC_LEVELS_WEIGHTS)
        return 0;
    if (levels_field_of(dtype) == LWC_FIELD_I8)
        levels_survey_nibbles(&survey, src, whole->bytes, weights, encoder->scratch);
    else
        levels_survey(&survey, LWC_FIELD_NIBBLE, ~0u, src, weights, encoder->scratch);
    return offer_levels(encoder, out, &survey, ~0u);
}

/* LEVELS and what holds it; *promising: zstd could do better still. */
static int offer_floats(struct encoder *encoder, struct encoded_tile *out, uint8_t field,
                        const uint8_t *src, size_t len, uint32_t row, struct levels_survey *survey,
                        bool *promising)
{
    uint32_t element = lwc_field_size(field), weights = (uint32_t)(len / element);
    size_t estimate;
    int error;

    levels_survey(survey, field, encoder->policy.structures, src, weights, encoder->scratch);
    /* before encoding, which uses the symbols up */
    estimate = entropy_size(survey);
    *promising = encoder->policy.try_all || len <= SMALL_TILE ||
                 probe_repeats(survey->symbols, weights) >= REPEATS_ENOUGH;
    error = offer_levels(encoder, out, survey, encoder->policy.structures);
    /* an element that is zero has symbol 0 */
    if (!error && survey->count[0] >= weights / SPARSE_ONE_IN)
        error = offer_sparse(encoder, out, field, src, weights, element);
    if (!error && (field == LWC_FIELD_BF16 || field == LWC_FIELD_F16 || field == LWC_FIELD_F32))
        error = offer_grid(encoder, out, field, src, weights, row);
    *promising |= estimate * 100 < out->size * (100 - encoder->policy.slow_gain);
    return error;
}

static int encode_candidates(struct encoder *encoder, uint16_t dtype, uint32_t row,
                             const uint8_t *src, size_t len, struct encoded_tile *out)
{
    unsigned int element = lwc_dtype_size(dtype);
    struct lwc_dtype_block block = lwc_dtype_block(dtype);
    const uint16_t *members = split_members(dtype);
    uint8_t field = levels_field_of(dtype);
    struct levels_survey survey;
    bool promising = true;
    int error = 0;

    if (!element || len % element)
        element = 1;
    if (len % element == 0 && len > element && !memcmp(src, src + element, len - element))
        return offer(out, (struct lwc_tile){.chain = {LWC_CODEC_CONST}}, src, element);
    offer_raw(out, len);
    if (field && element == lwc_field_size(field) && len / element <= LWC_LEVELS_WEIGHTS)
        error = offer_floats(encoder, out, field, src, len, row, &survey, &promising);
    if (!error)
        error = offer_nibbles(encoder, out, dtype, &survey, src, len);
    if (!error && members && len % block.bytes == 0)
        error = offer_split(encoder, out, members, block.bytes, src, len);
    if (error || !promising)
        return error;
    split_planes(encoder->planes, src, len, element);
    return offer_zstd(encoder, out, encoder->planes, len, element);
}

/* What differs from the base. */
static int offer_delta(struct encoder *encoder, struct encoded_tile *out, uint16_t dtype,
                       const uint8_t *src, const uint8_t *base, size_t len)
{
    uint8_t field = levels_field_of(dtype);
    uint32_t element = lwc_field_size(field);
    const uint8_t *data;
    size_t size;

    if (!encoder->delta && !(encoder->delta = delta_encoder_new()))
        return -ENOMEM;
    if (!field || len % element || len / element > LWC_LEVELS_WEIGHTS)
        return 0;
    size = delta_encode(encoder->delta, field, src, base, (uint32_t)(len / element),
                        out->size ? out->size : len, &data);
    if (!size)
        return 0;
    return offer(out, (struct lwc_tile){.chain = {LWC_CODEC_DELTA}, .field = field}, data, size);
}

/* A tile so small that nobody should need a base for it. */
#define DELTA_SMALLEST 64
/* DELTA of less than this share of the tile: it does not matter whether others are smaller. */
#define DELTA_TINY 8

int encode_tile_by(struct encoder *encoder, uint16_t dtype, uint32_t row, const uint8_t *src,
                   const uint8_t *base, size_t len, struct encoded_tile *out)
{
    int error = 0;

    memset(&out->entry, 0, sizeof(out->entry));
    out->size = 0;
    if (len < DELTA_SMALLEST)
        base = NULL;
    if (base && !memcmp(src, base, len)) {
        out->entry.chain[0] = LWC_CODEC_DELTA;
        return 0;
    }
    if (base)
        error = offer_delta(encoder, out, dtype, src, base, len);
    if (!error && (!out->size || out->size > len / DELTA_TINY))
        error = encode_candidates(encoder, dtype, row, src, len, out);
    if (!error && out->entry.chain[0] == LWC_CODEC_RAW)
        error = put_bytes(out, src, len);
    out->entry.stored = (uint32_t)out->size;
    return error;
}

int encode_tile(struct encoder *encoder, uint16_t dtype, uint32_t row, const uint8_t *src,
                size_t len, struct encoded_tile *out)
{
    return encode_tile_by(encoder, dtype, row, src, NULL, len, out);
}
