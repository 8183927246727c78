/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens to a text before its words become tokens: it is normalised, and split into words.
 * Normalizers and pre-tokenizers are lists of these few rules, applied one after the other.
 */
#ifndef LWC_ENGINE_RULES_H
#define LWC_ENGINE_RULES_H

#include "pattern.h"
#include "text.h"

/* What becomes of the matches of a splitting pattern. */
enum split_behavior { ISOLATED, REMOVED, MERGED_WITH_PREVIOUS, MERGED_WITH_NEXT, CONTIGUOUS };

enum rule_kind {
    RULE_COMPOSE, /* to normal form C */
    RULE_REPLACE, /* matches of the pattern by content */
    RULE_PREPEND, /* content before each word */
    RULE_SPLIT,   /* words into words by the pattern */
    RULE_BYTES,   /* each byte to the visible character that stands for it */
};

struct rule {
    enum rule_kind kind;
    struct pattern *pattern;
    char *content;
    enum split_behavior behavior;
    bool invert;       /* what the pattern does not match is a match */
    bool unless_there; /* not before a word that begins with it */
    bool only_first;   /* only at the beginning of the whole text */
};

struct rules {
    struct rule *items;
    size_t count, room;
};

/* Takes what the rule points to, also when it fails. 0, or -1 without memory. */
int rules_add(struct rules *rules, const struct rule *rule);
void rules_free(struct rules *rules);

struct word {
    size_t start, size;
    bool first; /* at the beginning of the whole text */
};

/* A text and the words in it, in order; zeroed, there are none. */
struct words {
    struct text text, other_text;
    struct word *items, *other_items;
    size_t count, room, other_count, other_room;
    struct spans spans;
};

/* One word: all of the text, which is valid UTF-8. 0, or -1 without memory. */
int words_set(struct words *words, const char *text, size_t size, bool first);
int rules_apply(const struct rules *rules, struct words *words, struct failure *failure);
void words_free(struct words *words);

/* The character that stands for a byte where vocabularies are of bytes: visible, never a space. */
uint32_t byte_character(uint8_t byte);

#endif
