/* SPDX-License-Identifier: BSD-3-Clause */
#include "chat.h"
#include "readers/gguf_values.h"
#include "template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct chat {
    struct engine *engine;
    struct template *template;
    json_t *variables;
};

static int out_of_memory(const struct engine *engine, struct failure *failure)
{
    return fail(failure, "%s: out of memory for the chat template", engine->weights->path);
}

/* A JSON file of the model. 1, 0 or -1 as its source says. */
static int read_json(const struct engine *engine, const char *name, json_t **out,
                     struct failure *failure)
{
    struct weights *weights = engine->weights;
    json_error_t error;
    char *text = NULL;
    size_t size = 0;
    int found = weights->ops->file(weights, name, &text, &size, failure);

    *out = NULL;
    if (found <= 0)
        return found;
    *out = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (json_is_object(*out))
        return 1;
    json_decref(*out);
    *out = NULL;
    return fail(failure, "%s: %s: not an object of JSON", weights->path, name);
}

static int set_template(struct chat *chat, const char *text, size_t size, const char *name,
                        struct failure *failure)
{
    char path[512];

    snprintf(path, sizeof(path), "%s: %s", chat->engine->weights->path, name);
    chat->template = template_new(text, size, path, failure);
    return chat->template ? 1 : -1;
}

/* A string, or a list of {name, template}. */
static int read_key(struct chat *chat, const json_t *config, struct failure *failure)
{
    const json_t *value = json_object_get(config, "chat_template"), *one;
    size_t i;

    json_array_foreach(value, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));

        if (name && strcmp(name, "default") == 0) {
            value = json_object_get(one, "template");
            break;
        }
    }
    if (!value || json_is_null(value) || json_is_array(value))
        return 0;
    if (!json_is_string(value))
        return fail(failure, "%s: tokenizer_config.json: chat_template is no string",
                    chat->engine->weights->path);
    return set_template(chat, json_string_value(value), json_string_length(value),
                        "tokenizer_config.json: chat_template", failure);
}

static int read_template(struct chat *chat, const json_t *config, struct failure *failure)
{
    static const char name[] = "chat_template.jinja";
    struct weights *weights = chat->engine->weights;
    char *text = NULL;
    size_t size = 0;
    int found = weights->ops->file(weights, name, &text, &size, failure);

    if (found > 0)
        found = set_template(chat, text, size, name, failure);
    else if (found == 0)
        found = read_key(chat, config, failure);
    free(text);
    return found;
}

/* The token ends a text, if there is room for one more. */
static int add_stop(struct engine *engine, uint32_t token, struct failure *failure)
{
    struct model_config *config = &engine->config;

    if (token >= config->vocabulary || engine_stops(engine, token))
        return 0;
    if (config->stop_count == CONFIG_STOPS_MAX)
        return fail(failure, "%s: more than %d tokens end a text", engine->weights->path,
                    CONFIG_STOPS_MAX);
    config->stops[config->stop_count++] = token;
    return 0;
}

/* Tokens by their names: a string, or an object with it as its content. */
static int read_special(struct chat *chat, const json_t *config, struct failure *failure)
{
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
    uint32_t token;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        json_t *value = json_object_get(config, names[i]);

        if (json_is_object(value))
            value = json_object_get(value, "content");
        if (!json_is_string(value))
            continue;
        if (json_object_set(chat->variables, names[i], value) < 0)
            return out_of_memory(chat->engine, failure);
        if (strcmp(names[i], "eos_token") == 0 &&
            tokenizer_find(chat->engine->tokenizer, json_string_value(value), &token) &&
            add_stop(chat->engine, token, failure) < 0)
            return -1;
    }
    return 0;
}

static int read_generation(struct chat *chat, struct failure *failure)
{
    json_t *config;
    int status = read_json(chat->engine, "generation_config.json", &config, failure);
    const json_t *ids = json_object_get(config, "eos_token_id");
    size_t count = json_is_array(ids) ? json_array_size(ids) : ids != NULL;

    for (size_t i = 0; status >= 0 && i < count; i++) {
        const json_t *id = json_is_array(ids) ? json_array_get(ids, i) : ids;
        json_int_t token = json_integer_value(id);

        if (json_is_integer(id) && token >= 0 && token <= UINT32_MAX &&
            add_stop(chat->engine, (uint32_t)token, failure) < 0)
            status = -1;
    }
    json_decref(config);
    return status < 0 ? -1 : 0;
}

static int read_directory(struct chat *chat, struct failure *failure)
{
    json_t *config;
    int status = read_json(chat->engine, "tokenizer_config.json", &config, failure);

    if (status >= 0)
        status = read_template(chat, config, failure);
    if (status > 0 &&
        (read_special(chat, config, failure) < 0 || read_generation(chat, failure) < 0))
        status = -1;
    json_decref(config);
    return status;
}

static int read_gguf(struct chat *chat, const struct gguf_values *values, struct failure *failure)
{
    static const char *const names[][2] = {{"bos_token", "tokenizer.ggml.bos_token_id"},
                                           {"eos_token", "tokenizer.ggml.eos_token_id"},
                                           {"unk_token", "tokenizer.ggml.unknown_token_id"},
                                           {"pad_token", "tokenizer.ggml.padding_token_id"}};
    struct gguf_string text;
    struct gguf_array tokens;
    int found = gguf_values_string(values, "tokenizer.chat_template", &text, failure);

    if (found > 0)
        found = set_template(chat, text.text, text.size, "tokenizer.chat_template", failure);
    if (found <= 0 ||
        gguf_values_array(values, "tokenizer.ggml.tokens", GGUF_STRINGS, &tokens, failure) <= 0)
        return found;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        uint64_t id;
        int has = gguf_values_u64(values, names[i][1], &id, failure);
        json_t *name;

        if (has < 0)
            return -1;
        if (!has || id >= tokens.count)
            continue;
        text = gguf_array_string(&tokens, (size_t)id);
        name = json_stringn(text.text, text.size);
        if (!name || json_object_set_new(chat->variables, names[i][0], name) < 0)
            return fail(failure, "%s: token %llu is not UTF-8", chat->engine->weights->path,
                        (unsigned long long)id);
    }
    return 1;
}

int chat_open(struct engine *engine, struct chat **out, struct failure *failure)
{
    struct chat *chat = calloc(1, sizeof(*chat));
    const struct gguf_values *values;
    int found;

    *out = NULL;
    if (!chat)
        return out_of_memory(engine, failure);
    chat->engine = engine;
    chat->variables =
        json_pack("{s:b, s:n, s:n}", "add_generation_prompt", 1, "tools", "documents");
    found = chat->variables ? engine->weights->ops->values(engine->weights, &values, failure)
                            : out_of_memory(engine, failure);
    if (found >= 0)
        found = found ? read_gguf(chat, values, failure) : read_directory(chat, failure);
    if (found > 0)
        *out = chat;
    else
        chat_close(chat);
    return found;
}

void chat_close(struct chat *chat)
{
    if (!chat)
        return;
    template_free(chat->template);
    json_decref(chat->variables);
    free(chat);
}

int chat_encode(const struct chat *chat, const json_t *messages, uint32_t **tokens, size_t *count,
                struct failure *failure)
{
    json_t *variables = json_copy(chat->variables);
    struct text text = {0};
    int status = variables && json_object_set(variables, "messages", (json_t *)messages) == 0
                     ? template_render(chat->template, variables, time(NULL), &text, failure)
                     : out_of_memory(chat->engine, failure);

    json_decref(variables);
    if (status == 0)
        status = tokenizer_encode(chat->engine->tokenizer, text.bytes ? text.bytes : "", text.size,
                                  false, true, tokens, count, failure);
    text_free(&text);
    return status;
}

int chat_add(json_t *messages, const char *role, const char *content, size_t size,
             struct failure *failure)
{
    struct text valid = {0};
    json_t *message = NULL;

    if (text_add_lossy(&valid, content, size) == 0)
        message = json_pack("{s:s, s:s%}", "role", role, "content", valid.bytes ? valid.bytes : "",
                            valid.size);
    text_free(&valid);
    return message && json_array_append_new(messages, message) == 0
               ? 0
               : fail(failure, "out of memory for the conversation");
}
