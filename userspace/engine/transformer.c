/* SPDX-License-Identifier: BSD-3-Clause */
#include "transformer_parts.h"
#include "clock.h"

#include <stdlib.h>
#include <string.h>

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

void transformer_free(struct transformer *t)
{
    if (!t)
        return;
    transformer_unload(t);
    free_buffers(t);
    free(t);
}

void transformer_times(const struct transformer *t, struct transformer_times *times)
{
    *times = t->times;
}

/* Time since the last call goes to one of the counts. */
static void charge(double *count, double *since)
{
    double now = seconds_now();

    *count += now - *since;
    *since = now;
}

/* A unit's matrices times vectors. An item is a grain of a matrix's rows: a tile. */
struct product {
    struct transformer *t;
    size_t unit;
    float *results[WEIGHT_UNIT_TENSORS];
    struct activations in; /* n is 0 if none wants the products, but the unit has its turn */
    struct weight_part part;
};

/* Of the part that is in memory. */
static uint64_t grains_of(const struct product *product, size_t tensor)
{
    uint64_t grain = product->t->units[product->unit].tensors[tensor]->row_grain;

    return (product->part.rows[tensor].count + grain - 1) / grain;
}

static int multiply_part(void *context, unsigned int worker, uint64_t first, uint64_t count,
                         struct failure *failure)
{
    const struct product *product = context;
    struct weights *weights = product->t->weights;
    const struct weight_unit *unit = &product->t->units[product->unit];

    for (size_t i = 0; i < unit->count && count; i++) {
        const struct weight_tensor *tensor = unit->tensors[i];
        struct products out = {product->results[i], tensor->rows};
        uint64_t grains = grains_of(product, i), part, row, rows;

        if (first >= grains) {
            first -= grains;
            continue;
        }
        part = count < grains - first ? count : grains - first;
        row = first * tensor->row_grain;
        rows = part * tensor->row_grain;
        if (rows > product->part.rows[i].count - row)
            rows = product->part.rows[i].count - row;
        row += product->part.rows[i].first;
        if (weights->ops->multiply(weights, tensor, worker, row, rows, &product->in, &out,
                                   failure) < 0)
            return -1;
        count -= part;
        first = 0;
    }
    return 0;
}

/* Have rows of the unit in memory: all of them, or those that come next. */
static int wait(struct product *product, struct failure *failure)
{
    struct transformer *t = product->t;
    const struct weight_unit *unit = &t->units[product->unit];
    double since = seconds_now();
    int result;

    if (!t->weights->ops->wait) {
        for (size_t i = 0; i < unit->count; i++)
            product->part.rows[i].count = unit->tensors[i]->rows;
        product->part.last = true;
        return 0;
    }
    result = t->weights->ops->wait(t->weights, product->unit, &product->part, failure);
    charge(&t->times.waiting, &since);
    return result;
}

static int multiply_rows(struct product *product, struct failure *failure)
{
    struct transformer *t = product->t;
    double since = seconds_now();
    uint64_t grains = 0;
    int result;

    for (size_t i = 0; i < t->units[product->unit].count; i++)
        grains += grains_of(product, i);
    result = pool_run(t->pool, grains, multiply_part, product, failure);
    charge(&t->times.matrices, &since);
    return result;
}

static int multiply(struct product *product, struct failure *failure)
{
    struct weights *weights = product->t->weights;
    double since = seconds_now();

    if (product->in.n &&
        weights->ops->prepare(weights, product->in.x_stride, &product->in, failure) < 0)
        return -1;
    charge(&product->t->times.matrices, &since);
    do {
        if (wait(product, failure) < 0 || (product->in.n && multiply_rows(product, failure) < 0) ||
            (weights->ops->done && weights->ops->done(weights, product->unit, failure) < 0))
            return -1;
    } while (!product->part.last);
    return 0;
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
    struct product project = {
        .t = t,
        .unit = (size_t)index * LAYER_UNITS + UNIT_PROJECT,
        .results = {t->queries, t->keys, t->values},
        .in = {.x = t->normed, .x_stride = t->config->hidden, .n = t->row_count},
    };
    struct product output = {
        .t = t,
        .unit = (size_t)index * LAYER_UNITS + UNIT_OUTPUT,
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
        .unit = (size_t)index * LAYER_UNITS + UNIT_WIDE,
        .results = {t->gates, t->ups},
        .in = {.x = t->normed, .x_stride = t->config->hidden, .n = t->row_count},
    };
    struct product down = {
        .t = t,
        .unit = (size_t)index * LAYER_UNITS + UNIT_DOWN,
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

static int layer_pass(struct transformer *t, uint32_t index, struct failure *failure)
{
    const struct layer *layer = &t->layers[index];
    const float *next =
        index + 1 < t->config->layers ? t->layers[index + 1].attention_norm : t->final_norm;

    if (attention(t, index, failure) < 0 ||
        settle(t, true, layer->output.bias, layer->forward_norm, failure) < 0 ||
        feed_forward(t, index, failure) < 0)
        return -1;
    return settle(t, true, layer->down.bias, next, failure);
}

/* Rows of normed whose logits are wanted, to mixed. */
static uint32_t gather_wanted(struct transformer *t, uint32_t gathered[ROWS_MAX])
{
    uint32_t hidden = t->config->hidden, count = 0;

    for (uint32_t r = 0; r < t->row_count; r++)
        if (t->rows[r].wanted) {
            memcpy(t->mixed + (size_t)count * hidden, t->normed + (size_t)r * hidden,
                   hidden * sizeof(float));
            gathered[count++] = r;
        }
    return count;
}

/* The head's turn comes every time, even if its result is not used: units are cyclic. */
static int logits_pass(struct transformer *t, logits_sink *sink, void *context,
                       struct failure *failure)
{
    uint32_t gathered[ROWS_MAX];
    struct product head = {
        .t = t,
        .unit = (size_t)t->config->layers * LAYER_UNITS,
        .in = {.x = t->mixed, .x_stride = t->config->hidden, .n = gather_wanted(t, gathered)}};

    if (reserve_logits(t, (uint32_t)head.in.n, failure) < 0)
        return -1;
    head.results[0] = t->logits;
    if (multiply(&head, failure) < 0)
        return -1;
    for (uint32_t i = 0; i < head.in.n; i++) {
        const struct row *row = &t->rows[gathered[i]];

        if (sink(context, row->step, row->in_step, t->logits + (size_t)i * t->config->vocabulary,
                 failure) < 0)
            return -1;
    }
    return 0;
}

/* The turns of all units from this layer's on, unused: sources of weights count them. */
static int skip_units(struct transformer *t, uint32_t layer, struct failure *failure)
{
    for (size_t unit = (size_t)layer * LAYER_UNITS; unit <= (size_t)t->config->layers * LAYER_UNITS;
         unit++) {
        struct product product = {.t = t, .unit = unit};

        if (multiply(&product, failure) < 0)
            return -1;
    }
    return fail(failure, "interrupted");
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
    for (uint32_t i = 0; i < t->config->layers; i++) {
        if (t->stop && t->stop())
            return skip_units(t, i, failure);
        if (layer_pass(t, i, failure) < 0)
            return -1;
    }
    if (logits_pass(t, sink, context, failure) < 0)
        return -1;
    for (uint32_t r = 0; r < t->row_count; r++)
        t->rows[r].sequence->length++;
    after = times->matrices + times->attention + times->waiting;
    times->other += seconds_now() - start - (after - before);
    t->row_count = 0;
    t->wanted_count = 0;
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
    t->wanted_count = 0;
    if (!t->started && transformer_start(t, failure) < 0)
        return -1;
    for (size_t s = 0; s < count; s++)
        if (check_step(t, &steps[s], failure) < 0)
            return -1;
    for (size_t s = 0; s < count; s++) {
        uint32_t start = steps[s].sequence->length;

        for (size_t i = 0; i < steps[s].count; i++) {
            struct row *row = &t->rows[t->row_count++];

            *row = (struct row){
                .sequence = steps[s].sequence,
                .token = steps[s].tokens[i],
                .position = start + (uint32_t)i,
                .step = s,
                .in_step = i,
                .wanted = steps[s].count - i <= steps[s].wanted,
            };
            t->wanted_count += row->wanted;
            if ((t->row_count == t->row_limit || t->wanted_count == t->wanted_limit) &&
                pass(t, sink, context, failure) < 0)
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
