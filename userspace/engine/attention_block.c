/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attention of many queries at once. Those of a group's heads, in rows that
 * follow each other, share nearly all keys and values. What not
 * all rows see, before the last one's start and behind the first one's end, is
 * mixed row by row; each line has its positions in increasing order.
 */
#include "attention.h"

#include <string.h>

/* Queries of a block, and those from which on it is worth it. */
#define QUERIES 64u
#define QUERIES_LEAST 16u
/* What lines of a block may take: where contexts are long, a block has fewer queries. */
#define LINES_BYTES (8ull << 20)

bool attention_is_many(uint32_t queries)
{
    return queries >= QUERIES_LEAST;
}

uint32_t attention_lines(const struct transformer *t, uint32_t capacity)
{
    uint64_t fit = LINES_BYTES / sizeof(float) / capacity;
    uint32_t heads = group_heads(t), lines = fit < QUERIES ? (uint32_t)fit : QUERIES;

    lines -= lines % heads;
    return lines < 2 * heads || lines < QUERIES_LEAST ? heads : lines;
}

uint64_t attention_floats(const struct transformer *t, uint32_t capacity)
{
    uint64_t lines = attention_lines(t, capacity), floats = lines * capacity;

    if (lines > group_heads(t))
        floats += 2 * lines * t->config->head_dim +
                  t->kernels->scores_scratch(t->config->head_dim, lines);
    return (floats + 15) / 16 * 16;
}

/* Where a block's numbers are in the worker's room. */
struct room {
    float *scores;
    float *queries, *mixed; /* a line of head_dim for each query */
    float *scratch;
};

static struct room room_of(const struct transformer *t, float *room)
{
    size_t vectors = (size_t)t->scores_lines * t->config->head_dim;
    float *behind = room + (size_t)t->scores_lines * t->scores_capacity;

    return (struct room){room, behind, behind + vectors, behind + 2 * vectors};
}

/* The block's queries, one after another. */
static struct activations gather(const struct transformer *t, const struct attention_block *block,
                                 const struct room *room)
{
    size_t dim = t->config->head_dim, line = block->heads * dim;

    for (uint32_t i = 0; i < block->rows; i++)
        memcpy(room->queries + i * line,
               t->queries + (size_t)(block->row + i) * t->queries_dim + block->first * dim,
               line * sizeof(float));
    return (struct activations){
        .x = room->queries, .x_stride = dim, .n = (size_t)block->rows * block->heads};
}

/* What mixing needs of the block: its values, and the position of the scores' lines. */
struct mix {
    const struct transformer *t;
    const struct attention_block *block;
    const struct room *room;
    const uint8_t *values;
    uint32_t base;
};

/* Values of positions [from, to) to the lines of some rows. */
static void mix_rows(const struct mix *mix, uint32_t row, uint32_t rows, uint32_t from, uint32_t to)
{
    const struct transformer *t = mix->t;
    size_t dim = t->config->head_dim, line = (size_t)row * mix->block->heads;

    if (from < to)
        t->kernels->mix(kv_dtype(t->kv),
                        mix->room->scores + line * t->scores_capacity + (from - mix->base),
                        t->scores_capacity, (size_t)rows * mix->block->heads,
                        mix->values + from * dim * kv_element(t->kv), to - from, dim,
                        mix->room->mixed + line * dim);
}

/* first: the end of what the first row sees. */
static void mix_block(const struct mix *mix, uint32_t first)
{
    const struct attention_block *block = mix->block;
    uint32_t from = sees_from(mix->t, block->layer, first + block->rows - 1);
    uint32_t to = from < first ? first : from;

    for (uint32_t i = 0; i < block->rows; i++)
        mix_rows(mix, i, 1, sees_from(mix->t, block->layer, first + i),
                 from < first + i ? from : first + i);
    mix_rows(mix, 0, block->rows, from, to);
    for (uint32_t i = 0; i < block->rows; i++)
        mix_rows(mix, i, 1, to, first + i);
}

/* Each line from where its own row's window begins. */
static void weigh(const struct transformer *t, const struct attention_block *block,
                  const struct room *room, uint32_t first, uint32_t base)
{
    for (uint32_t i = 0; i < block->rows; i++) {
        uint32_t end = first + i, hidden = sees_from(t, block->layer, end) % 64;
        uint32_t own = sees_from(t, block->layer, end) - hidden;

        for (uint32_t h = 0; h < block->heads; h++)
            weigh_scores(t,
                         room->scores + ((size_t)i * block->heads + h) * t->scores_capacity +
                             (own - base),
                         hidden, end - own);
    }
}

void attend_block(const struct transformer *t, const struct attention_block *block, float *place)
{
    const struct sequence *sequence = t->rows[block->row].sequence;
    uint32_t kv_head = block->first / group_heads(t), first = t->rows[block->row].position + 1;
    uint32_t start = sees_from(t, block->layer, first), base = start - start % 64;
    uint32_t end = first + block->rows - 1;
    size_t dim = t->config->head_dim, bytes = dim * kv_element(t->kv);
    const uint8_t *keys = cache_of(t, sequence, block->layer, false, kv_head);
    struct room room = room_of(t, place);
    struct activations queries = gather(t, block, &room);
    struct mix mix = {t, block, &room, cache_of(t, sequence, block->layer, true, kv_head), base};

    t->kernels->scores_many(
        kv_dtype(t->kv), &queries, keys + start * bytes, end - start, dim, score_scale(t),
        &(struct products){room.scores + (start - base), t->scores_capacity}, room.scratch);
    weigh(t, block, &room, first, base);
    memset(room.mixed, 0, block->rows * block->heads * dim * sizeof(float));
    mix_block(&mix, first);
    for (uint32_t i = 0; i < block->rows; i++)
        memcpy(t->mixed + (size_t)(block->row + i) * t->queries_dim + block->first * dim,
               room.mixed + i * block->heads * dim, block->heads * dim * sizeof(float));
}
