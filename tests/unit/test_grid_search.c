/* SPDX-License-Identifier: BSD-3-Clause */
/* What the search for a grid finds among strangers and differences, and what it may take. */
#include "encode/grid_encode.h"
#include "grid_maker.h"

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

/* Bits of a float, rounded to the field: once it, as GRID has it. */
static uint32_t rounded(float value, uint8_t field)
{
    const struct lwc_grid_arithmetic once = {LWC_GRID_PRODUCT, field, field};
    struct lwc_grid_parameters scale = {0, 0};

    memcpy(&scale.scale, &value, sizeof(value));
    return value == 0 ? 0 : lwc_grid_element(&once, scale, 1);
}

/* A scale is found by all elements: as many strangers as allowed, wherever they are, hide none. */
static void test_first_strangers(void **unused)
{
    (void)unused;
    for (unsigned int round = 0; round < 300; round++) {
        uint8_t field = floats[round % 3], src[64 * 4];
        uint32_t element = lwc_field_size(field), largest = 1 + round / 3 % 15;
        uint32_t allowed = grid_misses_allowed(64), bits, scale, hits = 0;
        struct grid_work work = {.most = 1000000};
        struct grid_search search = {.arithmetic = {LWC_GRID_PRODUCT, field, field},
                                     .limit = GRID_LARGEST_4,
                                     .strangers = allowed,
                                     .work = &work};

        for (uint32_t i = 0; i < 64; i++) {
            bool stranger = i / 3 < allowed && i % 3 == 0;
            float integer = (float)(i > 60 ? largest : 1 + rnd() % largest);

            bits = rounded((stranger ? 0.37f : integer) * 0x1.36p-4f, field);
            memcpy(src + i * element, &bits, element);
        }
        scale = grid_scale(&search, src, 64);
        for (uint32_t i = 0; i < 64; i++) {
            bool hit = false;

            for (uint32_t integer = 1; integer <= GRID_LARGEST_4; integer++) {
                bits = lwc_grid_element(&search.arithmetic, (struct lwc_grid_parameters){scale, 0},
                                        (uint8_t)integer);
                hit |= scale && !memcmp(&bits, src + i * element, element);
            }
            hits += hit;
        }
        assert_true(hits >= 64 - allowed);
    }
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
        cmocka_unit_test(test_perturbed),  cmocka_unit_test(test_first_strangers),
        cmocka_unit_test(test_asymmetric), cmocka_unit_test(test_rows),
        cmocka_unit_test(test_effort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
