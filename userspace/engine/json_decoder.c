/* SPDX-License-Identifier: BSD-3-Clause */
/* The decoder of a tokenizer.json: what it shows of each token is found once. */
#include "json_rules.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16
#define REPLACES_MAX 8

/* A decoder as a list of steps, which must come in the order of these. */
struct plan {
    struct {
        const char *from, *to;
    } replaces[REPLACES_MAX];
    size_t replace_count;
    bool marks;    /* Metaspace */
    bool bytes;    /* ByteLevel */
    bool fallback; /* ByteFallback */
    bool fused;
    int stage;
};

/* What comes at that stage may come now. */
static int come(const struct reading *reading, struct plan *plan, int stage, const json_t *object)
{
    if (plan->bytes || plan->stage > stage)
        return fail(reading->failure,
                    "%s: its decoder has %s behind steps that lwcmem knows only after it",
                    reading->path, json_text(object, "type"));
    plan->stage = stage;
    return 0;
}

static int read_replace(const struct reading *reading, struct plan *plan, const json_t *object)
{
    const json_t *from = json_object_get(json_object_get(object, "pattern"), "String");
    const json_t *to = json_object_get(object, "content");

    if (come(reading, plan, 1, object) < 0)
        return -1;
    if (!json_string_length(from) || !json_is_string(to) || plan->replace_count == REPLACES_MAX)
        return refuse(reading, "its decoder has a Replace that lwcmem does not know");
    plan->replaces[plan->replace_count].from = json_string_value(from);
    plan->replaces[plan->replace_count++].to = json_string_value(to);
    return 0;
}

static int read_strip(const struct reading *reading, struct plan *plan, const json_t *object)
{
    struct decoder *decoder = &reading->tokenizer->decoder;
    const json_t *start = json_object_get(object, "start"), *stop = json_object_get(object, "stop");
    const char *content = json_text(object, "content");

    if (come(reading, plan, 4, object) < 0)
        return -1;
    if (!plan->fused || decoder->strip || !json_is_integer(start) ||
        json_integer_value(start) < 0 || !json_is_integer(stop) || json_integer_value(stop) != 0 ||
        !*content || character_size(content, strlen(content)) != strlen(content))
        return refuse(reading, "its decoder has a Strip that lwcmem does not know");
    decoder->strip_count = (size_t)json_integer_value(start);
    decoder->strip = strdup(content);
    return decoder->strip ? 0 : refuse_memory(reading);
}

static int read_marks(const struct reading *reading, struct plan *plan, const json_t *object)
{
    const char *scheme =
        json_given(object, "prepend_scheme") ? json_text(object, "prepend_scheme") : "always";
    bool prefix;

    if (json_flag(reading, object, "add_prefix_space", true, &prefix) < 0 ||
        come(reading, plan, 1, object) < 0)
        return -1;
    if (strcmp(json_text(object, "replacement"), MARK) || plan->marks || plan->replace_count)
        return refuse(reading, "its decoder has a Metaspace that lwcmem does not know");
    plan->marks = true;
    reading->tokenizer->decoder.unmark_first = prefix && strcmp(scheme, "never");
    return 0;
}

static int read_one(const struct reading *reading, struct plan *plan, const json_t *object,
                    unsigned int depth)
{
    const json_t *list = json_object_get(object, "decoders");

    if (json_kind(object, "Replace"))
        return read_replace(reading, plan, object);
    if (json_kind(object, "Strip"))
        return read_strip(reading, plan, object);
    if (json_kind(object, "Metaspace"))
        return read_marks(reading, plan, object);
    if (json_kind(object, "ByteFallback")) {
        plan->fallback = true;
        return come(reading, plan, 2, object);
    }
    if (json_kind(object, "Fuse")) {
        plan->fused = true;
        return come(reading, plan, 3, object);
    }
    if (json_kind(object, "ByteLevel")) {
        if (come(reading, plan, 0, object) < 0)
            return -1;
        plan->bytes = true;
        return 0;
    }
    if (!json_kind(object, "Sequence"))
        return refuse_kind(reading, "decoder", object);
    if (depth > DEPTH_MAX)
        return refuse(reading, "sequences lie deeper in each other than lwcmem reads");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (read_one(reading, plan, json_array_get(list, i), depth + 1) < 0)
            return -1;
    return 0;
}

char *visible_bytes(const char *text, size_t size, size_t *new_size)
{
    int16_t bytes[0x144];
    char *out = malloc(size + 1);

    memset(bytes, 0xff, sizeof(bytes));
    for (int byte = 0; byte < 256; byte++)
        bytes[byte_character((uint8_t)byte)] = (int16_t)byte;
    *new_size = 0;
    for (size_t at = 0, length; out && at < size; at += length) {
        uint32_t code;

        length = character_size(text + at, size - at);
        code = length ? character_code(text + at, length) : UINT32_MAX;
        if (code >= sizeof(bytes) / sizeof(*bytes) || bytes[code] < 0) {
            memcpy(out, text, size);
            *new_size = size;
            break;
        }
        out[(*new_size)++] = (char)bytes[code];
    }
    return out;
}

static int show(const struct reading *reading, const struct plan *plan, uint32_t id,
                const char *text, size_t size)
{
    char *shown = plan->bytes ? visible_bytes(text, size, &size)
                              : replaced(text, size, plan->marks ? MARK : "", " ", &size);
    uint8_t byte;

    for (size_t i = 0; i < plan->replace_count && shown; i++) {
        char *next = replaced(shown, size, plan->replaces[i].from, plan->replaces[i].to, &size);

        free(shown);
        shown = next;
    }
    if (!shown || !plan->fallback || !byte_name(shown, size, &byte))
        return tokenizer_show(reading, id, SHOWN_TEXT, shown, size);
    shown[0] = (char)byte;
    return tokenizer_show(reading, id, SHOWN_BYTE, shown, 1);
}

int read_decoder(const struct reading *reading, const json_t *root)
{
    struct tokenizer *tokenizer = reading->tokenizer;
    struct plan plan = {.stage = 0};

    if (json_given(root, "decoder")) {
        if (read_one(reading, &plan, json_object_get(root, "decoder"), 0) < 0)
            return -1;
    } else {
        tokenizer->decoder.separated = true;
    }
    tokenizer->decoder.lossy = plan.bytes;
    for (uint32_t id = 0; id < vocabulary_limit(tokenizer->vocabulary); id++) {
        size_t size;
        const char *text = vocabulary_text(tokenizer->vocabulary, id, &size);

        if (text && show(reading, &plan, id, text, size) < 0)
            return -1;
    }
    for (size_t i = 0; i < tokenizer->names.count; i++) {
        const struct added_token *added = &tokenizer->names.items[i];
        size_t size;

        if (added->id < tokenizer->shown_count && tokenizer->shown[added->id].bytes &&
            !vocabulary_text(tokenizer->vocabulary, added->id, &size))
            return refuse(reading, "two added tokens have one id");
        if ((added->special ? tokenizer_show(reading, added->id, SHOWN_NOT, strdup(""), 0)
                            : show(reading, &plan, added->id, added->name, added->size)) < 0)
            return -1;
    }
    return 0;
}
