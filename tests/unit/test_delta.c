/* SPDX-License-Identifier: BSD-3-Clause */
/* DELTA of every field through every decoder of this CPU; damaged ones give one error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <cmocka.h>
#undef fail
#include <stdlib.h>
#include <string.h>
#include "container/decoder.h"
#include "encode/delta_encode.h"
#include "encode/encode.h"
#include "random.h"

/* How a tile differs from the base's. */
enum change { RARE, STEPS, SAME_SIZE, WILD, LARGEST, CHANGES };

#define LARGE 70001

static struct decoder decoder;
static struct delta_encoder *encoder;
static uint8_t *base, *tile, *out;

static int set_up(void **unused)
{
    struct failure failure;

    (void)unused;
    base = malloc(4 * LARGE);
    tile = malloc(4 * LARGE);
    out = malloc(4 * LARGE + 1);
    encoder = delta_encoder_new();
    return decoder_init(&decoder, LWC_ISA_ALL, &failure);
}

static int tear_down(void **unused)
{
    (void)unused;
    decoder_free(&decoder);
    delta_encoder_free(encoder);
    free(base);
    free(tile);
    free(out);
    return 0;
}

static uint32_t get(const uint8_t *from, uint32_t element, size_t i)
{
    uint32_t value = 0;

    memcpy(&value, from + i * element, element);
    return value;
}

static void put(uint8_t *to, uint32_t element, size_t i, uint32_t value)
{
    memcpy(to + i * element, &value, element);
}

/* An element with a symbol of falling frequency, any sign and mantissa. */
static uint32_t weight(const struct lwc_field_layout *layout)
{
    uint32_t symbol = (1u << layout->symbol) / 2, rest = (uint32_t)rnd();

    while (symbol && rnd() % 2)
        symbol--;
    rest &= (1u << layout->mantissa) - 1;
    return symbol << layout->mantissa | rest | (uint32_t)(rnd() & 1) << (8 * layout->element - 1);
}

static uint32_t changed(uint32_t old, enum change change, const struct lwc_field_layout *layout)
{
    uint32_t symbol = old >> layout->mantissa & ((1u << layout->symbol) - 1);
    uint32_t top = (1u << layout->symbol) / 2, up = symbol < top ? top - symbol : 0;
    int32_t step = (int32_t)(rnd() % 7) - 3;

    switch (change) {
    case RARE:
        return rnd() % 100 ? old : old + (uint32_t)step;
    case STEPS:
        return old + (uint32_t)step;
    case SAME_SIZE: /* in absolute terms: the more, the smaller the weight */
        return old + (uint32_t)step * (1u << (up < 12 ? up : 12)) + (uint32_t)(rnd() % 3);
    case WILD:
        return rnd() % 30 ? old : (uint32_t)rnd();
    default: /* from the least to the greatest of all values, and back */
        return rnd() % 40 ? old : old ^ ~0u >> (32 - 8 * layout->element);
    }
}

static void make(uint8_t field, enum change change, size_t n)
{
    const struct lwc_field_layout *layout = &lwc_field_layouts[field];

    for (size_t i = 0; i < n; i++) {
        uint32_t old = rnd() % 50 ? weight(layout) : (uint32_t)rnd();

        put(base, layout->element, i, old);
        put(tile, layout->element, i, changed(get(base, layout->element, i), change, layout));
    }
}

/* All implementations on the same stored bytes; what they agree on. */
static enum lwc_error decode_all(uint8_t field, const uint8_t *stored, size_t size, size_t length,
                                 uint8_t *decoded)
{
    struct lwc_tile entry = {.chain = {LWC_CODEC_DELTA}, .field = field};
    uint8_t *exact = malloc(size + !size), *exact_base = malloc(length); /* ASan sees all else */
    uint8_t *other = malloc(length + 1);
    enum lwc_error first = LWC_OK;

    memcpy(exact, stored, size);
    memcpy(exact_base, base, length);
    decoder.scratch.base = exact_base;
    for (unsigned int i = 0; i < lwc_impl_count; i++) {
        enum lwc_error error;

        if (!(lwc_impls[i]->isa & decoder.isa))
            continue;
        other[length] = 0xa5;
        error = lwc_tile_decode(lwc_impls[i], &entry, exact, size, other, length, &decoder.scratch);
        assert_int_equal(other[length], 0xa5);
        if (i == 0) {
            first = error;
            memcpy(decoded, other, length);
        }
        assert_int_equal(error, first);
        if (!error)
            assert_memory_equal(other, decoded, length);
    }
    decoder.scratch.base = NULL;
    free(exact);
    free(exact_base);
    free(other);
    return first;
}

static void test_round_trip(void **unused)
{
    static const size_t sizes[] = {1, 2, 3, 4, 5, 63, 64, 65, 127, 128, 1000, 4099, LARGE};

    (void)unused;
    for (uint8_t field = 1; lwc_delta_field(field); field++)
        for (int change = 0; change < CHANGES; change++)
            for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
                size_t n = sizes[s], length = n * lwc_field_size(field), size;
                const uint8_t *stored;

                if (length > LWC_TILE_MAX)
                    n = (length = LWC_TILE_MAX) / lwc_field_size(field);
                make(field, change, n);
                size = delta_encode(encoder, field, tile, base, (uint32_t)n, LWC_TILE_MAX, &stored);
                if (n > 1000 && (change == RARE || change == STEPS))
                    assert_in_range(size, 1, length * 3 / 4);
                /* as long as the elements it would be refused */
                if (!size || size > length)
                    continue;
                assert_int_equal(decode_all(field, stored, size, length, out), LWC_OK);
                assert_memory_equal(out, tile, length);
            }
}

static void test_truncated(void **unused)
{
    static const uint8_t fields[] = {LWC_FIELD_BF16, LWC_FIELD_F32, LWC_FIELD_E4M3};

    (void)unused;
    for (size_t f = 0; f < sizeof(fields); f++)
        for (int change = 0; change < CHANGES; change++) {
            size_t n = 777, length = n * lwc_field_size(fields[f]), size;
            const uint8_t *stored;

            make(fields[f], change, n);
            size = delta_encode(encoder, fields[f], tile, base, (uint32_t)n, length, &stored);
            for (size_t cut = 1; cut < size; cut++)
                assert_int_not_equal(decode_all(fields[f], stored, cut, length, out), LWC_OK);
        }
}

static void test_damaged(void **unused)
{
    uint8_t *copy = malloc(LWC_TILE_MAX);
    size_t refused = 0, rounds = 4000;

    (void)unused;
    for (size_t round = 0; round < rounds; round++) {
        uint8_t field = (uint8_t)(1 + rnd() % (LWC_FIELDS - 1));
        size_t n = 300 + rnd() % 300, length = n * lwc_field_size(field), size;
        const uint8_t *stored;

        make(field, (enum change)(rnd() % CHANGES), n);
        size = delta_encode(encoder, field, tile, base, (uint32_t)n, length, &stored);
        if (!size) {
            rounds--;
            continue;
        }
        memcpy(copy, stored, size);
        /* half of the time where numbers are that others depend on */
        for (size_t flips = 1 + rnd() % 3; flips; flips--)
            copy[rnd() % (round % 2 && size > 64 ? 64 : size)] ^= (uint8_t)(1u << rnd() % 8);
        refused += decode_all(field, copy, size, length, out) != LWC_OK;
    }
    /* what changes a number of low bits alone is not noticed here, but by the crc */
    assert_in_range(refused, rounds / 2, rounds);
    free(copy);
}

static void test_noise(void **unused)
{
    uint8_t stored[512];

    (void)unused;
    memset(base, 0, 4 * LARGE);
    for (int round = 0; round < 20000; round++) {
        size_t size = 1 + rnd() % (sizeof(stored) - 1);
        uint8_t field = (uint8_t)(rnd() % (LWC_FIELDS + 1));

        for (size_t i = 0; i < size; i++)
            stored[i] = (uint8_t)rnd();
        if (size > 8) {
            memset(stored, 0, 4);
            stored[0] = (uint8_t)(rnd() % 64);
            stored[4] = (uint8_t)(1 + rnd() % 2);
            stored[7] = 0;
            stored[8] = 0;
        }
        assert_int_not_equal(decode_all(field, stored, size, 1024, out), LWC_OK);
    }
}

static void test_equal(void **unused)
{
    struct lwc_tile entry = {.chain = {LWC_CODEC_DELTA}};

    (void)unused;
    make(LWC_FIELD_BF16, STEPS, 1000);
    assert_int_equal(decode_all(0, tile, 0, 2000, out), LWC_OK);
    assert_memory_equal(out, base, 2000);
    /* bytes without a field, a field without bytes, no base */
    assert_int_equal(decode_all(0, tile, 10, 2000, out), LWC_ERR_CHAIN);
    assert_int_equal(decode_all(LWC_FIELD_BF16, tile, 0, 2000, out), LWC_ERR_TRUNCATED);
    assert_int_equal(lwc_tile_decode(decoder.impl, &entry, tile, 0, out, 2000, &decoder.scratch),
                     LWC_ERR_CHAIN);
}

/* The least there is: one class of token 0 alone, which takes nothing from the states. */
static void test_exact(void **unused)
{
    uint8_t stored[192] = {0}, *states = stored + sizeof(struct lwc_delta_header) + 2;
    size_t size = sizeof(struct lwc_delta_header) + 2 + 4 * LWC_DELTA_STATES;

    (void)unused;
    stored[4] = 1;
    for (int i = 0; i < LWC_DELTA_STATES; i++)
        put(states, 4, (size_t)i, LWC_DELTA_LOW);
    make(LWC_FIELD_BF16, STEPS, 100);
    assert_int_equal(decode_all(LWC_FIELD_BF16, stored, size, 200, out), LWC_OK);
    assert_memory_equal(out, base, 200);
    assert_int_equal(decode_all(LWC_FIELD_BF16, stored, size + 1, 200, out), LWC_ERR_STREAM);
    assert_int_equal(decode_all(LWC_FIELD_BF16, stored, size + 2, 200, out), LWC_ERR_STREAM);
    for (int i = 0; i < LWC_DELTA_STATES; i++) {
        put(states, 4, (size_t)i, LWC_DELTA_LOW + 1);
        assert_int_equal(decode_all(LWC_FIELD_BF16, stored, size, 200, out), LWC_ERR_STREAM);
        put(states, 4, (size_t)i, LWC_DELTA_LOW);
    }
    /* a low bit for each: 100 bits, 13 bytes, all differences 0 but that of the last */
    stored[5] = 1;
    stored[0] = 13;
    stored[size + 12] = 8;
    assert_int_equal(decode_all(LWC_FIELD_BF16, stored, size + 13, 200, out), LWC_OK);
    assert_memory_equal(out, base, 198);
    assert_memory_not_equal(out + 198, base + 198, 2);
    stored[size + 12] = 16;
    assert_int_equal(decode_all(LWC_FIELD_BF16, stored, size + 13, 200, out), LWC_ERR_PADDING);
    stored[size + 12] = 0;
    stored[0] = 12;
    assert_int_equal(decode_all(LWC_FIELD_BF16, stored, size + 12, 200, out), LWC_ERR_STREAM);
    stored[0] = 14;
    assert_int_equal(decode_all(LWC_FIELD_BF16, stored, size + 14, 200, out), LWC_ERR_STREAM);
    /* a shift is 10 at most: 1000 bits */
    stored[5] = 255;
    stored[0] = 125;
    assert_int_equal(decode_all(LWC_FIELD_BF16, stored, size + 125, 200, out), LWC_OK);
    stored[7] = 1;
    assert_int_equal(decode_all(LWC_FIELD_BF16, stored, size + 125, 200, out), LWC_ERR_PADDING);
}

/* Hardly an element has a token or low bits: one has a shift, because its symbol is below the
 * pivot. */
static void test_rare_shift(void **unused)
{
    uint8_t stored[64] = {0}, *states = stored + sizeof(struct lwc_delta_header) + 2;
    size_t size = sizeof(struct lwc_delta_header) + 2 + 4 * LWC_DELTA_STATES + 1, n = 1000;

    (void)unused;
    stored[0] = 1;
    stored[4] = 1;
    stored[6] = 101;
    for (int i = 0; i < LWC_DELTA_STATES; i++)
        put(states, 4, (size_t)i, LWC_DELTA_LOW);
    stored[size - 1] = 1;
    for (size_t i = 0; i < n; i++)
        put(base, 2, i, 101 << 7);
    put(base, 2, 500, 100 << 7);
    assert_int_equal(decode_all(LWC_FIELD_BF16, stored, size, 2 * n, out), LWC_OK);
    assert_int_equal(get(out, 2, 500), (100 << 7) - 1);
    put(base, 2, 500, (100 << 7) - 1);
    assert_memory_equal(out, base, 2 * n);
}

/*
 * Elements without a change are counted by a part of them: here, none of those that have the symbol
 * of the changed ones, and that need their token to have a frequency all the same.
 */
static void test_uncounted(void **unused)
{
    (void)unused;
    for (uint32_t steps = 1; steps <= 15; steps++) {
        const size_t n = 65536;
        const uint8_t *stored;
        size_t zeroes = 0, size;

        for (size_t i = 0; i < n; i += 8) {
            bool changes = rnd() % 8 == 0;
            uint32_t old = changes || zeroes++ % 4 ? 126 << 7 : 110 << 7;

            for (size_t j = i; j < i + 8; j++) {
                put(base, 2, j, old + 64);
                put(tile, 2, j, old + 64 + (changes ? 1 + (uint32_t)rnd() % steps : 0));
            }
        }
        size = delta_encode(encoder, LWC_FIELD_BF16, tile, base, n, 2 * n, &stored);
        assert_int_equal(decode_all(LWC_FIELD_BF16, stored, size, 2 * n, out), LWC_OK);
        assert_memory_equal(out, tile, 2 * n);
    }
}

static void test_classes(void **unused)
{
    /* what follows the header's number of classes, shift, pivot and reserved byte */
    static const struct {
        uint8_t classes, size, bytes[8];
        enum lwc_error error;
    } cases[] = {
        {1, 2, {0, 0}, LWC_ERR_TRUNCATED}, /* the states are missing */
        {0, 2, {0, 0}, LWC_ERR_GEOMETRY},
        {9, 2, {0, 0}, LWC_ERR_GEOMETRY},
        {1, 2, {1, 0}, LWC_ERR_GEOMETRY},
        {2, 4, {0, 0, 0, 0}, LWC_ERR_GEOMETRY},
        {3, 6, {0, 0, 5, 0, 4, 0}, LWC_ERR_GEOMETRY},
        {3, 6, {0, 0, 5, 0, 255, 0}, LWC_ERR_TRUNCATED},
        {1, 2, {0, 65}, LWC_ERR_GEOMETRY},
        {1, 2, {0, 64}, LWC_ERR_TRUNCATED},
        {1, 3, {0, 1, 0x0a}, LWC_ERR_TRUNCATED},
        {1, 3, {0, 1, 0x1a}, LWC_ERR_PADDING},
        {1, 4, {0, 1, 0xaf, 0x05}, LWC_ERR_STREAM}, /* 90: twice 4050 are too many */
        {1, 4, {0, 1, 0xbf, 0x05}, LWC_ERR_STREAM},
        {1, 4, {0, 1, 0xff, 0x03}, LWC_ERR_TRUNCATED}, /* 63: twice 1985 */
    };
    uint8_t stored[16];

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(stored, 0, 8);
        stored[4] = cases[i].classes;
        memcpy(stored + 8, cases[i].bytes, cases[i].size);
        assert_int_equal(decode_all(LWC_FIELD_BF16, stored, 8u + cases[i].size, 200, out),
                         cases[i].error);
    }
}

/* Streams that are used up long before the elements: nothing beyond the scratch is read. */
static void test_overrun(void **unused)
{
    uint8_t stored[128] = {0}, *at = stored + sizeof(struct lwc_delta_header);

    (void)unused;
    stored[4] = 1;
    stored[5] = 26; /* and 31 low bits of token 71 */
    *at++ = 0;
    *at++ = 64;
    /* 0 for all codes but the last: the first is two nibbles, then no change */
    *at++ = 0x0f;
    *at++ = 0xc0;
    memset(at, 0xcc, 30);
    at += 30;
    *at++ = 0xfc;
    *at++ = 0x5a;
    memset(at, 0xff, 4 * LWC_DELTA_STATES);
    at += 4 * LWC_DELTA_STATES;
    memset(base, 0, LWC_TILE_MAX);
    assert_int_equal(decode_all(LWC_FIELD_F32, stored, (size_t)(at - stored), LWC_TILE_MAX, out),
                     LWC_ERR_STREAM);
}

/* A state before a token of the frequency that begins there; words grow down from *word. */
static uint32_t put_token(uint32_t state, uint32_t begin, uint32_t frequency, uint8_t **word)
{
    if (state >= (uint64_t)frequency << 20) {
        *word -= 2;
        put(*word, 2, 0, state & 0xffff);
        state >>= 16;
    }
    return state / frequency * LWC_DELTA_TOTAL + state % frequency + begin;
}

/*
 * Elements of the token with the most low bits, which no encoder has a use for,
 * then of token 0, which the first one also is: the others do not begin with a byte.
 */
static void most_bits(uint8_t field, uint8_t shift)
{
    static uint8_t stored[LARGE], words[LARGE];
    const uint32_t n = 1000, far = 100, frequency = 200; /* by code 20 */
    uint32_t low_bits = n * shift + (far - 1) * 31, state[LWC_DELTA_STATES];
    size_t length = n * lwc_field_size(field);
    uint8_t *at = stored + sizeof(struct lwc_delta_header), *word = words + LARGE;

    memset(stored, 0, sizeof(stored));
    put(stored, 4, 0, (low_bits + 7) / 8);
    stored[4] = 1;
    stored[5] = shift;
    /* one class of 64 codes: 0 for all but the last one */
    *at++ = 0;
    *at++ = 64;
    *at++ = 0x0f;
    *at++ = 0xc0;
    memset(at, 0xcc, 30);
    at += 30;
    *at++ = 0xfc;
    *at++ = 20;
    for (int s = 0; s < LWC_DELTA_STATES; s++)
        state[s] = LWC_DELTA_LOW;
    for (uint32_t i = n; i-- > 0;) {
        uint32_t *s = &state[i % LWC_DELTA_STATES];

        *s = i && i < far ? put_token(*s, LWC_DELTA_TOTAL - frequency, frequency, &word)
                          : put_token(*s, 0, LWC_DELTA_TOTAL - frequency, &word);
    }
    memcpy(at, state, sizeof(state));
    at += sizeof(state);
    for (uint32_t i = 0; i < low_bits / 8; i++)
        *at++ = (uint8_t)rnd();
    if (low_bits % 8)
        *at++ = (uint8_t)(rnd() & ((1u << low_bits % 8) - 1));
    memcpy(at, word, (size_t)(words + LARGE - word));
    at += words + LARGE - word;
    make(field, WILD, n);
    assert_int_equal(decode_all(field, stored, (size_t)(at - stored), length, out), LWC_OK);
}

static void test_most_bits(void **unused)
{
    (void)unused;
    for (uint8_t field = 1; field <= LWC_FIELD_I8; field++)
        for (uint8_t shift = 0; shift < 3; shift++)
            most_bits(field, shift);
}

static void test_choice(void **unused)
{
    struct encode_policy policy = {.structures = ~0u, .zstd_level = 1};
    struct encoder *all = encoder_new(&policy);
    struct encoded_tile encoded = {0};
    size_t n = 4096;

    (void)unused;
    make(LWC_FIELD_BF16, STEPS, n);
    assert_int_equal(encode_tile_by(all, LWC_DTYPE_BF16, 64, tile, base, 2 * n, &encoded), 0);
    assert_int_equal(encoded.entry.chain[0], LWC_CODEC_DELTA);
    assert_int_equal(encoded.entry.field, LWC_FIELD_BF16);
    assert_int_equal(encoded.entry.stored, encoded.size);
    assert_int_equal(decode_all(LWC_FIELD_BF16, encoded.data, encoded.size, 2 * n, out), LWC_OK);
    assert_memory_equal(out, tile, 2 * n);
    /* dtypes without a field, too, if nothing differs */
    for (uint16_t dtype = 0; dtype < LWC_DTYPES; dtype++) {
        assert_int_equal(encode_tile_by(all, dtype, 0, base, base, 1001, &encoded), 0);
        assert_int_equal(encoded.entry.chain[0], LWC_CODEC_DELTA);
        assert_int_equal(encoded.entry.field, 0);
        assert_int_equal(encoded.entry.stored, 0);
    }
    /* others where they are smaller: a base that has nothing to do with the tile, a constant */
    for (size_t i = 0; i < n; i++)
        put(base, 2, i, (uint32_t)rnd());
    assert_int_equal(encode_tile_by(all, LWC_DTYPE_BF16, 64, tile, base, 2 * n, &encoded), 0);
    assert_int_equal(encoded.entry.chain[0], LWC_CODEC_LEVELS);
    memset(tile, 0, 2 * n);
    assert_int_equal(encode_tile_by(all, LWC_DTYPE_BF16, 64, tile, base, 2 * n, &encoded), 0);
    assert_int_equal(encoded.entry.chain[0], LWC_CODEC_CONST);
    free(encoded.data);
    encoder_free(all);
}

static void test_entries(void **unused)
{
    struct lwc_superblock sb = {
        .file_size = 1 << 20, .payload_align = 64, .incompat = LWC_INCOMPAT_KNOWN};
    struct lwc_tile good = {.offset = LWC_DATA_START,
                            .stored = 100,
                            .chain = {LWC_CODEC_DELTA},
                            .field = LWC_FIELD_BF16,
                            .ref = 1ull << 40};
    struct lwc_tile equal = {.chain = {LWC_CODEC_DELTA}, .base = 1, .ref = 7}, bad;

    (void)unused;
    assert_int_equal(lwc_tile_check(&good, &sb, 1000), LWC_ERR_BOUNDS); /* no base at all */
    sb.tables[LWC_TABLE_DEPS].count = 2;
    assert_int_equal(lwc_tile_check(&good, &sb, 1000), LWC_OK);
    assert_int_equal(lwc_tile_check(&equal, &sb, 1000), LWC_OK);
#define REFUSED(from, member, value, error)                                                        \
    do {                                                                                           \
        bad = from;                                                                                \
        bad.member = value;                                                                        \
        assert_int_equal(lwc_tile_check(&bad, &sb, 1000), error);                                  \
    } while (0)
    REFUSED(good, base, 2, LWC_ERR_BOUNDS);
    REFUSED(good, field, 0, LWC_ERR_CHAIN);
    REFUSED(good, field, LWC_FIELD_NIBBLE, LWC_ERR_CHAIN);
    REFUSED(good, field, LWC_FIELDS, LWC_ERR_CHAIN);
    REFUSED(good, param, 1, LWC_ERR_CHAIN);
    REFUSED(good, reserved, 1, LWC_ERR_CHAIN);
    REFUSED(good, chain[1], LWC_CODEC_RAW, LWC_ERR_CHAIN);
    REFUSED(good, chain[1], LWC_CODEC_LEVELS, LWC_ERR_CHAIN);
    REFUSED(good, chain[0], 9, LWC_ERR_CHAIN);
    REFUSED(good, chain[0], LWC_CODECS, LWC_ERR_CHAIN);
    REFUSED(good, offset, 0, LWC_ERR_BOUNDS);
    REFUSED(good, stored, 1 << 19, LWC_ERR_GEOMETRY);
    REFUSED(equal, offset, LWC_DATA_START, LWC_ERR_BOUNDS);
    REFUSED(equal, crc, 1, LWC_ERR_BOUNDS);
    REFUSED(equal, field, LWC_FIELD_BF16, LWC_ERR_CHAIN);
    REFUSED(equal, chain[0], LWC_CODEC_RAW, LWC_ERR_GEOMETRY);
    REFUSED(equal, chain[0], LWC_CODEC_COPY, LWC_ERR_GEOMETRY);
    good = (struct lwc_tile){.offset = LWC_DATA_START, .stored = 100, .chain = {LWC_CODEC_RAW}};
    assert_int_equal(lwc_tile_check(&good, &sb, 1000), LWC_OK);
    REFUSED(good, base, 1, LWC_ERR_BOUNDS);
    REFUSED(good, chain[0], LWC_CODECS, LWC_ERR_CHAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_damaged),    cmocka_unit_test(test_noise),
        cmocka_unit_test(test_equal),      cmocka_unit_test(test_exact),
        cmocka_unit_test(test_rare_shift), cmocka_unit_test(test_uncounted),
        cmocka_unit_test(test_classes),    cmocka_unit_test(test_overrun),
        cmocka_unit_test(test_most_bits),  cmocka_unit_test(test_choice),
        cmocka_unit_test(test_entries),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
