/* SPDX-License-Identifier: BSD-3-Clause */
/* The vocabulary in the header of a GGUF file. */
#include "readers/gguf_values.h"
#include "tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

#define KEY(name) "tokenizer.ggml." name

struct reading_gguf {
    struct reading reading;
    const struct gguf_values *values;
    struct gguf_array tokens, types, scores, merges;
    bool typed;
};

#define LETTERS_UP "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LETTERS_LOW "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define LLAMA3_WORDS "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define LLAMA3_REST " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LLAMA3_PATTERN LLAMA3_WORDS "|\\p{N}{1,3}|" LLAMA3_REST
#define QWEN2_PATTERN LLAMA3_WORDS "|\\p{N}|" LLAMA3_REST
#define TEKKEN_PATTERN                                                                             \
    "[^\\r\\n\\p{L}\\p{N}]?" LETTERS_UP "*" LETTERS_LOW "+|[^\\r\\n\\p{L}\\p{N}]?" LETTERS_UP      \
    "+" LETTERS_LOW "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* How the tokenizers that tokenizer.ggml.pre names split words. */
static const struct splitting {
    const char *name;
    const char *patterns[4]; /* one after the other */
    bool composes;           /* to normal form C */
    bool whole_words;
    bool begins; /* with the token for that, unless another key denies it */
} splittings[] = {
    {.name = "default",
     .patterns = {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2_PATTERN, "\\p{N}+", "[0-9][0-9][0-9]"}},
    {.name = "gpt-2", .patterns = {GPT2_PATTERN}},
    {.name = "smollm", .patterns = {"\\p{N}", GPT2_PATTERN}},
    {.name = "llama-bpe", .patterns = {LLAMA3_PATTERN}, .whole_words = true, .begins = true},
    {.name = "qwen2", .patterns = {QWEN2_PATTERN}, .composes = true},
    {.name = "tekken", .patterns = {TEKKEN_PATTERN}, .whole_words = true, .begins = true},
};

static int missing(const struct reading_gguf *in, const char *key)
{
    return fail(in->reading.failure, "%s: no %s; give a file with a vocabulary", in->reading.path,
                key);
}

/* An array with an item for each token. 1, 0 if it is not there, -1 with a message. */
static int read_array(const struct reading_gguf *in, const char *key, enum gguf_items items,
                      struct gguf_array *out)
{
    int found = gguf_values_array(in->values, key, items, out, in->reading.failure);

    if (found > 0 && out->count != in->tokens.count)
        return fail(in->reading.failure, "%s: %s has %zu items and the vocabulary %zu",
                    in->reading.path, key, out->count, in->tokens.count);
    return found;
}

static int read_flag(const struct reading_gguf *in, const char *key, bool otherwise, bool *flag)
{
    int found = gguf_values_bool(in->values, key, flag, in->reading.failure);

    if (found == 0)
        *flag = otherwise;
    return found < 0 ? -1 : 0;
}

static int type_of(const struct reading_gguf *in, size_t id)
{
    int64_t type = in->typed ? gguf_array_whole(&in->types, id) : PIECE_NORMAL;

    return type < 0 || type > 255 ? 255 : (int)type;
}

/* The id that a key names, if it is there. */
static int read_special(const struct reading_gguf *in, const char *key, uint32_t *id)
{
    uint64_t value;
    int found = gguf_values_u64(in->values, key, &value, in->reading.failure);

    if (found > 0 && value >= in->tokens.count)
        return fail(in->reading.failure, "%s: %s is %llu and the vocabulary has %zu tokens",
                    in->reading.path, key, (unsigned long long)value, in->tokens.count);
    if (found > 0)
        *id = (uint32_t)value;
    return found < 0 ? -1 : 0;
}

static int read_around(const struct reading_gguf *in, bool begins)
{
    struct tokenizer *tokenizer = in->reading.tokenizer;
    bool before, after;

    if (read_special(in, KEY("bos_token_id"), &tokenizer->begin) < 0 ||
        read_special(in, KEY("eos_token_id"), &tokenizer->end) < 0 ||
        read_flag(in, KEY("add_bos_token"), begins, &before) < 0 ||
        read_flag(in, KEY("add_eos_token"), false, &after) < 0)
        return -1;
    if ((before && tokenizer->begin != NO_TOKEN &&
         tokens_add(&tokenizer->before, tokenizer->begin) < 0) ||
        (after && tokenizer->end != NO_TOKEN && tokens_add(&tokenizer->after, tokenizer->end) < 0))
        return refuse_memory(&in->reading);
    return 0;
}

static int read_scored(struct reading_gguf *in)
{
    struct tokenizer *tokenizer = in->reading.tokenizer;
    struct scored_model *model = &tokenizer->scored;
    int scored = read_array(in, KEY("scores"), GGUF_REAL, &in->scores), result;
    struct scored_piece *pieces;
    bool bytes = false;

    if (scored <= 0)
        return scored < 0 ? -1 : missing(in, KEY("scores"));
    if (!in->typed)
        return missing(in, KEY("token_type"));
    if (read_flag(in, KEY("add_space_prefix"), true, &model->dummy_prefix) < 0 ||
        read_flag(in, KEY("remove_extra_whitespaces"), false, &model->remove_extra_spaces) < 0)
        return -1;
    model->escape_spaces = true;
    tokenizer->decoder.unmark_text = model->dummy_prefix || model->remove_extra_spaces;
    tokenizer->decoder.unmark_all = model->remove_extra_spaces;
    pieces = calloc(in->tokens.count + 1, sizeof(*pieces));
    if (!pieces)
        return refuse_memory(&in->reading);
    for (size_t i = 0; i < in->tokens.count; i++) {
        struct gguf_string text = gguf_array_string(&in->tokens, i);

        pieces[i] = (struct scored_piece){text.text, text.size,
                                          (float)gguf_array_real(&in->scores, i), type_of(in, i)};
        bytes |= pieces[i].type == PIECE_BYTE;
    }
    result = scored_read(&in->reading, pieces, in->tokens.count, bytes, " \xe2\x81\x87 ");
    free(pieces);
    return result < 0 ? -1 : read_around(in, true);
}

/* A token that is searched for by its name. */
static int add_named(const struct reading *reading, struct gguf_string text, uint32_t id,
                     bool special)
{
    struct tokenizer *tokenizer = reading->tokenizer;
    struct added_token token = {
        .name = strndup(text.text, text.size), .size = text.size, .id = id, .special = special};

    if (!token.name || added_add(&tokenizer->added, &token) < 0)
        return refuse_memory(reading);
    return special
               ? tokenizer_show(reading, id, SHOWN_NOT, strdup(""), 0)
               : tokenizer_show(reading, id, SHOWN_TEXT, strndup(text.text, text.size), text.size);
}

static int add_token(const struct reading_gguf *in, uint32_t id)
{
    const struct reading *reading = &in->reading;
    struct gguf_string text = gguf_array_string(&in->tokens, id);
    int type = type_of(in, id);
    size_t size;
    char *shown;

    if (!text.size || !is_text(text.text, text.size))
        return fail(reading->failure, "%s: token %u is no text", reading->path, id);
    if (type < PIECE_NORMAL || type > PIECE_BYTE)
        return fail(reading->failure, "%s: token %u is of type %d, which lwcmem does not know",
                    reading->path, id, type);
    if (type == PIECE_CONTROL || type == PIECE_UNKNOWN || type == PIECE_USER_DEFINED)
        return add_named(reading, text, id, type != PIECE_USER_DEFINED);
    if (vocabulary_add(reading->tokenizer->vocabulary, text.text, text.size, id) < 0)
        return refuse_memory(reading);
    shown = visible_bytes(text.text, text.size, &size);
    return tokenizer_show(reading, id, SHOWN_TEXT, shown, size);
}

static int read_merges(struct reading_gguf *in)
{
    const struct reading *reading = &in->reading;
    int found =
        gguf_values_array(in->values, KEY("merges"), GGUF_STRINGS, &in->merges, reading->failure);

    if (found <= 0)
        return found < 0 ? -1 : missing(in, KEY("merges"));
    reading->tokenizer->merging.merges = merges_new(in->merges.count);
    if (!reading->tokenizer->merging.merges)
        return refuse_memory(reading);
    for (size_t i = 0; i < in->merges.count; i++) {
        struct gguf_string text = gguf_array_string(&in->merges, i);
        const char *space = text.size > 1 ? memchr(text.text + 1, ' ', text.size - 1) : NULL;
        size_t left = space ? (size_t)(space - text.text) : text.size;

        if (add_merge(reading, (uint32_t)i, text.text, left, text.text + left + (space != NULL),
                      text.size - left - (space != NULL)) < 0)
            return -1;
    }
    return 0;
}

static const struct splitting *find_splitting(const struct reading_gguf *in)
{
    struct gguf_string name = {"default", 7};

    if (gguf_values_string(in->values, KEY("pre"), &name, in->reading.failure) < 0)
        return NULL;
    for (size_t i = 0; i < sizeof(splittings) / sizeof(*splittings); i++)
        if (gguf_string_is(name, splittings[i].name))
            return &splittings[i];
    fail(in->reading.failure, "%s: %s is '%.*s', which lwcmem does not know", in->reading.path,
         KEY("pre"), name.size < 64 ? (int)name.size : 64, name.text);
    return NULL;
}

static int read_merging(struct reading_gguf *in)
{
    const struct splitting *splitting = find_splitting(in);
    const struct reading *reading = &in->reading;
    struct tokenizer *tokenizer = reading->tokenizer;

    if (!splitting)
        return -1;
    for (size_t i = 0; i < in->tokens.count; i++)
        if (add_token(in, (uint32_t)i) < 0)
            return -1;
    added_sort(&tokenizer->added);
    if (read_merges(in) < 0)
        return -1;
    tokenizer->merging.whole_words = splitting->whole_words;
    tokenizer->decoder.lossy = true;
    if (splitting->composes &&
        add_rule(reading, &tokenizer->normalizer, &(struct rule){.kind = RULE_COMPOSE}) < 0)
        return -1;
    for (size_t i = 0; i < 4 && splitting->patterns[i]; i++)
        if (add_split(reading, &tokenizer->splitter, splitting->patterns[i], ISOLATED) < 0)
            return -1;
    if (add_rule(reading, &tokenizer->splitter, &(struct rule){.kind = RULE_BYTES}) < 0)
        return -1;
    return read_around(in, splitting->begins);
}

static int read_gguf(struct reading_gguf *in)
{
    const struct reading *reading = &in->reading;
    struct gguf_string model;
    int found =
        gguf_values_array(in->values, KEY("tokens"), GGUF_STRINGS, &in->tokens, reading->failure);

    if (found > 0 && in->tokens.count > TOKENS_MAX)
        return refuse(reading, "more than 2^24 tokens");
    if (found <= 0)
        return found < 0 ? -1 : missing(in, KEY("tokens"));
    found = read_array(in, KEY("token_type"), GGUF_WHOLE, &in->types);
    if (found < 0)
        return -1;
    in->typed = found;
    found = gguf_values_string(in->values, KEY("model"), &model, reading->failure);
    if (found <= 0)
        return found < 0 ? -1 : missing(in, KEY("model"));
    if (gguf_string_is(model, "llama"))
        return read_scored(in);
    if (gguf_string_is(model, "gpt2"))
        return read_merging(in);
    return fail(reading->failure, "%s: %s is '%.*s'; lwcmem knows llama and gpt2", reading->path,
                KEY("model"), model.size < 64 ? (int)model.size : 64, model.text);
}

struct tokenizer *tokenizer_from_gguf(const struct gguf_values *values, const char *path,
                                      struct failure *failure)
{
    struct reading_gguf in = {.reading = {tokenizer_empty(), path, failure}, .values = values};
    int result = -1;

    if (!in.reading.tokenizer)
        refuse_memory(&in.reading);
    else
        result = read_gguf(&in);
    if (result == 0)
        return in.reading.tokenizer;
    tokenizer_free(in.reading.tokenizer);
    return NULL;
}
