/* SPDX-License-Identifier: BSD-3-Clause */
/* A prompt and its continuation by a model. */
#ifndef LWC_ENGINE_GENERATE_H
#define LWC_ENGINE_GENERATE_H

#include "container/failure.h"
#include "sampler.h"
#include "weights.h"

#include <stddef.h>
#include <stdint.h>

struct generate_options {
    const char *prompt;
    uint32_t tokens;  /* at most so many new ones */
    uint32_t context; /* 0: what the model was made for, but no more than needed */
    unsigned int threads;
    struct sampler_options sampling;
};

/* Called for each new token; 0 to go on, -1 with a message. */
struct generate_sink {
    int (*token)(void *context, uint32_t token, const char *piece, size_t size, const float *logits,
                 uint32_t vocabulary, struct failure *failure);
    void *context;
};

struct generate_result {
    uint32_t *prompt_tokens; /* freed by generate_result_free */
    size_t prompt_count;
    size_t new_count;
    double prompt_seconds; /* until the first logits */
    double new_seconds;    /* for all logits after these */
};

/*
 * Continue the prompt until a token that ends the text, or the limit. 0, or -1
 * with a message; the result is to be freed in both cases.
 */
int generate(struct weights *weights, const struct generate_options *options,
             const struct generate_sink *sink, struct generate_result *result,
             struct failure *failure);
void generate_result_free(struct generate_result *result);

#endif
