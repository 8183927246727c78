/* SPDX-License-Identifier: BSD-3-Clause */
/* How well a model expects a text. */
#ifndef LWC_ENGINE_PERPLEXITY_H
#define LWC_ENGINE_PERPLEXITY_H

#include "engine.h"

struct perplexity_options {
    uint32_t context; /* positions of a window; at least 2, with a token before each text 3 */
    uint32_t stride;  /* tokens that a window begins behind the one before; 0: half of a window */
    /* Told after each window; false ends with a message. May be NULL. */
    bool (*progress)(void *context, uint64_t scored, uint64_t total);
    void *progress_context;
};

struct perplexity {
    double value; /* exp(nats); infinite where a token had no chance, NaN for logits with NaN */
    double nats;  /* mean of -ln p of the scored tokens */
    uint64_t scored;
    uint64_t windows;
};

/*
 * The text becomes tokens once, as a whole, names of special tokens like other
 * text. Windows hold the model's token before a text, if it has one, then up to
 * context - 1 (context) tokens of the text. The first scores all of its tokens
 * that another token comes before; each later one begins stride tokens further
 * on and scores those that no window before it has scored. No libm, and one
 * order of all sums: the same logits give the same bits everywhere.
 *
 * 0, or -1 with a message; a text without a token to score is one.
 */
int perplexity(struct engine *engine, const char *text, size_t size,
               const struct perplexity_options *options, struct perplexity *out,
               struct failure *failure);

#endif
