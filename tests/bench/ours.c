/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For peers.py: races of lwcmem's decoders and kernels with what Python calls,
 * on one set of tiles, in one process. A library, loaded with ctypes.
 */
#include "cli/bench/set.h"

#include <stdlib.h>
#include <string.h>

enum kind { COPY, DECODE, PLAIN, FUSED, DOT, CALL };
enum { COLS = 4096, ROWS = LWC_TILE_TARGET / 2 / COLS, DISTINCT = 64, MAX_ENTRANTS = 32 };

/* ggml_vec_dot_t of ggml-cpu.h */
typedef void vec_dot(int n, float *s, size_t bs, const void *x, size_t bx, const void *y, size_t by,
                     int nrc);
typedef int callback(void);

struct entrant {
    struct ours *ours;
    enum kind kind;
    size_t structure;
    void *function;
};

struct ours {
    struct bench_team *team;
    struct bench_data data;
    struct bench_coded coded[BENCH_STRUCTURES_MAX];
    struct bench_set set;
    const struct kernels *kernels;
    float x[COLS];
    uint16_t x_bf16[COLS];
    float *y;
    struct entrant entrants[MAX_ENTRANTS];
    struct bench_entrant race[MAX_ENTRANTS];
    size_t count;
    struct failure failure;
};

static int visit(const struct entrant *entrant, struct bench_worker *worker, size_t index,
                 struct failure *failure)
{
    struct ours *ours = entrant->ours;
    const struct bench_tile *tile = &ours->set.tiles[entrant->structure][index];
    float *y = ours->y + index * ROWS;

    switch (entrant->kind) {
    case COPY:
        memcpy(worker->tile, tile->plain, tile->length);
        return 0;
    case DECODE:
        return bench_decode(worker, worker->decoder.impl, tile, worker->tile, failure);
    case FUSED:
        return bench_fused(worker, ours->kernels, tile, ROWS, COLS, ours->x, y, failure);
    default:
        for (size_t r = 0; r < ROWS; r++)
            ((vec_dot *)entrant->function)(COLS, y + r, 0, tile->plain + r * 2 * COLS, 0,
                                           ours->x_bf16, 0, 1);
        return 0;
    }
}

/* All rows, one behind the other, as an engine has them. */
static void multiply_plain(struct ours *ours)
{
    const struct activations in = {.x = ours->x, .x_stride = COLS, .n = 1};
    const struct products out = {ours->y, ours->set.count * ROWS};

    ours->kernels->gemm(LWC_DTYPE_BF16, ours->set.tiles[0][0].plain, out.y_stride, COLS, &in, &out, NULL);
}

static int pass(void *context, struct bench_worker *worker, struct failure *failure)
{
    const struct entrant *entrant = context;

    if (entrant->kind == CALL)
        return ((callback *)entrant->function)() ? fail(failure, "the peer failed") : 0;
    if (entrant->kind == PLAIN) {
        multiply_plain(entrant->ours);
        return 0;
    }
    for (size_t i = 0; i < entrant->ours->set.count; i++)
        if (visit(entrant, worker, i, failure) < 0)
            return -1;
    return 0;
}

static int make(struct ours *ours, size_t tiles)
{
    uint32_t state = 1;

    if (bench_data_gaussian(DISTINCT, LWC_TILE_TARGET, &ours->data, &ours->failure) < 0)
        return -1;
    for (size_t c = 0; c < bench_structure_count; c++)
        if (bench_encode(&bench_structures[c].policy, &ours->data, &ours->coded[c],
                         &ours->failure) < 0)
            return -1;
    ours->team = bench_team_new(1, &ours->failure);
    if (!ours->team || bench_set_make(&ours->set, &ours->data, ours->coded, bench_structure_count,
                                      tiles, BENCH_SMALL_PAGE, ours->team, &ours->failure) < 0)
        return -1;
    ours->y = calloc(tiles * ROWS, sizeof(float));
    /* values that bf16 holds: ggml rounds its vector to that */
    for (size_t i = 0; i < COLS; i++) {
        state = state * 1664525u + 1013904223u;
        ours->x[i] = (float)((int)(state >> 25) - 64) / 64;
        memcpy(&ours->x_bf16[i], (char *)&ours->x[i] + 2, 2);
    }
    return ours->y ? 0 : fail(&ours->failure, "out of memory");
}

/* bytes: of decoded weights, 0: as many as no cache holds. NULL without memory for them. */
struct ours *ours_open(size_t bytes)
{
    struct ours *ours = calloc(1, sizeof(*ours));
    uint32_t isa;

    if (!ours)
        return NULL;
    if (bench_isa(&isa, &ours->failure) == 0) {
        ours->kernels = kernels_select(isa);
        if (make(ours, (bytes ? bytes : bench_beyond_caches()) / LWC_TILE_TARGET) == 0)
            return ours;
    }
    free(ours); /* the process ends: what it holds goes with it */
    return NULL;
}

const void *ours_bytes(const struct ours *ours)
{
    return ours->set.tiles[0][0].plain;
}

size_t ours_size(const struct ours *ours)
{
    return ours->set.size;
}

size_t ours_structures(void)
{
    return bench_structure_count;
}

const char *ours_name(size_t structure)
{
    return bench_structures[structure].name;
}

double ours_bits(const struct ours *ours, size_t structure)
{
    return ours->coded[structure].bits;
}

const char *ours_isa(const struct ours *ours)
{
    return ours->kernels->name;
}

int ours_fuses(const struct ours *ours, size_t structure)
{
    return bench_fuses(ours->kernels, &bench_structures[structure]);
}

/* Another entrant of the next race; its number. function: a vec_dot or a callback. */
size_t ours_enter(struct ours *ours, int kind, size_t structure, void *function)
{
    size_t entrant = ours->count++;

    ours->entrants[entrant] = (struct entrant){ours, (enum kind)kind, structure, function};
    ours->race[entrant] =
        (struct bench_entrant){pass, &ours->entrants[entrant], (double)ours->set.size, 0};
    return entrant;
}

int ours_run(struct ours *ours, int quick)
{
    return bench_race(ours->team, ours->race, ours->count, quick, &ours->failure);
}

double ours_rate(const struct ours *ours, size_t entrant)
{
    return bench_rate(&ours->race[entrant]);
}

/* One pass of the entrant; the products it left. */
const float *ours_products(struct ours *ours, size_t entrant)
{
    memset(ours->y, 0xff, ours->set.count * ROWS * sizeof(float));
    return bench_team_run(ours->team, pass, &ours->entrants[entrant], NULL, &ours->failure) == 0
               ? ours->y
               : NULL;
}

size_t ours_rows(const struct ours *ours)
{
    return ours->set.count * ROWS;
}

const char *ours_failure(const struct ours *ours)
{
    return ours->failure.text;
}
