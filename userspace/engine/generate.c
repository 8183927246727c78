/* SPDX-License-Identifier: BSD-3-Clause */
#include "generate.h"
#include "clock.h"
#include "config.h"
#include "llama.h"
#include "tokenizer.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text of a file that the model must have. */
static char *required_file(struct weights *weights, const char *name, size_t *size,
                           struct failure *failure)
{
    char *text = NULL;
    int found = weights->ops->file(weights, name, &text, size, failure);

    if (found == 0)
        fail(failure, "%s: no %s; lwcmem needs a complete HuggingFace model", weights->path, name);
    return found > 0 ? text : NULL;
}

static int read_config(struct weights *weights, struct model_config *config,
                       struct failure *failure)
{
    size_t size = 0;
    char *text = required_file(weights, "config.json", &size, failure);
    char path[512];
    int result;

    if (!text)
        return -1;
    snprintf(path, sizeof(path), "%s: config.json", weights->path);
    result = config_parse(text, size, path, config, failure);
    free(text);
    return result;
}

static struct tokenizer *read_tokenizer(struct weights *weights, struct failure *failure)
{
    size_t size = 0;
    char *text = required_file(weights, "tokenizer.json", &size, failure);
    struct tokenizer *tokenizer;
    char path[512];

    if (!text)
        return NULL;
    snprintf(path, sizeof(path), "%s: tokenizer.json", weights->path);
    tokenizer = tokenizer_new(text, size, path, failure);
    free(text);
    return tokenizer;
}

static bool is_stop(const struct model_config *config, uint32_t token)
{
    for (size_t i = 0; i < config->stop_count; i++)
        if (config->stops[i] == token)
            return true;
    return false;
}

/* Positions to keep: what was asked for, else what the text can reach. */
static int choose_context(const struct generate_options *options, const struct model_config *config,
                          size_t prompt, uint32_t *context, struct failure *failure)
{
    uint64_t limit = options->context ? options->context : config->context;
    uint64_t needed = (uint64_t)prompt + options->tokens;

    if (limit > config->context)
        return fail(failure, "the model was made for %u positions; use a smaller -c",
                    config->context);
    if (prompt > limit)
        return fail(failure,
                    "the prompt has %zu tokens and the context %llu; shorten it or use a "
                    "larger -c",
                    prompt, (unsigned long long)limit);
    *context = (uint32_t)(needed < limit ? needed : limit);
    return 0;
}

static int continue_text(struct llama *llama, const struct tokenizer *tokenizer,
                         struct sampler *sampler, const struct model_config *config,
                         uint32_t context, const struct generate_options *options,
                         const struct generate_sink *sink, struct generate_result *result,
                         struct failure *failure)
{
    double start = seconds_now(), first;
    const float *logits =
        llama_forward(llama, result->prompt_tokens, result->prompt_count, failure);

    if (!logits)
        return -1;
    first = seconds_now();
    result->prompt_seconds = first - start;
    while (result->new_count < options->tokens) {
        uint32_t token = sampler_next(sampler, logits);
        size_t size;
        const char *piece = tokenizer_piece(tokenizer, token, &size);

        if (sink->token(sink->context, token, piece, size, logits, config->vocabulary, failure) < 0)
            return -1;
        result->new_count++;
        if (is_stop(config, token) || result->new_count == options->tokens ||
            result->prompt_count + result->new_count > context)
            break;
        logits = llama_forward(llama, &token, 1, failure);
        if (!logits)
            return -1;
        result->new_seconds = seconds_now() - first;
    }
    return 0;
}

int generate(struct weights *weights, const struct generate_options *options,
             const struct generate_sink *sink, struct generate_result *result,
             struct failure *failure)
{
    struct model_config config;
    struct tokenizer *tokenizer = NULL;
    struct sampler *sampler = NULL;
    struct llama *llama = NULL;
    struct pool *pool = NULL;
    uint32_t context = 0;
    int status = -1;

    memset(result, 0, sizeof(*result));
    if (read_config(weights, &config, failure) == 0 &&
        (tokenizer = read_tokenizer(weights, failure)) &&
        tokenizer_encode(tokenizer, options->prompt, strlen(options->prompt),
                         &result->prompt_tokens, &result->prompt_count, failure) == 0 &&
        choose_context(options, &config, result->prompt_count, &context, failure) == 0 &&
        (pool = pool_new(options->threads, failure)) &&
        (sampler = sampler_new(&options->sampling, weights->kernels, config.vocabulary, failure)) &&
        (llama = llama_new(&config, weights, pool, context, failure)))
        status = result->prompt_count
                     ? continue_text(llama, tokenizer, sampler, &config, context, options, sink,
                                     result, failure)
                     : fail(failure, "the prompt has no tokens; give some text with -p");
    llama_free(llama);
    sampler_free(sampler);
    pool_free(pool);
    tokenizer_free(tokenizer);
    return status;
}

void generate_result_free(struct generate_result *result)
{
    free(result->prompt_tokens);
    result->prompt_tokens = NULL;
}
