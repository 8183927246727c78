/* SPDX-License-Identifier: BSD-3-Clause */
#include "transformer_parts.h"
#include "clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Elements of an activation function that a worker takes at least. */
#define GATES_GRAIN 1024u

struct transformer *transformer_new(const struct model_config *config, struct weights *weights,
                                    struct pool *pool, enum kv_type kv, struct failure *failure)
{
    struct transformer *t = calloc(1, sizeof(*t));
    uint32_t mxcsr;
    int loaded;

    if (!t) {
        fail(failure, "%s: out of memory", weights->path);
        return NULL;
    }
    t->config = config;
    t->weights = weights;
    t->kernels = weights->kernels;
    t->pool = pool;
    t->kv = kv;
    t->queries_dim = config->heads * config->head_dim;
    t->kv_dim = config->kv_heads * config->head_dim;
    mxcsr = kernels_enter();
    loaded = transformer_load(t, failure);
    kernels_leave(mxcsr);
    if (loaded == 0)
        return t;
    transformer_free(t);
    return NULL;
}

static void free_rows(struct transformer *t)
{
    float **const buffers[] = {&t->stream, &t->normed, &t->queries, &t->keys,    &t->values,
                               &t->mixed,  &t->gates,  &t->ups,     &t->cosines, &t->sines};

    for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++) {
        free(*buffers[i]);
        *buffers[i] = NULL;
    }
    t->capacity = 0;
}

void transformer_free(struct transformer *t)
{
    if (!t)
        return;
    transformer_unload(t);
    free_rows(t);
    free(t->logits);
    free(t->scores);
    free(t);
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
        if (sequence->cache != MAP_FAILED)
            return sequence;
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

void transformer_times(const struct transformer *t, struct transformer_times *times)
{
    *times = t->times;
}

/* Lines of floats, each at a multiple of a cache line where its length is. */
static float *lines(uint64_t rows, uint64_t cols)
{
    return aligned_alloc(64, (rows * cols * sizeof(float) + 63) & ~(uint64_t)63);
}

static int reserve_rows(struct transformer *t, uint32_t rows, struct failure *failure)
{
    const struct model_config *config = t->config;
    /* also takes up to LOGITS_ROWS of hidden */
    uint32_t mixed = t->queries_dim > config->hidden ? t->queries_dim : config->hidden;

    if (rows <= t->capacity)
        return 0;
    free_rows(t);
    t->stream = lines(rows, config->hidden);
    t->normed = lines(rows, config->hidden);
    t->queries = lines(rows, t->queries_dim);
    t->keys = lines(rows, t->kv_dim);
    t->values = lines(rows, t->kv_dim);
    t->mixed = lines(rows, mixed);
    t->gates = lines(rows, config->intermediate);
    t->ups = lines(rows, config->intermediate);
    t->cosines = lines(rows, config->head_dim / 2);
    t->sines = lines(rows, config->head_dim / 2);
    if (!t->stream || !t->normed || !t->queries || !t->keys || !t->values || !t->mixed ||
        !t->gates || !t->ups || !t->cosines || !t->sines)
        return fail(failure, "%s: out of memory for %u tokens at once", t->weights->path, rows);
    t->capacity = rows;
    return 0;
}

static int reserve_scores(struct transformer *t, uint32_t positions, struct failure *failure)
{
    uint32_t capacity = (positions + 1023) / 1024 * 1024 + 64;

    if (capacity <= t->scores_capacity)
        return 0;
    free(t->scores);
    t->scores_capacity = 0;
    t->scores = lines((uint64_t)pool_workers(t->pool) * group_heads(t), capacity);
    if (!t->scores)
        return fail(failure, "%s: out of memory for a context of %u tokens; use a smaller -c",
                    t->weights->path, positions);
    t->scores_capacity = capacity;
    return 0;
}

static int reserve_logits(struct transformer *t, uint32_t rows, struct failure *failure)
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

/* Time since the last call goes to one of the counts. */
static void charge(double *count, double *since)
{
    double now = seconds_now();

    *count += now - *since;
    *since = now;
}

/* Matrices that multiply the same vectors. An item is a grain of a matrix's rows: a tile. */
struct product {
    struct transformer *t;
    const struct weight_tensor *tensors[3];
    float *results[3];
    struct activations in;
};

static uint64_t grains_of(const struct weight_tensor *tensor)
{
    return (tensor->rows + tensor->row_grain - 1) / tensor->row_grain;
}

static int multiply_part(void *context, unsigned int worker, uint64_t first, uint64_t count,
                         struct failure *failure)
{
    const struct product *product = context;
    struct weights *weights = product->t->weights;

    for (int i = 0; i < 3 && product->tensors[i] && count; i++) {
        const struct weight_tensor *tensor = product->tensors[i];
        struct products out = {product->results[i], tensor->rows};
        uint64_t grains = grains_of(tensor), part, row, rows;

        if (first >= grains) {
            first -= grains;
            continue;
        }
        part = count < grains - first ? count : grains - first;
        row = first * tensor->row_grain;
        rows = part * tensor->row_grain;
        if (rows > tensor->rows - row)
            rows = tensor->rows - row;
        if (weights->ops->multiply(weights, tensor, worker, row, rows, &product->in, &out,
                                   failure) < 0)
            return -1;
        count -= part;
        first = 0;
    }
    return 0;
}

static int multiply(struct product *product, struct failure *failure)
{
    struct transformer *t = product->t;
    double since = seconds_now();
    uint64_t grains = 0;
    int result;

    for (int i = 0; i < 3 && product->tensors[i]; i++)
        grains += grains_of(product->tensors[i]);
    result = t->weights->ops->prepare(t->weights, product->in.x_stride, &product->in, failure);
    if (result == 0)
        result = pool_run(t->pool, grains, multiply_part, product, failure);
    charge(&t->times.matrices, &since);
    return result;
}

/* What happens to rows between products. */
struct row_work {
    struct transformer *t;
    bool add;          /* normed to the stream */
    const float *bias; /* and this, or NULL */
    const float *norm;
};

static int settle_part(void *context, unsigned int worker, uint64_t first, uint64_t count,
                       struct failure *failure)
{
    const struct row_work *work = context;
    struct transformer *t = work->t;
    uint32_t hidden = t->config->hidden;

    (void)worker, (void)failure;
    for (uint64_t r = first; r < first + count; r++) {
        float *stream = t->stream + r * hidden, *normed = t->normed + r * hidden;

        if (work->add && work->bias)
            t->kernels->add(normed, work->bias, hidden);
        if (work->add)
            t->kernels->add(stream, normed, hidden);
        t->kernels->rmsnorm(stream, work->norm, hidden, t->config->epsilon, normed);
    }
    return 0;
}

/* Add what normed holds to the stream, if that is wanted; then the stream's norm to normed. */
static int settle(struct transformer *t, bool add, const float *bias, const float *norm,
                  struct failure *failure)
{
    struct row_work work = {t, add, bias, norm};

    if (t->row_count == 1)
        return settle_part(&work, 0, 0, 1, failure);
    return pool_run(t->pool, t->row_count, settle_part, &work, failure);
}

struct gate_work {
    struct transformer *t;
    const struct layer *layer;
    uint32_t items; /* of a row */
};

static int gate_part(void *context, unsigned int worker, uint64_t first, uint64_t count,
                     struct failure *failure)
{
    const struct gate_work *work = context;
    const struct layer *layer = work->layer;
    struct transformer *t = work->t;
    uint32_t dim = t->config->intermediate;

    (void)worker, (void)failure;
    for (uint64_t i = first; i < first + count; i++) {
        uint32_t at = (uint32_t)(i % work->items) * GATES_GRAIN;
        uint32_t part = dim - at < GATES_GRAIN ? dim - at : GATES_GRAIN;
        float *gates = t->gates + i / work->items * dim + at;
        float *ups = t->ups + i / work->items * dim + at;

        if (layer->gate.bias) {
            t->kernels->add(gates, layer->gate.bias + at, part);
            t->kernels->add(ups, layer->up.bias + at, part);
        }
        t->kernels->silu_multiply(gates, ups, part);
    }
    return 0;
}

static int attention(struct transformer *t, uint32_t index, struct failure *failure)
{
    const struct layer *layer = &t->layers[index];
    struct product project = {
        .t = t,
        .tensors = {&layer->query.weight, &layer->key.weight, &layer->value.weight},
        .results = {t->queries, t->keys, t->values},
        .in = {.x = t->normed, .x_stride = t->config->hidden, .n = t->row_count},
    };
    struct product output = {
        .t = t,
        .tensors = {&layer->output.weight},
        .results = {t->normed},
        .in = {.x = t->mixed, .x_stride = t->queries_dim, .n = t->row_count},
    };
    double since;

    if (multiply(&project, failure) < 0)
        return -1;
    since = seconds_now();
    if (attention_place(t, index, failure) < 0 || attention_run(t, index, failure) < 0)
        return -1;
    charge(&t->times.attention, &since);
    return multiply(&output, failure);
}

static int feed_forward(struct transformer *t, uint32_t index, struct failure *failure)
{
    const struct layer *layer = &t->layers[index];
    struct gate_work gate = {t, layer, (t->config->intermediate + GATES_GRAIN - 1) / GATES_GRAIN};
    struct product wide = {
        .t = t,
        .tensors = {&layer->gate.weight, &layer->up.weight},
        .results = {t->gates, t->ups},
        .in = {.x = t->normed, .x_stride = t->config->hidden, .n = t->row_count},
    };
    struct product down = {
        .t = t,
        .tensors = {&layer->down.weight},
        .results = {t->normed},
        .in = {.x = t->gates, .x_stride = t->config->intermediate, .n = t->row_count},
    };

    if (multiply(&wide, failure) < 0 ||
        pool_run(t->pool, (uint64_t)t->row_count * gate.items, gate_part, &gate, failure) < 0)
        return -1;
    return multiply(&down, failure);
}

static int embed(struct transformer *t, struct failure *failure)
{
    const struct model_config *config = t->config;
    uint32_t half = config->head_dim / 2;

    for (uint32_t r = 0; r < t->row_count; r++) {
        float *cosines = t->cosines + (size_t)r * half, *sines = t->sines + (size_t)r * half;

        if (t->weights->ops->rows(t->weights, &t->embedding, t->rows[r].token, 1,
                                  t->stream + (size_t)r * config->hidden, failure) < 0)
            return -1;
        for (uint32_t i = 0; i < half; i++) {
            kernels_rotary(t->rows[r].position, t->frequencies[i], &cosines[i], &sines[i]);
            cosines[i] *= t->rope_scale;
            sines[i] *= t->rope_scale;
        }
    }
    return 0;
}

static int wait(struct transformer *t, size_t unit, struct failure *failure)
{
    double since = seconds_now();
    int result = t->weights->ops->wait(t->weights, unit, failure);

    charge(&t->times.waiting, &since);
    return result;
}

static int layer_pass(struct transformer *t, uint32_t index, struct failure *failure)
{
    const struct layer *layer = &t->layers[index];
    const float *next =
        index + 1 < t->config->layers ? t->layers[index + 1].attention_norm : t->final_norm;

    if (wait(t, index, failure) < 0 || attention(t, index, failure) < 0 ||
        settle(t, true, layer->output.bias, layer->forward_norm, failure) < 0 ||
        feed_forward(t, index, failure) < 0 || settle(t, true, layer->down.bias, next, failure) < 0)
        return -1;
    return t->weights->ops->done(t->weights, index, failure);
}

/* Rows of normed whose logits are wanted, up to LOGITS_ROWS from *next on, to mixed. */
static uint32_t gather_wanted(struct transformer *t, uint32_t *next, uint32_t *gathered)
{
    uint32_t hidden = t->config->hidden, count = 0;

    for (; *next < t->row_count && count < LOGITS_ROWS; ++*next)
        if (t->rows[*next].wanted) {
            memcpy(t->mixed + (size_t)count * hidden, t->normed + (size_t)*next * hidden,
                   hidden * sizeof(float));
            gathered[count++] = *next;
        }
    return count;
}

/* The head's turn comes every time, even if its result is not used: units are cyclic. */
static int logits_pass(struct transformer *t, logits_sink *sink, void *context,
                       struct failure *failure)
{
    uint32_t vocabulary = t->config->vocabulary, next = 0, gathered[LOGITS_ROWS], count;
    uint32_t unit = t->config->layers;

    if (wait(t, unit, failure) < 0)
        return -1;
    while ((count = gather_wanted(t, &next, gathered))) {
        struct product head = {
            .t = t,
            .tensors = {&t->head},
            .in = {.x = t->mixed, .x_stride = t->config->hidden, .n = count},
        };

        if (reserve_logits(t, count, failure) < 0)
            return -1;
        head.results[0] = t->logits;
        if (multiply(&head, failure) < 0)
            return -1;
        for (uint32_t i = 0; i < count; i++) {
            const struct row *row = &t->rows[gathered[i]];

            if (sink(context, row->step, row->in_step, t->logits + (size_t)i * vocabulary,
                     failure) < 0)
                return -1;
        }
    }
    return t->weights->ops->done(t->weights, unit, failure);
}

/* All rows through the model. */
static int pass(struct transformer *t, logits_sink *sink, void *context, struct failure *failure)
{
    double start = seconds_now(), before, after;
    struct transformer_times *times = &t->times;
    uint32_t longest = 0;

    before = times->matrices + times->attention + times->waiting;
    for (uint32_t r = 0; r < t->row_count; r++)
        longest = t->rows[r].position >= longest ? t->rows[r].position + 1 : longest;
    if (reserve_rows(t, t->row_count, failure) < 0 || reserve_scores(t, longest, failure) < 0 ||
        embed(t, failure) < 0 || settle(t, false, NULL, t->layers[0].attention_norm, failure) < 0)
        return -1;
    for (uint32_t i = 0; i < t->config->layers; i++)
        if (layer_pass(t, i, failure) < 0)
            return -1;
    if (logits_pass(t, sink, context, failure) < 0)
        return -1;
    for (uint32_t r = 0; r < t->row_count; r++)
        t->rows[r].sequence->length++;
    after = times->matrices + times->attention + times->waiting;
    times->other += seconds_now() - start - (after - before);
    t->row_count = 0;
    return 0;
}

static int check_step(const struct transformer *t, const struct step *step, struct failure *failure)
{
    const struct sequence *sequence = step->sequence;

    if (step->count > sequence->context - sequence->length)
        return fail(failure, "the text is longer than the context of %u tokens; use a larger -c",
                    sequence->context);
    for (size_t i = 0; i < step->count; i++)
        if (step->tokens[i] >= t->config->vocabulary)
            return fail(failure, "%s: token %u is not in the vocabulary of the model's config",
                        t->weights->path, step->tokens[i]);
    return 0;
}

static int all_steps(struct transformer *t, const struct step *steps, size_t count,
                     logits_sink *sink, void *context, struct failure *failure)
{
    t->row_count = 0;
    for (size_t s = 0; s < count; s++)
        if (check_step(t, &steps[s], failure) < 0)
            return -1;
    for (size_t s = 0; s < count; s++) {
        uint32_t start = steps[s].sequence->length;

        for (size_t i = 0; i < steps[s].count; i++) {
            t->rows[t->row_count++] = (struct row){
                .sequence = steps[s].sequence,
                .token = steps[s].tokens[i],
                .position = start + (uint32_t)i,
                .step = s,
                .in_step = i,
                .wanted = steps[s].count - i <= steps[s].wanted,
            };
            if (t->row_count == ROWS_MAX && pass(t, sink, context, failure) < 0)
                return -1;
        }
    }
    return t->row_count ? pass(t, sink, context, failure) : 0;
}

int transformer_forward(struct transformer *t, const struct step *steps, size_t count,
                        logits_sink *sink, void *context, struct failure *failure)
{
    uint32_t mxcsr = kernels_enter();
    int result = all_steps(t, steps, count, sink, context, failure);

    kernels_leave(mxcsr);
    return result;
}
