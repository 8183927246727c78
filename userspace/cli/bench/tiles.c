/* SPDX-License-Identifier: BSD-3-Clause */
#include "tiles.h"
#include "zstd_peer.h"
#include "cli/favor.h"

#include <stdlib.h>
#include <string.h>

/* zstd must save everything to be taken: the structure is what gets measured */
#define ONLY(s)                                                                                    \
    {                                                                                              \
        .structures = 1u << (s), .zstd_level = 1, .slow_gain = 100                                 \
    }

const struct bench_code bench_structures[] = {
    {"(4,1)", ONLY(LWC_STRUCTURE_41)},
    {"(3,2,2,2)", ONLY(LWC_STRUCTURE_3222)},
    {"(2,2,2,2)", ONLY(LWC_STRUCTURE_2222)},
    {"(2,1,1,2,2,2)", ONLY(LWC_STRUCTURE_211222)},
    {"(1,1,1,1,1,2)", ONLY(LWC_STRUCTURE_111112)},
};
const size_t bench_structure_count = sizeof(bench_structures) / sizeof(bench_structures[0]);
_Static_assert(sizeof(bench_structures) / sizeof(bench_structures[0]) <= BENCH_STRUCTURES_MAX,
               "structures");

const struct bench_code bench_zstd = {"zstd -1", {.structures = 0}};

int bench_worker_init(struct bench_worker *worker, unsigned int index, unsigned int count,
                      struct failure *failure)
{
    memset(worker, 0, sizeof(*worker));
    worker->index = index;
    worker->count = count;
    if (decoder_init(&worker->decoder, 0, failure) < 0)
        return -1;
    worker->tile = aligned_alloc(64, LWC_TILE_MAX);
    worker->planes = aligned_alloc(64, LWC_TILE_MAX);
    worker->zstd = ZSTD_createDCtx();
    if (worker->tile && worker->planes && worker->zstd)
        return 0;
    return fail(failure, "out of memory for a tile");
}

void bench_worker_free(struct bench_worker *worker)
{
    decoder_free(&worker->decoder);
    ZSTD_freeDCtx(worker->zstd);
    free(worker->planes);
    free(worker->tile);
    free(worker->arranged);
    worker->tile = worker->planes = NULL;
    worker->arranged = NULL;
    worker->zstd = NULL;
}

int bench_isa(uint32_t *isa, struct failure *failure)
{
    struct decoder decoder;

    if (decoder_init(&decoder, 0, failure) < 0)
        return -1;
    *isa = decoder.isa;
    decoder_free(&decoder);
    return 0;
}

static int encode_as_zstd(const struct bench_piece *piece, struct encoded_tile *out)
{
    out->capacity = bench_zstd_capacity(piece->length);
    out->data = malloc(out->capacity);
    if (out->data)
        out->size = bench_zstd_encode(piece->bytes, piece->length, out->data, out->capacity);
    out->entry.stored = (uint32_t)out->size;
    return out->size ? 0 : -1;
}

int bench_encode(const struct encode_policy *policy, const struct bench_data *data,
                 struct bench_coded *out, struct failure *failure)
{
    struct encoder *encoder = encoder_new(policy);
    size_t stored = 0;

    out->bits = 0;
    out->count = 0;
    out->tiles = calloc(data->count, sizeof(*out->tiles));
    for (; encoder && out->tiles && out->count < data->count; out->count++) {
        const struct bench_piece *piece = &data->pieces[out->count];
        struct encoded_tile *tile = &out->tiles[out->count];

        if ((policy == &bench_zstd.policy ? encode_as_zstd(piece, tile)
                                          : encode_tile(encoder, LWC_DTYPE_BF16, 0, piece->bytes,
                                                        piece->length, tile)) < 0) {
            free(tile->data);
            break;
        }
        stored += tile->size + sizeof(struct lwc_tile);
    }
    encoder_free(encoder);
    if (out->count < data->count) {
        bench_coded_free(out);
        return fail(failure, "out of memory for encoded tiles");
    }
    out->bits = 8.0 * (double)stored / ((double)data->size / 2);
    return 0;
}

void bench_coded_free(struct bench_coded *coded)
{
    for (size_t i = 0; coded->tiles && i < coded->count; i++)
        free(coded->tiles[i].data);
    free(coded->tiles);
    memset(coded, 0, sizeof(*coded));
}

int bench_decode(struct bench_worker *worker, const struct lwc_impl *impl,
                 const struct bench_tile *tile, uint8_t *out, struct failure *failure)
{
    enum lwc_error error;

    /* no codec of a container: bench_zstd's */
    if (tile->entry.chain[0] == LWC_CODEC_NONE)
        return bench_zstd_decode(worker->zstd, tile->stored, tile->entry.stored, worker->planes,
                                 out, tile->length) < 0
                   ? fail(failure, "decode with zstd: other bytes than were encoded")
                   : 0;
    error = lwc_tile_decode(impl, &tile->entry, tile->stored, tile->entry.stored, out, tile->length,
                            &worker->decoder.scratch);

    return error ? fail(failure, "decode with %s: %s", impl->name, lwc_error_string(error)) : 0;
}

bool bench_fuses(const struct kernels *kernels, const struct bench_code *code)
{
    return kernels->gemm_levels && code != &bench_zstd;
}

/* x in the order of the kernels, once for all tiles of a product as the engine does it. */
static int arrange(struct bench_worker *worker, const struct kernels *kernels, size_t cols,
                   const float *x)
{
    if (worker->arranged && worker->arranged_x == x && worker->arranged_by == kernels &&
        worker->arranged_cols == cols)
        return 0;
    free(worker->arranged);
    worker->arranged = aligned_alloc(64, cols * sizeof(float));
    if (!worker->arranged)
        return -1;
    kernels->levels_arrange(x, cols, worker->arranged);
    worker->arranged_x = x;
    worker->arranged_by = kernels;
    worker->arranged_cols = cols;
    return 0;
}

int bench_fused(struct bench_worker *worker, const struct kernels *kernels,
                const struct bench_tile *tile, size_t rows, size_t cols, const float *x, float *y,
                struct failure *failure)
{
    const struct products out = {y, rows};
    struct lwc_levels_view view;
    enum lwc_error error;

    if (tile->entry.chain[0] != LWC_CODEC_LEVELS)
        return fail(failure, "a tile of Gaussian weights was not encoded as LEVELS");
    if (arrange(worker, kernels, cols, x) < 0)
        return fail(failure, "out of memory for activations");
    error = lwc_levels_open(&view, tile->entry.param, tile->entry.field, tile->stored,
                            tile->entry.stored, tile->length / 2);
    if (!error)
        error = kernels->gemm_levels(&view, cols, 0, rows, worker->arranged, 1, &out,
                                     worker->decoder.scratch.tile);
    return error ? fail(failure, "multiply with %s: %s", kernels->name, lwc_error_string(error))
                 : 0;
}

int bench_favored(const char *favor, const struct bench_data *data, const struct bench_code **code,
                  struct failure *failure)
{
    struct bench_data one = {.pieces = data->pieces, .count = 1, .size = data->pieces[0].length};
    struct encode_policy policy;
    struct bench_coded coded;

    *code = NULL;
    if (favor_parse(favor, &policy) < 0)
        return fail(failure, "--favor %s: pack does not know it", favor);
    if (bench_encode(&policy, &one, &coded, failure) < 0)
        return -1;
    for (size_t i = 0; i < bench_structure_count; i++)
        if (coded.tiles[0].entry.chain[0] == LWC_CODEC_LEVELS &&
            bench_structures[i].policy.structures == 1u << coded.tiles[0].entry.param)
            *code = &bench_structures[i];
    bench_coded_free(&coded);
    return 0;
}
