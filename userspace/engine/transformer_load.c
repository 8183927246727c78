/* SPDX-License-Identifier: BSD-3-Clause */
#include "transformer_parts.h"
#include "container/format_names.h"
#include "names.h"
#include "rope.h"

#include <stdlib.h>

/* 1 found, of that shape and a type that can be multiplied; 0 none; -1. */
static int look_up(struct transformer *t, const char *name, uint64_t rows, uint64_t cols,
                   struct weight_tensor *out, struct failure *failure)
{
    int found = t->weights->ops->find(t->weights, name, out, failure);

    if (found <= 0)
        return found;
    if (out->rows != rows || out->cols != cols)
        return fail(failure, "%s: %s is %llu x %llu, the model's config says %llu x %llu",
                    t->weights->path, name, (unsigned long long)out->rows,
                    (unsigned long long)out->cols, (unsigned long long)rows,
                    (unsigned long long)cols);
    if (!kernels_can_multiply(out->dtype))
        return fail(failure, "%s: %s is %s, which cannot be multiplied; " KERNELS_DTYPES,
                    t->weights->path, name, dtype_name(out->dtype));
    return 1;
}

static int find_tensor(struct transformer *t, const char *name, uint64_t rows, uint64_t cols,
                       struct weight_tensor *out, struct failure *failure)
{
    int found = look_up(t, name, rows, cols, out, failure);

    if (found == 0)
        return fail(failure, "%s: no tensor %s; the model is not complete", t->weights->path, name);
    return found < 0 ? -1 : 0;
}

/* A tensor of one dimension, as fp32. */
static int load_vector(struct transformer *t, const char *name, uint32_t count, float **out,
                       struct failure *failure)
{
    struct weight_tensor tensor;

    if (find_tensor(t, name, 1, count, &tensor, failure) < 0)
        return -1;
    *out = malloc(count * sizeof(float));
    if (!*out)
        return fail(failure, "%s: out of memory", t->weights->path);
    t->bytes_vectors += count * sizeof(float);
    return t->weights->ops->rows(t->weights, &tensor, 0, 1, *out, failure);
}

static int load_norm(struct transformer *t, enum tensor_role role, uint32_t layer, uint32_t count,
                     float **out, struct failure *failure)
{
    char name[TENSOR_NAME_SIZE];

    tensor_name(t->config->layout, role, layer, false, name);
    return load_vector(t, name, count, out, failure);
}

static int find_linear(struct transformer *t, enum tensor_role role, uint32_t layer, uint32_t rows,
                       uint32_t cols, bool biased, struct linear *out, struct failure *failure)
{
    char name[TENSOR_NAME_SIZE];
    struct weight_tensor bias;
    int found;

    tensor_name(t->config->layout, role, layer, false, name);
    if (find_tensor(t, name, rows, cols, &out->weight, failure) < 0)
        return -1;
    tensor_name(t->config->layout, role, layer, true, name);
    if (biased)
        return load_vector(t, name, rows, &out->bias, failure);
    found = t->weights->ops->find(t->weights, name, &bias, failure);
    if (found > 0)
        return fail(failure, "%s: there is a tensor %s, but the model's config has no such bias",
                    t->weights->path, name);
    return found;
}

static int find_layer(struct transformer *t, uint32_t index, struct failure *failure)
{
    struct layer *layer = &t->layers[index];
    const struct model_config *config = t->config;
    const struct {
        enum tensor_role role;
        struct linear *linear;
        uint32_t rows, cols;
        bool biased;
    } matrices[LAYER_MATRICES] = {
        {TENSOR_QUERY, &layer->query, t->queries_dim, config->hidden, config->input_biases},
        {TENSOR_KEY, &layer->key, t->kv_dim, config->hidden, config->input_biases},
        {TENSOR_VALUE, &layer->value, t->kv_dim, config->hidden, config->input_biases},
        {TENSOR_OUTPUT, &layer->output, config->hidden, t->queries_dim, config->output_bias},
        {TENSOR_GATE, &layer->gate, config->intermediate, config->hidden, config->forward_biases},
        {TENSOR_UP, &layer->up, config->intermediate, config->hidden, config->forward_biases},
        {TENSOR_DOWN, &layer->down, config->hidden, config->intermediate, config->forward_biases},
    };

    layer->window = config->windowed[index] ? config->window : 0;
    for (int i = 0; i < LAYER_MATRICES; i++)
        if (find_linear(t, matrices[i].role, index, matrices[i].rows, matrices[i].cols,
                        matrices[i].biased, matrices[i].linear, failure) < 0)
            return -1;
    if (load_norm(t, TENSOR_ATTENTION_NORM, index, config->hidden, &layer->attention_norm,
                  failure) < 0 ||
        load_norm(t, TENSOR_FORWARD_NORM, index, config->hidden, &layer->forward_norm, failure) < 0)
        return -1;
    if (!config->head_norms)
        return 0;
    if (load_norm(t, TENSOR_QUERY_NORM, index, config->head_dim, &layer->query_norm, failure) < 0)
        return -1;
    return load_norm(t, TENSOR_KEY_NORM, index, config->head_dim, &layer->key_norm, failure);
}

static int list_units(struct transformer *t, struct failure *failure)
{
    uint32_t layers = t->config->layers;
    struct weight_unit *unit = calloc((size_t)layers * LAYER_UNITS + 1, sizeof(*unit));

    t->units = unit;
    if (!unit)
        return fail(failure, "%s: out of memory", t->weights->path);
    for (uint32_t i = 0; i < layers; i++, unit += LAYER_UNITS) {
        struct layer *layer = &t->layers[i];

        unit[UNIT_PROJECT] = (struct weight_unit){
            {&layer->query.weight, &layer->key.weight, &layer->value.weight}, 3};
        unit[UNIT_OUTPUT] = (struct weight_unit){{&layer->output.weight}, 1};
        unit[UNIT_WIDE] = (struct weight_unit){{&layer->gate.weight, &layer->up.weight}, 2};
        unit[UNIT_DOWN] = (struct weight_unit){{&layer->down.weight}, 1};
    }
    *unit = (struct weight_unit){{&t->head}, 1};
    return 0;
}

/* What the kernels of all threads need beside vectors, in passes of so many tokens. */
static uint64_t scratch_bytes(const struct transformer *t, uint32_t rows)
{
    size_t most = 0;

    for (size_t unit = 0; unit <= (size_t)t->config->layers * LAYER_UNITS; unit++)
        for (size_t i = 0; i < t->units[unit].count; i++) {
            const struct weight_tensor *tensor = t->units[unit].tensors[i];
            size_t floats = kernels_scratch(t->kernels, tensor->dtype, tensor->cols, rows);

            most = floats > most ? floats : most;
        }
    return (uint64_t)most * sizeof(float) * pool_workers(t->pool);
}

/* Passes of as many tokens as are worth their buffers. spare: bytes for them, 0: any. */
static void choose_limits(struct transformer *t, uint64_t spare)
{
    uint64_t logits = (uint64_t)t->config->vocabulary * sizeof(float);
    uint64_t wanted = (spare ? spare / 8 : LOGITS_BYTES) / logits, rows = ROWS_MAX;

    wanted = wanted ? wanted : 1;
    if (spare)
        rows =
            spare < wanted * logits ? 1 : (spare - wanted * logits) / 4 / transformer_row_bytes(t);
    t->row_limit = rows > ROWS_MAX ? ROWS_MAX : rows ? (uint32_t)rows : 1;
    while (spare && t->row_limit > 1 &&
           scratch_bytes(t, t->row_limit) - scratch_bytes(t, 1) > spare / 4)
        t->row_limit /= 2;
    t->wanted_limit = wanted > t->row_limit ? t->row_limit : (uint32_t)wanted;
}

int transformer_start(struct transformer *t, struct failure *failure)
{
    const struct weights_ops *ops = t->weights->ops;
    uint64_t memory = t->weights->memory, least = 0, used;

    used = t->bytes_vectors + t->bytes_sequences + transformer_scores_bytes(t, t->context);
    if (ops->plan && ops->plan(t->weights, t->units, (size_t)t->config->layers * LAYER_UNITS + 1,
                               &least, failure) < 0)
        return -1;
    choose_limits(t, !memory ? 0 : memory > used + least ? memory - used - least : 1);
    used += t->row_limit * transformer_row_bytes(t) + scratch_bytes(t, t->row_limit) +
            (uint64_t)t->wanted_limit * t->config->vocabulary * sizeof(float);
    if (ops->start && ops->start(t->weights, used, failure) < 0)
        return -1;
    if (t->weights->streams)
        pool_share_cpus(t->pool);
    t->started = true;
    return 0;
}

static int load_rope(struct transformer *t, struct failure *failure)
{
    const struct model_config *config = t->config;
    float *divisors = NULL;
    struct weight_tensor tensor;
    char name[TENSOR_NAME_SIZE];
    int found = 0;

    t->frequencies = calloc(config->head_dim / 2, sizeof(*t->frequencies));
    if (!t->frequencies)
        return fail(failure, "%s: out of memory", t->weights->path);
    tensor_name(config->layout, TENSOR_ROPE_DIVISORS, 0, false, name);
    if (config->layout != LAYOUT_HUGGINGFACE)
        found = look_up(t, name, 1, config->head_dim / 2, &tensor, failure);
    if (found > 0 && load_vector(t, name, config->head_dim / 2, &divisors, failure) < 0)
        found = -1;
    if (found >= 0)
        t->rope_scale = rope_frequencies(config, divisors, t->frequencies);
    free(divisors);
    return found < 0 ? -1 : 0;
}

int transformer_load(struct transformer *t, struct failure *failure)
{
    const struct model_config *config = t->config;
    char name[TENSOR_NAME_SIZE];

    tensor_name(config->layout, TENSOR_EMBEDDING, 0, false, name);
    if (find_tensor(t, name, config->vocabulary, config->hidden, &t->embedding, failure) < 0 ||
        load_norm(t, TENSOR_FINAL_NORM, 0, config->hidden, &t->final_norm, failure) < 0 ||
        load_rope(t, failure) < 0)
        return -1;
    tensor_name(config->layout, TENSOR_HEAD, 0, false, name);
    if (config->tied_embeddings)
        t->head = t->embedding;
    else if (find_tensor(t, name, config->vocabulary, config->hidden, &t->head, failure) < 0)
        return -1;
    t->layers = calloc(config->layers, sizeof(*t->layers));
    if (!t->layers)
        return fail(failure, "%s: out of memory", t->weights->path);
    for (uint32_t i = 0; i < config->layers; i++)
        if (find_layer(t, i, failure) < 0)
            return -1;
    return list_units(t, failure);
}

void transformer_unload(struct transformer *t)
{
    for (uint32_t i = 0; t->layers && i < t->config->layers; i++) {
        struct layer *layer = &t->layers[i];
        float *const owned[] = {
            layer->query.bias,   layer->key.bias,   layer->value.bias, layer->output.bias,
            layer->gate.bias,    layer->up.bias,    layer->down.bias,  layer->attention_norm,
            layer->forward_norm, layer->query_norm, layer->key_norm,
        };

        for (size_t o = 0; o < sizeof(owned) / sizeof(owned[0]); o++)
            free(owned[o]);
    }
    free(t->layers);
    free(t->units);
    free(t->final_norm);
    free(t->frequencies);
}

int transformer_bytes(struct transformer *t, uint64_t *decoded, uint64_t *stored,
                      struct failure *failure)
{
    struct weights *weights = t->weights;
    uint64_t bytes = 0;

    *decoded = *stored = 0;
    for (size_t u = 0; u <= (size_t)t->config->layers * LAYER_UNITS; u++)
        for (size_t i = 0; i < t->units[u].count; i++) {
            const struct weight_tensor *tensor = t->units[u].tensors[i];

            if (weights->ops->stored(weights, tensor, &bytes, failure) < 0)
                return -1;
            *stored += bytes;
            *decoded += tensor->rows * lwc_dtype_bytes(tensor->dtype, tensor->cols);
        }
    return 0;
}
