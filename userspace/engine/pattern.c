/* SPDX-License-Identifier: BSD-3-Clause */
#include "pattern.h"
#include "text.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define EXPRESSION_MAX 65536
/* For one match. A run of white space costs a step each character, a hostile pattern any number. */
#define STEPS_LEAST 10000000u
#define HEAP_KIB_MAX (256u * 1024)

struct pattern {
    pcre2_code *code;
};

struct translation {
    const char *at, *end;
    struct text out;
    bool in_class;
    bool counted; /* an interval {n,m} was the last thing */
    const char *path;
    struct failure *failure;
};

static int emit(struct translation *translation, const char *text)
{
    if (text_add(&translation->out, text, strlen(text)) < 0)
        return fail(translation->failure, "%s: out of memory", translation->path);
    return 0;
}

/* Refuse what begins at the reading position. */
static int unknown(const struct translation *translation, int size)
{
    return fail(translation->failure, "%s: a pattern has '%.*s', which lwcmem does not know",
                translation->path,
                (int)(translation->end - translation->at < size ? translation->end - translation->at
                                                                : size),
                translation->at);
}

/* \p{L}, \P{Lu}, \pL: general categories mean the same, many other names do not. */
static int translate_property(struct translation *translation)
{
    const char *at = translation->at + 2;
    bool braces = at < translation->end && *at == '{';
    size_t size = 0;
    char name[8] = "";

    at += braces;
    while (at + size < translation->end && size < 3 &&
           ((at[size] >= 'A' && at[size] <= 'Z') || (at[size] >= 'a' && at[size] <= 'z')))
        size++;
    if (!braces || !size || size > 2 || !strchr("LMNPSZC", at[0]) ||
        at + size == translation->end || at[size] != '}')
        return unknown(translation, 8);
    memcpy(name, translation->at, 3);
    memcpy(name + 3, at, size);
    name[3 + size] = '}';
    translation->at = at + size + 1;
    return emit(translation, name);
}

static const char *escape_meaning(char escape, bool in_class)
{
    switch (escape) {
    case 's': /* PCRE2's has U+180E, too */
        return "\\p{White_Space}";
    case 'S':
        return "\\P{White_Space}";
    case 'w':
        return in_class ? "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
                        : "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]";
    case 'W':
        return in_class ? NULL : "[^\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]";
    case 'd':
        return "\\p{Nd}";
    case 'D':
        return "\\P{Nd}";
    case 'n':
        return "\\n";
    case 'r':
        return "\\r";
    case 't':
        return "\\t";
    case 'f':
        return "\\f";
    case 'v':
        return "\\x0b";
    default:
        return NULL;
    }
}

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* \x41, \x{41}, \u0041 */
static int translate_code(struct translation *translation)
{
    bool braces = translation->at[1] == 'x' && translation->end - translation->at > 2 &&
                  translation->at[2] == '{';
    const char *digits = translation->at + 2 + braces;
    size_t most = braces ? 6 : translation->at[1] == 'x' ? 2 : 4, size = 0;
    char code[16] = "\\x{";

    while (digits + size < translation->end && size < most &&
           strchr("0123456789abcdefABCDEF", digits[size]) && digits[size])
        size++;
    if (!size || (!braces && size != most) ||
        (braces && (digits + size == translation->end || digits[size] != '}')))
        return unknown(translation, 8);
    memcpy(code + 3, digits, size);
    code[3 + size] = '}';
    translation->at = digits + size + braces;
    return emit(translation, code);
}

static int translate_escape(struct translation *translation)
{
    char escape = translation->end - translation->at > 1 ? translation->at[1] : 0;
    const char *meaning = escape_meaning(escape, translation->in_class);
    char literal[3] = {'\\', escape, 0};

    if (escape == 'p' || escape == 'P')
        return translate_property(translation);
    if (escape == 'x' || escape == 'u')
        return translate_code(translation);
    if (!meaning && (escape < ' ' || escape > '~' || is_alphanumeric(escape)))
        return unknown(translation, 2);
    translation->at += 2;
    return emit(translation, meaning ? meaning : literal);
}

static int translate_literal(struct translation *translation)
{
    char literal[2] = {*translation->at++, 0};

    if (!literal[0])
        return emit(translation, "\\x00");
    return emit(translation, literal);
}

static int translate_in_class(struct translation *translation)
{
    const char *at = translation->at;

    if (*at == '\\')
        return translate_escape(translation);
    if (*at == '[' || (*at == '&' && translation->end - at > 1 && at[1] == '&'))
        return unknown(translation, 2);
    translation->in_class = *at != ']';
    return translate_literal(translation);
}

static int begin_class(struct translation *translation)
{
    size_t size = translation->end - translation->at > 1 && translation->at[1] == '^' ? 2 : 1;

    if ((size_t)(translation->end - translation->at) > size && translation->at[size] == ']')
        return unknown(translation, (int)size + 1);
    translation->in_class = true;
    if (emit(translation, size == 2 ? "[^" : "[") < 0)
        return -1;
    translation->at += size;
    return 0;
}

static int begin_group(struct translation *translation)
{
    static const char *const known[] = {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};

    if (translation->end - translation->at > 1 && translation->at[1] == '*')
        return unknown(translation, 4); /* a command to PCRE2 */
    if (translation->end - translation->at < 2 || translation->at[1] != '?') {
        translation->at++;
        return emit(translation, "(");
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        size_t size = strlen(known[i]);

        if ((size_t)(translation->end - translation->at) >= size &&
            memcmp(translation->at, known[i], size) == 0) {
            translation->at += size;
            return emit(translation, known[i]);
        }
    }
    return unknown(translation, 4);
}

/* {n}, {n,}, {n,m}; what follows it is not possessive or lazy in both alike. */
static int translate_interval(struct translation *translation)
{
    const char *at = translation->at + 1, *end = translation->end;
    char interval[32];
    size_t size;

    while (at < end && ((*at >= '0' && *at <= '9') || *at == ','))
        at++;
    size = (size_t)(at - translation->at) + 1;
    if (at == end || *at != '}' || size < 3 || size >= sizeof(interval) ||
        translation->at[1] == ',' ||
        (at + 1 < end && (at[1] == '+' || at[1] == '?' || at[1] == '*' || at[1] == '{')))
        return unknown(translation, (int)size + 1);
    memcpy(interval, translation->at, size);
    interval[size] = 0;
    translation->at += size;
    return emit(translation, interval);
}

static int translate(struct translation *translation)
{
    /* further behind, it means other things to the two */
    if (translation->end - translation->at >= 4 && memcmp(translation->at, "(?i)", 4) == 0) {
        translation->at += 4;
        if (emit(translation, "(?i)") < 0)
            return -1;
    }
    while (translation->at < translation->end) {
        char next = *translation->at;
        int result;

        if (translation->in_class)
            result = translate_in_class(translation);
        else if (next == '\\')
            result = translate_escape(translation);
        else if (next == '[')
            result = begin_class(translation);
        else if (next == '(')
            result = begin_group(translation);
        else if (next == '{')
            result = translate_interval(translation);
        else if (next == '^' || next == '$')
            result = unknown(translation, 1);
        else
            result = translate_literal(translation);
        if (result < 0)
            return -1;
    }
    return 0;
}

static struct pattern *compile(const char *expression, size_t size, uint32_t options,
                               const char *path, struct failure *failure)
{
    struct pattern *pattern = calloc(1, sizeof(*pattern));
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    char message[128] = "out of memory";
    int error = 0;
    PCRE2_SIZE at;

    if (pattern && context) {
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        pattern->code =
            pcre2_compile((PCRE2_SPTR)expression, size, options | PCRE2_UTF, &error, &at, context);
        if (!pattern->code)
            pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof(message));
        else /* where there is no JIT, it is slower */
            pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
    }
    pcre2_compile_context_free(context);
    if (pattern && pattern->code)
        return pattern;
    fail(failure, "%s: a pattern is wrong: %s", path, message);
    pattern_free(pattern);
    return NULL;
}

struct pattern *pattern_new(const char *expression, size_t size, const char *path,
                            struct failure *failure)
{
    struct translation translation = {
        .at = expression, .end = expression + size, .path = path, .failure = failure};
    struct pattern *pattern = NULL;

    if (size > EXPRESSION_MAX)
        fail(failure, "%s: a pattern has more than %d bytes", path, EXPRESSION_MAX);
    else if (translate(&translation) == 0)
        pattern = compile(translation.out.bytes ? translation.out.bytes : "", translation.out.size,
                          PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, path, failure);
    text_free(&translation.out);
    return pattern;
}

struct pattern *pattern_literal(const char *text, size_t size, const char *path,
                                struct failure *failure)
{
    return compile(text, size, PCRE2_LITERAL, path, failure);
}

void pattern_free(struct pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_code_free(pattern->code);
    free(pattern);
}

static int add_span(struct spans *spans, size_t start, size_t end, bool match)
{
    if (make_room((void **)&spans->items, &spans->room, spans->count, 1, sizeof(struct span)) < 0)
        return -1;
    spans->items[spans->count++] = (struct span){start, end, match};
    return 0;
}

static int match_at(const struct pattern *pattern, const char *text, size_t size, size_t from,
                    pcre2_match_data *data, pcre2_match_context *context)
{
    int found =
        pcre2_match(pattern->code, (PCRE2_SPTR)text, size, from, PCRE2_NO_UTF_CHECK, data, context);

    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pcre2_match(pattern->code, (PCRE2_SPTR)text, size, from,
                            PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, context);
    return found;
}

/* Calls for the matches one by one: 0, PCRE2's error, or PCRE2_ERROR_NOMEMORY. */
static int collect(const struct pattern *pattern, const char *text, size_t size,
                   struct spans *spans, pcre2_match_data *data, pcre2_match_context *context)
{
    const PCRE2_SIZE *vector = pcre2_get_ovector_pointer(data);
    size_t from = 0, last = 0;
    bool matched = false;

    while (from <= size) {
        int found = match_at(pattern, text, size, from, data, context);

        if (found == PCRE2_ERROR_NOMATCH)
            break;
        if (found < 0)
            return found;
        /* an empty match right behind the last one is none; so there is an end */
        if (vector[1] == vector[0] && matched && vector[1] == last) {
            from += from < size ? character_size(text + from, size - from) : 1;
            continue;
        }
        if ((vector[0] != last && add_span(spans, last, vector[0], false) < 0) ||
            add_span(spans, vector[0], vector[1], true) < 0)
            return PCRE2_ERROR_NOMEMORY;
        matched = true;
        from = last = vector[1];
    }
    return last != size && add_span(spans, last, size, false) < 0 ? PCRE2_ERROR_NOMEMORY : 0;
}

int pattern_split(const struct pattern *pattern, const char *text, size_t size, struct spans *spans,
                  struct failure *failure)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    uint64_t steps = STEPS_LEAST + 4ull * size;
    int error = PCRE2_ERROR_NOMEMORY;
    char message[128];

    spans->count = 0;
    if (data && context) {
        pcre2_set_match_limit(context, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
        pcre2_set_heap_limit(context, HEAP_KIB_MAX);
        error = collect(pattern, text, size, spans, data, context);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    if (error == 0)
        return 0;
    pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof(message));
    return fail(failure, "a pattern of the tokenizer cannot be matched: %s", message);
}
