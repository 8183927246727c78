/* SPDX-License-Identifier: BSD-3-Clause */
/* Conversations as the text that a model was trained on: by the chat template among its files. */
#ifndef LWC_ENGINE_CHAT_H
#define LWC_ENGINE_CHAT_H

#include "engine.h"

#include <jansson.h>

struct chat;

/*
 * The template is chat_template.jinja, the key chat_template of tokenizer_config.json, of several
 * the one called default, or of a GGUF file tokenizer.chat_template. Tokens that end a turn, of
 * generation_config.json and of tokenizer_config.json, end a text from now on. 1; 0: the model has
 * no template; -1 with a message.
 */
int chat_open(struct engine *engine, struct chat **chat, struct failure *failure);
void chat_close(struct chat *chat); /* NULL is allowed */

/*
 * Tokens of a conversation, an array of objects with role and content, up to where the model's
 * answer begins. As in transformers, names of special tokens in it are these tokens, also in what
 * a user has written. *tokens is to be freed. 0, or -1 with a message.
 */
int chat_encode(const struct chat *chat, const json_t *messages, uint32_t **tokens, size_t *count,
                struct failure *failure);

/* Append a message to the array. 0, or -1 with a message. */
int chat_add(json_t *messages, const char *role, const char *content, size_t size,
             struct failure *failure);

#endif
