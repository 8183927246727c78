/* SPDX-License-Identifier: BSD-3-Clause */
#include "rules.h"
#include "normal_form.h"

#include <stdlib.h>
#include <string.h>

int rules_add(struct rules *rules, const struct rule *rule)
{
    if (make_room((void **)&rules->items, &rules->room, rules->count, 1, sizeof(*rule)) == 0) {
        rules->items[rules->count++] = *rule;
        return 0;
    }
    pattern_free(rule->pattern);
    free(rule->content);
    return -1;
}

void rules_free(struct rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        pattern_free(rules->items[i].pattern);
        free(rules->items[i].content);
    }
    free(rules->items);
    *rules = (struct rules){0};
}

void words_free(struct words *words)
{
    text_free(&words->text);
    text_free(&words->other_text);
    free(words->items);
    free(words->other_items);
    free(words->spans.items);
    *words = (struct words){0};
}

/* Words of the next rule are gathered beside those of this one. */
static int add_word(struct words *words, size_t start, size_t size, bool first)
{
    if (!size)
        return 0;
    if (make_room((void **)&words->other_items, &words->other_room, words->other_count, 1,
                  sizeof(struct word)) < 0)
        return -1;
    words->other_items[words->other_count++] = (struct word){start, size, first};
    return 0;
}

static void take_words(struct words *words)
{
    struct word *items = words->items;
    size_t room = words->room;

    words->items = words->other_items;
    words->count = words->other_count;
    words->room = words->other_room;
    words->other_items = items;
    words->other_room = room;
    words->other_count = 0;
}

static void take_text(struct words *words)
{
    struct text text = words->text;

    words->text = words->other_text;
    words->other_text = text;
    words->other_text.size = 0;
    take_words(words);
}

int words_set(struct words *words, const char *text, size_t size, bool first)
{
    words->other_text.size = words->other_count = 0;
    if (text_add(&words->other_text, text, size) < 0 || add_word(words, 0, size, first) < 0)
        return -1;
    take_text(words);
    return 0;
}

uint32_t byte_character(uint8_t byte)
{
    /* those that are visible in Latin-1 stand for themselves, the others follow from U+0100 */
    static const uint8_t gaps[][2] = {{0, 0x20}, {0x7f, 0xa0}, {0xad, 0xad}};
    uint32_t next = 0x100;

    for (size_t i = 0; i < sizeof(gaps) / sizeof(*gaps); i++) {
        if (byte >= gaps[i][0] && byte <= gaps[i][1])
            return next + byte - gaps[i][0];
        next += gaps[i][1] - gaps[i][0] + 1u;
    }
    return byte;
}

static int add_bytes(struct text *text, const char *bytes, size_t size)
{
    char character[4];

    for (size_t i = 0; i < size; i++)
        if (text_add(text, character,
                     character_write(byte_character((uint8_t)bytes[i]), character)) < 0)
            return -1;
    return 0;
}

static int add_replaced(struct words *words, const struct rule *rule, const char *bytes,
                        size_t size, struct failure *failure)
{
    size_t content = strlen(rule->content);

    if (pattern_split(rule->pattern, bytes, size, &words->spans, failure) < 0)
        return -1;
    for (size_t i = 0; i < words->spans.count; i++) {
        const struct span *span = &words->spans.items[i];

        if ((span->match
                 ? text_add(&words->other_text, rule->content, content)
                 : text_add(&words->other_text, bytes + span->start, span->end - span->start)) < 0)
            return fail(failure, "out of memory");
    }
    return 0;
}

/* One word after a rule that changes its text. */
static int add_changed(struct words *words, const struct rule *rule, const struct word *word,
                       struct failure *failure)
{
    const char *bytes = words->text.bytes + word->start;
    size_t content = rule->content ? strlen(rule->content) : 0;
    int result = 0;

    switch (rule->kind) {
    case RULE_REPLACE:
        return add_replaced(words, rule, bytes, word->size, failure);
    case RULE_COMPOSE:
        result = text_add_composed(&words->other_text, bytes, word->size);
        break;
    case RULE_BYTES:
        result = add_bytes(&words->other_text, bytes, word->size);
        break;
    default:
        if ((word->first || !rule->only_first) && !(rule->unless_there && word->size >= content &&
                                                    memcmp(bytes, rule->content, content) == 0))
            result = text_add(&words->other_text, rule->content, content);
        if (result == 0)
            result = text_add(&words->other_text, bytes, word->size);
    }
    return result < 0 ? fail(failure, "out of memory") : 0;
}

static int change(const struct rule *rule, struct words *words, struct failure *failure)
{
    words->other_text.size = 0;
    for (size_t i = 0; i < words->count; i++) {
        size_t start = words->other_text.size;

        if (add_changed(words, rule, &words->items[i], failure) < 0)
            return -1;
        if (add_word(words, start, words->other_text.size - start, words->items[i].first) < 0)
            return fail(failure, "out of memory");
    }
    take_text(words);
    return 0;
}

/* Unite spans of a word as the behavior says; a match that remains is to be removed. */
static void unite(enum split_behavior behavior, struct spans *spans)
{
    struct span *items = spans->items;
    size_t count = 0;

    for (size_t i = 0; i < spans->count; i++) {
        bool before = i && items[i - 1].match, match = items[i].match, united;

        if (behavior == CONTIGUOUS)
            united = count && match == before;
        else if (behavior == MERGED_WITH_PREVIOUS)
            united = count && match && !before;
        else
            united = false;
        /* items[i - 1].match is still as it was found: only ends are written before it */
        if (united) {
            items[count - 1].end = items[i].end;
        } else {
            items[count].start = items[i].start;
            items[count++].end = items[i].end;
        }
    }
    spans->count = count;
}

/* A match goes to what follows it, unless that is a match that has gone to its own. */
static void unite_with_next(struct spans *spans)
{
    struct span *items = spans->items;
    size_t to = spans->count;
    bool after = false;

    for (size_t i = spans->count; i-- > 0;) {
        bool match = items[i].match;

        if (match && !after && to < spans->count) {
            items[to].start = items[i].start;
        } else {
            to--;
            items[to].start = items[i].start;
            items[to].end = items[i].end;
        }
        after = match;
    }
    memmove(items, items + to, (spans->count - to) * sizeof(*items));
    spans->count -= to;
}

static int split_word(const struct rule *rule, struct words *words, const struct word *word,
                      struct failure *failure)
{
    struct spans *spans = &words->spans;

    if (pattern_split(rule->pattern, words->text.bytes + word->start, word->size, spans, failure) <
        0)
        return -1;
    for (size_t i = 0; rule->invert && i < spans->count; i++)
        spans->items[i].match = !spans->items[i].match;
    if (rule->behavior == MERGED_WITH_NEXT)
        unite_with_next(spans);
    else if (rule->behavior == CONTIGUOUS || rule->behavior == MERGED_WITH_PREVIOUS)
        unite(rule->behavior, spans);
    for (size_t i = 0; i < spans->count; i++) {
        const struct span *span = &spans->items[i];

        if (rule->behavior == REMOVED && span->match)
            continue;
        if (add_word(words, word->start + span->start, span->end - span->start,
                     word->first && span->start == 0) < 0)
            return fail(failure, "out of memory");
    }
    return 0;
}

static int split(const struct rule *rule, struct words *words, struct failure *failure)
{
    for (size_t i = 0; i < words->count; i++)
        if (split_word(rule, words, &words->items[i], failure) < 0)
            return -1;
    take_words(words);
    return 0;
}

int rules_apply(const struct rules *rules, struct words *words, struct failure *failure)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->items[i];

        words->other_count = 0;
        if ((rule->kind == RULE_SPLIT ? split : change)(rule, words, failure) < 0)
            return -1;
    }
    return 0;
}
