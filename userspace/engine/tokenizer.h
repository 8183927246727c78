/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Byte-pair encoding (Sennrich et al., 2016) as models of the Llama, Mistral and Qwen families use
 * it: on bytes, or SentencePiece's variant on characters, with bytes for those that have no token.
 * Tokens and texts are those of the reference implementations, tokenizers and sentencepiece.
 * What is not as these files may describe is refused by name. Functions that take a const
 * tokenizer may be called by any thread.
 */
#ifndef LWC_ENGINE_TOKENIZER_H
#define LWC_ENGINE_TOKENIZER_H

#include "container/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tokenizer;
struct gguf_values;

/* From the bytes of a file; path is for messages. NULL with a message. */
struct tokenizer *tokenizer_from_json(const char *json, size_t size, const char *path,
                                      struct failure *failure); /* tokenizer.json */
struct tokenizer *tokenizer_from_sentencepiece(const char *data, size_t size, const char *path,
                                               struct failure *failure); /* tokenizer.model */
/* From the keys tokenizer.ggml.* of a GGUF file. NULL with a message. */
struct tokenizer *tokenizer_from_gguf(const struct gguf_values *values, const char *path,
                                      struct failure *failure);
void tokenizer_free(struct tokenizer *tokenizer); /* NULL is allowed */

/*
 * Tokens of a text; bytes that are no UTF-8 count as U+FFFD each. around: with the tokens that
 * the model expects before and after a text. special: names of special tokens in the text are
 * these tokens, else they are text like any other; names of other added tokens always are tokens.
 * *tokens is allocated, the caller frees it. 0, or -1 with a message.
 */
int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t size, bool around,
                     bool special, uint32_t **tokens, size_t *count, struct failure *failure);

/*
 * Bytes of one token inside a text: a part of a UTF-8 character, perhaps. Empty for a special or
 * unknown one. Valid as long as the tokenizer. Put together they may differ from the text of the
 * tokens by a space at the beginning and in bytes that make no characters.
 */
const char *tokenizer_piece(const struct tokenizer *tokenizer, uint32_t token, size_t *size);

/* The token of exactly that name, special or not. 1, or 0 if there is none. */
int tokenizer_find(const struct tokenizer *tokenizer, const char *text, uint32_t *token);

/* The token that begins or ends a text, as far as the file says it. 1, or 0. */
int tokenizer_begin(const struct tokenizer *tokenizer, uint32_t *token);
int tokenizer_end(const struct tokenizer *tokenizer, uint32_t *token);

/*
 * The text of a sequence of tokens, token by token, without special ones. It is UTF-8 as far as
 * the tokens are; what can be no part of a character becomes U+FFFD. A text that continues
 * another is that of both without what the first alone has given.
 */
struct decoding;

struct decoding *decoding_new(const struct tokenizer *tokenizer, struct failure *failure);
void decoding_free(struct decoding *decoding); /* NULL is allowed */

/*
 * The text that is known with this token: of it, of those before it, or none yet. *text is valid
 * until the next call. 0, or -1 with a message.
 */
int decoding_add(struct decoding *decoding, uint32_t token, const char **text, size_t *size,
                 struct failure *failure);

/* What is left after the last token. The decoding is then as new. 0, or -1 with a message. */
int decoding_end(struct decoding *decoding, const char **text, size_t *size,
                 struct failure *failure);

#endif
