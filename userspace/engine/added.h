/* SPDX-License-Identifier: BSD-3-Clause */
/* Tokens that are found in a text by their names, before the text is split into words. */
#ifndef LWC_ENGINE_ADDED_H
#define LWC_ENGINE_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct added_token {
    char *name;
    size_t size;
    uint32_t id;
    bool special;
    bool single_word;    /* only where no letter or digit is beside it */
    bool lstrip, rstrip; /* takes the white space beside it */
};

/* Sorted by name once they are all there. Zeroed, there are none. */
struct added {
    struct added_token *items;
    size_t count, room;
    size_t firsts[257]; /* names that begin with byte B are items firsts[B] to firsts[B + 1] */
};

/* Takes token.name, also when it fails; it is not empty. 0, or -1 without memory. */
int added_add(struct added *added, const struct added_token *token);
void added_sort(struct added *added); /* before any search */
void added_free(struct added *added);

/* The longest name that the text begins with, or NULL. */
const struct added_token *added_longest(const struct added *added, const char *text, size_t size);

/* The token of exactly that name, or NULL. */
const struct added_token *added_find(const struct added *added, const char *text, size_t size);

/* Called for what is between tokens (token NULL), never empty, and for each token. 0 to go on. */
typedef int (*added_part)(void *context, const char *text, size_t size,
                          const struct added_token *token);

/*
 * Take a text of valid UTF-8 apart: the leftmost name counts, of several there the longest.
 * Special tokens are text unless special is set. 0, or what part returned.
 */
int added_split(const struct added *added, const char *text, size_t size, bool special,
                added_part part, void *context);

#endif
