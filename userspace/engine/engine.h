/* SPDX-License-Identifier: BSD-3-Clause */
/* A model that is ready to run: what its files describe, and threads for it. */
#ifndef LWC_ENGINE_ENGINE_H
#define LWC_ENGINE_ENGINE_H

#include "config.h"
#include "tokenizer.h"
#include "transformer.h"
#include "weights.h"

#include <stdbool.h>

struct engine {
    struct weights *weights; /* the caller's */
    struct model_config config;
    struct tokenizer *tokenizer;
    struct pool *pool;
    struct transformer *transformer;
};

/* What the model's config.json, or its GGUF file, says: 0, or -1 with a message. */
int engine_config(struct weights *weights, struct model_config *config, struct failure *failure);

/* NULL with a message. The weights must live longer. */
struct engine *engine_open(struct weights *weights, unsigned int threads, enum kv_type kv,
                           struct failure *failure);
void engine_close(struct engine *engine); /* NULL is allowed */

/* Whether the token ends a text. */
bool engine_stops(const struct engine *engine, uint32_t token);

/* The context to use where `asked` positions (0: the model's own) are asked for: -1 with a message
 * if it has fewer. */
int engine_context(const struct engine *engine, uint32_t asked, uint32_t *context,
                   struct failure *failure);

#endif
