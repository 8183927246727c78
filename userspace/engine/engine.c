/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>

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
    const struct gguf_values *values;
    int gguf = weights->ops->values(weights, &values, failure), result;
    size_t size = 0;
    char path[512], *text;

    if (gguf)
        return gguf < 0 ? -1 : config_from_gguf(values, weights, config, failure);
    text = required_file(weights, "config.json", &size, failure);
    if (!text)
        return -1;
    snprintf(path, sizeof(path), "%s: config.json", weights->path);
    result = config_parse(text, size, path, config, failure);
    free(text);
    return result;
}

int engine_config(struct weights *weights, struct model_config *config, struct failure *failure)
{
    /* numbers of the config are rounded to fp32 */
    uint32_t mxcsr = kernels_enter();
    int result = read_config(weights, config, failure);

    kernels_leave(mxcsr);
    return result;
}

static int read_tokenizer(struct engine *engine, struct failure *failure)
{
    static const struct {
        const char *name;
        struct tokenizer *(*read)(const char *, size_t, const char *, struct failure *);
    } kinds[] = {{"tokenizer.json", tokenizer_from_json},
                 {"tokenizer.model", tokenizer_from_sentencepiece}};
    struct weights *weights = engine->weights;
    const struct gguf_values *values;
    char path[512], *text = NULL;
    size_t size = 0, kind = 0;
    int found = weights->ops->values(weights, &values, failure);

    if (found > 0)
        engine->tokenizer = tokenizer_from_gguf(values, weights->path, failure);
    if (found)
        return engine->tokenizer ? 0 : -1;
    while ((found = weights->ops->file(weights, kinds[kind].name, &text, &size, failure)) == 0 &&
           kind + 1 < sizeof(kinds) / sizeof(kinds[0]))
        kind++;
    if (found == 0)
        fail(failure, "%s: neither tokenizer.json nor tokenizer.model; lwcmem needs one of them",
             weights->path);
    if (found <= 0)
        return -1;
    snprintf(path, sizeof(path), "%s: %s", weights->path, kinds[kind].name);
    engine->tokenizer = kinds[kind].read(text, size, path, failure);
    free(text);
    return engine->tokenizer ? 0 : -1;
}

struct engine *engine_open(struct weights *weights, unsigned int threads, enum kv_type kv,
                           struct failure *failure)
{
    struct engine *engine = calloc(1, sizeof(*engine));

    if (!engine) {
        fail(failure, "%s: out of memory", weights->path);
        return NULL;
    }
    engine->weights = weights;
    if (engine_config(weights, &engine->config, failure) == 0 &&
        read_tokenizer(engine, failure) == 0 && (engine->pool = pool_new(threads, failure)) &&
        (engine->transformer =
             transformer_new(&engine->config, weights, engine->pool, kv, failure)))
        return engine;
    engine_close(engine);
    return NULL;
}

void engine_close(struct engine *engine)
{
    if (!engine)
        return;
    transformer_free(engine->transformer);
    pool_free(engine->pool);
    tokenizer_free(engine->tokenizer);
    free(engine);
}

bool engine_stops(const struct engine *engine, uint32_t token)
{
    for (size_t i = 0; i < engine->config.stop_count; i++)
        if (engine->config.stops[i] == token)
            return true;
    return false;
}

int engine_context(const struct engine *engine, uint32_t asked, uint32_t *context,
                   struct failure *failure)
{
    if (asked > engine->config.context)
        return fail(failure, "the model was made for %u positions; use a smaller -c",
                    engine->config.context);
    *context = asked ? asked : engine->config.context;
    return 0;
}
