/* SPDX-License-Identifier: BSD-3-Clause */
#include "generate.h"
#include "clock.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A text under way. */
struct running {
    struct generate_text *text;
    struct sequence *sequence;
    struct sampler *sampler;
    uint32_t context;
    uint32_t token; /* the newest, not yet in the sequence */
    bool ended;
};

struct generation {
    struct engine *engine;
    const struct generate_options *options;
    const struct generate_sink *sink;
    struct running *running;
    size_t count;
    struct step *steps;
    size_t *texts; /* of each step */
};

/* Positions to keep: what was asked for, else what the text can reach. */
static int choose_context(const struct generation *generation, const struct generate_text *text,
                          uint32_t *context, struct failure *failure)
{
    uint64_t needed = (uint64_t)text->prompt_count + generation->options->tokens;
    uint32_t limit;

    if (engine_context(generation->engine, generation->options->context, &limit, failure) < 0)
        return -1;
    if (!text->prompt_count)
        return fail(failure, "the prompt has no tokens; give some text with -p");
    if (text->prompt_count > limit)
        return fail(failure,
                    "the prompt has %zu tokens and the context %u; shorten it or use a larger -c",
                    text->prompt_count, limit);
    *context = (uint32_t)(needed < limit ? needed : limit);
    return 0;
}

static int start_text(const struct generation *generation, struct running *running,
                      struct generate_text *text, struct failure *failure)
{
    struct engine *engine = generation->engine;

    running->text = text;
    text->new_count = 0;
    if (choose_context(generation, text, &running->context, failure) < 0)
        return -1;
    running->sequence = sequence_new(engine->transformer, running->context, failure);
    running->sampler = running->sequence
                           ? sampler_new(&generation->options->sampling, engine->weights->kernels,
                                         engine->config.vocabulary, failure)
                           : NULL;
    return running->sampler ? 0 : -1;
}

/* Logits of a text's last token: the next one. */
static int take_logits(void *context, size_t step, size_t token, const float *logits,
                       struct failure *failure)
{
    struct generation *generation = context;
    struct running *running = &generation->running[generation->texts[step]];
    struct engine *engine = generation->engine;
    struct generate_text *text = running->text;
    const char *piece;
    size_t size;
    int ended;

    (void)token;
    running->token = sampler_next(running->sampler, logits);
    piece = tokenizer_piece(engine->tokenizer, running->token, &size);
    ended =
        generation->sink->token(generation->sink->context, generation->texts[step], running->token,
                                piece, size, logits, engine->config.vocabulary, failure);
    text->new_count++;
    running->ended = ended || engine_stops(engine, running->token) ||
                     text->new_count == generation->options->tokens ||
                     text->prompt_count + text->new_count > running->context;
    return ended < 0 ? -1 : 0;
}

static int step(struct generation *generation, bool prompts, size_t *tokens,
                struct failure *failure)
{
    size_t count = 0;

    *tokens = 0;
    for (size_t i = 0; i < generation->count; i++) {
        struct running *running = &generation->running[i];

        if (running->ended)
            continue;
        generation->texts[count] = i;
        generation->steps[count] = (struct step){running->sequence, &running->token, 1, 1};
        if (prompts) {
            generation->steps[count].tokens = running->text->prompt;
            generation->steps[count].count = running->text->prompt_count;
        }
        *tokens += generation->steps[count++].count;
    }
    return count ? transformer_forward(generation->engine->transformer, generation->steps, count,
                                       take_logits, generation, failure)
                 : 0;
}

static int run_all(struct generation *generation, struct generate_result *result,
                   struct failure *failure)
{
    double start = seconds_now(), prompts;
    size_t tokens;

    if (step(generation, true, &result->prompt_tokens, failure) < 0)
        return -1;
    prompts = seconds_now();
    result->prompt_seconds = prompts - start;
    for (;;) {
        if (step(generation, false, &tokens, failure) < 0)
            return -1;
        if (!tokens)
            return 0;
        result->steps++;
        result->step_tokens += tokens;
        result->step_seconds = seconds_now() - prompts;
    }
}

int generate(struct engine *engine, struct generate_text *texts, size_t count,
             const struct generate_options *options, const struct generate_sink *sink,
             struct generate_result *result, struct failure *failure)
{
    struct generation generation = {engine, options, sink, NULL, count, NULL, NULL};
    int status = 0;

    memset(result, 0, sizeof(*result));
    generation.running = calloc(count, sizeof(*generation.running));
    generation.steps = calloc(count, sizeof(*generation.steps));
    generation.texts = calloc(count, sizeof(*generation.texts));
    if (!generation.running || !generation.steps || !generation.texts)
        status = fail(failure, "out of memory for %zu prompts", count);
    for (size_t i = 0; i < count && status == 0; i++)
        status = start_text(&generation, &generation.running[i], &texts[i], failure);
    if (status == 0)
        status = run_all(&generation, result, failure);
    for (size_t i = 0; generation.running && i < count; i++) {
        sequence_free(generation.running[i].sequence);
        sampler_free(generation.running[i].sampler);
    }
    free(generation.running);
    free(generation.steps);
    free(generation.texts);
    return status;
}
