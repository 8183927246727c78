/* SPDX-License-Identifier: BSD-3-Clause */
/* GEMM on LEVELS tiles like decoder and GEMM on the decoded tile: results and errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "container/decoder.h"
#include "encode/levels_encode.h"
#include "kernels/kernels.h"
#include "random.h"
#include "codec/cpu.h"
#include <cmocka.h> /* last: it makes a macro of fail */

/* Exponents around 120 with a tail, so that all levels and escapes occur. */
static uint16_t weight(void)
{
    unsigned int exponent = 120 - (unsigned int)__builtin_ctzll(rnd() | 1ull << 40) / 2;

    if (rnd() % 500 == 0)
        return (uint16_t)rnd(); /* NaN payloads, infinities, subnormals */
    return (uint16_t)((rnd() & 0x807f) | exponent << 7);
}

struct tile {
    uint16_t *weights;
    uint8_t *stored; /* exact size: ASan sees a read past its end */
    size_t size;
    size_t rows, cols;
};

static struct tile make_tile(int structure, size_t rows, size_t cols)
{
    struct tile tile = {.rows = rows, .cols = cols};
    uint8_t *packed = malloc(levels_capacity((uint32_t)(rows * cols)));
    uint8_t *encode_scratch = malloc(levels_scratch((uint32_t)(rows * cols)));
    struct levels_survey survey;

    tile.weights = malloc(2 * rows * cols);
    for (size_t i = 0; i < rows * cols; i++)
        tile.weights[i] = weight();
    levels_survey(&survey, LWC_FIELD_BF16, 0, (const uint8_t *)tile.weights,
                  (uint32_t)(rows * cols), encode_scratch);
    tile.size = levels_encode(&survey, (uint8_t)structure, packed);
    tile.stored = malloc(tile.size);
    memcpy(tile.stored, packed, tile.size);
    free(packed);
    free(encode_scratch);
    return tile;
}

static void free_tile(struct tile *tile)
{
    free(tile->weights);
    free(tile->stored);
}

static void compare(const struct kernels *k, int structure, const struct tile *tile, size_t first,
                    size_t rows, size_t n)
{
    size_t stride = tile->cols + 1;
    float *x = malloc(n * stride * 4), *want = malloc(n * rows * 4), *got = malloc(n * rows * 4);
    float *arranged = malloc(n * tile->cols * 4);
    uint8_t *scratch = malloc(LWC_SCRATCH_TILE);
    struct activations in = {.x = x, .x_stride = stride, .n = n};
    struct lwc_levels_view view;

    for (size_t i = 0; i < n * stride; i++)
        x[i] = (float)(int64_t)rnd() * 0x1p-62f;
    k->gemm(LWC_DTYPE_BF16, tile->weights + first * tile->cols, rows, tile->cols, &in,
            &(struct products){want, rows}, NULL);
    assert_int_equal(lwc_levels_open(&view, (uint8_t)structure, LWC_FIELD_BF16, tile->stored,
                                     tile->size, (uint32_t)(tile->rows * tile->cols)),
                     LWC_OK);
    for (size_t t = 0; t < n; t++)
        k->levels_arrange(x + t * stride, tile->cols, arranged + t * tile->cols);
    assert_int_equal(k->gemm_levels(&view, tile->cols, first, rows, arranged, n,
                                    &(struct products){got, rows}, scratch),
                     LWC_OK);
    assert_memory_equal(got, want, n * rows * 4);
    free(x);
    free(arranged);
    free(scratch);
    free(want);
    free(got);
}

/* Runs test for each kernels struct of this CPU that has the operation. */
static void each(void (*test)(const struct kernels *))
{
    for (size_t i = 0; i < kernels_count; i++)
        if ((kernels_all[i]->isa & lwc_cpu_isa()) && kernels_all[i]->gemm_levels)
            test(kernels_all[i]);
}

static void products(const struct kernels *k)
{
    static const size_t shapes[][2] = {{1, 64},  {31, 64},   {32, 64},   {33, 64},
                                       {7, 320}, {16, 4096}, {1, 65536}, {100, 256}};

    for (int structure = 1; structure < LWC_STRUCTURES; structure++)
        for (size_t s = 0; s < sizeof(shapes) / sizeof(*shapes); s++) {
            struct tile tile = make_tile(structure, shapes[s][0], shapes[s][1]);

            for (size_t n = 1; n <= 9; n += 4)
                compare(k, structure, &tile, 0, tile.rows, n);
            compare(k, structure, &tile, tile.rows / 2, tile.rows - tile.rows / 2, 1);
            compare(k, structure, &tile, 0, (tile.rows + 1) / 2, 5);
            free_tile(&tile);
        }
}

static void test_products(void **unused)
{
    (void)unused;
    each(products);
}

/* A bit of any byte, or of one behind the rest, where it matters. */
static void flip(uint8_t *stored, size_t size, int any)
{
    size_t rest = sizeof(struct lwc_levels_header) + 40 * 128;

    stored[any ? rnd() % size : rest + rnd() % (size - rest)] ^= (uint8_t)(1u << rnd() % 8);
}

/* The verdict on a damaged tile is the decoder's. */
static void verdicts(const struct kernels *k)
{
    const struct lwc_impl *impl = lwc_impls[0];
    unsigned int refused = 0;

    for (int structure = 1; structure < LWC_STRUCTURES; structure++) {
        struct tile tile = make_tile(structure, 40, 128);
        uint8_t *good = malloc(tile.size), *out = malloc(2 * 40 * 128);
        uint8_t *scratch = malloc(LWC_SCRATCH_TILE);
        float x[128] = {0}, y[40];

        memcpy(good, tile.stored, tile.size);
        for (int round = 0; round < 3000; round++) {
            struct lwc_levels_view view;
            enum lwc_error want;

            memcpy(tile.stored, good, tile.size);
            for (uint64_t i = rnd() % 4 + 1; i; i--)
                flip(tile.stored, tile.size, round & 1);
            if (lwc_levels_open(&view, (uint8_t)structure, LWC_FIELD_BF16, tile.stored, tile.size,
                                40 * 128))
                continue;
            want = lwc_levels_decode(impl, &view, out, scratch);
            refused += want != LWC_OK;
            if (view.kept != 7)
                continue;
            assert_int_equal(
                k->gemm_levels(&view, 128, 0, 40, x, 1, &(struct products){y, 40}, scratch), want);
        }
        free(good);
        free(scratch);
        free(out);
        free_tile(&tile);
    }
    assert_true(refused > 100);
}

static void test_verdicts(void **unused)
{
    (void)unused;
    each(verdicts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_verdicts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
