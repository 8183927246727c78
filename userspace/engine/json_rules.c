/* SPDX-License-Identifier: BSD-3-Clause */
#include "json_rules.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16

bool json_given(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return value && !json_is_null(value);
}

const char *json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

bool json_kind(const json_t *object, const char *type)
{
    return strcmp(json_text(object, "type"), type) == 0;
}

int json_flag(const struct reading *reading, const json_t *object, const char *key, bool otherwise,
              bool *flag)
{
    const json_t *value = json_object_get(object, key);

    *flag = json_given(object, key) ? json_is_true(value) : otherwise;
    if (json_given(object, key) && !json_is_boolean(value))
        return fail(reading->failure, "%s: %s is neither true nor false", reading->path, key);
    return 0;
}

int refuse_kind(const struct reading *reading, const char *what, const json_t *object)
{
    const char *type = json_text(object, "type");

    return fail(reading->failure, "%s: its %s is %s%s, which lwcmem does not know", reading->path,
                what, *type ? "of type " : "without a type", type);
}

/* {"String": text} or {"Regex": expression} */
static struct pattern *read_pattern(const struct reading *reading, const json_t *object)
{
    const json_t *pattern = json_object_get(object, "pattern");
    const json_t *text = json_object_get(pattern, "String");
    const json_t *expression = json_object_get(pattern, "Regex");

    if (json_is_string(text) && json_string_length(text))
        return pattern_literal(json_string_value(text), json_string_length(text), reading->path,
                               reading->failure);
    if (json_is_string(expression))
        return pattern_new(json_string_value(expression), json_string_length(expression),
                           reading->path, reading->failure);
    fail(reading->failure, "%s: a pattern is neither a String nor a Regex", reading->path);
    return NULL;
}

static int add_prepend(const struct reading *reading, struct rules *rules, const char *content,
                       bool unless_there, bool only_first)
{
    struct rule rule = {.kind = RULE_PREPEND,
                        .content = strdup(content),
                        .unless_there = unless_there,
                        .only_first = only_first};

    return rule.content ? add_rule(reading, rules, &rule) : refuse_memory(reading);
}

/* Takes the pattern, which may be NULL with a message. */
static int add_replace(const struct reading *reading, struct rules *rules, struct pattern *pattern,
                       const char *content)
{
    struct rule rule = {.kind = RULE_REPLACE, .pattern = pattern, .content = strdup(content)};

    if (pattern && rule.content)
        return add_rule(reading, rules, &rule);
    pattern_free(pattern);
    free(rule.content);
    return pattern ? refuse_memory(reading) : -1;
}

typedef int (*read_one)(const struct reading *reading, const json_t *object, unsigned int depth);

/* The parts of a Sequence in order. */
static int read_sequence(const struct reading *reading, const json_t *list, read_one read,
                         unsigned int depth)
{
    if (depth > DEPTH_MAX)
        return refuse(reading, "sequences lie deeper in each other than lwcmem reads");
    if (!json_is_array(list))
        return refuse(reading, "a Sequence has no list");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (read(reading, json_array_get(list, i), depth + 1) < 0)
            return -1;
    return 0;
}

static int read_one_normalizer(const struct reading *reading, const json_t *object,
                               unsigned int depth)
{
    struct rules *rules = &reading->tokenizer->normalizer;

    if (json_kind(object, "NFC"))
        return add_rule(reading, rules, &(struct rule){.kind = RULE_COMPOSE});
    if (json_kind(object, "Sequence"))
        return read_sequence(reading, json_object_get(object, "normalizers"), read_one_normalizer,
                             depth);
    if (json_kind(object, "Prepend") && json_is_string(json_object_get(object, "prepend")))
        return add_prepend(reading, rules, json_text(object, "prepend"), false, false);
    if (json_kind(object, "Replace") && json_is_string(json_object_get(object, "content")))
        return add_replace(reading, rules, read_pattern(reading, object),
                           json_text(object, "content"));
    return refuse_kind(reading, "normalizer", object);
}

static int read_split(const struct reading *reading, const json_t *object)
{
    static const char *const behaviors[] = {[ISOLATED] = "Isolated",
                                            [REMOVED] = "Removed",
                                            [MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
                                            [MERGED_WITH_NEXT] = "MergedWithNext",
                                            [CONTIGUOUS] = "Contiguous"};
    struct rule rule = {.kind = RULE_SPLIT};
    size_t behavior = 0, count = sizeof(behaviors) / sizeof(*behaviors);

    while (behavior < count && strcmp(json_text(object, "behavior"), behaviors[behavior]))
        behavior++;
    if (behavior == count)
        return fail(reading->failure, "%s: the behavior of a Split is '%s', which is none",
                    reading->path, json_text(object, "behavior"));
    rule.behavior = (enum split_behavior)behavior;
    if (json_flag(reading, object, "invert", false, &rule.invert) < 0)
        return -1;
    rule.pattern = read_pattern(reading, object);
    return rule.pattern ? add_rule(reading, &reading->tokenizer->splitter, &rule) : -1;
}

static int read_byte_level(const struct reading *reading, const json_t *object)
{
    struct rules *rules = &reading->tokenizer->splitter;
    struct rule bytes = {.kind = RULE_BYTES};
    bool prefix, pattern;

    if (json_flag(reading, object, "add_prefix_space", true, &prefix) < 0 ||
        json_flag(reading, object, "use_regex", true, &pattern) < 0 ||
        (prefix && add_prepend(reading, rules, " ", true, false) < 0) ||
        (pattern && add_split(reading, rules, GPT2_PATTERN, ISOLATED) < 0))
        return -1;
    return add_rule(reading, rules, &bytes);
}

static int read_metaspace(const struct reading *reading, const json_t *object)
{
    struct rules *rules = &reading->tokenizer->splitter;
    struct rule split = {.kind = RULE_SPLIT, .behavior = MERGED_WITH_NEXT};
    const char *mark = json_text(object, "replacement"), *scheme = "always";
    bool prefix, splits;

    if (json_flag(reading, object, "add_prefix_space", true, &prefix) < 0 ||
        json_flag(reading, object, "split", true, &splits) < 0)
        return -1;
    if (json_given(object, "prepend_scheme"))
        scheme = json_text(object, "prepend_scheme");
    if (strcmp(scheme, "always") && strcmp(scheme, "first") && strcmp(scheme, "never"))
        return fail(reading->failure,
                    "%s: the prepend_scheme of a Metaspace is '%s', which is none", reading->path,
                    scheme);
    if (!prefix && strcmp(scheme, "never"))
        return refuse(reading, "a Metaspace whose add_prefix_space contradicts its prepend_scheme");
    if (!*mark || character_size(mark, strlen(mark)) != strlen(mark))
        return refuse(reading, "the replacement of a Metaspace is no character");
    if (add_replace(reading, rules, pattern_literal(" ", 1, reading->path, reading->failure),
                    mark) < 0 ||
        (strcmp(scheme, "never") &&
         add_prepend(reading, rules, mark, true, strcmp(scheme, "first") == 0) < 0))
        return -1;
    if (!splits)
        return 0;
    split.pattern = pattern_literal(mark, strlen(mark), reading->path, reading->failure);
    return split.pattern ? add_rule(reading, rules, &split) : -1;
}

static int read_digits(const struct reading *reading, const json_t *object)
{
    bool individual;

    if (json_flag(reading, object, "individual_digits", false, &individual) < 0)
        return -1;
    return add_split(reading, &reading->tokenizer->splitter, "\\p{N}",
                     individual ? ISOLATED : CONTIGUOUS);
}

static int read_one_pre_tokenizer(const struct reading *reading, const json_t *object,
                                  unsigned int depth)
{
    if (json_kind(object, "Sequence"))
        return read_sequence(reading, json_object_get(object, "pretokenizers"),
                             read_one_pre_tokenizer, depth);
    if (json_kind(object, "Split"))
        return read_split(reading, object);
    if (json_kind(object, "ByteLevel"))
        return read_byte_level(reading, object);
    if (json_kind(object, "Metaspace"))
        return read_metaspace(reading, object);
    if (json_kind(object, "Digits"))
        return read_digits(reading, object);
    return refuse_kind(reading, "pre_tokenizer", object);
}

int read_normalizer(const struct reading *reading, const json_t *root)
{
    return json_given(root, "normalizer")
               ? read_one_normalizer(reading, json_object_get(root, "normalizer"), 0)
               : 0;
}

int read_pre_tokenizer(const struct reading *reading, const json_t *root)
{
    return json_given(root, "pre_tokenizer")
               ? read_one_pre_tokenizer(reading, json_object_get(root, "pre_tokenizer"), 0)
               : 0;
}
