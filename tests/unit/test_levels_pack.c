/* SPDX-License-Identifier: BSD-3-Clause */
/* The loops of the LEVELS encoder: every implementation of this CPU does what the format says. */
#include "codec_checks.h"
#include "encode/levels_pack.h"

enum shape { UNIFORM, PEAKED, CHANGING, STRAYS, ONE, SHAPES };

/* Symbols; STRAYS begin late. Of CHANGING, others from part to part, so that what was usual no
 * longer is. */
static void fill(uint8_t *symbols, uint32_t count, enum shape shape)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t peaked = 120 - (uint32_t)__builtin_ctzll(rnd() | 1ull << 40);

        symbols[i] = shape == UNIFORM    ? (uint8_t)rnd()
                     : shape == PEAKED   ? (uint8_t)peaked
                     : shape == CHANGING ? (uint8_t)(peaked + i / 6000 * 77)
                     : shape == STRAYS && i > 5000 && rnd() % 64 == 0 ? (uint8_t)(rnd() % 16)
                                                                      : 255;
    }
}

/* The bytes of an exact length, so that ASan sees what is read or written behind them. */
static uint8_t *copy_of(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    memcpy(copy, bytes, size);
    return copy;
}

static uint32_t code_at(const uint8_t *stream, uint32_t i, uint32_t width)
{
    uint32_t code = 0;

    for (uint32_t b = 0; b < width; b++) {
        size_t bit = (size_t)i * width + b;

        code |= (uint32_t)(stream[bit / 8] >> bit % 8 & 1) << b;
    }
    return code;
}

static void check_padding(const uint8_t *stream, uint32_t count, uint32_t width)
{
    size_t bits = (size_t)count * width;

    if (bits % 8)
        assert_int_equal(stream[bits / 8] >> bits % 8, 0);
}

static void check_count(const struct levels_packer *packer, const uint8_t *symbols, uint32_t count)
{
    uint8_t *exact = copy_of(symbols, count);
    uint32_t want[256] = {0}, counts[256];

    for (uint32_t i = 0; i < count; i++)
        want[symbols[i]]++;
    packer->count(exact, count, counts);
    assert_memory_equal(counts, want, sizeof(want));
    free(exact);
}

static void check_codes(const struct levels_packer *packer, const uint8_t *symbols, uint32_t count,
                        uint32_t width)
{
    uint8_t *codes = copy_of(symbols, count), *stream = malloc(lwc_stream_bytes(count, width) + 1);

    for (uint32_t i = 0; i < count; i++)
        codes[i] &= (uint8_t)((1u << width) - 1);
    stream[lwc_stream_bytes(count, width)] = 0xa5;
    packer->codes(codes, count, width, stream);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(code_at(stream, i, width), codes[i]);
    check_padding(stream, count, width);
    assert_int_equal(stream[lwc_stream_bytes(count, width)], 0xa5);
    free(codes);
    free(stream);
}

static void check_level(const struct levels_packer *packer, const uint8_t *symbols, uint32_t count,
                        uint32_t width)
{
    uint8_t *exact = copy_of(symbols, count), *stream = malloc(lwc_stream_bytes(count, width) + 1);
    uint8_t symbol[16];
    uint32_t ones = (1u << width) - 1, counts[256], known, on = 0, passed;

    packer_count_scalar(symbols, count, counts);
    known = packer_rank(counts, symbol, ones);
    if (known && rnd() % 4 == 0)
        known--;
    stream[lwc_stream_bytes(count, width)] = 0xa5;
    passed = packer->level(exact, count, symbol, known, width, stream);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code = code_at(stream, i, width);
        const uint8_t *place = memchr(symbol, symbols[i], known);

        assert_int_equal(code, place ? (uint32_t)(place - symbol) : ones);
        if (!place)
            assert_int_equal(exact[on++], symbols[i]);
    }
    assert_int_equal(passed, on);
    check_padding(stream, count, width);
    assert_int_equal(stream[lwc_stream_bytes(count, width)], 0xa5);
    free(exact);
    free(stream);
}

static void test_every_packer(void **unused)
{
    static const uint32_t counts[] = {0,    1,    7,    63,   64,    65,    127,   128,
                                      159,  160,  161,  191,  4095,  4096,  4097,  8191,
                                      8192, 9000, 4161, 4224, 12288, 40000, 65536, 70001};
    uint8_t *symbols = malloc(70001);

    (void)unused;
    for (unsigned int p = 0; p < levels_packer_count; p++) {
        if (!(levels_packers[p]->isa & lwc_cpu_isa()))
            continue;
        for (unsigned int i = 0; i < SHAPES * sizeof(counts) / sizeof(counts[0]); i++) {
            uint32_t count = counts[i / SHAPES];

            fill(symbols, count, i % SHAPES);
            check_count(levels_packers[p], symbols, count);
            for (uint32_t width = 1; width <= 7; width++)
                check_codes(levels_packers[p], symbols, count, width);
            for (uint32_t width = 1; width <= 4; width++)
                check_level(levels_packers[p], symbols, count, width);
        }
    }
    free(symbols);
}

static void test_rank(void **unused)
{
    uint32_t counts[256];
    uint8_t ranked[17];

    (void)unused;
    for (unsigned int round = 0; round < 2000; round++) {
        uint32_t most = 1 + rnd() % 16, used, there = 0;

        for (uint32_t s = 0; s < 256; s++) {
            counts[s] = rnd() % 3 ? rnd() % (round % 40 + 1) : 0;
            there += counts[s] != 0;
        }
        ranked[most] = 0xa5;
        used = packer_rank(counts, ranked, most);
        assert_int_equal(used, there < most ? there : most);
        assert_int_equal(ranked[most], 0xa5);
        for (uint32_t i = 0; i < used; i++) {
            uint32_t before = 0;

            for (uint32_t s = 0; s < 256; s++)
                before += counts[s] > counts[ranked[i]] ||
                          (counts[s] == counts[ranked[i]] && s < ranked[i]);
            assert_true(counts[ranked[i]] && before == i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_packer),
        cmocka_unit_test(test_rank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
