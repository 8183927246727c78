/* SPDX-License-Identifier: BSD-3-Clause */
#include "attention.h"

#include <string.h>

/* Positions of a cache that all heads of a group use before the next: what stays in L2. */
#define POSITIONS_BLOCK 512u

static void keep(const struct transformer *t, const float *from, uint8_t *cache, uint32_t position)
{
    uint32_t dim = t->config->head_dim;
    uint8_t *to = cache + (size_t)position * dim * kv_element(t->kv);

    if (t->kv == KV_F16)
        t->kernels->to_f16(from, dim, (uint16_t *)(void *)to);
    else
        memcpy(to, from, dim * sizeof(float));
}

/* Neighbours to halves: what the rows of GGUF's matrices of the Llama family give. */
static void part_pairs(float *head, uint32_t dim, float *scratch)
{
    memcpy(scratch, head, dim * sizeof(float));
    for (uint32_t i = 0; i < dim / 2; i++) {
        head[i] = scratch[2 * i];
        head[i + dim / 2] = scratch[2 * i + 1];
    }
}

/* One head of queries or keys: from the matrix to what is compared. scratch: dim floats. */
static void turn_head(const struct transformer *t, uint32_t row, float *head, const float *norm,
                      float *scratch)
{
    uint32_t dim = t->config->head_dim;

    if (t->config->layout == LAYOUT_GGUF_PAIRS)
        part_pairs(head, dim, scratch);
    if (norm)
        t->kernels->rmsnorm(head, norm, dim, t->config->epsilon, head);
    t->kernels->rotate_half(head, t->cosines + (size_t)row * dim / 2,
                            t->sines + (size_t)row * dim / 2, dim);
}

struct placing {
    struct transformer *t;
    uint32_t layer;
};

static void place_row(struct transformer *t, uint32_t index, uint32_t r)
{
    const struct layer *layer = &t->layers[index];
    const struct row *row = &t->rows[r];
    uint32_t dim = t->config->head_dim;
    float *queries = t->queries + (size_t)r * t->queries_dim;
    float *keys = t->keys + (size_t)r * t->kv_dim, *values = t->values + (size_t)r * t->kv_dim;
    float *scratch = t->mixed + (size_t)r * t->queries_dim; /* free before attention */

    if (layer->query.bias) {
        t->kernels->add(queries, layer->query.bias, t->queries_dim);
        t->kernels->add(keys, layer->key.bias, t->kv_dim);
        t->kernels->add(values, layer->value.bias, t->kv_dim);
    }
    for (uint32_t h = 0; h < t->config->heads; h++)
        turn_head(t, r, queries + (size_t)h * dim, layer->query_norm, scratch);
    for (uint32_t h = 0; h < t->config->kv_heads; h++) {
        turn_head(t, r, keys + (size_t)h * dim, layer->key_norm, scratch);
        keep(t, keys + (size_t)h * dim, cache_of(t, row->sequence, index, false, h), row->position);
        keep(t, values + (size_t)h * dim, cache_of(t, row->sequence, index, true, h),
             row->position);
    }
}

static int place_part(void *context, unsigned int worker, uint64_t first, uint64_t count,
                      struct failure *failure)
{
    const struct placing *placing = context;

    (void)worker, (void)failure;
    for (uint64_t r = first; r < first + count; r++)
        place_row(placing->t, placing->layer, (uint32_t)r);
    return 0;
}

int attention_place(struct transformer *t, uint32_t layer, struct failure *failure)
{
    struct placing placing = {t, layer};

    if (t->row_count == 1)
        return place_part(&placing, 0, 0, 1, failure);
    return pool_run(t->pool, t->row_count, place_part, &placing, failure);
}

/* Some heads of a group for one row. */
static void attend(const struct transformer *t, const struct attention_block *block, float *scores)
{
    const struct kernels *kernels = t->kernels;
    const struct row *row = &t->rows[block->row];
    uint32_t dim = t->config->head_dim, heads = block->heads,
             kv_head = block->first / group_heads(t);
    uint32_t end = row->position + 1, start = sees_from(t, block->layer, end);
    uint32_t hidden = start % 64, base = start - hidden;
    size_t bytes = dim * kv_element(t->kv);
    const uint8_t *keys = cache_of(t, row->sequence, block->layer, false, kv_head);
    const uint8_t *values = cache_of(t, row->sequence, block->layer, true, kv_head);
    size_t at = (size_t)block->row * t->queries_dim + (size_t)block->first * dim;

    for (uint32_t p = start; p < end; p += POSITIONS_BLOCK) {
        uint32_t count = end - p < POSITIONS_BLOCK ? end - p : POSITIONS_BLOCK;

        for (uint32_t h = 0; h < heads; h++)
            kernels->scores(kv_dtype(t->kv), t->queries + at + (size_t)h * dim, keys + p * bytes,
                            count, dim, score_scale(t),
                            scores + (size_t)h * t->scores_capacity + (p - base));
    }
    for (uint32_t h = 0; h < heads; h++)
        weigh_scores(t, scores + (size_t)h * t->scores_capacity, hidden, end - base);
    memset(t->mixed + at, 0, (size_t)heads * dim * sizeof(float));
    kernels->mix(kv_dtype(t->kv), scores + hidden, t->scores_capacity, heads,
                 values + start * bytes, end - start, dim, t->mixed + at);
}

struct attending {
    struct transformer *t;
    uint32_t layer;
    uint32_t heads;  /* of an item */
    uint32_t blocks; /* of rows: the first of each, and the end of all */
    uint32_t start[ROWS_MAX + 1];
};

static int attend_part(void *context, unsigned int worker, uint64_t first, uint64_t count,
                       struct failure *failure)
{
    const struct attending *work = context;
    const struct transformer *t = work->t;
    uint32_t parts = t->config->heads / work->heads;
    float *scores = t->scores + (size_t)worker * t->scores_room;

    (void)failure;
    for (uint64_t i = first; i < first + count; i++) {
        uint32_t row = work->start[i / parts], rows = work->start[i / parts + 1] - row;
        struct attention_block block = {work->layer, row, rows, (uint32_t)(i % parts) * work->heads,
                                        work->heads};

        if (rows > 1 && attention_is_many(rows * work->heads)) {
            attend_block(t, &block, scores);
            continue;
        }
        for (block.rows = 1; block.row < row + rows; block.row++)
            attend(t, &block, scores);
    }
    return 0;
}

/* Blocks of at most so many rows, each of neighbours in one sequence. */
static void cut_blocks(struct attending *work, uint32_t most)
{
    const struct row *rows = work->t->rows;

    for (uint32_t r = 0; r < work->t->row_count; r++)
        if (!r || r - work->start[work->blocks - 1] == most ||
            rows[r].sequence != rows[r - 1].sequence ||
            rows[r].position != rows[r - 1].position + 1)
            work->start[work->blocks++] = r;
    work->start[work->blocks] = work->t->row_count;
}

int attention_run(struct transformer *t, uint32_t layer, struct failure *failure)
{
    struct attending work = {.t = t, .layer = layer, .heads = group_heads(t)};
    uint64_t groups = (uint64_t)t->row_count * t->config->kv_heads;

    /* heads of a group share what they read, unless there are too few groups for all workers */
    if (groups < 2 * (uint64_t)pool_workers(t->pool))
        work.heads = 1;
    cut_blocks(&work, t->scores_lines / group_heads(t));
    return pool_run(t->pool, (uint64_t)work.blocks * (t->config->heads / work.heads), attend_part,
                    &work, failure);
}
