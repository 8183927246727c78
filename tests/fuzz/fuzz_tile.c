/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: every tile decoder. tile_maker.h makes a sound tile of the input, which is then
 * damaged or not. The scalar implementation and one of the others must agree on the error, and on
 * the bytes when there is none; neither may touch a byte beside input and output. Which other one
 * is a matter of the input's hash, so that a finding can be repeated; and so is that one input in
 * 8192 becomes a full tile.
 *
 * Options: -max_len=320 -entropic=0
 * Input: whether to damage; two bytes for what the entry of the tile says, four for each damage of
 * the stored bytes; then what the maker takes.
 */
#include "container/decoder.h"
#include "guarded.h"
#include "tile_maker.h"

#include <stdio.h>

enum { DAMAGES = 3, DAMAGE_BYTES = 4, HEADER = 3 + DAMAGES * DAMAGE_BYTES };
enum { DAMAGED = 16 }; /* bit of the first byte */
enum { LENGTH_MAX = LWC_TILE_MAX + 256 };

static struct decoder decoder;
static struct guarded stored, base, expected, got;
static uint8_t made[MAKER_MAX + 8]; /* before it is put where each byte is guarded */
static uint8_t made_base[LENGTH_MAX];
static uint64_t results[LWC_ERRORS], full_tiles, by_codec[LWC_CODECS];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_statistics(void)
{
    uint64_t runs = 0, body;

    for (int i = 0; i < LWC_ERRORS; i++)
        runs += results[i];
    if (!runs)
        return;
    body = results[LWC_OK] + results[LWC_ERR_STREAM];
    fprintf(stderr,
            "tiles: %lu, %.1f %% reached the body of a decoder, %.2f %% decoded a full tile;",
            (unsigned long)runs, 100.0 * (double)body / (double)runs,
            100.0 * (double)full_tiles / (double)runs);
    for (int i = 0; i < LWC_ERRORS; i++)
        if (results[i])
            fprintf(stderr, " %s: %lu,", lwc_error_string(i), (unsigned long)results[i]);
    fprintf(stderr, " accepted of codec");
    for (int i = 0; i < LWC_CODECS; i++)
        if (by_codec[i])
            fprintf(stderr, " %d: %lu", i, (unsigned long)by_codec[i]);
    fprintf(stderr, "\n");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct failure failure;

    (void)argc;
    (void)argv;
    guarded_init(&stored, sizeof(made));
    guarded_init(&base, LENGTH_MAX);
    guarded_init(&expected, LENGTH_MAX);
    guarded_init(&got, LENGTH_MAX);
    if (decoder_init(&decoder, LWC_ISA_ALL, &failure) < 0)
        abort();
    atexit(print_statistics);
    return 0;
}

/* Entry and length do not fit the stored bytes any more. */
static void damage_entry(struct maker *maker, uint8_t how, uint8_t value)
{
    uint32_t weights;

    switch (how % 32) {
    case 1:
        maker->length = maker->length + value < LENGTH_MAX ? maker->length + value : 0;
        break;
    case 2:
        maker->length -= maker->length < value ? maker->length : value;
        break;
    case 3:
        maker->length = LWC_TILE_MAX + value;
        break;
    case 4:
        maker->entry.param = value;
        break;
    case 5:
        maker->entry.field = value % (LWC_FIELDS + 1);
        break;
    case 6:
        maker->entry.chain[1] = value % (LWC_CODECS + 1);
        break;
    case 7: /* more weights than a tile may have, with a header that says so, too */
        weights = LWC_LEVELS_WEIGHTS + value;
        maker->length = weights;
        if (maker->entry.chain[0] == LWC_CODEC_LEVELS)
            memcpy(made, &weights, sizeof(weights));
        break;
    default:
        break;
    }
}

static uint32_t hash(const uint8_t *data, size_t size)
{
    uint32_t value = 2166136261u;

    while (size--)
        value = (value ^ *data++) * 16777619u;
    return value;
}

/* A bit, a byte, bytes at the end that are cut off or added. The size afterwards. */
static size_t damage(const uint8_t *how, uint8_t *data, size_t size)
{
    uint32_t at = how[1] | (uint32_t)how[2] << 8;

    switch (how[0] % 8) {
    case 0:
        return size - at % (size + 1);
    case 1:
        return size - (at % 8 < size ? at % 8 : size);
    case 2:
        memset(data + size, how[3], at % 8);
        return size + at % 8;
    default:
        break;
    }
    if (!size)
        return 0;
    /* headers are at the beginning; a level's last byte may be anywhere */
    at = how[0] & 0x40 ? at % size : at % (size < 96 ? size : 96);
    if (how[0] & 0x80)
        data[at] ^= (uint8_t)(1u << how[3] % 8);
    else
        data[at] = how[3];
    return size;
}

/* Codecs that leave nothing to an implementation. */
static bool same_on_all_cpus(const struct lwc_tile *entry)
{
    return entry->chain[0] == LWC_CODEC_RAW || entry->chain[0] == LWC_CODEC_CONST ||
           entry->chain[0] == LWC_CODEC_ZSTD;
}

static void decode(const struct maker *maker, unsigned int other)
{
    enum lwc_error first = LWC_OK, error;

    for (unsigned int i = 0; i < lwc_impl_count; i++) {
        const struct lwc_impl *impl = lwc_impls[i];

        if (i && (i != other || same_on_all_cpus(&maker->entry)))
            continue;
        if ((impl->isa & decoder.isa) != impl->isa)
            continue;
        error = lwc_tile_decode(impl, &maker->entry, stored.data, stored.size,
                                i ? got.data : expected.data, maker->length, &decoder.scratch);
        if (i == 0) {
            first = error;
        } else if (error != first ||
                   (!error && memcmp(expected.data, got.data, maker->length) != 0)) {
            fprintf(stderr, "%s differs from %s: error %d, not %d\n", impl->name,
                    lwc_impls[0]->name, error, first);
            abort();
        }
    }
    results[first]++;
    if (!first) {
        full_tiles += maker->length >= LWC_TILE_TARGET;
        by_codec[maker->entry.chain[0]]++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct maker maker = {.state = 88172645463325252ull};
    size_t used, skew;
    uint32_t choice;

    if (size <= HEADER)
        return 0;
    choice = hash(data, size);
    maker.input = data + HEADER;
    maker.size = size - HEADER;
    maker.full = choice >> 19 == 0;
    maker.out = made;
    maker.base = made_base;
    maker_make(&maker);
    used = maker.used;
    if (data[0] & DAMAGED) {
        for (int i = 0; i < data[0] % (DAMAGES + 1); i++)
            used = damage(data + 3 + i * DAMAGE_BYTES, made, used < MAKER_MAX ? used : MAKER_MAX);
        damage_entry(&maker, data[1], data[2]);
    }
    skew = (size_t)(data[0] >> 5) * 8;
    memcpy(guarded_open(&stored, used, skew), made, used);
    decoder.scratch.base = NULL;
    if (maker.has_base) {
        memcpy(guarded_open(&base, maker.length, skew), made_base, maker.length);
        decoder.scratch.base = base.data;
    }
    guarded_open(&expected, maker.length, 0);
    guarded_open(&got, maker.length, skew);
    decode(&maker, 1 + choice % (lwc_impl_count - 1));
    guarded_close(&stored);
    if (maker.has_base)
        guarded_close(&base);
    guarded_close(&expected);
    guarded_close(&got);
    return 0;
}
