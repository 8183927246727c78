/* SPDX-License-Identifier: BSD-3-Clause */
/* HuggingFace's tokenizer.json. */
#include "json_rules.h"

#include <stdlib.h>
#include <string.h>

#define AROUND_MAX 64

/* A token's id; NO_TOKEN with a message. */
static uint32_t read_id(const struct reading *reading, const json_t *id, const char *where)
{
    if (json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) < TOKENS_MAX)
        return (uint32_t)json_integer_value(id);
    fail(reading->failure, "%s: %s has an id that is no number below 2^24", reading->path, where);
    return NO_TOKEN;
}

static int read_vocabulary(const struct reading *reading, const json_t *model)
{
    struct vocabulary *vocabulary = reading->tokenizer->vocabulary;
    json_t *list = json_object_get(model, "vocab"), *value;
    const char *text;
    size_t size;

    if (!json_is_object(list))
        return refuse(reading, "model.vocab is missing");
    json_object_foreach(list, text, value)
    {
        uint32_t id = read_id(reading, value, "model.vocab");
        uint8_t byte;
        char name[8];

        if (id == NO_TOKEN)
            return -1;
        if (vocabulary_text(vocabulary, id, &size))
            return refuse(reading, "two tokens of the vocabulary have one id");
        if (vocabulary_add(vocabulary, text, strlen(text), id) < 0)
            return refuse_memory(reading);
        if (!byte_name(text, strlen(text), &byte))
            continue;
        snprintf(name, sizeof(name), "<0x%02X>", byte); /* only upper case is encoded to */
        if (strcmp(name, text) == 0)
            reading->tokenizer->bytes[byte] = id;
    }
    return 0;
}

static uint32_t find(const struct reading *reading, const char *text, size_t size)
{
    return vocabulary_find(reading->tokenizer->vocabulary, text, size);
}

/* Both spellings of a merge: "a b", and ["a", "b"]. */
static int read_merge(const struct reading *reading, const json_t *item, uint32_t rank)
{
    const char *left = json_string_value(json_is_array(item) ? json_array_get(item, 0) : item);
    const char *right = json_string_value(json_array_get(item, 1));
    const char *space = left && json_is_string(item) ? strchr(left, ' ') : NULL;

    if (json_is_string(item))
        right = space && !strchr(space + 1, ' ') ? space + 1 : NULL;
    if (!left || !right || json_array_size(item) > 2)
        return fail(reading->failure, "%s: merge %u is not of two tokens that make a third",
                    reading->path, rank);
    return add_merge(reading, rank, left, space ? (size_t)(space - left) : strlen(left), right,
                     strlen(right));
}

static int read_merges(const struct reading *reading, const json_t *model)
{
    const json_t *list = json_object_get(model, "merges");
    size_t count = json_array_size(list);
    uint32_t rank = 0;

    if (!json_is_array(list))
        return refuse(reading, "model.merges is missing");
    reading->tokenizer->merging.merges = merges_new(count);
    if (!reading->tokenizer->merging.merges)
        return refuse_memory(reading);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);

        if (json_is_string(item) && strncmp(json_string_value(item), "#version", 8) == 0)
            continue;
        if (read_merge(reading, item, rank++) < 0)
            return -1;
    }
    return 0;
}

static int read_model(const struct reading *reading, const json_t *root)
{
    static const char *const none[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const json_t *model = json_object_get(root, "model");
    const json_t *dropout = json_object_get(model, "dropout");
    const json_t *unknown = json_object_get(model, "unk_token");
    struct merging_model *merging = &reading->tokenizer->merging;

    if (!json_is_object(model))
        return refuse(reading, "model is missing");
    if (json_given(model, "type") && !json_kind(model, "BPE"))
        return refuse_kind(reading, "model", model);
    if (json_given(model, "dropout") &&
        !(json_is_number(dropout) && json_number_value(dropout) == 0))
        return refuse(reading, "its model has dropout, which makes tokens random");
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        if (json_given(model, none[i]) && *json_text(model, none[i]))
            return fail(reading->failure, "%s: its model has %s, which lwcmem does not know",
                        reading->path, none[i]);
    if (json_flag(reading, model, "fuse_unk", false, &merging->fuse_unknown) < 0 ||
        json_flag(reading, model, "byte_fallback", false, &merging->bytes_for_unknown) < 0 ||
        json_flag(reading, model, "ignore_merges", false, &merging->whole_words) < 0 ||
        read_vocabulary(reading, model) < 0 || read_merges(reading, model) < 0)
        return -1;
    if (json_is_string(unknown)) {
        merging->unknown = find(reading, json_string_value(unknown), json_string_length(unknown));
        merging->unknown_missing = merging->unknown == NO_TOKEN;
    }
    return 0;
}

/* The name as it is searched for: normalized, if the text is. */
static char *searched_name(const struct reading *reading, const char *content, bool normalized)
{
    struct words words = {0};
    char *name = NULL;

    if (!normalized)
        return strdup(content);
    if (words_set(&words, content, strlen(content), true) < 0)
        refuse_memory(reading);
    else if (rules_apply(&reading->tokenizer->normalizer, &words, reading->failure) == 0)
        name = strndup(words.text.bytes, words.text.size);
    words_free(&words);
    return name;
}

static int read_one_added(const struct reading *reading, const json_t *item)
{
    struct tokenizer *tokenizer = reading->tokenizer;
    const char *content = json_text(item, "content");
    uint32_t id = read_id(reading, json_object_get(item, "id"), "added_tokens");
    struct added_token token = {.size = strlen(content), .id = id}, name;
    uint32_t in_model = find(reading, content, token.size);
    bool normalized;

    if (id == NO_TOKEN)
        return -1;
    if (!*content)
        return refuse(reading, "an added token has no content");
    if (in_model != NO_TOKEN ? in_model != id
                             : vocabulary_text(tokenizer->vocabulary, id, &(size_t){0}) != NULL)
        return fail(reading->failure, "%s: added token %u has another id in model.vocab",
                    reading->path, id);
    if (json_flag(reading, item, "special", false, &token.special) < 0 ||
        json_flag(reading, item, "single_word", false, &token.single_word) < 0 ||
        json_flag(reading, item, "lstrip", false, &token.lstrip) < 0 ||
        json_flag(reading, item, "rstrip", false, &token.rstrip) < 0 ||
        json_flag(reading, item, "normalized", !token.special, &normalized) < 0)
        return -1;
    name = token;
    name.name = strdup(content);
    if (!name.name || added_add(&tokenizer->names, &name) < 0)
        return refuse_memory(reading);
    token.name = searched_name(reading, content, normalized);
    if (!token.name)
        return normalized ? -1 : refuse_memory(reading);
    token.size = strlen(token.name);
    if (!token.size) { /* normalized to nothing */
        free(token.name);
        return 0;
    }
    return added_add(normalized ? &tokenizer->added_normalized : &tokenizer->added, &token) < 0
               ? refuse_memory(reading)
               : 0;
}

static int read_added(const struct reading *reading, const json_t *root)
{
    const json_t *list = json_object_get(root, "added_tokens");
    struct tokenizer *tokenizer = reading->tokenizer;

    for (size_t i = 0; i < json_array_size(list); i++)
        if (read_one_added(reading, json_array_get(list, i)) < 0)
            return -1;
    added_sort(&tokenizer->added);
    added_sort(&tokenizer->added_normalized);
    added_sort(&tokenizer->names);
    for (size_t i = 1; i < tokenizer->names.count; i++) {
        const struct added_token *a = &tokenizer->names.items[i - 1], *b = a + 1;

        if (a->size == b->size && memcmp(a->name, b->name, a->size) == 0)
            return refuse(reading, "two added tokens have one content");
    }
    return 0;
}

/* Special tokens before and after a single text, by their names in special_tokens. */
static int read_template(const struct reading *reading, const json_t *processor)
{
    struct tokenizer *tokenizer = reading->tokenizer;
    const json_t *single = json_object_get(processor, "single");
    const json_t *names = json_object_get(processor, "special_tokens");
    struct tokens before = {0}, *to = &before;
    bool text = false;
    int result = 0;

    for (size_t i = 0; i < json_array_size(single) && result == 0; i++) {
        const json_t *piece = json_array_get(single, i);
        const json_t *special = json_object_get(piece, "SpecialToken");
        const json_t *ids =
            json_object_get(json_object_get(names, json_text(special, "id")), "ids");

        if (!special) {
            if (text || strcmp(json_text(json_object_get(piece, "Sequence"), "id"), "A"))
                result =
                    refuse(reading, "its post_processor is not one text with tokens around it");
            text = true;
            to = &tokenizer->after;
            continue;
        }
        if (!json_array_size(ids))
            result = refuse(reading, "its post_processor names a special token without an id");
        for (size_t j = 0; j < json_array_size(ids) && result == 0; j++) {
            uint32_t id = read_id(reading, json_array_get(ids, j), "post_processor");

            if (id == NO_TOKEN)
                result = -1;
            else if (to->count == AROUND_MAX)
                result = refuse(reading, "its post_processor has more tokens than lwcmem reads");
            else if (tokens_add(to, id) < 0)
                result = refuse_memory(reading);
        }
    }
    if (result == 0 && !text)
        result = refuse(reading, "its post_processor is not one text with tokens around it");
    /* what an earlier one puts before the text is nearer to it */
    for (size_t i = 0; i < tokenizer->before.count && result == 0; i++)
        if (tokens_add(&before, tokenizer->before.ids[i]) < 0)
            result = refuse_memory(reading);
    free(tokenizer->before.ids);
    tokenizer->before = before;
    return result;
}

static int read_processor(const struct reading *reading, const json_t *processor)
{
    if (json_kind(processor, "TemplateProcessing"))
        return read_template(reading, processor);
    /* about positions of tokens in the text */
    if (json_kind(processor, "ByteLevel"))
        return 0;
    return refuse_kind(reading, "post_processor", processor);
}

static int read_processors(const struct reading *reading, const json_t *root)
{
    const json_t *processor = json_object_get(root, "post_processor");
    const json_t *list = json_object_get(processor, "processors");
    struct tokenizer *tokenizer = reading->tokenizer;

    if (!json_given(root, "post_processor"))
        return 0;
    if (!json_kind(processor, "Sequence")) {
        if (read_processor(reading, processor) < 0)
            return -1;
    } else {
        for (size_t i = 0; i < json_array_size(list); i++)
            if (read_processor(reading, json_array_get(list, i)) < 0)
                return -1;
    }
    if (tokenizer->before.count)
        tokenizer->begin = tokenizer->before.ids[0];
    if (tokenizer->after.count)
        tokenizer->end = tokenizer->after.ids[tokenizer->after.count - 1];
    return 0;
}

static int read_tokenizer(const struct reading *reading, const json_t *root)
{
    if (read_model(reading, root) < 0 || read_normalizer(reading, root) < 0 ||
        read_pre_tokenizer(reading, root) < 0 || read_added(reading, root) < 0 ||
        read_processors(reading, root) < 0)
        return -1;
    return read_decoder(reading, root);
}

struct tokenizer *tokenizer_from_json(const char *json, size_t size, const char *path,
                                      struct failure *failure)
{
    struct reading reading = {tokenizer_empty(), path, failure};
    json_error_t error;
    json_t *root;
    int result = -1;

    if (!reading.tokenizer) {
        refuse_memory(&reading);
        return NULL;
    }
    root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root))
        fail(failure, "%s: not a JSON object: %s", path, root ? "" : error.text);
    else
        result = read_tokenizer(&reading, root);
    json_decref(root);
    if (result == 0)
        return reading.tokenizer;
    tokenizer_free(reading.tokenizer);
    return NULL;
}
