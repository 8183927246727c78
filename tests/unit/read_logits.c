/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * read_logits MODEL gguf|directory|fused|user ISA THREADS TOKEN...: writes the
 * logits after each of the tokens, as fp32. For tests: no tokenizer is needed.
 */
#include "open_model.h"
#include "engine/engine.h"

struct reading {
    struct model_config config;
    struct pool *pool;
    struct transformer *transformer;
    struct sequence *sequence;
    uint32_t *tokens;
    size_t count;
};

static int take_logits(void *context, size_t step, size_t token, const float *logits,
                       struct failure *failure)
{
    const struct reading *reading = context;

    (void)step, (void)token;
    if (fwrite(logits, sizeof(*logits), reading->config.vocabulary, stdout) ==
        reading->config.vocabulary)
        return 0;
    return fail(failure, "cannot write");
}

static int read_logits(struct reading *reading, struct weights *weights, unsigned int threads,
                       struct failure *failure)
{
    struct step step = {NULL, reading->tokens, reading->count, reading->count};

    if (engine_config(weights, &reading->config, failure) < 0)
        return -1;
    for (size_t i = 0; i < reading->count; i++)
        if (reading->tokens[i] >= reading->config.vocabulary)
            return fail(failure, "token %u is not in the vocabulary", reading->tokens[i]);
    reading->pool = pool_new(threads, failure);
    if (reading->pool)
        reading->transformer =
            transformer_new(&reading->config, weights, reading->pool, KV_F32, failure);
    if (reading->transformer)
        reading->sequence = sequence_new(reading->transformer, (uint32_t)reading->count, failure);
    step.sequence = reading->sequence;
    return reading->sequence
               ? transformer_forward(reading->transformer, &step, 1, take_logits, reading, failure)
               : -1;
}

int main(int argc, char **argv)
{
    static struct reading reading;
    struct failure failure;
    struct weights *weights;
    int result;

    if (argc < 6)
        return stop("MODEL gguf|directory|fused|user ISA THREADS TOKEN...");
    weights = open_model(argv[1], NULL, argv[2], argv[3], (unsigned int)atoi(argv[4]), &failure);
    if (!weights)
        return stop(failure.text);
    reading.count = (size_t)argc - 5;
    reading.tokens = calloc(reading.count, sizeof(*reading.tokens));
    for (size_t i = 0; reading.tokens && i < reading.count; i++)
        reading.tokens[i] = (uint32_t)atoi(argv[5 + i]);
    result = reading.tokens ? read_logits(&reading, weights, (unsigned int)atoi(argv[4]), &failure)
                            : fail(&failure, "out of memory");
    sequence_free(reading.sequence);
    transformer_free(reading.transformer);
    pool_free(reading.pool);
    free(reading.tokens);
    weights->ops->close(weights);
    return result < 0 || fflush(stdout) ? stop(failure.text) : 0;
}
