/* SPDX-License-Identifier: BSD-3-Clause */
/* GRID: its arithmetic against quadruple precision, every implementation, what the encoder finds.
 */
#include "codec_checks.h"

#include <math.h>

#include "codec/grid.h"
#include "encode/grid_encode.h"

static const uint8_t floats[] = {LWC_FIELD_BF16, LWC_FIELD_F16, LWC_FIELD_F32};

/* 2^exponent; exact */
static __float128 power(int exponent)
{
    __float128 value = 1;

    for (; exponent > 1000; exponent -= 1000)
        value *= 0x1p1000;
    for (; exponent < -1000; exponent += 1000)
        value *= 0x1p-1000;
    return value * ldexp(1, exponent);
}

/* The least power of two above value is 2^result. */
static int exponent_of(__float128 value)
{
    int exponent;

    frexp((double)value, &exponent);
    return value < power(exponent - 1) ? exponent - 1 : exponent;
}

static int exponent_bits(uint8_t field)
{
    return field == LWC_FIELD_F16 ? 5 : 8;
}

static int mantissa_bits(uint8_t field)
{
    return field == LWC_FIELD_F16 ? 10 : field == LWC_FIELD_BF16 ? 7 : 23;
}

static int sign_of(uint8_t field)
{
    return field == LWC_FIELD_F32 ? 31 : 15;
}

static uint32_t infinity(uint8_t field)
{
    return (uint32_t)((1 << exponent_bits(field)) - 1) << mantissa_bits(field);
}

/* The nearest value of the field to a magnitude, ties to even, by the definition. */
static uint32_t nearest(__float128 value, uint8_t field)
{
    int bias = (1 << (exponent_bits(field) - 1)) - 1, exponent;
    uint64_t units;
    __float128 exact;
    uint32_t bits;

    if (value == 0)
        return 0;
    exponent = exponent_of(value) - 1;
    if (exponent > bias + 1)
        return infinity(field);
    if (exponent < 1 - bias)
        exponent = 1 - bias;
    exact = value * power(mantissa_bits(field) - exponent);
    units = (uint64_t)exact;
    exact -= units;
    units += exact > 0.5 || (exact == 0.5 && (units & 1));
    bits = ((uint32_t)(exponent + bias - 1) << mantissa_bits(field)) + (uint32_t)units;
    return bits < infinity(field) ? bits : infinity(field);
}

/* A finite magnitude of the field. */
static __float128 value_of(uint32_t bits, uint8_t field)
{
    int bias = (1 << (exponent_bits(field) - 1)) - 1, mantissa = mantissa_bits(field);
    uint32_t exponent = bits >> mantissa, rest = bits & ((1u << mantissa) - 1);

    return (exponent ? rest + (1u << mantissa) : rest) *
           power((int)(exponent ? exponent : 1) - bias - mantissa);
}

static __float128 f32_value(uint32_t bits)
{
    __float128 value = value_of(bits & 0x7fffffff, LWC_FIELD_F32);

    return bits >> 31 ? -value : value;
}

/* To one field and then to the other, with the sign. */
static uint32_t nearest_twice(__float128 value, const struct lwc_grid_arithmetic *a)
{
    uint32_t bits = nearest(value < 0 ? -value : value, a->through);

    if (a->through != a->field && bits == infinity(a->through))
        bits = infinity(a->field);
    else if (a->through != a->field)
        bits = nearest(value_of(bits, a->through), a->field);
    return bits | (uint32_t)(value < 0) << sign_of(a->field);
}

/* a + b, exact, or, where the smaller one only says on which side of a number, on that side. */
static __float128 sum_of(__float128 a, __float128 b)
{
    __float128 large = a, small = b;

    if ((a < 0 ? -a : a) < (b < 0 ? -b : b)) {
        large = b;
        small = a;
    }
    if (small != 0) {
        int exponent = exponent_of(large < 0 ? -large : large) - 70;

        if (exponent_of(small < 0 ? -small : small) < exponent)
            small = small < 0 ? -power(exponent) : power(exponent);
    }
    return large + small;
}

/* By what the format says, and nothing that the decoder has. */
static uint32_t reference(const struct lwc_grid_arithmetic *a, struct lwc_grid_parameters p,
                          uint8_t integer)
{
    __float128 scale = f32_value(p.scale), second = f32_value(p.second), low, high;

    if (a->kind == LWC_GRID_PRODUCT) {
        bool zero = !(integer & 0x7f);
        int8_t number = zero ? 0 : (int8_t)integer;
        uint32_t sign = (zero ? integer >> 7 : number < 0) ^ p.scale >> 31;

        scale = scale < 0 ? -scale : scale;
        return nearest_twice(scale * abs(number), a) | sign << sign_of(a->field);
    }
    if (a->kind == LWC_GRID_AFFINE)
        return nearest_twice(sum_of(scale * integer, second), a);
    high = value_of(nearest(scale * (uint8_t)(integer + (int)second), a->through), a->through);
    low = value_of(nearest(scale * second, a->through), a->through);
    return nearest_twice(high - low, a);
}

/* Bits of a normal f32: any, or near the values of f16, with few bits in every second round. */
static uint32_t random_f32(unsigned int round)
{
    uint32_t bits = (uint32_t)rnd();

    if (round & 8)
        bits = (bits & 0x80000000) | (0x38000000 - 0x0c000000 + (uint32_t)rnd() % 0x1a000000);
    if (round & 16) /* ties */
        bits &= ~(uint32_t)((1 << rnd() % 24) - 1);
    return !(bits >> 23 & 255) || (bits >> 23 & 255) == 255 ? 0x3f800000 : bits;
}

/* A kind, the types and parameters that it allows. */
static struct lwc_grid_parameters random_grid(unsigned int round, struct lwc_grid_arithmetic *a)
{
    struct lwc_grid_parameters p = {random_f32(round), 0};

    *a = (struct lwc_grid_arithmetic){(uint8_t)(rnd() % LWC_GRIDS), floats[rnd() % 3],
                                      floats[rnd() % 3]};
    if (a->kind == LWC_GRID_PRODUCT)
        return p;
    p.scale &= 0x7fffffff;
    if (a->kind == LWC_GRID_AFFINE) {
        p.second = rnd() % 16 ? random_f32(round) : 0;
        if (round & 32) /* near each other, and often equal but for the sign */
            p.second =
                (p.scale & 0x7f800000) + ((uint32_t)(rnd() % 12) << 22 | (uint32_t)rnd() << 31);
        if (p.second && ((p.second >> 23 & 255) == 0 || (p.second >> 23 & 255) == 255))
            p.second = 0;
        return p;
    }
    {
        float zero = (float)(rnd() % 256);

        memcpy(&p.second, &zero, 4);
    }
    while (!grid_steps_allowed(a->through, p))
        p.scale -= 0x08000000;
    return p;
}

static void test_arithmetic(void **unused)
{
    unsigned int kinds[LWC_GRIDS] = {0};

    (void)unused;
    for (unsigned int round = 0; round < 1000000; round++) {
        struct lwc_grid_arithmetic a;
        struct lwc_grid_parameters p = random_grid(round, &a);
        uint8_t integer = (uint8_t)rnd();
        uint32_t want = reference(&a, p, integer), is = lwc_grid_element(&a, p, integer);

        kinds[a.kind]++;
        if (is != want)
            fail_msg("kind %u through %u field %u: %08x %08x %u: %08x, not %08x", a.kind, a.through,
                     a.field, p.scale, p.second, integer, is, want);
    }
    assert_true(kinds[0] > 100000 && kinds[1] > 100000 && kinds[2] > 100000);
}

/* Parameters that a file must not have. */
static void test_steps_allowed(void **unused)
{
    static const float zeroes[] = {0.5f, 1.5f, 255.5f, 256, -1, 1e30f};

    (void)unused;
    for (unsigned int i = 0; i < 256 + sizeof(zeroes) / sizeof(*zeroes); i++) {
        float zero = i < 256 ? (float)i : zeroes[i - 256];
        struct lwc_grid_parameters p = {0x3f800000, 0};

        memcpy(&p.second, &zero, 4);
        assert_int_equal(grid_steps_allowed(LWC_FIELD_F16, p), i < 256);
        p.scale = 0x43808000; /* 257, and 65535 rounds to infinity */
        assert_false(grid_steps_allowed(LWC_FIELD_F16, p));
    }
}

/* Every implementation makes of every group what lwc_grid_element says, in place. */
static void test_implementations(void **unused)
{
    uint8_t integers[700];
    uint32_t want[700];

    (void)unused;
    for (unsigned int round = 0; round < 60000; round++) {
        uint32_t count = 1 + (uint32_t)rnd() % (round % 16 ? 140 : 700);
        struct lwc_grid_arithmetic a;
        struct lwc_grid_parameters p = random_grid(round, &a);
        uint32_t element = lwc_field_size(a.field);

        for (uint32_t i = 0; i < count; i++) {
            bool small = round & 64 || (round & 128 && rnd() % 64);

            integers[i] = (uint8_t)(small ? rnd() % 32 - 16 : rnd());
            if (rnd() % 16 == 0)
                integers[i] = 0x80;
            want[i] = lwc_grid_element(&a, p, integers[i]);
        }
        for (unsigned int k = 0; k < lwc_impl_count; k++) {
            uint8_t *place = malloc(count * element);

            if (lwc_impls[k]->isa & cpu_isa()) {
                memcpy(place + count * (element - 1), integers, count);
                lwc_impls[k]->grid(&a, p, place + count * (element - 1), count, place);
                for (uint32_t i = 0; i < count; i++)
                    if (memcmp(place + i * element, &want[i], element))
                        fail_msg("%s: kind %u through %u field %u: %08x %08x %02x at %u of %u",
                                 lwc_impls[k]->name, a.kind, a.through, a.field, p.scale, p.second,
                                 integers[i], i, count);
            }
            free(place);
        }
    }
}

/* What make_grid makes. */
struct recipe {
    struct lwc_grid_arithmetic arithmetic;
    uint32_t group;
    int largest;
    bool strangers; /* one element of each group is any value */
};

static uint32_t f16_like(uint32_t from, uint32_t range)
{
    return (from + (uint32_t)rnd() % range) & ~0x1fffu;
}

static void make_grid(uint8_t *src, uint32_t count, const struct recipe *recipe)
{
    const struct lwc_grid_arithmetic *a = &recipe->arithmetic;
    uint32_t element = lwc_field_size(a->field), stranger = 0;
    struct lwc_grid_parameters p = {0, 0};

    for (uint32_t i = 0; i < count; i++) {
        uint32_t in_group = i % recipe->group, integer, v;

        if (!in_group) {
            float zero = (float)(3 + rnd() % 10);

            stranger = (uint32_t)rnd() % recipe->group;
            p.scale = f16_like(0x3a000000, 0x2000000);
            if (a->kind == LWC_GRID_AFFINE)
                p.second = 0x80000000 | f16_like(p.scale + 0x800000, 0x1000000);
            if (a->kind == LWC_GRID_STEPS)
                memcpy(&p.second, &zero, 4);
        }
        if (a->kind == LWC_GRID_PRODUCT) {
            integer = (uint32_t)(rnd() % (2 * (unsigned int)recipe->largest + 1)) -
                      (uint32_t)recipe->largest;
            if (in_group < 2)
                integer = (uint32_t)recipe->largest;
        } else {
            integer = in_group < 2 ? in_group * 15 : (uint32_t)rnd() % 16;
            if (a->kind == LWC_GRID_STEPS)
                integer -= (uint32_t)(float)f32_value(p.second);
        }
        v = lwc_grid_element(a, p, (uint8_t)integer);
        if (recipe->strangers && in_group == stranger) {
            v = (uint32_t)rnd() & 0x7fffffff;
            v = a->field == LWC_FIELD_F32 ? v % 0x3f000000 : (v & 0x3fff);
        }
        memcpy(src + i * element, &v, element);
    }
}

/* The header of a GRID tile, NULL for another. */
static const struct lwc_grid_header *header_of(const struct encoded_tile *tile)
{
    return tile->entry.chain[0] == LWC_CODEC_GRID ? (const struct lwc_grid_header *)tile->data
                                                  : NULL;
}

static struct recipe random_recipe(unsigned int round, uint8_t field)
{
    struct recipe recipe = {.arithmetic = {(uint8_t)(round / 3 % 3), field, field}};

    recipe.group = 32u << rnd() % 4;
    recipe.largest = round & 16 ? 127 : 7;
    if (recipe.arithmetic.kind == LWC_GRID_STEPS || (round & 8 && field != LWC_FIELD_F16))
        recipe.arithmetic.through = LWC_FIELD_F16;
    recipe.strangers = round % 5 == 0 && recipe.largest == 7;
    return recipe;
}

static const uint16_t dtypes[LWC_FIELDS] = {[LWC_FIELD_BF16] = LWC_DTYPE_BF16,
                                            [LWC_FIELD_F16] = LWC_DTYPE_F16,
                                            [LWC_FIELD_F32] = LWC_DTYPE_F32};

/* What is a grid is found, and damage to it gives one verdict on all implementations. */
static void test_found(void **unused)
{
    struct encode_policy policy = {.structures = 1u << LWC_STRUCTURE_2222, .zstd_level = 1};
    struct encoder *encoder = encoder_new(&policy);
    struct lwc_scratch scratch = scratch_new();
    struct encoded_tile tile = {0};
    uint8_t *src = malloc(16384 * 4);
    unsigned int refused = 0, found = 0, rounds = 180, with_strangers = 0;

    (void)unused;
    for (unsigned int round = 0; round < rounds; round++) {
        uint32_t n = round % 7 ? 16384 : 5000;
        struct recipe recipe = random_recipe(round, floats[round % 3]);
        uint32_t element = lwc_field_size(recipe.arithmetic.field);
        const struct lwc_grid_header *header;

        make_grid(src, n, &recipe);
        assert_int_equal(
            encode_tile(encoder, dtypes[recipe.arithmetic.field], 1000, src, n * element, &tile),
            0);
        assert_int_equal(verdict(&tile.entry, tile.data, tile.size, src, n * element, &scratch),
                         LWC_OK);
        header = header_of(&tile);
        if (!header)
            continue;
        found++;
        if (lwc_le32(&header->exceptions) > (recipe.strangers ? n / 25 : n / 100))
            fail_msg("kind %u group %u largest %d through %u field %u strangers %d: "
                     "kind %u group %u, %u exceptions",
                     recipe.arithmetic.kind, recipe.group, recipe.largest,
                     recipe.arithmetic.through, recipe.arithmetic.field, recipe.strangers,
                     header->kind, lwc_le32(&header->group), lwc_le32(&header->exceptions));
        with_strangers += recipe.strangers;
        refused += damage(&tile, 100, n * element, &scratch);
    }
    /* of a stranger in each group of 32 there are too many exceptions */
    if (found < rounds - 10 || with_strangers < 10)
        fail_msg("%u of %u found, %u with strangers", found, rounds, with_strangers);
    assert_true(refused > 1000);
    encoder_free(encoder);
    free(tile.data);
    free(src);
    free(scratch.tile);
    free(scratch.zstd);
}

/* Exceptions in another order, or behind the last element, are refused. */
static void check_order(const struct encoded_tile *tile, struct lwc_scratch *scratch)
{
    const struct lwc_grid_header *header = header_of(tile);
    uint8_t *first =
        tile->data + sizeof(*header) + lwc_le32(&header->scales) + lwc_le32(&header->seconds);
    uint8_t keep[8], other[8], *last;

    assert_true(lwc_le32(&header->exceptions) > 2);
    memcpy(keep, first, 8);
    memcpy(other, keep + 4, 4);
    memcpy(other + 4, keep, 4);
    memcpy(first, other, 8);
    assert_int_equal(verdict(&tile->entry, tile->data, tile->size, NULL, 2048, scratch),
                     LWC_ERR_STREAM);
    memcpy(first, keep, 8);
    last = first + 4 * (lwc_le32(&header->exceptions) - 1);
    memcpy(keep, last, 4);
    memset(last, 0xff, 4);
    assert_int_equal(verdict(&tile->entry, tile->data, tile->size, NULL, 2048, scratch),
                     LWC_ERR_STREAM);
    memcpy(last, keep, 4);
}

/* A small tile of each kind, cut at each byte, and with headers of any bytes. */
static void test_hostile(void **unused)
{
    struct encode_policy policy = {.structures = 1u << LWC_STRUCTURE_2222, .zstd_level = 1};
    struct encoder *encoder = encoder_new(&policy);
    struct lwc_scratch scratch = scratch_new();
    struct encoded_tile tile = {0};
    uint8_t src[1024 * 4];

    (void)unused;
    for (unsigned int kind = 0; kind < LWC_GRIDS; kind++) {
        struct recipe recipe = {{(uint8_t)kind, LWC_FIELD_F16, LWC_FIELD_BF16}, 64, 7, kind == 1};
        uint8_t header[sizeof(struct lwc_grid_header)];

        make_grid(src, 1024, &recipe);
        assert_int_equal(encode_tile(encoder, LWC_DTYPE_BF16, 0, src, 2048, &tile), 0);
        assert_non_null(header_of(&tile));
        assert_int_equal(header_of(&tile)->kind, kind);
        memcpy(header, tile.data, sizeof(header));
        if (recipe.strangers)
            check_order(&tile, &scratch);
        for (size_t cut = 0; cut < tile.size; cut++)
            assert_int_not_equal(verdict(&tile.entry, tile.data, cut, NULL, 2048, &scratch),
                                 LWC_OK);
        for (unsigned int round = 0; round < 4000; round++) {
            for (unsigned int i = 0; i < sizeof(header); i++)
                if (rnd() % 8 == 0)
                    tile.data[i] = (uint8_t)(rnd() % 2 ? rnd() : rnd() % 4);
            verdict(&tile.entry, tile.data, tile.size, NULL, 2048, &scratch);
            memcpy(tile.data, header, sizeof(header));
        }
        assert_int_equal(verdict(&tile.entry, tile.data, tile.size, src, 2048, &scratch), LWC_OK);
    }
    encoder_free(encoder);
    free(tile.data);
    free(scratch.tile);
    free(scratch.zstd);
}

/* Few neighbouring values, as in a norm that was hardly trained: rounding alone sets the limits. */
static void test_neighbours(void **unused)
{
    static const uint16_t dtypes[] = {LWC_DTYPE_BF16, LWC_DTYPE_F16, LWC_DTYPE_F32};
    static const uint32_t ones[] = {0x3f80, 0x3c00, 0x3f800000};
    struct encode_policy policy = {.structures = ~0u, .zstd_level = 1};
    struct encoder *encoder = encoder_new(&policy);
    struct encoded_tile tile = {0};
    uint8_t src[256 * 4];

    (void)unused;
    for (unsigned int d = 0; d < 3; d++)
        for (uint32_t from = 0; from < 3; from++)
            for (uint32_t apart = 1; apart < 6; apart++)
                for (uint32_t values = 2; values < 4; values++) {
                    uint32_t element = lwc_dtype_size(dtypes[d]);

                    for (uint32_t i = 0; i < 256; i++) {
                        uint32_t v = ones[d] - 1 + from + apart * (i * i % 7 % values);

                        memcpy(src + i * element, &v, element);
                    }
                    assert_int_equal(encode_tile(encoder, dtypes[d], 64, src, 256 * element, &tile),
                                     0);
                }
    encoder_free(encoder);
    free(tile.data);
}

/* What is one unit in the last place off, here and there, costs an exception each. */
static void test_perturbed(void **unused)
{
    const uint32_t n = 16384;
    struct encode_policy policy = {.structures = ~0u, .zstd_level = 1};
    struct encoder *encoder = encoder_new(&policy);
    struct lwc_scratch scratch = scratch_new();
    struct encoded_tile tile = {0};
    uint8_t *src = malloc(n * 4);

    (void)unused;
    for (unsigned int round = 0; round < 12; round++) {
        uint8_t field = floats[round % 3];
        struct recipe recipe = {{LWC_GRID_PRODUCT, field, field}, 128, round < 6 ? 7 : 127, false};
        uint32_t element = lwc_field_size(field), changed = 0;

        if (recipe.largest == 127)
            recipe.group = 1024;
        make_grid(src, n, &recipe);
        for (uint32_t i = 0; i < n; i += 50 + (uint32_t)rnd() % 100, changed++)
            src[i * element] ^= 1;
        assert_int_equal(encode_tile(encoder, dtypes[field], 1024, src, n * element, &tile), 0);
        assert_int_equal(verdict(&tile.entry, tile.data, tile.size, src, n * element, &scratch),
                         LWC_OK);
        if (!header_of(&tile) || lwc_le32(&header_of(&tile)->group) != recipe.group)
            fail_msg("round %u, field %u: codec %u", round, field, tile.entry.chain[0]);
        assert_in_range(lwc_le32(&header_of(&tile)->exceptions), changed / 2, changed + n / 400);
    }
    encoder_free(encoder);
    free(tile.data);
    free(src);
    free(scratch.tile);
    free(scratch.zstd);
}

/* Bits of a float, rounded to the field. */
static uint32_t rounded(float value, uint8_t field)
{
    const struct lwc_grid_arithmetic once = {LWC_GRID_PRODUCT, field, field};

    return nearest_twice(value, &once);
}

/* (q - z) * s of eight-bit integers, as a program computes it. */
static void make_asymmetric(uint8_t *src, uint32_t count, uint8_t field, uint32_t group,
                            unsigned int bits_of_scale)
{
    uint32_t element = lwc_field_size(field), bits;
    float scale = 1, zero = 0, value;

    for (uint32_t i = 0; i < count; i++) {
        float integer = (float)(rnd() % 256);

        if (i % group == 0) {
            bits = (0x39000000 + (uint32_t)rnd() % 0x2000000) >> (24 - bits_of_scale)
                                                                     << (24 - bits_of_scale);
            memcpy(&scale, &bits, 4);
            zero = (float)(rnd() % 256);
        }
        if (i % group < 2) /* as the range that made the scale */
            integer = (float)(i % group * 255);
        value = (integer - zero) * scale;
        bits = rounded(value, field);
        memcpy(src + i * element, &bits, element);
    }
}

static void test_asymmetric(void **unused)
{
    const uint32_t n = 16384;
    struct encode_policy policy = {.structures = ~0u, .zstd_level = 1};
    struct encoder *encoder = encoder_new(&policy);
    struct lwc_scratch scratch = scratch_new();
    struct encoded_tile tile = {0};
    uint8_t *src = malloc(n * 4);

    (void)unused;
    for (unsigned int round = 0; round < 24; round++) {
        uint8_t field = floats[round % 3];
        uint32_t element = lwc_field_size(field), group = 64u << round % 4;
        /* of f32 only a scale of few bits has exact products, without which a zero point does not
         * do */
        unsigned int bits = round % 2 && field != LWC_FIELD_F32 ? 24 : round % 4 ? 11 : 8;

        make_asymmetric(src, n, field, group, bits);
        assert_int_equal(encode_tile(encoder, dtypes[field], 512, src, n * element, &tile), 0);
        assert_int_equal(verdict(&tile.entry, tile.data, tile.size, src, n * element, &scratch),
                         LWC_OK);
        if (!header_of(&tile) || header_of(&tile)->kind != LWC_GRID_STEPS ||
            lwc_le32(&header_of(&tile)->group) != group ||
            lwc_le32(&header_of(&tile)->exceptions) > n / 256)
            fail_msg("field %u group %u %u bits: codec %u kind %u group %u, %u exceptions", field,
                     group, bits, tile.entry.chain[0],
                     header_of(&tile) ? header_of(&tile)->kind : 9,
                     header_of(&tile) ? lwc_le32(&header_of(&tile)->group) : 0,
                     header_of(&tile) ? lwc_le32(&header_of(&tile)->exceptions) : 0);
    }
    encoder_free(encoder);
    free(tile.data);
    free(src);
    free(scratch.tile);
    free(scratch.zstd);
}

/* Groups that begin with each row, the last one with half as many elements: half is a group. */
static void test_rows(void **unused)
{
    const uint32_t row = 80, n = 100 * row;
    struct encode_policy policy = {.structures = ~0u, .zstd_level = 1};
    struct encoder *encoder = encoder_new(&policy);
    struct lwc_scratch scratch = scratch_new();
    struct encoded_tile tile = {0};
    uint8_t *src = malloc(n * 4);

    (void)unused;
    for (unsigned int f = 0; f < 3; f++) {
        struct recipe recipe = {{LWC_GRID_PRODUCT, floats[f], floats[f]}, 32, 7, false};
        uint32_t element = lwc_field_size(floats[f]);

        for (uint32_t first = 0; first < n; first += row)
            make_grid(src + first * element, row, &recipe);
        assert_int_equal(encode_tile(encoder, dtypes[floats[f]], row, src, n * element, &tile), 0);
        assert_int_equal(verdict(&tile.entry, tile.data, tile.size, src, n * element, &scratch),
                         LWC_OK);
        assert_non_null(header_of(&tile));
        assert_int_equal(lwc_le32(&header_of(&tile)->group), 16);
        assert_true(lwc_le32(&header_of(&tile)->exceptions) < n / 100);
    }
    encoder_free(encoder);
    free(tile.data);
    free(src);
    free(scratch.tile);
    free(scratch.zstd);
}

/* Bits where a search has most to try: few neighbours, nearly a grid, sorted, anything. */
static void make_adverse(uint8_t *src, uint32_t n, uint8_t field, unsigned int kind)
{
    static const uint32_t places[] = {0,          1,          0x10,       0x3f7fff00, 0x3f800000,
                                      0x00800000, 0x7f7fffe0, 0x7f800000, 0x7fc00001, 0x38800000};
    uint32_t element = lwc_field_size(field), sign = 1u << (element * 8 - 1), drop = sign_of(field);
    uint32_t base = places[kind % 10] >> (31 - drop), values = 2u << rnd() % 8, v = 0;
    struct recipe recipe = random_recipe(kind, field);

    recipe.strangers = kind % 3 == 0;
    if (kind % 4 == 3)
        make_grid(src, n, &recipe);
    for (uint32_t i = 0; i < n; i++) {
        memcpy(&v, src + i * element, element);
        if (kind % 4 == 0)
            v = base + (uint32_t)rnd() % values;
        else if (kind % 4 == 1)
            v = base + (uint32_t)rnd() % values * (kind % 7 + 1);
        else if (kind % 4 == 2)
            v = (uint32_t)((uint64_t)i * sign / n) & ~(kind % 8 == 2 ? 0u : sign >> 9);
        else if (rnd() % (16u << kind % 5) == 0)
            v ^= 1u << rnd() % 3;
        if (kind % 4 < 2 && kind & 16)
            v |= rnd() % 2 ? sign : 0;
        memcpy(src + i * element, &v, element);
    }
}

/* However long a search might be, it ends, and what it takes depends on nothing but the bytes. */
static void test_effort(void **unused)
{
    static const uint32_t sizes[] = {16384, 4096, 1000, 100, 17, 1};
    struct encode_policy policy = {.structures = ~0u, .zstd_level = 1};
    struct encoder *encoder = encoder_new(&policy);
    struct lwc_scratch scratch = scratch_new();
    struct encoded_tile tile = {0};
    uint8_t *src = malloc(16384 * 4);
    struct grid_fit fit = {
        .parameters = malloc(16384 * 4), .integers = malloc(16384), .positions = malloc(16384 * 4)};
    uint64_t most = 0;

    (void)unused;
    for (unsigned int round = 0; round < 720; round++) {
        uint8_t field = floats[round % 3];
        uint32_t n = sizes[round / 3 % 11 % 6], element = lwc_field_size(field);
        uint32_t row = round % 5 ? 1024 >> round % 5 : 0;
        uint64_t limit = GRID_STEPS_TILE + (uint64_t)n * (GRID_STEPS_ELEMENT + GRID_STEPS_FOUND);

        make_adverse(src, n, field, round / 3);
        if (grid_fit(&fit, field, src, n, row))
            limit += 2 * (uint64_t)n * GRID_STEPS_FOUND;
        if (fit.work.steps > limit)
            fail_msg("field %u, kind %u, %u elements: %llu steps, not %llu", field, round / 3, n,
                     (unsigned long long)fit.work.steps, (unsigned long long)limit);
        most = fit.work.steps > most ? fit.work.steps : most;
        assert_int_equal(encode_tile(encoder, dtypes[field], row, src, n * element, &tile), 0);
        assert_int_equal(verdict(&tile.entry, tile.data, tile.size, src, n * element, &scratch),
                         LWC_OK);
    }
    assert_true(most > GRID_STEPS_TILE);
    encoder_free(encoder);
    free(tile.data);
    free(src);
    free(fit.parameters);
    free(fit.integers);
    free(fit.positions);
    free(scratch.tile);
    free(scratch.zstd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arithmetic),      cmocka_unit_test(test_steps_allowed),
        cmocka_unit_test(test_implementations), cmocka_unit_test(test_found),
        cmocka_unit_test(test_hostile),         cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_perturbed),       cmocka_unit_test(test_asymmetric),
        cmocka_unit_test(test_effort),          cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
