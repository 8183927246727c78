/* SPDX-License-Identifier: BSD-3-Clause */
/* SentencePiece's model of pieces with scores: neighbours merge to the piece of the best score. */
#include "tokenizer_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct normalizing {
    const struct scored_model *model;
    const char *at, *end;
    struct text *out;
};

/* What the text goes on with that is one: a user-defined symbol, or a character. */
static size_t prefix_size(const struct scored_model *model, const char *at, const char *end,
                          bool *frozen)
{
    const struct added_token *symbol = added_longest(&model->frozen, at, (size_t)(end - at));

    *frozen = symbol != NULL;
    return symbol ? symbol->size : character_size(at, (size_t)(end - at));
}

static bool is_space(const char *at, size_t size)
{
    return size == 1 && *at == ' ';
}

static int add_spaced(const struct scored_model *model, struct text *out, const char *at,
                      size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((at[i] == ' ' && model->escape_spaces ? text_add(out, MARK, strlen(MARK))
                                                  : text_add(out, at + i, 1)) < 0)
            return -1;
    return 0;
}

static void drop_last_spaces(const struct scored_model *model, struct text *out)
{
    const char *space = model->escape_spaces ? MARK : " ";
    size_t size = strlen(space);

    while (model->remove_extra_spaces && out->size >= size &&
           memcmp(out->bytes + out->size - size, space, size) == 0)
        out->size -= size;
}

/* Spaces as marks, one before the text, extra ones gone: as far as the model wants it. */
static int normalize(const struct scored_model *model, const char *text, size_t size,
                     struct text *out)
{
    const char *at = text, *end = text + size;
    bool extra = model->remove_extra_spaces, frozen;
    size_t length;

    for (; extra && at < end; at += length) {
        length = prefix_size(model, at, end, &frozen);
        if (!is_space(at, length))
            break;
    }
    if (at == end)
        return 0;
    if (model->dummy_prefix && add_spaced(model, out, " ", 1) < 0)
        return -1;
    for (; at < end; at += length) {
        size_t skip = 0;

        length = prefix_size(model, at, end, &frozen);
        while (extra && skip < length && at[skip] == ' ')
            skip++;
        if (add_spaced(model, out, at + skip, length - skip) < 0)
            return -1;
        if (skip < length)
            extra = at[length - 1] == ' ';
        extra = extra && model->remove_extra_spaces;
    }
    drop_last_spaces(model, out);
    return model->dummy_suffix ? add_spaced(model, out, " ", 1) : 0;
}

struct scoring {
    const struct tokenizer *tokenizer;
    const char *text;
    uint32_t *splits; /* by token that is unused: the size of the left part it was made of */
    struct tokens *out;
    struct merging merging;
    bool after_unknown;
};

#define FROZEN (NO_TOKEN - 1)

static bool merge_by_score(const void *context, const struct symbol *left,
                           const struct symbol *right, uint32_t *rank, uint32_t *result)
{
    const struct scoring *scoring = context;
    const struct scored_model *model = &scoring->tokenizer->scored;

    if (left->token == FROZEN || right->token == FROZEN)
        return false;
    *result = vocabulary_find(scoring->tokenizer->vocabulary, scoring->text + left->start,
                              left->size + right->size);
    if (*result == NO_TOKEN || model->ranks[*result] == NO_TOKEN)
        return false;
    *rank = model->ranks[*result];
    if (scoring->splits && model->types[*result] == PIECE_UNUSED)
        scoring->splits[*result] = left->size;
    return true;
}

/* A piece that is in the vocabulary, or unknown: in bytes, or one token for neighbours. */
static int add_piece(struct scoring *scoring, const char *text, size_t size, uint32_t id)
{
    const struct tokenizer *tokenizer = scoring->tokenizer;
    bool unknown = id == NO_TOKEN || id == tokenizer->scored.unknown,
         before = scoring->after_unknown;

    scoring->after_unknown = unknown;
    if (!unknown)
        return tokens_add(scoring->out, id);
    if (tokenizer->bytes[0] == NO_TOKEN)
        return before ? 0 : tokens_add(scoring->out, tokenizer->scored.unknown);
    for (size_t i = 0; i < size; i++)
        if (tokens_add(scoring->out, tokenizer->bytes[(uint8_t)text[i]]) < 0)
            return -1;
    return 0;
}

/* An unused piece is what it was made of; parts that are still to come wait in sizes. */
static int add_parts(struct scoring *scoring, const char *text, size_t size)
{
    const struct tokenizer *tokenizer = scoring->tokenizer;
    struct tokens sizes = {0};
    int result = tokens_add(&sizes, (uint32_t)size);

    while (sizes.count && result == 0) {
        uint32_t part = sizes.ids[--sizes.count];
        uint32_t id = vocabulary_find(tokenizer->vocabulary, text, part);
        uint32_t left =
            id != NO_TOKEN && tokenizer->scored.types[id] == PIECE_UNUSED ? scoring->splits[id] : 0;

        if (left) {
            result = tokens_add(&sizes, part - left);
            if (result == 0)
                result = tokens_add(&sizes, left);
            continue;
        }
        result = add_piece(scoring, text, part, id);
        text += part;
    }
    free(sizes.ids);
    return result;
}

static int encode_normal(struct scoring *scoring, size_t size)
{
    const struct tokenizer *tokenizer = scoring->tokenizer;
    struct merging *merging = &scoring->merging;
    size_t length;

    for (size_t at = 0; at < size; at += length) {
        bool frozen;

        length = prefix_size(&tokenizer->scored, scoring->text + at, scoring->text + size, &frozen);
        if (merging_add(merging, frozen ? FROZEN : NO_TOKEN, at, length) < 0)
            return -1;
    }
    if (merging_run(merging, merge_by_score, scoring) < 0)
        return -1;
    for (uint32_t i = merging->count ? 0 : NO_SYMBOL; i != NO_SYMBOL;
         i = merging->symbols[i].next) {
        const struct symbol *symbol = &merging->symbols[i];
        const char *text = scoring->text + symbol->start;

        if ((scoring->splits
                 ? add_parts(scoring, text, symbol->size)
                 : add_piece(scoring, text, symbol->size,
                             vocabulary_find(tokenizer->vocabulary, text, symbol->size))) < 0)
            return -1;
    }
    return 0;
}

int scored_encode(const struct tokenizer *tokenizer, const char *text, size_t size,
                  struct tokens *out, struct failure *failure)
{
    struct text normal = {0};
    struct scoring scoring = {.tokenizer = tokenizer, .out = out};
    int result = normalize(&tokenizer->scored, text, size, &normal);

    if (result == 0 && tokenizer->scored.has_unused) {
        scoring.splits =
            calloc(vocabulary_limit(tokenizer->vocabulary) + 1u, sizeof(*scoring.splits));
        result = scoring.splits ? 0 : -1;
    }
    scoring.text = normal.bytes;
    if (result == 0)
        result = encode_normal(&scoring, normal.size);
    text_free(&normal);
    free(scoring.splits);
    merging_free(&scoring.merging);
    return result < 0 ? fail(failure, "out of memory for the tokens of the prompt") : 0;
}

struct rated {
    float score;
    uint32_t id;
};

static int by_score(const void *left, const void *right)
{
    const struct rated *a = left, *b = right;

    return (a->score < b->score) - (a->score > b->score);
}

/* Ranks of what may be merged to: equal for equal scores. */
static int rank(const struct reading *reading, const struct scored_piece *pieces, size_t count)
{
    struct scored_model *model = &reading->tokenizer->scored;
    struct rated *rated = calloc(count + 1, sizeof(*rated));
    size_t rated_count = 0;
    uint32_t next = 0;

    model->ranks = malloc((count + 1) * sizeof(*model->ranks));
    model->types = calloc(count + 1, 1);
    if (!rated || !model->ranks || !model->types) {
        free(rated);
        return refuse_memory(reading);
    }
    for (size_t i = 0; i < count; i++) {
        model->types[i] = (uint8_t)pieces[i].type;
        model->ranks[i] = NO_TOKEN;
        if (pieces[i].type == PIECE_NORMAL || pieces[i].type == PIECE_UNUSED ||
            pieces[i].type == PIECE_USER_DEFINED)
            rated[rated_count++] = (struct rated){pieces[i].score, (uint32_t)i};
    }
    qsort(rated, rated_count, sizeof(*rated), by_score);
    for (size_t i = 0; i < rated_count; i++) {
        if (i && rated[i].score != rated[i - 1].score)
            next++;
        model->ranks[rated[i].id] = next;
    }
    free(rated);
    return 0;
}

static int add_name(const struct reading *reading, struct added *added,
                    const struct scored_piece *piece, uint32_t id)
{
    struct added_token token = {.name = strndup(piece->text, piece->size),
                                .size = piece->size,
                                .id = id,
                                .special = piece->type == PIECE_CONTROL};

    return !token.name || added_add(added, &token) < 0 ? refuse_memory(reading) : 0;
}

static int show(const struct reading *reading, const struct scored_piece *piece, uint32_t id,
                const char *unknown_shown)
{
    size_t size = 0;
    uint8_t byte;
    char *shown;

    if (piece->type == PIECE_CONTROL)
        return tokenizer_show(reading, id, SHOWN_NOT, strdup(""), 0);
    if (piece->type == PIECE_UNKNOWN)
        return tokenizer_show(reading, id, SHOWN_TEXT, strdup(unknown_shown),
                              strlen(unknown_shown));
    shown = replaced(piece->text, piece->size, MARK, " ", &size);
    if (!shown || piece->type != PIECE_BYTE || !byte_name(shown, size, &byte))
        return tokenizer_show(reading, id, SHOWN_TEXT, shown, size);
    shown[0] = (char)byte;
    return tokenizer_show(reading, id, SHOWN_BYTE, shown, 1);
}

/* Put a piece where its type belongs. */
static int add_one(const struct reading *reading, const struct scored_piece *piece, uint32_t id,
                   const char *unknown_shown)
{
    struct tokenizer *tokenizer = reading->tokenizer;
    uint8_t byte;

    if (!piece->size || !is_text(piece->text, piece->size))
        return fail(reading->failure, "%s: token %u is no text", reading->path, id);
    if (isnan(piece->score))
        return fail(reading->failure, "%s: the score of token %u is no number", reading->path, id);
    if (vocabulary_find(tokenizer->vocabulary, piece->text, piece->size) != NO_TOKEN)
        return fail(reading->failure, "%s: token %u has the text of another", reading->path, id);
    if (vocabulary_add(tokenizer->vocabulary, piece->text, piece->size, id) < 0)
        return refuse_memory(reading);
    switch (piece->type) {
    case PIECE_UNKNOWN:
        if (tokenizer->scored.unknown != NO_TOKEN)
            return refuse(reading, "two tokens are the unknown one");
        tokenizer->scored.unknown = id;
        break;
    case PIECE_CONTROL:
        if (add_name(reading, &tokenizer->added, piece, id) < 0)
            return -1;
        break;
    case PIECE_USER_DEFINED:
        if (add_name(reading, &tokenizer->scored.frozen, piece, id) < 0)
            return -1;
        break;
    case PIECE_UNUSED:
        tokenizer->scored.has_unused = true;
        break;
    case PIECE_BYTE:
        if (!byte_name(piece->text, piece->size, &byte))
            return fail(reading->failure,
                        "%s: token %u is said to be a byte and is named otherwise", reading->path,
                        id);
        tokenizer->bytes[byte] = id;
        break;
    case PIECE_NORMAL:
        break;
    default:
        return fail(reading->failure, "%s: token %u is of type %d, which lwcmem does not know",
                    reading->path, id, piece->type);
    }
    return show(reading, piece, id, unknown_shown);
}

int scored_read(const struct reading *reading, const struct scored_piece *pieces, size_t count,
                bool byte_fallback, const char *unknown_shown)
{
    struct tokenizer *tokenizer = reading->tokenizer;
    size_t bytes = 0;

    if (count > TOKENS_MAX)
        return fail(reading->failure, "%s: more than %u tokens", reading->path, TOKENS_MAX);
    for (size_t i = 0; i < count; i++)
        if (add_one(reading, &pieces[i], (uint32_t)i, unknown_shown) < 0)
            return -1;
    for (size_t byte = 0; byte < 256; byte++)
        bytes += tokenizer->bytes[byte] != NO_TOKEN;
    if (bytes != (byte_fallback ? 256 : 0))
        return fail(reading->failure, "%s: %zu tokens of bytes where there must be %d",
                    reading->path, bytes, byte_fallback ? 256 : 0);
    if (tokenizer->scored.unknown == NO_TOKEN)
        return refuse(reading, "no token is the unknown one");
    added_sort(&tokenizer->added);
    added_sort(&tokenizer->scored.frozen);
    tokenizer->decoder.runs = RUNS_EACH;
    return rank(reading, pieces, count);
}
