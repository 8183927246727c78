/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stream: multiply by a model that is larger than memory. While a layer is
 * multiplied, the next one is decoded into the other of two buffers.
 *
 *     stream MODEL.lwc [user|kmod]
 *
 * user decodes with threads of the library, kmod has the kernel module decode.
 * Goes twice through all layers of a model whose tensors have the names of
 * Hugging Face's Llama, multiplies each matrix by a vector of ones, and prints
 * the norm of each layer's products.
 */
#include <lwcmem/lwcmem.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LAYERS 1024
#define MATRICES 7

static const char *const matrices[MATRICES] = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj",
};
static struct lwcmem_tensor tensors[MAX_LAYERS][MATRICES];
static struct lwcmem_unit units[MAX_LAYERS];
static char error[LWCMEM_ERROR_SIZE];

static int die(const char *message)
{
    fprintf(stderr, "stream: %s\n", message);
    return 1;
}

/* A unit is what is in a buffer at a time: the matrices of a layer. */
static size_t find_layers(struct lwcmem_model *model)
{
    size_t layers = 0;

    for (; layers < MAX_LAYERS; layers++) {
        for (size_t i = 0; i < MATRICES; i++) {
            char name[64];

            snprintf(name, sizeof(name), "model.layers.%zu.%s.weight", layers, matrices[i]);
            if (lwcmem_find(model, name, &tensors[layers][i], error) <= 0)
                return layers;
        }
        units[layers] = (struct lwcmem_unit){tensors[layers], MATRICES};
    }
    return layers;
}

/* Sum of the squares of the tensor times ones; -1 with a message. */
static double square(struct lwcmem_model *model, const struct lwcmem_tensor *tensor)
{
    float *x = malloc(tensor->cols * sizeof(*x)), *y = malloc(tensor->rows * sizeof(*y));
    double sum = 0;

    for (uint64_t i = 0; x && i < tensor->cols; i++)
        x[i] = 1;
    snprintf(error, sizeof(error), "out of memory");
    if (!x || !y || lwcmem_multiply(model, tensor, 0, 0, tensor->rows, x, 0, 1, y, 0, error) < 0)
        sum = -1;
    for (uint64_t i = 0; sum >= 0 && i < tensor->rows; i++)
        sum += (double)y[i] * y[i];
    free(y);
    free(x);
    return sum;
}

int main(int argc, char **argv)
{
    /* as many threads decode ahead; this program multiplies with one of its own only, worker 0 */
    struct lwcmem_options options = {.backend = LWCMEM_BACKEND_USER, .threads = 2};
    struct lwcmem_counters counters;
    struct lwcmem_model *model;
    size_t layers;

    if (argc < 2 || argc > 3)
        return die("usage: stream MODEL.lwc [user|kmod]");
    if (argc == 3 && strcmp(argv[2], "kmod") == 0)
        options.backend = LWCMEM_BACKEND_KMOD;
    model = lwcmem_open(argv[1], &options, error);
    if (!model)
        return die(error);
    layers = find_layers(model);
    if (!layers)
        return die("no layer has all matrices of a Llama");
    if (lwcmem_ring_start(model, units, layers, error) < 0)
        return die(error);
    if (lwcmem_notice(model))
        fprintf(stderr, "stream: %s\n", lwcmem_notice(model));
    for (size_t unit = 0; unit < 2 * layers; unit++) {
        size_t layer = unit % layers;
        double sum = 0;

        if (lwcmem_unit_wait(model, layer, error) < 0)
            return die(error);
        for (size_t i = 0; i < MATRICES; i++) {
            double part = square(model, &tensors[layer][i]);

            if (part < 0)
                return die(error);
            sum += part;
        }
        if (lwcmem_unit_done(model, layer, error) < 0)
            return die(error);
        printf("layer %zu: norm %.9g\n", layer, sqrt(sum));
    }
    lwcmem_counters(model, &counters);
    fprintf(stderr, "%llu decoded bytes streamed, %llu of them from the kernel module\n",
            (unsigned long long)counters.bytes_ring, (unsigned long long)counters.bytes_kernel);
    lwcmem_close(model);
    return 0;
}
