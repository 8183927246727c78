/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of a transformer beside its weights: of sequences, and of the pass under way. */
#include "attention.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ROW_BUFFERS 10

/* Buffers that have a line for each row, and the floats in it. */
struct row_buffer {
    float **lines;
    uint32_t cols;
};

static void list_row_buffers(struct transformer *t, struct row_buffer buffers[ROW_BUFFERS])
{
    const struct model_config *config = t->config;
    /* also takes those of hidden whose logits are wanted */
    uint32_t mixed = t->queries_dim > config->hidden ? t->queries_dim : config->hidden;
    const struct row_buffer all[ROW_BUFFERS] = {
        {&t->stream, config->hidden},
        {&t->normed, config->hidden},
        {&t->queries, t->queries_dim},
        {&t->keys, t->kv_dim},
        {&t->values, t->kv_dim},
        {&t->mixed, mixed},
        {&t->gates, config->intermediate},
        {&t->ups, config->intermediate},
        {&t->cosines, config->head_dim / 2},
        {&t->sines, config->head_dim / 2},
    };

    memcpy(buffers, all, sizeof(all));
}

static uint32_t longest_vector(const struct transformer *t)
{
    uint32_t longest = t->config->hidden > t->queries_dim ? t->config->hidden : t->queries_dim;

    return longest > t->config->intermediate ? longest : t->config->intermediate;
}

uint64_t transformer_row_bytes(struct transformer *t)
{
    struct row_buffer buffers[ROW_BUFFERS];
    uint64_t bytes = 0;

    list_row_buffers(t, buffers);
    for (int i = 0; i < ROW_BUFFERS; i++)
        bytes += buffers[i].cols * sizeof(float);
    /* each matrix' vectors are packed and arranged before they are multiplied */
    return bytes + 2 * sizeof(float) * longest_vector(t);
}

static void free_rows(struct transformer *t)
{
    struct row_buffer buffers[ROW_BUFFERS];

    list_row_buffers(t, buffers);
    for (int i = 0; i < ROW_BUFFERS; i++) {
        free(*buffers[i].lines);
        *buffers[i].lines = NULL;
    }
    t->capacity = 0;
}

uint64_t sequence_bytes(const struct model_config *config, enum kv_type kv, uint32_t context)
{
    return 2ull * config->layers * config->kv_heads * config->head_dim * kv_element(kv) * context;
}

struct sequence *sequence_new(struct transformer *t, uint32_t context, struct failure *failure)
{
    struct sequence *sequence = calloc(1, sizeof(*sequence));

    if (sequence) {
        *sequence = (struct sequence){.transformer = t, .context = context};
        sequence->size = sequence_bytes(t->config, t->kv, context);
        /* pages come when positions are used */
        sequence->cache = mmap(NULL, sequence->size, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (sequence->cache != MAP_FAILED) {
            t->bytes_sequences += sequence->size;
            t->context = context > t->context ? context : t->context;
            return sequence;
        }
    }
    free(sequence);
    fail(failure, "%s: out of memory for a context of %u tokens; use a smaller -c",
         t->weights->path, context);
    return NULL;
}

void sequence_free(struct sequence *sequence)
{
    if (!sequence)
        return;
    munmap(sequence->cache, sequence->size);
    sequence->transformer->bytes_sequences -= sequence->size;
    free(sequence);
}

uint32_t sequence_length(const struct sequence *sequence)
{
    return sequence->length;
}

void sequence_cut(struct sequence *sequence, uint32_t length)
{
    if (length < sequence->length)
        sequence->length = length;
}

void transformer_set_stop(struct transformer *t, bool (*stop)(void))
{
    t->stop = stop;
}

/* Lines of floats, each at a multiple of a cache line where its length is. */
static float *lines(uint64_t rows, uint64_t cols)
{
    return aligned_alloc(64, (rows * cols * sizeof(float) + 63) & ~(uint64_t)63);
}

int reserve_rows(struct transformer *t, uint32_t rows, struct failure *failure)
{
    struct row_buffer buffers[ROW_BUFFERS];

    if (rows <= t->capacity)
        return 0;
    free_rows(t);
    list_row_buffers(t, buffers);
    for (int i = 0; i < ROW_BUFFERS; i++) {
        *buffers[i].lines = lines(rows, buffers[i].cols);
        if (!*buffers[i].lines)
            return fail(failure, "%s: out of memory for %u tokens at once", t->weights->path, rows);
    }
    t->capacity = rows;
    return 0;
}

static uint32_t scores_capacity(uint32_t positions)
{
    return (positions + 1023) / 1024 * 1024 + 64;
}

uint64_t transformer_scores_bytes(const struct transformer *t, uint32_t positions)
{
    return pool_workers(t->pool) * attention_floats(t, scores_capacity(positions)) * sizeof(float);
}

int reserve_scores(struct transformer *t, uint32_t positions, struct failure *failure)
{
    uint32_t capacity = scores_capacity(positions);

    if (capacity <= t->scores_capacity)
        return 0;
    free(t->scores);
    t->scores_capacity = 0;
    t->scores = lines(pool_workers(t->pool), attention_floats(t, capacity));
    if (!t->scores)
        return fail(failure, "%s: out of memory for a context of %u tokens; use a smaller -c",
                    t->weights->path, positions);
    t->scores_capacity = capacity;
    t->scores_lines = attention_lines(t, capacity);
    t->scores_room = attention_floats(t, capacity);
    return 0;
}

int reserve_logits(struct transformer *t, uint32_t rows, struct failure *failure)
{
    if (rows <= t->logits_capacity)
        return 0;
    free(t->logits);
    t->logits_capacity = 0;
    t->logits = lines(rows, t->config->vocabulary);
    if (!t->logits)
        return fail(failure, "%s: out of memory for logits", t->weights->path);
    t->logits_capacity = rows;
    return 0;
}

void free_buffers(struct transformer *t)
{
    free_rows(t);
    free(t->logits);
    free(t->scores);
}
