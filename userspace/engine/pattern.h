/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Patterns of tokenizers: written for Oniguruma, matched by PCRE2. What the two understand
 * differently is translated or refused by name.
 */
#ifndef LWC_ENGINE_PATTERN_H
#define LWC_ENGINE_PATTERN_H

#include "container/failure.h"

#include <stdbool.h>
#include <stddef.h>

struct pattern;

/* NULL with a message; path is for messages. */
struct pattern *pattern_new(const char *expression, size_t size, const char *path,
                            struct failure *failure);
/* Matches that text and no other. */
struct pattern *pattern_literal(const char *text, size_t size, const char *path,
                                struct failure *failure);
void pattern_free(struct pattern *pattern); /* NULL is allowed */

struct span {
    size_t start, end;
    bool match; /* else between matches */
};

struct spans {
    struct span *items;
    size_t count, room;
};

/*
 * The matches in valid UTF-8 and what is between them, in order: together the whole text.
 * They replace those in spans, which the caller frees. 0, or -1 with a message.
 */
int pattern_split(const struct pattern *pattern, const char *text, size_t size, struct spans *spans,
                  struct failure *failure);

#endif
