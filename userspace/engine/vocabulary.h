/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts of tokens and their ids, both ways. */
#ifndef LWC_ENGINE_VOCABULARY_H
#define LWC_ENGINE_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKENS_MAX (1u << 24) /* ids are smaller */
#define NO_TOKEN UINT32_MAX

struct vocabulary;

struct vocabulary *vocabulary_new(void);             /* NULL without memory */
void vocabulary_free(struct vocabulary *vocabulary); /* NULL is allowed */

/* Say what a token's text is; of two tokens with one text, the later is found. 0, or -1 without
 * memory. */
int vocabulary_add(struct vocabulary *vocabulary, const char *text, size_t size, uint32_t id);

/* The token of that text, or NO_TOKEN. */
uint32_t vocabulary_find(const struct vocabulary *vocabulary, const char *text, size_t size);

/* A token's text; NULL where no token has the id. Valid as long as the vocabulary. */
const char *vocabulary_text(const struct vocabulary *vocabulary, uint32_t id, size_t *size);

uint32_t vocabulary_limit(const struct vocabulary *vocabulary); /* largest id + 1 */
size_t vocabulary_longest(const struct vocabulary *vocabulary); /* bytes of the longest text */

/* A hash that no file can foresee. */
uint64_t unforeseen_hash(uint64_t value);

#endif
