/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Byte-pair encoding with byte fallback (Sennrich et al., 2016; SentencePiece's
 * variant), as a HuggingFace tokenizer.json describes it: spaces become a
 * visible mark, characters merge by rank, what has no token is spelled in
 * bytes. Reading functions may be called by any thread.
 */
#ifndef LWC_ENGINE_TOKENIZER_H
#define LWC_ENGINE_TOKENIZER_H

#include "container/failure.h"

#include <stddef.h>
#include <stdint.h>

struct tokenizer;

/*
 * From the text of a tokenizer.json; path is for messages. A kind of
 * tokenizer that is not the above is refused by name. NULL with a message.
 */
struct tokenizer *tokenizer_new(const char *json, size_t size, const char *path,
                                struct failure *failure);
void tokenizer_free(struct tokenizer *tokenizer); /* NULL is allowed */

/*
 * Tokens of a text of any bytes, with those that the model expects before it
 * (and after it). *tokens is allocated, the caller frees it. 0, or -1 with a
 * message.
 */
int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t size,
                     uint32_t **tokens, size_t *count, struct failure *failure);

/*
 * Bytes of one token inside a text: a part of a UTF-8 character, perhaps.
 * Empty for a special or unknown one. Valid as long as the tokenizer.
 */
const char *tokenizer_piece(const struct tokenizer *tokenizer, uint32_t token, size_t *size);

#endif
