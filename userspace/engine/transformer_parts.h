/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the transformer share. */
#ifndef LWC_ENGINE_TRANSFORMER_PARTS_H
#define LWC_ENGINE_TRANSFORMER_PARTS_H

#include "transformer.h"

#include <stdbool.h>

/* Tokens that go through a layer together. */
#define ROWS_MAX 256u
/* Of them, as many have logits as fit into so many bytes, if memory is not limited. */
#define LOGITS_BYTES (64ull << 20)
/* Matrices that multiply the same vectors come together (weights.h). */
enum layer_unit { UNIT_PROJECT, UNIT_OUTPUT, UNIT_WIDE, UNIT_DOWN, LAYER_UNITS };
#define LAYER_MATRICES 7

/* A matrix and what is added to its products, or NULL. */
struct linear {
    struct weight_tensor weight;
    float *bias;
};

struct layer {
    struct linear query, key, value, output, gate, up, down;
    float *attention_norm, *forward_norm;
    float *query_norm, *key_norm; /* of one head, or NULL */
    uint32_t window;              /* 0: all positions */
};

struct sequence {
    struct transformer *transformer;
    uint32_t context;
    uint32_t length;
    uint8_t *cache; /* keys, values of each layer: [kv head][position][head_dim] */
    size_t size;
};

/* A token of the pass under way. */
struct row {
    struct sequence *sequence;
    uint32_t token;
    uint32_t position;
    size_t step;
    size_t in_step;
    bool wanted; /* its logits */
};

struct transformer {
    const struct model_config *config;
    struct weights *weights;
    const struct kernels *kernels;
    struct pool *pool;
    enum kv_type kv;
    struct layer *layers;
    struct weight_tensor embedding, head;
    struct weight_unit *units; /* LAYER_UNITS of each layer, then the head */
    bool started;              /* the weights know them */
    float *final_norm;
    double *frequencies; /* head_dim / 2 */
    float rope_scale;
    uint32_t queries_dim, kv_dim;
    bool (*stop)(void); /* or NULL */

    /* the pass under way; buffers have one line for each of `capacity` rows */
    struct row rows[ROWS_MAX];
    uint32_t row_count, wanted_count;
    uint32_t row_limit, wanted_limit;
    uint32_t capacity;
    float *stream, *normed, *queries, *keys, *values, *mixed, *gates, *ups;
    float *cosines, *sines; /* head_dim / 2 each */
    float *logits;          /* logits_capacity x vocabulary */
    uint32_t logits_capacity;
    float *scores; /* of each worker scores_room floats: lines of scores_capacity, then scratch */
    uint64_t scores_room;
    uint32_t scores_capacity;
    uint32_t scores_lines; /* see attention_lines */
    struct transformer_times times;

    uint64_t bytes_vectors;   /* norms, biases */
    uint64_t bytes_sequences; /* keys and values of all */
    uint32_t context;         /* of the longest sequence */
};

static inline uint32_t group_heads(const struct transformer *t)
{
    return t->config->heads / t->config->kv_heads;
}

static inline size_t kv_element(enum kv_type kv)
{
    return kv == KV_F16 ? 2 : 4;
}

/* Find all tensors. 0, or -1 with a message. */
int transformer_load(struct transformer *t, struct failure *failure);
/*
 * Before the first pass, when it is known how much memory the sequences take:
 * choose the pass' size and start the source.
 */
int transformer_start(struct transformer *t, struct failure *failure);
void transformer_unload(struct transformer *t);

/* What a row of a pass takes. */
uint64_t transformer_row_bytes(struct transformer *t);
/* What attention's scores take for so many positions. */
uint64_t transformer_scores_bytes(const struct transformer *t, uint32_t positions);

/*
 * Queries, keys and values of the rows, as the matrices leave them, to what
 * attention takes, keys and values in their caches; then the attention itself,
 * from queries to mixed.
 */
int attention_place(struct transformer *t, uint32_t layer, struct failure *failure);
int attention_run(struct transformer *t, uint32_t layer, struct failure *failure);

/* Room for a pass of rows tokens, for scores of so many positions, for rows of logits. */
int reserve_rows(struct transformer *t, uint32_t rows, struct failure *failure);
int reserve_scores(struct transformer *t, uint32_t positions, struct failure *failure);
int reserve_logits(struct transformer *t, uint32_t rows, struct failure *failure);
void free_buffers(struct transformer *t);

#endif
