/* SPDX-License-Identifier: BSD-3-Clause */
/* The normalizer and the pre_tokenizer of a tokenizer.json as rules. */
#ifndef LWC_ENGINE_JSON_RULES_H
#define LWC_ENGINE_JSON_RULES_H

#include "tokenizer_parts.h"

#include <jansson.h>

/* Values of a part of the file; a missing one is as null. */
bool json_given(const json_t *object, const char *key);
/* "" where it is no string. */
const char *json_text(const json_t *object, const char *key);
bool json_kind(const json_t *object, const char *type);

/* A boolean that may be missing. -1 with a message if it is something else. */
int json_flag(const struct reading *reading, const json_t *object, const char *key, bool otherwise,
              bool *flag);

/* -1 with a message that names the kind and what has it. */
int refuse_kind(const struct reading *reading, const char *what, const json_t *object);

/* Read what the key of the file says into rules of the tokenizer. 0, or -1 with a message. */
int read_normalizer(const struct reading *reading, const json_t *root);
int read_pre_tokenizer(const struct reading *reading, const json_t *root);

/* After the vocabulary and added tokens: how they decode. 0, or -1 with a message. */
int read_decoder(const struct reading *reading, const json_t *root);

#endif
