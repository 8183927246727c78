/* SPDX-License-Identifier: BSD-3-Clause */
#include "llama.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tokens that go through a layer together. */
#define BATCH 256u
#define LAYER_MATRICES 7

struct layer {
    struct weight_tensor query, key, value, output, gate, up, down;
    struct weight_tensor *all[LAYER_MATRICES];
    float *attention_norm;
    float *forward_norm;
    float *keys;   /* [kv_head][position][head_dim] */
    float *values; /* the same */
};

struct llama {
    const struct model_config *config;
    struct weights *weights;
    const struct kernels *kernels;
    struct pool *pool;
    uint32_t context;
    uint32_t position; /* tokens so far */
    struct layer *layers;
    struct weight_tensor embedding, head;
    struct weight_tensor *head_unit[1];
    float *final_norm;
    /* BATCH rows each */
    float *stream, *normed, *queries, *new_keys, *new_values, *mixed, *gates, *ups;
    float *cosines, *sines; /* BATCH rows of head_dim / 2 */
    float *scores;          /* context floats for each worker */
    float *logits;
    uint32_t queries_dim, kv_dim;
    uint32_t batch; /* tokens of the pass under way */
};

static int find_tensor(struct llama *llama, const char *name, uint64_t rows, uint64_t cols,
                       struct weight_tensor *out, struct failure *failure)
{
    int found = llama->weights->ops->find(llama->weights, name, out, failure);

    if (found < 0)
        return -1;
    if (!found)
        return fail(failure, "%s: no tensor %s; the model is not complete", llama->weights->path,
                    name);
    if (out->rows != rows || out->cols != cols)
        return fail(failure, "%s: %s is %llu x %llu, config.json says %llu x %llu",
                    llama->weights->path, name, (unsigned long long)out->rows,
                    (unsigned long long)out->cols, (unsigned long long)rows,
                    (unsigned long long)cols);
    if (out->dtype != LWC_DTYPE_BF16 && out->dtype != LWC_DTYPE_F16 && out->dtype != LWC_DTYPE_F32)
        return fail(failure, "%s: %s is neither BF16, F16 nor F32", llama->weights->path, name);
    return 0;
}

static int load_norm(struct llama *llama, const char *name, float **out, struct failure *failure)
{
    struct weight_tensor tensor;

    if (find_tensor(llama, name, 1, llama->config->hidden, &tensor, failure) < 0)
        return -1;
    *out = malloc(llama->config->hidden * sizeof(float));
    if (!*out)
        return fail(failure, "%s: out of memory", llama->weights->path);
    return llama->weights->ops->rows(llama->weights, &tensor, 0, 1, *out, failure);
}

static int find_layer(struct llama *llama, uint32_t index, struct failure *failure)
{
    struct layer *layer = &llama->layers[index];
    const struct model_config *config = llama->config;
    const struct {
        const char *name;
        struct weight_tensor *tensor;
        uint32_t rows, cols;
    } matrices[LAYER_MATRICES] = {
        {"self_attn.q_proj", &layer->query, llama->queries_dim, config->hidden},
        {"self_attn.k_proj", &layer->key, llama->kv_dim, config->hidden},
        {"self_attn.v_proj", &layer->value, llama->kv_dim, config->hidden},
        {"self_attn.o_proj", &layer->output, config->hidden, llama->queries_dim},
        {"mlp.gate_proj", &layer->gate, config->intermediate, config->hidden},
        {"mlp.up_proj", &layer->up, config->intermediate, config->hidden},
        {"mlp.down_proj", &layer->down, config->hidden, config->intermediate},
    };
    char name[128];

    for (int i = 0; i < LAYER_MATRICES; i++) {
        snprintf(name, sizeof(name), "model.layers.%u.%s.weight", index, matrices[i].name);
        layer->all[i] = matrices[i].tensor;
        if (find_tensor(llama, name, matrices[i].rows, matrices[i].cols, matrices[i].tensor,
                        failure) < 0)
            return -1;
    }
    snprintf(name, sizeof(name), "model.layers.%u.input_layernorm.weight", index);
    if (load_norm(llama, name, &layer->attention_norm, failure) < 0)
        return -1;
    snprintf(name, sizeof(name), "model.layers.%u.post_attention_layernorm.weight", index);
    return load_norm(llama, name, &layer->forward_norm, failure);
}

static float *floats(uint64_t rows, uint64_t cols)
{
    return calloc(rows, cols * sizeof(float));
}

static int allocate(struct llama *llama, struct failure *failure)
{
    const struct model_config *config = llama->config;
    uint64_t cache = (uint64_t)config->kv_heads * config->head_dim;
    int good;

    llama->stream = floats(BATCH, config->hidden);
    llama->normed = floats(BATCH, config->hidden);
    llama->queries = floats(BATCH, llama->queries_dim);
    llama->new_keys = floats(BATCH, llama->kv_dim);
    llama->new_values = floats(BATCH, llama->kv_dim);
    llama->mixed =
        floats(BATCH, llama->queries_dim > config->hidden ? llama->queries_dim : config->hidden);
    llama->gates = floats(BATCH, config->intermediate);
    llama->ups = floats(BATCH, config->intermediate);
    llama->cosines = floats(BATCH, config->head_dim / 2);
    llama->sines = floats(BATCH, config->head_dim / 2);
    llama->scores = floats(pool_workers(llama->pool), llama->context);
    llama->logits = floats(1, config->vocabulary);
    good = llama->stream && llama->normed && llama->queries && llama->new_keys &&
           llama->new_values && llama->mixed && llama->gates && llama->ups && llama->cosines &&
           llama->sines && llama->scores && llama->logits;
    for (uint32_t i = 0; good && i < config->layers; i++) {
        llama->layers[i].keys = floats(llama->context, cache);
        llama->layers[i].values = floats(llama->context, cache);
        good = llama->layers[i].keys && llama->layers[i].values;
    }
    return good ? 0
                : fail(failure, "%s: out of memory for a context of %u tokens; use a smaller -c",
                       llama->weights->path, llama->context);
}

/* A layer is a unit, the head another. */
static int start_units(struct llama *llama, struct failure *failure)
{
    uint32_t layers = llama->config->layers;
    struct weight_unit *units = calloc(layers + 1, sizeof(*units));
    int result;

    if (!units)
        return fail(failure, "%s: out of memory", llama->weights->path);
    for (uint32_t i = 0; i < layers; i++)
        units[i] = (struct weight_unit){llama->layers[i].all, LAYER_MATRICES};
    llama->head_unit[0] = &llama->head;
    units[layers] = (struct weight_unit){llama->head_unit, 1};
    result = llama->weights->ops->start(llama->weights, units, layers + 1, failure);
    free(units);
    return result;
}

static int load(struct llama *llama, struct failure *failure)
{
    const struct model_config *config = llama->config;

    if (find_tensor(llama, "model.embed_tokens.weight", config->vocabulary, config->hidden,
                    &llama->embedding, failure) < 0 ||
        load_norm(llama, "model.norm.weight", &llama->final_norm, failure) < 0)
        return -1;
    if (config->tied_embeddings)
        llama->head = llama->embedding;
    else if (find_tensor(llama, "lm_head.weight", config->vocabulary, config->hidden, &llama->head,
                         failure) < 0)
        return -1;
    llama->layers = calloc(config->layers, sizeof(*llama->layers));
    if (!llama->layers)
        return fail(failure, "%s: out of memory", llama->weights->path);
    for (uint32_t i = 0; i < config->layers; i++)
        if (find_layer(llama, i, failure) < 0)
            return -1;
    if (allocate(llama, failure) < 0)
        return -1;
    return start_units(llama, failure);
}

struct llama *llama_new(const struct model_config *config, struct weights *weights,
                        struct pool *pool, uint32_t context, struct failure *failure)
{
    struct llama *llama = calloc(1, sizeof(*llama));

    if (!llama) {
        fail(failure, "%s: out of memory", weights->path);
        return NULL;
    }
    *llama = (struct llama){.config = config,
                            .weights = weights,
                            .kernels = weights->kernels,
                            .pool = pool,
                            .context = context,
                            .queries_dim = config->heads * config->head_dim,
                            .kv_dim = config->kv_heads * config->head_dim};
    if (load(llama, failure) == 0)
        return llama;
    llama_free(llama);
    return NULL;
}

void llama_free(struct llama *llama)
{
    if (!llama)
        return;
    for (uint32_t i = 0; llama->layers && i < llama->config->layers; i++) {
        free(llama->layers[i].attention_norm);
        free(llama->layers[i].forward_norm);
        free(llama->layers[i].keys);
        free(llama->layers[i].values);
    }
    free(llama->layers);
    free(llama->final_norm);
    free(llama->stream);
    free(llama->normed);
    free(llama->queries);
    free(llama->new_keys);
    free(llama->new_values);
    free(llama->mixed);
    free(llama->gates);
    free(llama->ups);
    free(llama->cosines);
    free(llama->sines);
    free(llama->scores);
    free(llama->logits);
    free(llama);
}

/* One phase of a pass: what the workers do together. */
struct phase {
    struct llama *llama;
    struct layer *layer;
    const struct weight_tensor *tensors[3];
    float *results[3];
    const float *in;
    uint32_t in_dim;
    uint32_t tokens;
};

static int multiply_part(void *context, unsigned int worker, unsigned int workers,
                         struct failure *failure)
{
    const struct phase *phase = context;
    struct weights *weights = phase->llama->weights;
    struct activations in = {phase->in, phase->in_dim, phase->tokens};

    for (int i = 0; i < 3 && phase->tensors[i]; i++) {
        const struct weight_tensor *tensor = phase->tensors[i];
        struct products out = {phase->results[i], tensor->rows};
        uint64_t first, rows;

        pool_part(tensor->rows, tensor->row_grain, worker, workers, &first, &rows);
        if (rows &&
            weights->ops->multiply(weights, tensor, worker, first, rows, &in, &out, failure) < 0)
            return -1;
    }
    return 0;
}

/* Turn the new queries and keys by their positions and put keys and values into the cache. */
static void place_token(struct llama *llama, struct layer *layer, uint32_t token)
{
    const struct model_config *config = llama->config;
    uint32_t dim = config->head_dim, position = llama->position + token;
    const float *cosines = llama->cosines + (size_t)token * dim / 2;
    const float *sines = llama->sines + (size_t)token * dim / 2;

    for (uint32_t h = 0; h < config->heads; h++)
        llama->kernels->rotate_half(llama->queries + (size_t)token * llama->queries_dim +
                                        (size_t)h * dim,
                                    cosines, sines, dim);
    for (uint32_t h = 0; h < config->kv_heads; h++) {
        size_t from = (size_t)token * llama->kv_dim + (size_t)h * dim;
        size_t to = ((size_t)h * llama->context + position) * dim;

        llama->kernels->rotate_half(llama->new_keys + from, cosines, sines, dim);
        memcpy(layer->keys + to, llama->new_keys + from, dim * sizeof(float));
        memcpy(layer->values + to, llama->new_values + from, dim * sizeof(float));
    }
}

static int place_part(void *context, unsigned int worker, unsigned int workers,
                      struct failure *failure)
{
    const struct phase *phase = context;
    uint64_t first, count;

    (void)failure;
    pool_part(phase->tokens, 1, worker, workers, &first, &count);
    for (uint64_t t = first; t < first + count; t++)
        place_token(phase->llama, phase->layer, (uint32_t)t);
    return 0;
}

static void attend(struct llama *llama, const struct layer *layer, uint32_t token, uint32_t head,
                   float *scores)
{
    const struct model_config *config = llama->config;
    uint32_t dim = config->head_dim, positions = llama->position + token + 1;
    uint32_t kv_head = head / (config->heads / config->kv_heads);
    size_t at = (size_t)token * llama->queries_dim + (size_t)head * dim;
    const float *keys = layer->keys + (size_t)kv_head * llama->context * dim;
    const float *values = layer->values + (size_t)kv_head * llama->context * dim;
    float scale = 1.0f / __builtin_sqrtf((float)dim);

    for (uint32_t p = 0; p < positions; p++)
        scores[p] = llama->kernels->dot(llama->queries + at, keys + (size_t)p * dim, dim) * scale;
    llama->kernels->softmax(scores, positions);
    memset(llama->mixed + at, 0, dim * sizeof(float));
    for (uint32_t p = 0; p < positions; p++)
        llama->kernels->axpy(scores[p], values + (size_t)p * dim, dim, llama->mixed + at);
}

static int attend_part(void *context, unsigned int worker, unsigned int workers,
                       struct failure *failure)
{
    const struct phase *phase = context;
    struct llama *llama = phase->llama;
    uint64_t first, count;

    (void)failure;
    pool_part((uint64_t)phase->tokens * llama->config->heads, 1, worker, workers, &first, &count);
    for (uint64_t i = first; i < first + count; i++)
        attend(llama, phase->layer, (uint32_t)(i / llama->config->heads),
               (uint32_t)(i % llama->config->heads),
               llama->scores + (size_t)worker * llama->context);
    return 0;
}

static int silu_part(void *context, unsigned int worker, unsigned int workers,
                     struct failure *failure)
{
    const struct phase *phase = context;
    struct llama *llama = phase->llama;
    uint64_t first, count;

    (void)failure;
    pool_part((uint64_t)phase->tokens * llama->config->intermediate, 64, worker, workers, &first,
              &count);
    llama->kernels->silu_multiply(llama->gates + first, llama->ups + first, count);
    return 0;
}

/* stream += result, for all tokens */
static void add_to_stream(struct llama *llama, const float *result, uint32_t tokens)
{
    llama->kernels->add(llama->stream, result, (size_t)tokens * llama->config->hidden);
}

static void normalise(struct llama *llama, const float *norm, uint32_t tokens)
{
    uint32_t hidden = llama->config->hidden;

    for (uint32_t t = 0; t < tokens; t++)
        llama->kernels->rmsnorm(llama->stream + (size_t)t * hidden, norm, hidden,
                                llama->config->epsilon, llama->normed + (size_t)t * hidden);
}

static int attention(struct llama *llama, struct layer *layer, uint32_t tokens,
                     struct failure *failure)
{
    struct phase project = {.llama = llama,
                            .layer = layer,
                            .tokens = tokens,
                            .tensors = {&layer->query, &layer->key, &layer->value},
                            .results = {llama->queries, llama->new_keys, llama->new_values},
                            .in = llama->normed,
                            .in_dim = llama->config->hidden};
    struct phase output = {.llama = llama,
                           .layer = layer,
                           .tokens = tokens,
                           .tensors = {&layer->output},
                           .results = {llama->normed},
                           .in = llama->mixed,
                           .in_dim = llama->queries_dim};

    normalise(llama, layer->attention_norm, tokens);
    if (pool_run(llama->pool, multiply_part, &project, failure) < 0 ||
        pool_run(llama->pool, place_part, &project, failure) < 0 ||
        pool_run(llama->pool, attend_part, &project, failure) < 0 ||
        pool_run(llama->pool, multiply_part, &output, failure) < 0)
        return -1;
    add_to_stream(llama, llama->normed, tokens);
    return 0;
}

static int feed_forward(struct llama *llama, struct layer *layer, uint32_t tokens,
                        struct failure *failure)
{
    struct phase wide = {.llama = llama,
                         .layer = layer,
                         .tokens = tokens,
                         .tensors = {&layer->gate, &layer->up},
                         .results = {llama->gates, llama->ups},
                         .in = llama->normed,
                         .in_dim = llama->config->hidden};
    struct phase down = {.llama = llama,
                         .layer = layer,
                         .tokens = tokens,
                         .tensors = {&layer->down},
                         .results = {llama->normed},
                         .in = llama->gates,
                         .in_dim = llama->config->intermediate};

    normalise(llama, layer->forward_norm, tokens);
    if (pool_run(llama->pool, multiply_part, &wide, failure) < 0 ||
        pool_run(llama->pool, silu_part, &wide, failure) < 0 ||
        pool_run(llama->pool, multiply_part, &down, failure) < 0)
        return -1;
    add_to_stream(llama, llama->normed, tokens);
    return 0;
}

static int embed(struct llama *llama, const uint32_t *tokens, uint32_t count,
                 struct failure *failure)
{
    const struct model_config *config = llama->config;
    uint32_t half = config->head_dim / 2;

    for (uint32_t t = 0; t < count; t++) {
        if (llama->weights->ops->rows(llama->weights, &llama->embedding, tokens[t], 1,
                                      llama->stream + (size_t)t * config->hidden, failure) < 0)
            return -1;
        for (uint32_t i = 0; i < half; i++)
            kernels_rotary(
                llama->position + t, kernels_frequency(config->rope.base, config->head_dim, i),
                &llama->cosines[(size_t)t * half + i], &llama->sines[(size_t)t * half + i]);
    }
    return 0;
}

/* The head comes every time, even if its result is not used: units are cyclic. */
static int pass(struct llama *llama, const uint32_t *tokens, uint32_t count,
                struct failure *failure)
{
    const struct weights_ops *ops = llama->weights->ops;
    uint32_t layers = llama->config->layers;
    struct phase head = {.llama = llama,
                         .tokens = 1,
                         .tensors = {&llama->head},
                         .results = {llama->logits},
                         .in = llama->normed + (size_t)(count - 1) * llama->config->hidden,
                         .in_dim = llama->config->hidden};

    if (embed(llama, tokens, count, failure) < 0)
        return -1;
    for (uint32_t i = 0; i < layers; i++)
        if (ops->wait(llama->weights, i, failure) < 0 ||
            attention(llama, &llama->layers[i], count, failure) < 0 ||
            feed_forward(llama, &llama->layers[i], count, failure) < 0 ||
            ops->done(llama->weights, i, failure) < 0)
            return -1;
    normalise(llama, llama->final_norm, count);
    if (ops->wait(llama->weights, layers, failure) < 0 ||
        pool_run(llama->pool, multiply_part, &head, failure) < 0 ||
        ops->done(llama->weights, layers, failure) < 0)
        return -1;
    llama->position += count;
    return 0;
}

const float *llama_forward(struct llama *llama, const uint32_t *tokens, size_t count,
                           struct failure *failure)
{
    uint32_t mxcsr = kernels_enter();
    int result = 0;

    if (!count || count > llama->context - llama->position)
        result = fail(failure, "the text is longer than the context of %u tokens; use a larger -c",
                      llama->context);
    for (size_t t = 0; t < count && result == 0; t++)
        if (tokens[t] >= llama->config->vocabulary)
            result = fail(failure, "%s: token %u is not in the vocabulary of config.json",
                          llama->weights->path, tokens[t]);
    while (count && result == 0) {
        uint32_t part = count < BATCH ? (uint32_t)count : BATCH;

        result = pass(llama, tokens, part, failure);
        tokens += part;
        count -= part;
    }
    kernels_leave(mxcsr);
    return result < 0 ? NULL : llama->logits;
}
