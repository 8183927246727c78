/* SPDX-License-Identifier: BSD-3-Clause */
/* Every encoder output through every decoder of this CPU; damaged streams give one error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include "codec/cpu.h"
#include "encode/encode.h"
#include "encode/levels_encode.h"
#include "codec_checks.h"

/* What a tile's weights look like. */
enum shape { GAUSS, EQUAL, WIDE, SPECIAL, TWO, SHAPES };

/* Weights of the tile that is damaged. */
#define DAMAGED 4133

static uint16_t weight(enum shape shape)
{
    double u = ((double)(rnd() >> 11) + 1) * 0x1p-53, v = (double)(rnd() >> 11) * 0x1p-53;
    float f = (float)(0.02 * sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
    uint32_t bits;

    switch (shape) {
    case EQUAL:
        return 0x3f80;
    case WIDE:
        return (uint16_t)rnd(); /* any bits: NaN payloads, infinities, mostly escapes */
    case SPECIAL: {
        static const uint16_t values[] = {0x7f80, 0xff80, 0x7fc1, 0xffff,
                                          0x0001, 0x8001, 0,      0x8000};

        return values[rnd() % 8];
    }
    case TWO:
        return rnd() % 50 ? 0x3c00 : 0x4100;
    default:
        memcpy(&bits, &f, 4);
        return (uint16_t)(bits >> 16);
    }
}

static size_t encode(int structure, uint8_t field, const void *src, size_t weights, uint8_t *packed)
{
    uint8_t *scratch = malloc(levels_scratch((uint32_t)weights));
    struct levels_survey survey;
    size_t size;

    levels_survey(&survey, field, 1u << structure, src, (uint32_t)weights, scratch);
    size = levels_size(&survey, (uint8_t)structure);
    assert_int_equal(levels_encode(&survey, (uint8_t)structure, packed), size);
    free(scratch);
    return size;
}

/* kept of the integers that went through cross(): a bit each */
static uint32_t kept_of_integers;

/* n elements of the field through all structures and implementations. */
static void cross(uint8_t field, const void *w, size_t n)
{
    size_t bytes = n * lwc_field_size(field), weights = lwc_field_weights(field, bytes);
    struct lwc_scratch scratch = scratch_new();
    uint8_t *packed = malloc(levels_capacity((uint32_t)weights)), *out = malloc(bytes + 1);
    uint32_t mask = lwc_cpu_isa();
    int structure;
    unsigned int i;

    for (structure = 1; structure < LWC_STRUCTURES; structure++) {
        size_t size = encode(structure, field, w, weights, packed);
        uint8_t *exact = malloc(size); /* ASan sees a read past its end */
        struct lwc_tile entry = {
            .chain = {LWC_CODEC_LEVELS}, .param = (uint8_t)structure, .field = field};

        memcpy(exact, packed, size);
        if (field == LWC_FIELD_I8)
            kept_of_integers |= 1u << packed[offsetof(struct lwc_levels_header, kept)];
        for (i = 0; i < lwc_impl_count; i++) {
            if (!(lwc_impls[i]->isa & mask))
                continue;
            memset(out, 0xa5, bytes + 1);
            assert_int_equal(
                lwc_tile_decode(lwc_impls[i], &entry, exact, size, out, bytes, &scratch), LWC_OK);
            assert_memory_equal(out, w, bytes);
            assert_int_equal(out[bytes], 0xa5);
        }
        free(exact);
    }
    free(packed);
    free(out);
    free(scratch.tile);
    free(scratch.zstd);
}

static void test_levels_cross(void **unused)
{
    static const size_t sizes[] = {1,    2,    63,   64,   65,    127,   2047,
                                   2048, 2049, 4096, 5000, 65536, 131071};
    uint16_t *w = malloc(131072 * 2);
    unsigned int shape, s;
    size_t i;

    (void)unused;
    for (shape = 0; shape < SHAPES; shape++)
        for (s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
            for (i = 0; i < sizes[s]; i++)
                w[i] = weight(shape);
            cross(LWC_FIELD_BF16, w, sizes[s]);
        }
    free(w);
}

/* Gaussian and any bits, in every field, with each number of mantissa bits kept. */
static void test_fields_cross(void **unused)
{
    static const size_t sizes[] = {1, 63, 64, 65, 2047, 2048, 2049, 5000};
    static const unsigned int mantissa[LWC_FIELDS] = {0, 7, 10, 23, 3, 2, 6, 0};
    uint8_t *w = malloc(5000 * 4);

    (void)unused;
    for (uint8_t field = 1; field < LWC_FIELDS; field++)
        for (unsigned int zeroes = 0; zeroes <= mantissa[field]; zeroes++)
            for (unsigned int s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
                unsigned int element = lwc_field_size(field);

                for (size_t i = 0; i < sizes[s]; i++) {
                    uint32_t v = (uint32_t)rnd();

                    if (s & 1) /* few symbols, unlike any bits */
                        v = (v & 0x807fffffu) | (uint32_t)(weight(GAUSS) & 0x7f80) << 16;
                    v >>= 32 - 8 * element;
                    if (field == LWC_FIELD_I8) /* few symbols in front of any bits */
                        v = (v & ((1u << zeroes) - 1)) | (uint32_t)__builtin_ctzll(rnd() | 8)
                                                             << zeroes;
                    else
                        v = v >> zeroes << zeroes;
                    memcpy(w + i * element, &v, element);
                }
                cross(field, w, sizes[s]);
            }
    assert_int_equal(kept_of_integers, 0x7f);
    free(w);
}

/* A bit of any byte, or of what is not the rest: there it matters. */
static void flip(uint8_t *stored, size_t size, int any)
{
    size_t rest = sizeof(struct lwc_levels_header) + DAMAGED, at = rnd() % size;

    if (!any && size > rest)
        at = rnd() & 3 ? rest + rnd() % (size - rest) : rnd() % sizeof(struct lwc_levels_header);
    stored[at] ^= (uint8_t)(1u << rnd() % 8);
}

/* A flipped bit or a cut must give the same verdict, and the same bytes if it is accepted. */
static void test_levels_damage(void **unused)
{
    struct lwc_scratch scratch = scratch_new();
    uint16_t w[DAMAGED];
    uint8_t *packed = malloc(levels_capacity(DAMAGED)), *want = malloc(2 * DAMAGED),
            *out = malloc(2 * DAMAGED);
    uint32_t mask = lwc_cpu_isa();
    int structure, round, refused = 0;
    unsigned int i;

    (void)unused;
    for (i = 0; i < DAMAGED; i++)
        w[i] = weight(GAUSS);
    for (structure = 1; structure < LWC_STRUCTURES; structure++)
        for (round = 0; round < 4000; round++) {
            size_t size = encode(structure, LWC_FIELD_BF16, w, DAMAGED, packed);
            size_t cut = round % 4 == 3 ? rnd() % size : size;
            uint8_t *exact = malloc(cut ? cut : 1);
            struct lwc_tile entry = {
                .chain = {LWC_CODEC_LEVELS}, .param = (uint8_t)structure, .field = LWC_FIELD_BF16};
            enum lwc_error first = LWC_OK, error;

            memcpy(exact, packed, cut);
            for (i = 0; cut && i < 1 + rnd() % 4; i++)
                flip(exact, cut, round & 1);
            for (i = 0; i < lwc_impl_count; i++) {
                if (!(lwc_impls[i]->isa & mask))
                    continue;
                error =
                    lwc_tile_decode(lwc_impls[i], &entry, exact, cut, out, 2 * DAMAGED, &scratch);
                if (!i) {
                    first = error;
                    memcpy(want, out, 2 * DAMAGED);
                }
                assert_int_equal(error, first);
                if (!error)
                    assert_memory_equal(out, want, 2 * DAMAGED);
            }
            refused += first != LWC_OK;
            free(exact);
        }
    assert_true(refused > 1000);
    free(packed);
    free(want);
    free(out);
    free(scratch.tile);
    free(scratch.zstd);
}

static void test_every_codec(void **unused)
{
    struct encode_policy policy = {.structures = 1u << LWC_STRUCTURE_2222, .zstd_level = 3};
    struct encoder *encoder = encoder_new(&policy);
    struct lwc_scratch scratch = scratch_new();
    struct encoded_tile tile = {0};
    uint8_t *src = malloc(LWC_TILE_MAX), *out = malloc(LWC_TILE_MAX);
    static const size_t sizes[] = {1, 2, 3, 4, 8, 100, 4096, 131072, 262144};
    unsigned int dtype, s, kind, seen = 0;
    size_t i;

    (void)unused;
    assert_non_null(encoder);
    for (dtype = 0; dtype < LWC_DTYPES; dtype++)
        for (s = 0; s < sizeof(sizes) / sizeof(*sizes); s++)
            for (kind = 0; kind < 4; kind++) {
                for (i = 0; i < sizes[s]; i++)
                    src[i] = kind == 0   ? (uint8_t)rnd()
                             : kind == 1 ? 7
                             : kind == 2 ? (uint8_t)(i % 4 < 2 ? 0 : rnd())
                                         : (uint8_t)(weight(GAUSS) >> (i & 1 ? 8 : 0));
                assert_int_equal(encode_tile(encoder, (uint16_t)dtype, 0, src, sizes[s], &tile), 0);
                assert_true(tile.size <= sizes[s]);
                seen |= 1u << tile.entry.chain[0];
                assert_int_equal(lwc_tile_decode(lwc_impl_select(lwc_cpu_isa()), &tile.entry,
                                                 tile.data, tile.size, out, sizes[s], &scratch),
                                 LWC_OK);
                assert_memory_equal(src, out, sizes[s]);
            }
    assert_int_equal(seen, 1 << LWC_CODEC_RAW | 1 << LWC_CODEC_CONST | 1 << LWC_CODEC_ZSTD |
                               1 << LWC_CODEC_LEVELS | 1 << LWC_CODEC_PLANES |
                               1 << LWC_CODEC_SPARSE);
    encoder_free(encoder);
    free(tile.data);
    free(src);
    free(out);
    free(scratch.tile);
    free(scratch.zstd);
}

/* Planes do not share statistics: the upper bytes of Gaussian weights cost half of what they would.
 */
static void test_planes(void **unused)
{
    struct encode_policy policy = {.zstd_level = 3};
    struct encoder *encoder = encoder_new(&policy);
    struct lwc_scratch scratch = scratch_new();
    struct encoded_tile tile = {0};
    static uint16_t w[65536];

    (void)unused;
    for (unsigned int i = 0; i < 65536; i++)
        w[i] = weight(GAUSS);
    assert_int_equal(encode_tile(encoder, LWC_DTYPE_BF16, 0, (const uint8_t *)w, sizeof(w), &tile),
                     0);
    assert_int_equal(tile.entry.chain[0], LWC_CODEC_PLANES);
    assert_true(tile.size * 8 < 65536 * 11.5);
    assert_int_equal(
        verdict(&tile.entry, tile.data, tile.size, (const uint8_t *)w, sizeof(w), &scratch),
        LWC_OK);
    encoder_free(encoder);
    free(tile.data);
    free(scratch.tile);
    free(scratch.zstd);
}

/* Zeroes in one way or another: at random, two of four, runs, only at an end. */
static bool is_zero(unsigned int kind, size_t i, size_t n)
{
    switch (kind) {
    case 0:
        return rnd() & 1;
    case 1:
        return (i & 3) == 0 || (i & 3) == 2 + (i >> 2) % 2; /* two of each four */
    case 2:
        return rnd() % 8 != 0;
    case 3:
        return i > n / 3;
    case 4:
        return i < n - n / 3;
    default:
        return i / 100 % 2;
    }
}

static void test_sparse(void **unused)
{
    static const uint16_t dtypes[] = {LWC_DTYPE_BF16, LWC_DTYPE_F16, LWC_DTYPE_F32, LWC_DTYPE_I8};
    static const size_t sizes[] = {16, 64, 100, 4096, 20000, 65532};
    struct encode_policy policy = {.structures = 1u << LWC_STRUCTURE_2222, .zstd_level = 1};
    struct encoder *encoder = encoder_new(&policy);
    struct lwc_scratch scratch = scratch_new();
    struct encoded_tile tile = {0};
    uint8_t *src = malloc(65536 * 4);
    unsigned int sparse = 0, two_of_four = 0, refused = 0;

    (void)unused;
    for (unsigned int round = 0; round < 4 * 6 * 6; round++) {
        size_t n = sizes[round / 4 % 6], element = lwc_dtype_size(dtypes[round % 4]);

        for (size_t i = 0; i < n; i++) {
            uint32_t v = (uint32_t)weight(GAUSS) << 16 | (rnd() & 0xffff);

            v >>= 32 - 8 * element;
            if (is_zero(round / 24, i, n))
                v = 0;
            memcpy(src + i * element, &v, element);
        }
        assert_int_equal(encode_tile(encoder, dtypes[round % 4], 0, src, n * element, &tile), 0);
        assert_int_equal(verdict(&tile.entry, tile.data, tile.size, src, n * element, &scratch),
                         LWC_OK);
        if (tile.entry.chain[0] != LWC_CODEC_SPARSE)
            continue;
        sparse++;
        two_of_four += tile.data[5] == LWC_MASK_2_OF_4;
        refused += damage(&tile, 40, n * element, &scratch);
    }
    assert_true(sparse > 50 && two_of_four > 5 && refused > 1000);
    encoder_free(encoder);
    free(tile.data);
    free(src);
    free(scratch.tile);
    free(scratch.zstd);
}

static void test_crc(void **unused)
{
    uint8_t zeros[32] = {0}, *big = malloc(200001);
    uint32_t parts = 0;
    size_t i;

    (void)unused;
    assert_int_equal(lwc_crc32c(0, zeros, 32), 0x8a9136aa); /* RFC 3720 B.4 */
    assert_int_equal(lwc_crc32c(0, (const uint8_t *)"123456789", 9), 0xe3069283);
    for (i = 0; i < 200001; i++)
        big[i] = (uint8_t)rnd();
    for (i = 0; i < 200001; i += 1000) /* short pieces take the single stream */
        parts = lwc_crc32c(parts, big + i, 200001 - i < 1000 ? 200001 - i : 1000);
    assert_int_equal(lwc_crc32c(0, big, 200001), parts);
    free(big);
}

static void test_names(void **unused)
{
    static const char *const bad[] = {"",  "/",  "/a",     "a/",  "a//b",
                                      ".", "..", "a/../b", "./a", "a/."};
    unsigned int i;

    (void)unused;
    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(lwc_name_ok(bad[i], strlen(bad[i])));
    assert_false(lwc_name_ok("a\0b", 3));
    assert_true(lwc_name_ok("a/..b/c.", 8));
}

static void test_isa_of_flags(void **unused)
{
    const uint32_t bmi2 = LWC_ISA_SCALAR | LWC_ISA_BMI2, avx2 = bmi2 | LWC_ISA_AVX2;

    (void)unused;
    assert_int_equal(lwc_isa_of(0), LWC_ISA_SCALAR);
    assert_int_equal(lwc_isa_of(LWC_CPU_ALL), LWC_ISA_ALL);
    for (uint32_t flag = 0; flag < LWC_CPU_FLAGS; flag++)
        assert_int_equal(lwc_isa_of(LWC_CPU_ALL & ~(1u << flag)), flag <= LWC_CPU_LZCNT
                                                                      ? LWC_ISA_SCALAR
                                                                  : flag <= LWC_CPU_F16C ? bmi2
                                                                                         : avx2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_cross),  cmocka_unit_test(test_fields_cross),
        cmocka_unit_test(test_levels_damage), cmocka_unit_test(test_every_codec),
        cmocka_unit_test(test_planes),        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_crc),           cmocka_unit_test(test_names),
        cmocka_unit_test(test_isa_of_flags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
