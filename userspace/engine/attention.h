/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of attention share. */
#ifndef LWC_ENGINE_ATTENTION_H
#define LWC_ENGINE_ATTENTION_H

#include "transformer_parts.h"

#include <math.h>

/* Heads of one group in rows that follow each other in a sequence. */
struct attention_block {
    uint32_t layer;
    uint32_t row, rows;
    uint32_t first, heads;
};

static inline enum lwc_dtype kv_dtype(enum kv_type kv)
{
    return kv == KV_F16 ? LWC_DTYPE_F16 : LWC_DTYPE_F32;
}

/* The keys of a layer's head in a cache; the values of the layer lie behind its keys. */
static inline uint8_t *cache_of(const struct transformer *t, const struct sequence *sequence,
                                uint32_t layer, bool values, uint32_t kv_head)
{
    size_t head = (size_t)sequence->context * t->config->head_dim * kv_element(t->kv);

    return sequence->cache + ((size_t)(2 * layer + values) * t->config->kv_heads + kv_head) * head;
}

/* What a row sees: positions [start, end). */
static inline uint32_t sees_from(const struct transformer *t, uint32_t layer, uint32_t end)
{
    uint32_t window = t->layers[layer].window;

    return window && window < end ? end - window : 0;
}

static inline float score_scale(const struct transformer *t)
{
    return 1.0f / __builtin_sqrtf((float)t->config->head_dim);
}

/*
 * Scores of `count` positions to weights. Softmax takes them by absolute
 * position in its lanes, so they begin at a multiple of 64: the first ones that
 * a window hides become -inf, which adds nothing to a lane.
 */
static inline void weigh_scores(const struct transformer *t, float *scores, uint32_t hidden,
                                uint32_t count)
{
    for (uint32_t i = 0; i < hidden; i++)
        scores[i] = -INFINITY;
    t->kernels->softmax(scores, count);
}

/* Lines of scores that a worker has room for: more than those of a group if many queries are
 * compared at once. */
uint32_t attention_lines(const struct transformer *t, uint32_t capacity);
/* What a worker needs with lines of this capacity. */
uint64_t attention_floats(const struct transformer *t, uint32_t capacity);
/* Whether so many queries are worth attend_block. */
bool attention_is_many(uint32_t queries);
/* From queries to mixed, all of the block together. room: scores_room floats, the worker's. */
void attend_block(const struct transformer *t, const struct attention_block *block, float *room);

#endif
