/* SPDX-License-Identifier: BSD-3-Clause */
/* Prompts and their continuations by a model. */
#ifndef LWC_ENGINE_GENERATE_H
#define LWC_ENGINE_GENERATE_H

#include "engine.h"
#include "sampler.h"

#include <stddef.h>
#include <stdint.h>

struct generate_options {
    uint32_t tokens;                 /* at most so many new ones for each prompt */
    uint32_t context;                /* 0: what the model was made for, but no more than needed */
    struct sampler_options sampling; /* each prompt as if it were alone */
};

/*
 * A new token of a text: its bytes, the logits that it was sampled from, and
 * how many. 0 to go on, 1 to end this text here, -1 with a message.
 */
struct generate_sink {
    int (*token)(void *context, size_t text, uint32_t token, const char *piece, size_t size,
                 const float *logits, uint32_t vocabulary, struct failure *failure);
    void *context;
};

/* A prompt in tokens, and what came of it. */
struct generate_text {
    const uint32_t *prompt;
    size_t prompt_count;
    size_t new_count;
};

struct generate_result {
    size_t prompt_tokens;  /* of all texts */
    size_t steps;          /* passes after the prompts' */
    size_t step_tokens;    /* that went through them */
    double prompt_seconds; /* until the first logits of all texts */
    double step_seconds;
};

/*
 * Continue all texts together, each until a token that ends it, or a limit: its
 * result is what it would be alone. 0, or -1 with a message; the result says
 * in both cases what was done.
 */
int generate(struct engine *engine, struct generate_text *texts, size_t count,
             const struct generate_options *options, const struct generate_sink *sink,
             struct generate_result *result, struct failure *failure);

#endif
