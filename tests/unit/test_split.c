/* SPDX-License-Identifier: BSD-3-Clause */
/* SPLIT: blocks of all quantised dtypes through all decoders, and stored bytes that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "codec_checks.h"

/* What the bytes of blocks look like. */
enum shape { ANY, EQUAL, PEAKED, SCALES, REPEATED, SHAPES }; /* SCALES: at both ends of a block */

static uint8_t peaked(void)
{
    return (uint8_t)(rnd() % 16 + rnd() % 16 + rnd() % 16 - 24);
}

static void fill(uint8_t *src, enum shape shape, uint32_t block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        src[i] = shape == EQUAL    ? 9
                 : shape == PEAKED ? peaked()
                 : shape == SCALES && (i % block < 2 || i % block >= block - 2)
                     ? (uint8_t)(0x1c + (rnd() & 3))
                 : shape == REPEATED && i >= 64 * (size_t)block ? src[i - 64 * block]
                                                                : (uint8_t)rnd();
}

static unsigned int codecs_of(const struct encoded_tile *tile)
{
    unsigned int seen = 0;

    for (unsigned int i = 0; i < tile->data[0]; i++) {
        struct lwc_split_member member;

        memcpy(&member, tile->data + sizeof(struct lwc_split_header) + i * sizeof(member),
               sizeof(member));
        seen |= 1u << member.codec;
    }
    return seen;
}

static void test_every_dtype(void **unused)
{
    static const struct encode_policy policies[] = {
        {.structures = 1u << LWC_STRUCTURE_2222, .zstd_level = 1, .slow_gain = 10},
        {.structures = 1u << LWC_STRUCTURE_2222, .zstd_level = 1, .try_all = true}};
    static const uint32_t sizes[] = {1, 600, 9000, 40000, LWC_TILE_TARGET, LWC_TILE_MAX};
    struct lwc_scratch scratch = scratch_new();
    uint8_t *src = malloc(LWC_TILE_MAX);
    struct encoded_tile tile = {0};
    unsigned int codecs = 0;

    (void)unused;
    for (uint16_t dtype = LWC_DTYPE_Q4_0; dtype < LWC_DTYPES; dtype++) {
        struct encoder *encoder = encoder_new(&policies[dtype % 2]);
        uint32_t block = lwc_dtype_block(dtype).bytes;
        unsigned int splits = 0;

        for (unsigned int i = 0; i < SHAPES * 6; i++) {
            size_t size = sizes[i / SHAPES] / block * block;

            size = size ? size : block;
            fill(src, (enum shape)(i % SHAPES), block, size);
            assert_int_equal(encode_tile(encoder, dtype, 0, src, size, &tile), 0);
            assert_true(tile.size <= size);
            assert_int_equal(verdict(&tile.entry, tile.data, tile.size, src, size, &scratch),
                             LWC_OK);
            if (tile.entry.chain[0] != LWC_CODEC_SPLIT)
                continue;
            splits++;
            codecs |= codecs_of(&tile);
        }
        assert_true(splits > 1);
        encoder_free(encoder);
    }
    assert_int_equal(codecs, 1 << LWC_CODEC_RAW | 1 << LWC_CODEC_ZSTD | 1 << LWC_CODEC_LEVELS);
    free(tile.data);
    free(src);
    free(scratch.tile);
    free(scratch.zstd);
}

/* 300 blocks of Q4_0 with all three codecs of members. */
static struct encoded_tile small_tile(uint8_t *src)
{
    struct encode_policy policy = {
        .structures = 1u << LWC_STRUCTURE_2222, .zstd_level = 1, .slow_gain = 60};
    struct encoder *encoder = encoder_new(&policy);
    struct encoded_tile tile = {0};

    for (unsigned int i = 0; i < 300; i++) {
        src[18 * i] = (uint8_t)(i / 20);
        src[18 * i + 1] = (uint8_t)(0x1c + (rnd() & 3));
        for (unsigned int k = 2; k < 18; k++)
            src[18 * i + k] = (uint8_t)rnd();
    }
    assert_int_equal(encode_tile(encoder, LWC_DTYPE_Q4_0, 0, src, 5400, &tile), 0);
    assert_int_equal(tile.entry.chain[0], LWC_CODEC_SPLIT);
    assert_int_equal(codecs_of(&tile),
                     1 << LWC_CODEC_RAW | 1 << LWC_CODEC_ZSTD | 1 << LWC_CODEC_LEVELS);
    encoder_free(encoder);
    return tile;
}

static void test_damage(void **unused)
{
    struct lwc_scratch scratch = scratch_new();
    uint8_t src[5400], more[5401] = {0};
    struct encoded_tile tile = small_tile(src);
    unsigned int refused = 0;

    (void)unused;
    for (size_t cut = 0; cut < tile.size; cut++)
        assert_int_equal(verdict(&tile.entry, tile.data, cut, NULL, 5400, &scratch),
                         LWC_ERR_TRUNCATED);
    memcpy(more, tile.data, tile.size);
    assert_int_equal(verdict(&tile.entry, more, tile.size + 1, NULL, 5400, &scratch),
                     LWC_ERR_TRAILING);
    for (unsigned int round = 0; round < 20; round++)
        refused += damage(&tile, 44, 5400, &scratch);
    assert_true(refused > 800);
    free(tile.data);
    free(scratch.tile);
    free(scratch.zstd);
}

/* Stored bytes from parts: members as given, then size bytes of payload. */
static enum lwc_error made(const struct lwc_split_member *members, unsigned int count,
                           size_t payload, size_t length)
{
    struct lwc_scratch scratch = scratch_new();
    struct lwc_tile entry = {.chain = {LWC_CODEC_SPLIT}};
    struct lwc_split_header header = {.members = (uint8_t)count};
    size_t size = sizeof(header) + count * sizeof(*members);
    uint8_t *stored = calloc(1, size + payload);
    enum lwc_error error;

    memcpy(stored, &header, sizeof(header));
    if (count)
        memcpy(stored + sizeof(header), members, count * sizeof(*members));
    error = verdict(&entry, stored, size + payload, NULL, length, &scratch);
    free(stored);
    free(scratch.tile);
    free(scratch.zstd);
    return error;
}

static void test_headers_that_lie(void **unused)
{
    struct lwc_split_member raw = {.stored = 10, .bytes = 1, .codec = LWC_CODEC_RAW}, bad = raw;
    struct lwc_split_member many[17];

    (void)unused;
    for (unsigned int i = 0; i < 17; i++)
        many[i] = raw;
    assert_int_equal(made(many, 1, 10, 10), LWC_OK);
    assert_int_equal(made(many, 16, 160, 160), LWC_OK);
    assert_int_equal(made(many, 0, 10, 10), LWC_ERR_GEOMETRY);
    assert_int_equal(made(many, 17, 170, 170), LWC_ERR_GEOMETRY);
    assert_int_equal(made(many, 3, 30, 31), LWC_ERR_GEOMETRY); /* not whole blocks */
    assert_int_equal(made(many, 2, 20, 40), LWC_ERR_GEOMETRY); /* of another length */
    assert_int_equal(made(many, 2, 19, 20), LWC_ERR_TRUNCATED);
    assert_int_equal(made(many, 2, 21, 20), LWC_ERR_TRAILING);
    bad.bytes = 0;
    assert_int_equal(made(&bad, 1, 10, 10), LWC_ERR_GEOMETRY);
    bad = raw;
    bad.reserved[2] = 1;
    assert_int_equal(made(&bad, 1, 10, 10), LWC_ERR_PADDING);
    for (unsigned int i = 0; i < 16; i++)
        many[i].stored = 0xffffffff;
    assert_int_equal(made(many, 16, 160, 160), LWC_ERR_TRUNCATED);
    for (unsigned int codec = 0; codec < 256; codec++) {
        if (codec == LWC_CODEC_RAW || codec == LWC_CODEC_ZSTD)
            continue;
        bad = raw;
        bad.codec = (uint8_t)codec; /* LEVELS without a structure, too */
        assert_int_equal(made(&bad, 1, 10, 10), LWC_ERR_CHAIN);
    }
    bad = raw;
    bad.structure = LWC_STRUCTURE_41;
    assert_int_equal(made(&bad, 1, 10, 10), LWC_ERR_CHAIN);
    bad.codec = LWC_CODEC_LEVELS;
    bad.field = LWC_FIELD_BF16;
    assert_int_equal(made(&bad, 1, 10, 10), LWC_ERR_CHAIN);
    bad.field = LWC_FIELD_I8;
    assert_int_equal(made(&bad, 1, 10, LWC_SPLIT_LEVELS_MAX), LWC_ERR_TRUNCATED);
    assert_int_equal(made(&bad, 1, 10, LWC_SPLIT_LEVELS_MAX + 1), LWC_ERR_CHAIN);
    bad = raw;
    bad.codec = LWC_CODEC_ZSTD;
    assert_int_equal(made(&bad, 1, 10, 10), LWC_ERR_ZSTD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_dtype),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_headers_that_lie),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
