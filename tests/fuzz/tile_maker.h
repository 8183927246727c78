/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stored bytes of tiles from the bytes of a fuzzer's input: sound ones, whatever the bytes are, so
 * that decoders get far; what is wrong with them is done afterwards. A codec is a line in
 * makers[] at the end.
 */
#ifndef FUZZ_TILE_MAKER_H
#define FUZZ_TILE_MAKER_H

#include "delta_maker.h"
#include "maker.h"

static inline uint8_t *maker_stream(struct maker *maker, uint32_t count, uint32_t width)
{
    size_t size = lwc_stream_bytes(count, width);
    uint8_t *at = maker_fill(maker, size);

    if ((size_t)count * width % 8)
        at[size - 1] &= (uint8_t)((1u << ((size_t)count * width % 8)) - 1);
    return at;
}

static inline uint32_t maker_code(const uint8_t *stream, uint32_t width, uint32_t i)
{
    uint32_t bit = i * width, value = stream[bit / 8];

    if (bit % 8 + width > 8)
        value |= (uint32_t)stream[bit / 8 + 1] << 8;
    return value >> bit % 8 & ((1u << width) - 1);
}

/* Which symbols may occur: any, or exponents of normal numbers. */
static inline uint8_t maker_symbol(uint8_t byte, uint8_t field, uint32_t kept, bool normal)
{
    return normal ? (uint8_t)(byte % 254 + 1)
                  : (uint8_t)(byte & ((1u << lwc_field_symbol(field, kept)) - 1));
}

static inline void maker_levels(struct maker *maker, uint8_t structure, uint8_t field,
                                uint32_t weights, bool normal, bool positive)
{
    const struct lwc_levels_shape *shape = lwc_levels_shape(structure);
    uint8_t *start = maker_take(maker, sizeof(struct lwc_levels_header));
    struct lwc_levels_header header = {0};
    uint32_t mantissa = lwc_field_layouts[field].mantissa, count = weights, used = 0, rest;
    uint8_t *at;

    header.weights = weights;
    /* the numbers of bits that decoders have their own code for, half of the time */
    header.kept = (uint8_t)(maker_byte(maker) & 1 ? mantissa : maker_byte(maker) % (mantissa + 1));
    for (uint32_t i = 0; i < shape->levels; i++)
        used += (1u << shape->width[i]) - 1;
    for (uint32_t i = 0; i < used && i < LWC_LEVELS_SYMBOLS; i++)
        header.symbols[i] = maker_symbol(maker_byte(maker), field, header.kept, normal);
    rest = lwc_field_rest(field, header.kept);
    for (uint32_t plane = 0; plane < rest / 8; plane++) {
        at = maker_fill(maker, weights);
        for (uint32_t i = 0; plane == 0 && positive && i < weights; i++)
            at[i] &= 0x7f;
    }
    for (uint32_t level = 0; level < shape->levels; level++) {
        uint32_t width = shape->width[level], passed = 0;

        at = maker_stream(maker, count, width);
        for (uint32_t i = 0; i < count; i++)
            passed += maker_code(at, width, i) == (1u << width) - 1;
        header.reached[level] = passed;
        count = passed;
    }
    at = maker_fill(maker, count);
    for (uint32_t i = 0; i < count; i++)
        at[i] = maker_symbol(at[i], field, header.kept, normal);
    at = maker_stream(maker, weights, rest % 8);
    for (uint32_t i = 0; rest < 8 && positive && i < weights; i++) {
        uint32_t bit = i * rest + rest - 1;

        at[bit / 8] &= (uint8_t) ~(1u << bit % 8);
    }
    memcpy(start, &header, sizeof(header));
}

static inline uint8_t maker_structure(struct maker *maker)
{
    return (uint8_t)(maker_byte(maker) % (LWC_STRUCTURES - 1) + 1);
}

/* A field whose elements have so many bytes; any for 0. */
static inline uint8_t maker_field(struct maker *maker, uint32_t size)
{
    uint8_t field = (uint8_t)(maker_byte(maker) % (LWC_FIELDS - 1) + 1);

    while (size && lwc_field_size(field) != size)
        field = (uint8_t)(field % (LWC_FIELDS - 1) + 1);
    return field;
}

/* RAW or LEVELS of count elements behind an outer codec. */
static inline void maker_inner(struct maker *maker, uint32_t count, uint32_t size)
{
    if (maker_byte(maker) & 1) {
        maker->entry.chain[1] = LWC_CODEC_RAW;
        maker_fill(maker, (size_t)count * size);
        return;
    }
    maker->entry.chain[1] = LWC_CODEC_LEVELS;
    maker->entry.param = maker_structure(maker);
    maker->entry.field = maker_field(maker, size);
    maker_levels(maker, maker->entry.param, maker->entry.field,
                 lwc_field_weights(maker->entry.field, (size_t)count * size), false, false);
}

static inline void make_levels(struct maker *maker)
{
    uint8_t structure = maker_structure(maker), field = maker_field(maker, 0);
    uint32_t count = maker_count(maker, lwc_field_size(field));

    if (field == LWC_FIELD_NIBBLE && count > LWC_LEVELS_WEIGHTS / 2)
        count /= 2;
    maker->entry.param = structure;
    maker->entry.field = field;
    maker->length = (size_t)count * lwc_field_size(field);
    maker_levels(maker, structure, field, lwc_field_weights(field, maker->length), false, false);
}

static inline void make_sparse(struct maker *maker)
{
    uint32_t element = 1u << maker_byte(maker) % 3, count = maker_count(maker, element), kept = 0;
    uint8_t kind = maker_byte(maker) & 1 ? LWC_MASK_BITS : LWC_MASK_2_OF_4;
    uint8_t *start = maker_take(maker, sizeof(struct lwc_sparse_header));
    struct lwc_sparse_header header = {0};
    uint8_t *mask;

    header.element = (uint8_t)element;
    header.mask = kind;
    if (kind == LWC_MASK_BITS) {
        mask = maker_stream(maker, count, 1);
        for (uint32_t i = 0; i < lwc_stream_bytes(count, 1); i++)
            kept += (uint32_t)__builtin_popcount(mask[i]);
    } else {
        count &= ~3u;
        kept = count / 2;
        mask = maker_stream(maker, count / 4, 3);
        for (uint32_t i = 0; i < count / 4; i++) /* codes 6 and 7 become 2 and 3 */
            if (maker_code(mask, 3, i) > 5)
                mask[(i * 3 + 2) / 8] &= (uint8_t) ~(1u << (i * 3 + 2) % 8);
    }
    header.kept = kept;
    memcpy(start, &header, sizeof(header));
    maker->length = (size_t)count * element;
    maker_inner(maker, kept, element);
}

/* A zero point: an integer of a byte as f32. */
static inline uint32_t maker_zero_point(uint8_t byte)
{
    uint32_t top = byte ? 31 - (uint32_t)__builtin_clz(byte) : 0;

    return byte ? (127 + top) << 23 | ((uint32_t)byte << (23 - top) & 0x7fffff) : 0;
}

/* Parameters of all groups; second: offsets or zero points. How many bytes they take. */
static inline uint32_t maker_parameters(struct maker *maker, uint8_t kind, bool second,
                                        uint32_t groups)
{
    bool positive = kind != LWC_GRID_PRODUCT && !second;
    size_t before = maker->used;
    uint8_t *at;

    /* LEVELS of exponents as they come make scales too large for STEPS, and no zero points */
    if (kind != LWC_GRID_STEPS && maker_byte(maker) & 1) {
        maker_levels(maker, LWC_STRUCTURE_2222, LWC_FIELD_F32, groups, true, positive);
        return (uint32_t)(maker->used - before);
    }
    at = maker_fill(maker, (size_t)groups * 4);
    for (uint32_t i = 0; i < groups; i++, at += 4) {
        uint32_t value;

        memcpy(&value, at, 4);
        if (kind == LWC_GRID_STEPS && second)
            value = maker_zero_point((uint8_t)(value & 0x100 ? value & 15 : value));
        else if (kind == LWC_GRID_STEPS) /* from 2^-64 to 2^0 */
            value = (value & 0x7fffff) | (63 + (value >> 24) % 65) << 23;
        else if (second && !(value & 7))
            value = 0;
        else
            value = (value & (positive ? 0x7fffff : 0x807fffff)) | ((value >> 23) % 254 + 1) << 23;
        memcpy(at, &value, 4);
    }
    return groups * 4;
}

static inline void make_grid(struct maker *maker)
{
    uint8_t field = (uint8_t)(maker_byte(maker) % 3 + LWC_FIELD_BF16);
    uint8_t kind = maker_byte(maker) % LWC_GRIDS, through = maker_byte(maker);
    uint32_t element = lwc_field_size(field), count = maker_count(maker, element), group, groups;
    uint32_t exceptions = maker_byte(maker) % 8, at = 0;
    uint8_t *start = maker_take(maker, sizeof(struct lwc_grid_header));
    struct lwc_grid_header header = {0};

    count += !count;
    exceptions = exceptions > count ? count : exceptions;
    /* a table of a few or of all products: see grid.c */
    group = (kind ? LWC_GRID_PAIR_MIN : LWC_GRID_GROUP_MIN) + maker_byte(maker);
    if (!(maker_byte(maker) % 8))
        group = 512 + maker_u16(maker);
    groups = (count + group - 1) / group;
    header.group = group;
    header.field = field;
    header.kind = kind;
    header.through = through & 0x80 ? through % 3 + LWC_FIELD_BF16 : field;
    header.scales = maker_parameters(maker, kind, false, groups);
    if (kind != LWC_GRID_PRODUCT)
        header.seconds = maker_parameters(maker, kind, true, groups);
    for (uint32_t i = 0; i < exceptions; i++) {
        uint8_t *position = maker_take(maker, 4);

        at += i ? 1 + maker_byte(maker) % ((count - at - (exceptions - i)) / exceptions + 1) : 0;
        memcpy(position, &at, 4);
    }
    header.exceptions = exceptions;
    memcpy(start, &header, sizeof(header));
    maker_fill(maker, (size_t)exceptions * element);
    maker->length = (size_t)count * element;
    maker_inner(maker, count, 1);
}

static inline void make_raw(struct maker *maker)
{
    maker->length = maker_count(maker, 1);
    maker_fill(maker, maker->length);
}

static inline void make_const(struct maker *maker)
{
    size_t element = (size_t)1 << maker_byte(maker) % 4;

    maker->length = maker_count(maker, (uint32_t)element) * element;
    maker_fill(maker, element);
}

/* A frame of blocks that are as they are, or of one byte; what is in others is for libzstd to fuzz.
 */
static inline void maker_zstd(struct maker *maker, uint32_t size)
{
    static const uint8_t start[5] = {0x28, 0xb5, 0x2f, 0xfd, 0xa0};
    uint32_t done = 0, block, head;

    memcpy(maker_take(maker, 5), start, 5);
    memcpy(maker_take(maker, 4), &size, 4);
    do {
        uint32_t repeated = maker_byte(maker) & 1;

        block = size - done < 65536 ? size - done : 65536;
        done += block;
        head = (done == size) | repeated << 1 | block << 3;
        memcpy(maker_take(maker, 3), &head, 3);
        maker_fill(maker, repeated ? 1 : block);
    } while (done < size);
}

static inline void make_zstd(struct maker *maker)
{
    maker->length = maker_count(maker, 1);
    maker_zstd(maker, (uint32_t)maker->length);
}

static inline void make_planes(struct maker *maker)
{
    uint32_t element = maker_byte(maker) % 7 + 2;

    maker->entry.param = (uint8_t)element;
    maker->length = (size_t)maker_count(maker, element) * element;
    if (maker_byte(maker) & 1) {
        maker->entry.chain[1] = LWC_CODEC_ZSTD;
        maker_zstd(maker, (uint32_t)maker->length);
    } else {
        maker->entry.chain[1] = LWC_CODEC_RAW;
        maker_fill(maker, maker->length);
    }
}

static inline void make_split(struct maker *maker)
{
    uint32_t members = maker_byte(maker) % LWC_SPLIT_MEMBERS + 1, block = 0, blocks;
    uint8_t *start = maker_take(maker, sizeof(struct lwc_split_header) +
                                           members * sizeof(struct lwc_split_member));
    struct lwc_split_header header = {.members = (uint8_t)members};
    struct lwc_split_member all[LWC_SPLIT_MEMBERS] = {0};

    for (uint32_t i = 0; i < members; i++) {
        uint8_t bytes = maker_byte(maker);

        all[i].bytes = bytes & 0x80 ? bytes % 64 + 1 : 1u << bytes % 6;
        block += all[i].bytes;
    }
    blocks = maker_count(maker, block) % (LWC_TILE_MAX / block + 1);
    for (uint32_t i = 0; i < members; i++) {
        uint32_t size = blocks * all[i].bytes;
        size_t before = maker->used;
        uint8_t coding = maker_byte(maker);

        if (coding % 4 == 0) {
            all[i].codec = LWC_CODEC_ZSTD;
            maker_zstd(maker, size);
        } else if (coding % 4 == 1 || size > LWC_LEVELS_WEIGHTS / 2) {
            all[i].codec = LWC_CODEC_RAW;
            maker_fill(maker, size);
        } else {
            all[i].codec = LWC_CODEC_LEVELS;
            all[i].structure = maker_structure(maker);
            all[i].field = maker_field(maker, 1);
            maker_levels(maker, all[i].structure, all[i].field,
                         lwc_field_weights(all[i].field, size), false, false);
        }
        all[i].stored = (uint32_t)(maker->used - before);
    }
    memcpy(start, &header, sizeof(header));
    memcpy(start + sizeof(header), all, members * sizeof(*all));
    maker->length = (size_t)blocks * block;
}

/* Nothing that is sound: an entry, a length and bytes as they come. */
static inline void make_anything(struct maker *maker)
{
    for (int i = 0; i < LWC_CHAIN_MAX; i++)
        maker->entry.chain[i] = maker_byte(maker) % (LWC_CODECS + 1);
    maker->entry.param = maker_byte(maker);
    maker->entry.field = maker_byte(maker);
    maker->length = maker_u16(maker);
    maker_fill(maker, maker->size);
}

static const struct {
    uint8_t codec;
    void (*make)(struct maker *maker);
} makers[] = {
    {LWC_CODEC_LEVELS, make_levels},
    {LWC_CODEC_SPARSE, make_sparse},
    {LWC_CODEC_GRID, make_grid},
    {LWC_CODEC_RAW, make_raw},
    {LWC_CODEC_CONST, make_const},
    {LWC_CODEC_ZSTD, make_zstd},
    {LWC_CODEC_SPLIT, make_split},
    {LWC_CODEC_DELTA, make_delta},
    {LWC_CODEC_PLANES, make_planes},
    {LWC_CODEC_NONE, make_anything},
    /* once more what implementations differ in */
    {LWC_CODEC_LEVELS, make_levels},
    {LWC_CODEC_LEVELS, make_levels},
    {LWC_CODEC_LEVELS, make_levels},
    {LWC_CODEC_SPARSE, make_sparse},
    {LWC_CODEC_SPARSE, make_sparse},
    {LWC_CODEC_GRID, make_grid},
    {LWC_CODEC_GRID, make_grid},
    {LWC_CODEC_SPLIT, make_split},
    {LWC_CODEC_DELTA, make_delta},
};

static inline void maker_make(struct maker *maker)
{
    uint8_t choice = maker_byte(maker) % (sizeof(makers) / sizeof(*makers));

    maker->entry.chain[0] = makers[choice].codec;
    makers[choice].make(maker);
}

#endif
