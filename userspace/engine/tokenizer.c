/* SPDX-License-Identifier: BSD-3-Clause */
#include "tokenizer.h"
#include "merges.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ID_MAX (1u << 24)
#define NO_TOKEN UINT32_MAX
#define MARK "\xe2\x96\x81" /* U+2581, stands for a space */
#define MARK_SIZE 3
#define AROUND_MAX 8

struct piece {
    char *bytes; /* NULL: special or not there */
    size_t size;
};

struct added {
    const char *content; /* in root */
    size_t size;
    uint32_t id;
};

struct tokenizer {
    json_t *root;
    const json_t *vocabulary; /* in root */
    struct piece *pieces;
    uint32_t piece_count;
    struct added *added;
    size_t added_count;
    struct merges *merges;
    uint32_t bytes[256]; /* tokens of the bytes, or NO_TOKEN */
    uint32_t unknown;
    bool mark_start; /* a mark goes before the text */
    uint32_t before[AROUND_MAX], after[AROUND_MAX];
    size_t before_count, after_count;
};

struct reading {
    struct tokenizer *tokenizer;
    const char *path;
    struct failure *failure;
};

static int refuse(const struct reading *reading, const char *what)
{
    return fail(reading->failure, "%s: %s", reading->path, what);
}

static uint32_t find_token(const struct tokenizer *tokenizer, const char *text)
{
    const json_t *id = json_object_get(tokenizer->vocabulary, text);

    return id ? (uint32_t)json_integer_value(id) : NO_TOKEN;
}

static bool is_type(const json_t *object, const char *type)
{
    const char *is = json_string_value(json_object_get(object, "type"));

    return is && strcmp(is, type) == 0;
}

static bool string_is(const json_t *object, const char *key, const char *text)
{
    const char *is = json_string_value(json_object_get(object, key));

    return is && strcmp(is, text) == 0;
}

/* "<0x41>" is the token of the byte 'A'. */
static bool byte_token(const char *text, uint8_t *byte)
{
    char *end;

    if (strlen(text) != 6 || strncmp(text, "<0x", 3) || text[5] != '>')
        return false;
    *byte = (uint8_t)strtoul(text + 3, &end, 16);
    return end == text + 5;
}

/* The bytes that a token of the vocabulary stands for: marks are spaces. */
static int set_piece(const struct reading *reading, uint32_t id, const char *text)
{
    struct piece *piece = &reading->tokenizer->pieces[id];
    uint8_t byte;

    if (piece->bytes)
        return refuse(reading, "two tokens of the vocabulary have one id");
    piece->bytes = malloc(strlen(text) + 1);
    if (!piece->bytes)
        return refuse(reading, "out of memory");
    if (byte_token(text, &byte)) {
        reading->tokenizer->bytes[byte] = id;
        piece->bytes[0] = (char)byte;
        piece->size = 1;
        return 0;
    }
    while (*text) {
        bool mark = strncmp(text, MARK, MARK_SIZE) == 0;

        piece->bytes[piece->size++] = mark ? ' ' : *text;
        text += mark ? MARK_SIZE : 1;
    }
    return 0;
}

static int valid_id(const json_t *id)
{
    return json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) < ID_MAX;
}

static int read_vocabulary(const struct reading *reading, const json_t *model)
{
    struct tokenizer *tokenizer = reading->tokenizer;
    json_t *vocabulary = json_object_get(model, "vocab"), *id;
    const json_t *added = json_object_get(tokenizer->root, "added_tokens");
    const char *text;
    size_t i;

    if (!json_is_object(vocabulary))
        return refuse(reading, "model.vocab is missing");
    tokenizer->vocabulary = vocabulary;
    json_object_foreach(vocabulary, text, id)
    {
        if (!valid_id(id))
            return refuse(reading, "model.vocab has an id that is no number below 2^24");
        if (json_integer_value(id) >= (json_int_t)tokenizer->piece_count)
            tokenizer->piece_count = (uint32_t)json_integer_value(id) + 1;
    }
    for (i = 0; i < json_array_size(added); i++) {
        id = json_object_get(json_array_get(added, i), "id");
        if (!valid_id(id))
            return refuse(reading, "added_tokens has an id that is no number below 2^24");
        if (json_integer_value(id) >= (json_int_t)tokenizer->piece_count)
            tokenizer->piece_count = (uint32_t)json_integer_value(id) + 1;
    }
    tokenizer->pieces = calloc(tokenizer->piece_count + 1u, sizeof(*tokenizer->pieces));
    if (!tokenizer->pieces)
        return refuse(reading, "out of memory");
    json_object_foreach(vocabulary, text,
                        id) if (set_piece(reading, (uint32_t)json_integer_value(id), text) <
                                0) return -1;
    tokenizer->unknown = NO_TOKEN;
    text = json_string_value(json_object_get(model, "unk_token"));
    if (text)
        tokenizer->unknown = find_token(tokenizer, text);
    return 0;
}

/* Both spellings of a merge: "a b", and ["a", "b"]. */
static int read_merge(const struct reading *reading, const json_t *item, uint32_t rank,
                      struct merge *merge)
{
    const struct tokenizer *tokenizer = reading->tokenizer;
    const char *left = json_string_value(json_array_get(item, 0));
    const char *right = json_string_value(json_array_get(item, 1));
    char *copy = NULL, *joined = NULL;
    int result = -1;

    if (json_is_string(item) && (copy = strdup(json_string_value(item)))) {
        char *space = strchr(copy, ' ');

        left = copy;
        right = space ? space + 1 : NULL;
        if (space)
            *space = 0;
    }
    if (left && right && (joined = malloc(strlen(left) + strlen(right) + 1))) {
        strcat(strcpy(joined, left), right);
        *merge = (struct merge){find_token(tokenizer, left), find_token(tokenizer, right), rank,
                                find_token(tokenizer, joined)};
        if (merge->left != NO_TOKEN && merge->right != NO_TOKEN && merge->result != NO_TOKEN)
            result = 0;
    }
    free(joined);
    free(copy);
    return result;
}

static int read_merges(const struct reading *reading, const json_t *model)
{
    const json_t *list = json_object_get(model, "merges");
    size_t count = json_array_size(list);

    reading->tokenizer->merges = merges_new(count);
    if (!reading->tokenizer->merges)
        return refuse(reading, "out of memory");
    for (size_t i = 0; i < count; i++) {
        struct merge merge;

        if (read_merge(reading, json_array_get(list, i), (uint32_t)i, &merge) < 0)
            return fail(reading->failure, "%s: merge %zu is not of two tokens that make a third",
                        reading->path, i);
        merges_add(reading->tokenizer->merges, &merge);
    }
    return 0;
}

static int read_added(const struct reading *reading)
{
    struct tokenizer *tokenizer = reading->tokenizer;
    const json_t *list = json_object_get(tokenizer->root, "added_tokens");
    size_t count = json_array_size(list);

    tokenizer->added = calloc(count + 1, sizeof(*tokenizer->added));
    if (!tokenizer->added)
        return refuse(reading, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        const char *content = json_string_value(json_object_get(item, "content"));
        uint32_t id = (uint32_t)json_integer_value(json_object_get(item, "id"));
        struct piece *piece = &tokenizer->pieces[id];

        if (!content || !*content)
            return refuse(reading, "an added token has no content");
        tokenizer->added[tokenizer->added_count++] = (struct added){content, strlen(content), id};
        free(piece->bytes);
        *piece = (struct piece){NULL, 0};
        if (json_is_true(json_object_get(item, "special")))
            continue;
        piece->bytes = strdup(content);
        if (!piece->bytes)
            return refuse(reading, "out of memory");
        piece->size = strlen(content);
    }
    return 0;
}

static int read_normalizer_step(const struct reading *reading, const json_t *step)
{
    if (is_type(step, "Prepend") && string_is(step, "prepend", MARK)) {
        reading->tokenizer->mark_start = true;
        return 0;
    }
    if (is_type(step, "Replace") && string_is(step, "content", MARK) &&
        string_is(json_object_get(step, "pattern"), "String", " "))
        return 0;
    return refuse(reading, "its normalizer is of a kind that lwcmem does not know");
}

static int read_spaces(const struct reading *reading)
{
    const json_t *normalizer = json_object_get(reading->tokenizer->root, "normalizer");
    const json_t *splitter = json_object_get(reading->tokenizer->root, "pre_tokenizer");
    const json_t *steps = json_object_get(normalizer, "normalizers");
    const char *scheme = json_string_value(json_object_get(splitter, "prepend_scheme"));

    if (is_type(normalizer, "Sequence")) {
        for (size_t i = 0; i < json_array_size(steps); i++)
            if (read_normalizer_step(reading, json_array_get(steps, i)) < 0)
                return -1;
    } else if (normalizer && !json_is_null(normalizer) &&
               read_normalizer_step(reading, normalizer) < 0) {
        return -1;
    }
    if (!splitter || json_is_null(splitter)) {
        if (!normalizer || json_is_null(normalizer))
            return refuse(reading, "it has no rule for spaces; lwcmem knows those of Llama");
        return 0;
    }
    if (!is_type(splitter, "Metaspace") || !string_is(splitter, "replacement", MARK) ||
        !json_is_false(json_object_get(splitter, "split")))
        return refuse(reading, "its pre_tokenizer is of a kind that lwcmem does not know");
    if (scheme && strcmp(scheme, "never"))
        reading->tokenizer->mark_start = true;
    return 0;
}

/* Special tokens before and after a single text, by their names in special_tokens. */
static int read_template(const struct reading *reading)
{
    struct tokenizer *tokenizer = reading->tokenizer;
    const json_t *processor = json_object_get(tokenizer->root, "post_processor");
    const json_t *single = json_object_get(processor, "single");
    bool after = false;

    if (!processor || json_is_null(processor))
        return 0;
    if (!is_type(processor, "TemplateProcessing"))
        return refuse(reading, "its post_processor is of a kind that lwcmem does not know");
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *special = json_object_get(json_array_get(single, i), "SpecialToken");
        const char *name = json_string_value(json_object_get(special, "id"));
        size_t *count = after ? &tokenizer->after_count : &tokenizer->before_count;
        const json_t *ids;

        if (!special) {
            after = true;
            continue;
        }
        ids = json_object_get(
            json_object_get(json_object_get(processor, "special_tokens"), name ? name : ""), "ids");
        if (!valid_id(json_array_get(ids, 0)) || *count == AROUND_MAX)
            return refuse(reading, "its post_processor names a special token without an id");
        (after ? tokenizer->after : tokenizer->before)[(*count)++] =
            (uint32_t)json_integer_value(json_array_get(ids, 0));
    }
    return 0;
}

static int read_tokenizer(const struct reading *reading)
{
    const json_t *model = json_object_get(reading->tokenizer->root, "model");

    if (!json_is_object(model) || (json_object_get(model, "type") && !is_type(model, "BPE")))
        return refuse(reading, "its model is not BPE, the kind that lwcmem knows");
    if (!json_is_true(json_object_get(model, "byte_fallback")))
        return refuse(reading, "a BPE model without byte_fallback; lwcmem knows those of Llama");
    if (read_vocabulary(reading, model) < 0 || read_merges(reading, model) < 0 ||
        read_added(reading) < 0 || read_spaces(reading) < 0)
        return -1;
    return read_template(reading);
}

struct tokenizer *tokenizer_new(const char *json, size_t size, const char *path,
                                struct failure *failure)
{
    struct tokenizer *tokenizer = calloc(1, sizeof(*tokenizer));
    struct reading reading = {tokenizer, path, failure};
    json_error_t error;
    int result = -1;

    if (!tokenizer) {
        fail(failure, "%s: out of memory", path);
        return NULL;
    }
    memset(tokenizer->bytes, 0xff, sizeof(tokenizer->bytes));
    tokenizer->root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(tokenizer->root))
        fail(failure, "%s: not a JSON object: %s", path, tokenizer->root ? "" : error.text);
    else
        result = read_tokenizer(&reading);
    if (result == 0)
        return tokenizer;
    tokenizer_free(tokenizer);
    return NULL;
}

void tokenizer_free(struct tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    for (uint32_t i = 0; tokenizer->pieces && i < tokenizer->piece_count; i++)
        free(tokenizer->pieces[i].bytes);
    free(tokenizer->pieces);
    free(tokenizer->added);
    merges_free(tokenizer->merges);
    json_decref(tokenizer->root);
    free(tokenizer);
}

/* Bytes of the UTF-8 character at text; 1 for a byte that starts none. */
static size_t character_size(const char *text, size_t size)
{
    uint8_t first = (uint8_t)*text;
    size_t length = first < 0x80    ? 1
                    : first >= 0xf0 ? 4
                    : first >= 0xe0 ? 3
                    : first >= 0xc0 ? 2
                                    : 1;

    for (size_t i = 1; i < length; i++)
        if (i >= size || ((uint8_t)text[i] & 0xc0) != 0x80)
            return 1;
    return length;
}

struct output {
    uint32_t *tokens;
    size_t count;
};

/* One character: its token, those of its bytes, or the unknown one. */
static void spell(const struct tokenizer *tokenizer, const char *text, size_t size,
                  struct output *out)
{
    char character[5];
    uint32_t token;

    memcpy(character, text, size);
    character[size] = 0;
    /* a byte that is no UTF-8 cannot be a key */
    token = size == 1 && (uint8_t)*text >= 0x80 ? NO_TOKEN : find_token(tokenizer, character);
    if (*text && token != NO_TOKEN) {
        out->tokens[out->count++] = token;
        return;
    }
    for (size_t i = 0; i < size; i++) {
        uint32_t byte = tokenizer->bytes[(uint8_t)text[i]];

        if (byte == NO_TOKEN)
            byte = tokenizer->unknown;
        if (byte != NO_TOKEN)
            out->tokens[out->count++] = byte;
    }
}

/* Text without added tokens in it. */
static int encode_plain(const struct tokenizer *tokenizer, const char *text, size_t size,
                        struct output *out)
{
    size_t start = out->count;
    long merged;

    if (!size)
        return 0;
    if (tokenizer->mark_start)
        spell(tokenizer, MARK, MARK_SIZE, out);
    while (size) {
        size_t length = character_size(text, size);

        if (*text == ' ')
            spell(tokenizer, MARK, MARK_SIZE, out);
        else
            spell(tokenizer, text, length, out);
        text += length;
        size -= length;
    }
    merged = merges_apply(tokenizer->merges, out->tokens + start, out->count - start);
    if (merged < 0)
        return -1;
    out->count = start + (size_t)merged;
    return 0;
}

/* The longest added token that text starts with. */
static const struct added *added_at(const struct tokenizer *tokenizer, const char *text,
                                    size_t size)
{
    const struct added *best = NULL;

    for (size_t i = 0; i < tokenizer->added_count; i++) {
        const struct added *added = &tokenizer->added[i];

        if (added->size <= size && (!best || added->size > best->size) &&
            memcmp(added->content, text, added->size) == 0)
            best = added;
    }
    return best;
}

static int encode_text(const struct tokenizer *tokenizer, const char *text, size_t size,
                       struct output *out)
{
    size_t plain = 0;

    while (plain < size) {
        const struct added *added = added_at(tokenizer, text + plain, size - plain);

        if (!added) {
            plain++;
            continue;
        }
        if (encode_plain(tokenizer, text, plain, out) < 0)
            return -1;
        out->tokens[out->count++] = added->id;
        text += plain + added->size;
        size -= plain + added->size;
        plain = 0;
    }
    return encode_plain(tokenizer, text, size, out);
}

int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t size,
                     uint32_t **tokens, size_t *count, struct failure *failure)
{
    struct output out = {0};
    size_t room;

    /* a space is spelled in at most three tokens, and so is the mark before each part */
    if (__builtin_mul_overflow(size, 6 * sizeof(*out.tokens), &room) ||
        !(out.tokens = malloc(room + (2 * AROUND_MAX + MARK_SIZE) * sizeof(*out.tokens))))
        return fail(failure, "out of memory for the tokens of the prompt");
    for (size_t i = 0; i < tokenizer->before_count; i++)
        out.tokens[out.count++] = tokenizer->before[i];
    if (encode_text(tokenizer, text, size, &out) < 0) {
        free(out.tokens);
        return fail(failure, "out of memory for the tokens of the prompt");
    }
    for (size_t i = 0; i < tokenizer->after_count; i++)
        out.tokens[out.count++] = tokenizer->after[i];
    *tokens = out.tokens;
    *count = out.count;
    return 0;
}

const char *tokenizer_piece(const struct tokenizer *tokenizer, uint32_t token, size_t *size)
{
    *size = 0;
    if (token >= tokenizer->piece_count || !tokenizer->pieces[token].bytes)
        return "";
    *size = tokenizer->pieces[token].size;
    return tokenizer->pieces[token].bytes;
}
