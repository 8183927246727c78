/* SPDX-License-Identifier: BSD-3-Clause */
/* GRID: its arithmetic against quadruple precision, every implementation, what the encoder finds.
 */
#include "codec_checks.h"

#include <math.h>

#include "codec/grid.h"
#include "grid_maker.h"
#include "codec/cpu.h"

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

            if (lwc_impls[k]->isa & lwc_cpu_isa()) {
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arithmetic),      cmocka_unit_test(test_steps_allowed),
        cmocka_unit_test(test_implementations), cmocka_unit_test(test_found),
        cmocka_unit_test(test_hostile),         cmocka_unit_test(test_neighbours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
