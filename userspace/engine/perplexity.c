/* SPDX-License-Identifier: BSD-3-Clause */
#include "perplexity.h"

#include <stdlib.h>
#include <string.h>

struct scoring {
    const uint32_t *next; /* the token that comes after each of the window's, in it */
    uint32_t vocabulary;
    double sum;
    uint64_t scored;
};

/* -ln of the share that softmax gives to the token. */
static double surprise(const float *logits, uint32_t vocabulary, uint32_t token)
{
    float max = logits[0];
    double sum = 0;

    for (uint32_t i = 1; i < vocabulary; i++)
        max = logits[i] > max ? logits[i] : max;
    for (uint32_t i = 0; i < vocabulary; i++)
        sum += (double)kernels_exp(logits[i] - max);
    /* at least 1, unless there are NaNs, or nothing but -inf */
    if (!(sum >= 1))
        return __builtin_nan("");
    return kernels_log(sum) - ((double)logits[token] - (double)max);
}

static int score(void *context, size_t step, size_t token, const float *logits,
                 struct failure *failure)
{
    struct scoring *scoring = context;

    (void)step, (void)failure;
    scoring->sum += surprise(logits, scoring->vocabulary, scoring->next[token]);
    scoring->scored++;
    return 0;
}

/* The window's tokens, without the last, which is only scored; `fresh` of the text's are new. */
static int run_window(struct engine *engine, struct sequence *sequence, const uint32_t *tokens,
                      size_t count, size_t fresh, struct scoring *scoring, struct failure *failure)
{
    struct step step = {sequence, tokens, count - 1, fresh < count - 1 ? fresh : count - 1};

    scoring->next = tokens + 1;
    sequence_cut(sequence, 0);
    return transformer_forward(engine->transformer, &step, 1, score, scoring, failure);
}

static int run_windows(struct engine *engine, struct sequence *sequence, const uint32_t *text,
                       size_t count, uint32_t *window, size_t before,
                       const struct perplexity_options *options, struct perplexity *out,
                       struct failure *failure)
{
    struct scoring scoring = {.vocabulary = engine->config.vocabulary};
    size_t room = options->context - before;
    size_t stride = options->stride ? options->stride : (room + 1) / 2, scored = 0;

    if (stride > room)
        return fail(failure, "a stride of %zu tokens leaves some out of windows of %zu", stride,
                    room);
    for (size_t start = 0; scored < count; start += stride) {
        size_t part = count - start < room ? count - start : room;

        memcpy(window + before, text + start, part * sizeof(*window));
        if (before + part > 1 && run_window(engine, sequence, window, before + part,
                                            start + part - scored, &scoring, failure) < 0)
            return -1;
        out->windows++;
        scored = start + part;
        if (options->progress && !options->progress(options->progress_context, scored, count))
            return fail(failure, "interrupted");
    }
    if (!scoring.scored)
        return fail(failure, "the text has no token to score; give a longer one");
    out->scored = scoring.scored;
    out->nats = scoring.sum / (double)scoring.scored;
    out->value = kernels_power(out->nats);
    return 0;
}

/* Whether texts begin with a token of the model's, and which: 1, 0, or -1 with a message. */
static int find_begin(struct engine *engine, uint32_t *token, struct failure *failure)
{
    uint32_t *around, begin;
    size_t count;
    int found;

    if (tokenizer_encode(engine->tokenizer, "", 0, true, false, &around, &count, failure) < 0)
        return -1;
    found = tokenizer_begin(engine->tokenizer, &begin) && count && around[0] == begin;
    free(around);
    *token = begin;
    return found;
}

int perplexity(struct engine *engine, const char *text, size_t size,
               const struct perplexity_options *options, struct perplexity *out,
               struct failure *failure)
{
    uint32_t *tokens = NULL, *window = calloc(options->context, sizeof(*window)), begin;
    struct sequence *sequence = sequence_new(engine->transformer, options->context, failure);
    int before = sequence ? find_begin(engine, &begin, failure) : -1, result = -1;
    size_t count = 0;
    uint32_t mxcsr = kernels_enter();

    *out = (struct perplexity){0};
    if (before >= 0 && !window) {
        fail(failure, "out of memory for a window of %u tokens", options->context);
    } else if (before >= 0 && options->context < (uint32_t)before + 2) {
        fail(failure, "windows of %u tokens are too small; use a larger -c", options->context);
    } else if (before >= 0 && tokenizer_encode(engine->tokenizer, text, size, false, false, &tokens,
                                               &count, failure) == 0) {
        if (before)
            window[0] = begin;
        result = run_windows(engine, sequence, tokens, count, window, (size_t)before, options, out,
                             failure);
    }
    kernels_leave(mxcsr);
    free(tokens);
    free(window);
    sequence_free(sequence);
    return result;
}
