/* SPDX-License-Identifier: BSD-3-Clause */
#include "tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (1u << 28)

int refuse(const struct reading *reading, const char *what)
{
    return fail(reading->failure, "%s: %s", reading->path, what);
}

int refuse_memory(const struct reading *reading)
{
    return refuse(reading, "out of memory");
}

struct tokenizer *tokenizer_empty(void)
{
    struct tokenizer *tokenizer = calloc(1, sizeof(*tokenizer));

    if (!tokenizer)
        return NULL;
    memset(tokenizer->bytes, 0xff, sizeof(tokenizer->bytes));
    tokenizer->merging.unknown = tokenizer->scored.unknown = NO_TOKEN;
    tokenizer->begin = tokenizer->end = NO_TOKEN;
    tokenizer->vocabulary = vocabulary_new();
    if (tokenizer->vocabulary)
        return tokenizer;
    tokenizer_free(tokenizer);
    return NULL;
}

void tokenizer_free(struct tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    vocabulary_free(tokenizer->vocabulary);
    for (uint32_t i = 0; i < tokenizer->shown_count; i++)
        free(tokenizer->shown[i].bytes);
    free(tokenizer->shown);
    added_free(&tokenizer->added);
    added_free(&tokenizer->added_normalized);
    added_free(&tokenizer->names);
    rules_free(&tokenizer->normalizer);
    rules_free(&tokenizer->splitter);
    merges_free(tokenizer->merging.merges);
    added_free(&tokenizer->scored.frozen);
    free(tokenizer->scored.ranks);
    free(tokenizer->scored.types);
    free(tokenizer->before.ids);
    free(tokenizer->after.ids);
    free(tokenizer->decoder.strip);
    free(tokenizer);
}

int tokenizer_show(const struct reading *reading, uint32_t id, enum shown_kind kind, char *bytes,
                   size_t size)
{
    struct tokenizer *tokenizer = reading->tokenizer;
    size_t room = tokenizer->shown_count;

    if (bytes && id >= tokenizer->shown_count) {
        if (make_room((void **)&tokenizer->shown, &room, tokenizer->shown_count,
                      id + 1 - tokenizer->shown_count, sizeof(*tokenizer->shown)) == 0) {
            memset(tokenizer->shown + tokenizer->shown_count, 0,
                   (room - tokenizer->shown_count) * sizeof(*tokenizer->shown));
            tokenizer->shown_count = (uint32_t)room;
        }
    }
    if (!bytes || id >= tokenizer->shown_count) {
        free(bytes);
        return refuse_memory(reading);
    }
    free(tokenizer->shown[id].bytes);
    tokenizer->shown[id] = (struct shown){kind, bytes, size};
    return 0;
}

int add_rule(const struct reading *reading, struct rules *rules, const struct rule *rule)
{
    return rules_add(rules, rule) < 0 ? refuse_memory(reading) : 0;
}

int add_split(const struct reading *reading, struct rules *rules, const char *expression,
              enum split_behavior behavior)
{
    struct rule rule = {.kind = RULE_SPLIT, .behavior = behavior};

    rule.pattern = pattern_new(expression, strlen(expression), reading->path, reading->failure);
    return rule.pattern ? add_rule(reading, rules, &rule) : -1;
}

int add_merge(const struct reading *reading, uint32_t rank, const char *left, size_t left_size,
              const char *right, size_t right_size)
{
    const struct vocabulary *vocabulary = reading->tokenizer->vocabulary;
    struct merge merge = {.rank = rank};
    struct text joined = {0};

    if (text_add(&joined, left, left_size) < 0 || text_add(&joined, right, right_size) < 0) {
        text_free(&joined);
        return refuse_memory(reading);
    }
    merge.left = vocabulary_find(vocabulary, left, left_size);
    merge.right = vocabulary_find(vocabulary, right, right_size);
    merge.result = vocabulary_find(vocabulary, joined.bytes, joined.size);
    text_free(&joined);
    if (merge.left == NO_TOKEN || merge.right == NO_TOKEN || merge.result == NO_TOKEN)
        return fail(reading->failure, "%s: merge %u is not of two tokens that make a third",
                    reading->path, rank);
    merges_add(reading->tokenizer->merging.merges, &merge);
    return 0;
}

bool byte_name(const char *text, size_t size, uint8_t *byte)
{
    static const char digits[] = "0123456789ABCDEF0123456789abcdef";
    const char *high, *low;

    if (size != 6 || memcmp(text, "<0x", 3) || text[5] != '>' || !text[3] || !text[4])
        return false;
    high = strchr(digits, text[3]);
    low = strchr(digits, text[4]);
    if (!high || !low)
        return false;
    *byte = (uint8_t)((high - digits) % 16 * 16 + (low - digits) % 16);
    return true;
}

char *replaced(const char *text, size_t size, const char *from, const char *to, size_t *new_size)
{
    size_t from_size = strlen(from), to_size = strlen(to), at = 0;
    struct text out = {0};
    int result = text_add(&out, "", 0);

    while (result == 0 && at < size) {
        bool match = from_size && size - at >= from_size && !memcmp(text + at, from, from_size);

        result = match ? text_add(&out, to, to_size) : text_add(&out, text + at, 1);
        at += match ? from_size : 1;
    }
    *new_size = out.size;
    if (result == 0)
        return out.bytes;
    text_free(&out);
    return NULL;
}

/* One text on its way to tokens. */
struct encoding {
    const struct tokenizer *tokenizer;
    const char *text; /* whole */
    bool special;
    bool first; /* the part between added tokens is the beginning of the text */
    struct words words, normalized;
    struct merging merging;
    struct tokens out;
    struct failure *failure;
};

static int no_memory(const struct encoding *encoding)
{
    return fail(encoding->failure, "out of memory for the tokens of the prompt");
}

static bool merge_by_order(const void *context, const struct symbol *left,
                           const struct symbol *right, uint32_t *rank, uint32_t *result)
{
    const struct merge *merge = merges_find(context, left->token, right->token);

    if (!merge)
        return false;
    *rank = merge->rank;
    *result = merge->result;
    return true;
}

/* A character without a token in its bytes, if each has a token. 1 if so, 0 if not. */
static int spell(struct encoding *encoding, const char *text, size_t start, size_t size)
{
    const uint32_t *bytes = encoding->tokenizer->bytes;

    if (!encoding->tokenizer->merging.bytes_for_unknown)
        return 0;
    for (size_t i = 0; i < size; i++)
        if (bytes[(uint8_t)text[start + i]] == NO_TOKEN)
            return 0;
    for (size_t i = 0; i < size; i++)
        if (merging_add(&encoding->merging, bytes[(uint8_t)text[start + i]], start + i, 1) < 0)
            return no_memory(encoding);
    return 1;
}

/* The characters of a word as symbols. An unknown one comes after the bytes that follow it. */
static int add_characters(struct encoding *encoding, const char *text, size_t size)
{
    const struct merging_model *model = &encoding->tokenizer->merging;
    size_t unknown = 0, length;
    int spelled;

    for (size_t at = 0; at < size; at += length) {
        uint32_t token;

        length = character_size(text + at, size - at);
        token = vocabulary_find(encoding->tokenizer->vocabulary, text + at, length);
        spelled = token == NO_TOKEN ? spell(encoding, text, at, length) : 0;
        if (spelled < 0)
            return -1;
        if (spelled > 0)
            continue;
        if (token == NO_TOKEN && model->unknown_missing)
            return fail(encoding->failure, "the vocabulary has no token for a character of the "
                                           "text, and no unknown token; the tokenizer is broken");
        if (token == NO_TOKEN && model->unknown == NO_TOKEN)
            continue;
        if (unknown && !(token == NO_TOKEN && model->fuse_unknown)) {
            if (merging_add(&encoding->merging, model->unknown, at, 0) < 0)
                return no_memory(encoding);
            unknown = 0;
        }
        if (token == NO_TOKEN)
            unknown = 1;
        else if (merging_add(&encoding->merging, token, at, length) < 0)
            return no_memory(encoding);
    }
    if (unknown && merging_add(&encoding->merging, model->unknown, size, 0) < 0)
        return no_memory(encoding);
    return 0;
}

static int encode_word(struct encoding *encoding, const char *text, size_t size)
{
    const struct tokenizer *tokenizer = encoding->tokenizer;
    struct merging *merging = &encoding->merging;
    uint32_t whole = tokenizer->merging.whole_words
                         ? vocabulary_find(tokenizer->vocabulary, text, size)
                         : NO_TOKEN;

    if (whole != NO_TOKEN)
        return tokens_add(&encoding->out, whole) < 0 ? no_memory(encoding) : 0;
    merging->count = 0;
    if (add_characters(encoding, text, size) < 0)
        return -1;
    if (merging_run(merging, merge_by_order, tokenizer->merging.merges) < 0)
        return no_memory(encoding);
    for (uint32_t i = merging->count ? 0 : NO_SYMBOL; i != NO_SYMBOL; i = merging->symbols[i].next)
        if (tokens_add(&encoding->out, merging->symbols[i].token) < 0)
            return no_memory(encoding);
    return 0;
}

/* A part without added tokens, normalized. */
static int encode_plain(void *context, const char *text, size_t size,
                        const struct added_token *token)
{
    struct encoding *encoding = context;
    struct words *words = &encoding->words;
    bool first = encoding->first && text == encoding->normalized.text.bytes;

    if (token)
        return tokens_add(&encoding->out, token->id) < 0 ? no_memory(encoding) : 0;
    if (words_set(words, text, size, first) < 0)
        return no_memory(encoding);
    if (rules_apply(&encoding->tokenizer->splitter, words, encoding->failure) < 0)
        return -1;
    for (size_t i = 0; i < words->count; i++)
        if (encode_word(encoding, words->text.bytes + words->items[i].start, words->items[i].size) <
            0)
            return -1;
    return 0;
}

/* A part of the text between the added tokens that are searched in it, or one of those. */
static int encode_part(void *context, const char *text, size_t size,
                       const struct added_token *token)
{
    struct encoding *encoding = context;
    const struct tokenizer *tokenizer = encoding->tokenizer;
    struct words *normalized = &encoding->normalized;

    if (token)
        return tokens_add(&encoding->out, token->id) < 0 ? no_memory(encoding) : 0;
    if (tokenizer->scored.ranks)
        return scored_encode(tokenizer, text, size, &encoding->out, encoding->failure);
    encoding->first = text == encoding->text;
    if (words_set(normalized, text, size, encoding->first) < 0)
        return no_memory(encoding);
    if (rules_apply(&tokenizer->normalizer, normalized, encoding->failure) < 0)
        return -1;
    return added_split(&tokenizer->added_normalized, normalized->text.bytes, normalized->text.size,
                       encoding->special, encode_plain, encoding);
}

static int encode(struct encoding *encoding, size_t size, bool around)
{
    const struct tokenizer *tokenizer = encoding->tokenizer;

    for (size_t i = 0; around && i < tokenizer->before.count; i++)
        if (tokens_add(&encoding->out, tokenizer->before.ids[i]) < 0)
            return no_memory(encoding);
    if (added_split(&tokenizer->added, encoding->text, size, encoding->special, encode_part,
                    encoding) < 0)
        return -1;
    for (size_t i = 0; around && i < tokenizer->after.count; i++)
        if (tokens_add(&encoding->out, tokenizer->after.ids[i]) < 0)
            return no_memory(encoding);
    return 0;
}

int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t size, bool around,
                     bool special, uint32_t **tokens, size_t *count, struct failure *failure)
{
    struct encoding encoding = {.tokenizer = tokenizer, .special = special, .failure = failure};
    struct text valid = {0};
    int result = -1;

    if (size > TEXT_MAX)
        return fail(failure, "the text has more than %u bytes; shorten it", TEXT_MAX);
    /* an empty list is no NULL */
    if (text_add_lossy(&valid, text, size) < 0 ||
        make_room((void **)&encoding.out.ids, &encoding.out.room, 0, 1, sizeof(uint32_t)) < 0) {
        no_memory(&encoding);
    } else {
        encoding.text = valid.bytes;
        result = encode(&encoding, valid.size, around);
    }
    text_free(&valid);
    words_free(&encoding.words);
    words_free(&encoding.normalized);
    merging_free(&encoding.merging);
    if (result < 0) {
        free(encoding.out.ids);
        return -1;
    }
    *tokens = encoding.out.ids;
    *count = encoding.out.count;
    return 0;
}

const char *tokenizer_piece(const struct tokenizer *tokenizer, uint32_t token, size_t *size)
{
    const struct shown *shown = token < tokenizer->shown_count ? &tokenizer->shown[token] : NULL;

    *size = 0;
    if (!shown || shown->kind == SHOWN_NOT)
        return "";
    *size = shown->size;
    return shown->bytes;
}

int tokenizer_find(const struct tokenizer *tokenizer, const char *text, uint32_t *token)
{
    const struct added_token *added = added_find(&tokenizer->names, text, strlen(text));

    if (!added)
        added = added_find(&tokenizer->added, text, strlen(text));
    *token = added ? added->id : vocabulary_find(tokenizer->vocabulary, text, strlen(text));
    return *token != NO_TOKEN;
}

int tokenizer_begin(const struct tokenizer *tokenizer, uint32_t *token)
{
    *token = tokenizer->begin;
    return *token != NO_TOKEN;
}

int tokenizer_end(const struct tokenizer *tokenizer, uint32_t *token)
{
    *token = tokenizer->end;
    return *token != NO_TOKEN;
}
