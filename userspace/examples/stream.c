/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stream: multiply by a model that is larger than memory. While some rows are
 * multiplied, those behind them are decoded into memory.
 *
 *     stream MODEL.lwc [user|kmod [BYTES]]
 *
 * user decodes with threads of the library, kmod has the kernel module decode;
 * weights take no more than BYTES of memory. Goes twice through all layers of a
 * model whose tensors have the names of Hugging Face's Llama, multiplies each
 * matrix by a vector of ones, and prints the norm of each layer's products.
 */
#include <lwcmem/lwcmem.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LAYERS 1024
#define MATRICES 7

static const char *const names[MATRICES] = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj",
};
static struct lwcmem_tensor matrices[MAX_LAYERS * MATRICES];
static struct lwcmem_unit units[MAX_LAYERS * MATRICES];
static char error[LWCMEM_ERROR_SIZE];

static int die(const char *message)
{
    fprintf(stderr, "stream: %s\n", message);
    return 1;
}

/* Each matrix is a unit here; some that multiply the same vector could be one. Their number. */
static size_t find_matrices(struct lwcmem_model *model)
{
    size_t count = 0;

    for (; count < MAX_LAYERS * MATRICES; count++) {
        char name[64];

        snprintf(name, sizeof(name), "model.layers.%zu.%s.weight", count / MATRICES,
                 names[count % MATRICES]);
        if (lwcmem_find(model, name, &matrices[count], error) <= 0)
            break;
        units[count] = (struct lwcmem_unit){&matrices[count], 1};
    }
    return count;
}

/* Multiplies the unit's matrix by ones and adds the squares of the product to *sum. */
static int multiply(struct lwcmem_model *model, size_t unit, double *sum)
{
    const struct lwcmem_tensor *matrix = &matrices[unit];
    float *x = malloc(matrix->cols * sizeof(*x)), *y = malloc(matrix->rows * sizeof(*y));
    struct lwcmem_part part = {.last = false};

    if (!x || !y)
        abort();
    for (uint64_t i = 0; i < matrix->cols; i++)
        x[i] = 1;
    /* rows come in parts, as many as there is room for */
    while (!part.last)
        if (lwcmem_part_wait(model, unit, &part, error) < 0 ||
            lwcmem_multiply(model, matrix, 0, part.rows[0].first, part.rows[0].count, x, 0, 1, y, 0,
                            error) < 0 ||
            lwcmem_part_done(model, unit, error) < 0)
            return -1;
    for (uint64_t i = 0; i < matrix->rows; i++)
        *sum += (double)y[i] * y[i];
    free(y);
    free(x);
    return 0;
}

int main(int argc, char **argv)
{
    /* as many threads decode ahead; this program multiplies with one of its own only, worker 0 */
    struct lwcmem_options options = {.backend = LWCMEM_BACKEND_USER, .threads = 2};
    uint64_t memory = argc > 3 ? strtoull(argv[3], NULL, 10) : 0, least;
    struct lwcmem_counters counters;
    struct lwcmem_model *model;
    size_t count;
    double sum = 0;

    if (argc < 2 || argc > 4)
        return die("usage: stream MODEL.lwc [user|kmod [BYTES]]");
    if (argc > 2 && strcmp(argv[2], "kmod") == 0)
        options.backend = LWCMEM_BACKEND_KMOD;
    model = lwcmem_open(argv[1], &options, error);
    if (!model)
        return die(error);
    count = find_matrices(model);
    if (!count || count % MATRICES)
        return die("it does not have the matrices of a Llama");
    if (lwcmem_plan(model, units, count, &least, error) < 0 ||
        lwcmem_ring_start(model, memory, 0, error) < 0)
        return die(error);
    if (lwcmem_notice(model))
        fprintf(stderr, "stream: %s\n", lwcmem_notice(model));
    for (size_t i = 0; i < 2 * count; i++) {
        if (multiply(model, i % count, &sum) < 0)
            return die(error);
        if ((i + 1) % MATRICES)
            continue;
        printf("layer %zu: norm %.9g\n", i % count / MATRICES, sqrt(sum));
        sum = 0;
    }
    lwcmem_counters(model, &counters);
    fprintf(stderr,
            "%" PRIu64 " decoded bytes streamed, %" PRIu64 " of them from the kernel module\n",
            counters.bytes_ring, counters.bytes_kernel);
    lwcmem_close(model);
    return 0;
}
