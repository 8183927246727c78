/* SPDX-License-Identifier: BSD-3-Clause */
/* Methods of values in templates. */
#include "template_parts.h"

#include <string.h>

#define PARAMETERS 3

bool has_method(const struct value *value, const char *name, size_t size)
{
    /* all that Python has, so that one that is missing here is refused, not undefined */
    static const char *const names[] = {
        [VALUE_STRING] =
            " capitalize casefold center count encode endswith expandtabs find format format_map "
            "index isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric "
            "isprintable isspace istitle isupper join ljust lower lstrip maketrans partition "
            "removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split "
            "splitlines startswith strip swapcase title translate upper zfill ",
        [VALUE_DICT] = " clear copy fromkeys get items keys pop popitem setdefault update values ",
        [VALUE_LIST] = " append clear copy count extend index insert pop remove reverse sort "
                       "start stop step isdisjoint mapping close send throw ",
        [VALUE_INT] = " as_integer_ratio bit_count bit_length conjugate denominator from_bytes "
                      "imag is_integer numerator real to_bytes ",
        [VALUE_BOOL] = " as_integer_ratio bit_count bit_length conjugate denominator from_bytes "
                       "imag is_integer numerator real to_bytes ",
        [VALUE_FLOAT] = " as_integer_ratio conjugate fromhex hex imag is_integer real ",
    };
    char word[32];

    if (value->type >= sizeof(names) / sizeof(*names) || !names[value->type] || !size ||
        size + 2 >= sizeof(word) || memchr(name, ' ', size))
        return false;
    word[0] = word[size + 1] = ' ';
    word[size + 2] = 0;
    memcpy(word + 1, name, size);
    return !memchr(name, 0, size) && strstr(names[value->type], word);
}

/* given: those that are not there are undefined. */
typedef int method(struct machine *machine, const struct value *self, const struct value *given,
                   struct value *out);

static int string_or_none(struct machine *machine, const struct value *given,
                          const struct value **out)
{
    *out = given->type == VALUE_STRING ? given : NULL;
    return given->type == VALUE_STRING || given->type <= VALUE_NONE
               ? 0
               : machine_fail(machine, "a string is expected, not %s", value_type_name(given));
}

static int strip(struct machine *machine, const struct value *self, const struct value *given,
                 int sides, struct value *out)
{
    const struct value *of;

    return string_or_none(machine, given, &of) < 0 ? -1
                                                   : string_strip(machine, self, sides, of, out);
}

static int method_strip(struct machine *machine, const struct value *self,
                        const struct value *given, struct value *out)
{
    return strip(machine, self, given, 3, out);
}

static int method_lstrip(struct machine *machine, const struct value *self,
                         const struct value *given, struct value *out)
{
    return strip(machine, self, given, 1, out);
}

static int method_rstrip(struct machine *machine, const struct value *self,
                         const struct value *given, struct value *out)
{
    return strip(machine, self, given, 2, out);
}

static int method_upper(struct machine *machine, const struct value *self,
                        const struct value *given, struct value *out)
{
    (void)given;
    return string_case(machine, self, CASE_UPPER, out);
}

static int method_lower(struct machine *machine, const struct value *self,
                        const struct value *given, struct value *out)
{
    (void)given;
    return string_case(machine, self, CASE_LOWER, out);
}

static int method_title(struct machine *machine, const struct value *self,
                        const struct value *given, struct value *out)
{
    (void)given;
    return string_case(machine, self, CASE_TITLE, out);
}

static int method_capitalize(struct machine *machine, const struct value *self,
                             const struct value *given, struct value *out)
{
    (void)given;
    return string_case(machine, self, CASE_CAPITALIZE, out);
}

/* Whether the string has it at that end; a tuple: one of them. */
static int at_end(struct machine *machine, const struct value *self, const struct value *given,
                  bool end, bool *out)
{
    const struct value *items = given;
    size_t count = 1;

    if (given->type == VALUE_LIST && given->kind == KIND_TUPLE) {
        items = given->items;
        count = given->size;
    }
    *out = false;
    for (size_t i = 0; i < count; i++) {
        size_t left = self->size - items[i].size;

        if (items[i].type != VALUE_STRING)
            return machine_fail(machine,
                                "startswith and endswith take a string or a tuple of them");
        *out |= items[i].size <= self->size &&
                memcmp(self->text + (end ? left : 0), items[i].text, items[i].size) == 0;
    }
    return 0;
}

static int method_startswith(struct machine *machine, const struct value *self,
                             const struct value *given, struct value *out)
{
    *out = value_bool(false);
    return at_end(machine, self, given, false, &out->boolean);
}

static int method_endswith(struct machine *machine, const struct value *self,
                           const struct value *given, struct value *out)
{
    *out = value_bool(false);
    return at_end(machine, self, given, true, &out->boolean);
}

static int remove_end(struct machine *machine, const struct value *self, const struct value *given,
                      bool end, struct value *out)
{
    bool has;

    if (given->type != VALUE_STRING)
        return machine_fail(machine, "removeprefix and removesuffix take a string");
    if (at_end(machine, self, given, end, &has) < 0)
        return -1;
    *out = *self;
    if (has) {
        out->size -= given->size;
        out->text += end ? 0 : given->size;
    }
    return 0;
}

static int method_removeprefix(struct machine *machine, const struct value *self,
                               const struct value *given, struct value *out)
{
    return remove_end(machine, self, given, false, out);
}

static int method_removesuffix(struct machine *machine, const struct value *self,
                               const struct value *given, struct value *out)
{
    return remove_end(machine, self, given, true, out);
}

static int limit_of(struct machine *machine, const struct value *given, int64_t *out)
{
    *out = -1;
    return given->type == VALUE_UNDEFINED || value_integral(given, out)
               ? 0
               : machine_fail(machine, "a whole number is expected, not %s",
                              value_type_name(given));
}

static int split(struct machine *machine, const struct value *self, const struct value *given,
                 bool right, struct value *out)
{
    const struct value *separator;
    int64_t most;

    return string_or_none(machine, &given[0], &separator) < 0 ||
                   limit_of(machine, &given[1], &most) < 0
               ? -1
               : string_split(machine, self, separator, most, right, out);
}

static int method_split(struct machine *machine, const struct value *self,
                        const struct value *given, struct value *out)
{
    return split(machine, self, given, false, out);
}

static int method_rsplit(struct machine *machine, const struct value *self,
                         const struct value *given, struct value *out)
{
    return split(machine, self, given, true, out);
}

static int method_splitlines(struct machine *machine, const struct value *self,
                             const struct value *given, struct value *out)
{
    (void)given;
    return string_lines(machine, self, out);
}

static int method_replace(struct machine *machine, const struct value *self,
                          const struct value *given, struct value *out)
{
    int64_t most;

    if (given[0].type != VALUE_STRING || given[1].type != VALUE_STRING)
        return machine_fail(machine, "replace takes two strings");
    return limit_of(machine, &given[2], &most) < 0
               ? -1
               : string_replace(machine, self, &given[0], &given[1], most, out);
}

static int method_join(struct machine *machine, const struct value *self, const struct value *given,
                       struct value *out)
{
    const struct value *items;
    size_t count;

    if (given->type == VALUE_UNDEFINED)
        return machine_fail(machine, "join of what is undefined");
    return value_iterate(machine, given, &items, &count) < 0
               ? -1
               : string_join(machine, self, items, count, true, out);
}

static int method_find(struct machine *machine, const struct value *self, const struct value *given,
                       struct value *out)
{
    struct value before = *self;
    size_t at;

    if (given->type != VALUE_STRING)
        return machine_fail(machine, "find takes a string");
    *out = value_int(-1);
    if (string_find(self, given, 0, &at)) {
        before.size = at;
        *out = value_int((int64_t)string_length(&before));
    }
    return machine_spend(machine, self->size / 16);
}

static int method_get(struct machine *machine, const struct value *self, const struct value *given,
                      struct value *out)
{
    *out = given[1].type == VALUE_UNDEFINED ? (struct value){.type = VALUE_NONE} : given[1];
    return dict_get(machine, self->dict, given, out) < 0 ? -1 : 0;
}

static int method_items(struct machine *machine, const struct value *self,
                        const struct value *given, struct value *out)
{
    const struct dict *dict = self->dict;
    struct value *items = machine_take(machine, dict->count, sizeof(*items));
    struct value *pairs = machine_take(machine, 2 * dict->count, sizeof(*pairs));

    (void)given;
    if (!items || !pairs || machine_spend(machine, dict->count) < 0)
        return -1;
    for (size_t i = 0; i < dict->count; i++) {
        pairs[2 * i] = dict->keys[i];
        pairs[2 * i + 1] = dict->values[i];
        items[i] = value_list(KIND_TUPLE, &pairs[2 * i], 2);
    }
    *out = value_list(KIND_VIEW, items, dict->count);
    return 0;
}

static int method_keys(struct machine *machine, const struct value *self, const struct value *given,
                       struct value *out)
{
    (void)machine, (void)given;
    *out = value_list(KIND_KEYS, self->dict->keys, self->dict->count);
    return 0;
}

static int method_values(struct machine *machine, const struct value *self,
                         const struct value *given, struct value *out)
{
    (void)machine, (void)given;
    *out = value_list(KIND_VIEW, self->dict->values, self->dict->count);
    return 0;
}

int call_method(struct machine *machine, const struct value *object, const struct value *name,
                const struct arguments *arguments, struct value *out)
{
    static const struct {
        enum value_type type;
        const char *name;
        method *call;
        size_t parameters, required;
        const char *names[PARAMETERS]; /* of those that may be named */
    } methods[] = {
        {VALUE_STRING, "strip", method_strip, 1, 0, {0}},
        {VALUE_STRING, "lstrip", method_lstrip, 1, 0, {0}},
        {VALUE_STRING, "rstrip", method_rstrip, 1, 0, {0}},
        {VALUE_STRING, "upper", method_upper, 0, 0, {0}},
        {VALUE_STRING, "lower", method_lower, 0, 0, {0}},
        {VALUE_STRING, "title", method_title, 0, 0, {0}},
        {VALUE_STRING, "capitalize", method_capitalize, 0, 0, {0}},
        {VALUE_STRING, "startswith", method_startswith, 1, 1, {0}},
        {VALUE_STRING, "endswith", method_endswith, 1, 1, {0}},
        {VALUE_STRING, "removeprefix", method_removeprefix, 1, 1, {0}},
        {VALUE_STRING, "removesuffix", method_removesuffix, 1, 1, {0}},
        {VALUE_STRING, "split", method_split, 2, 0, {"sep", "maxsplit"}},
        {VALUE_STRING, "rsplit", method_rsplit, 2, 0, {"sep", "maxsplit"}},
        {VALUE_STRING, "splitlines", method_splitlines, 0, 0, {0}},
        {VALUE_STRING, "replace", method_replace, 3, 2, {0}},
        {VALUE_STRING, "join", method_join, 1, 1, {0}},
        {VALUE_STRING, "find", method_find, 1, 1, {0}},
        {VALUE_DICT, "get", method_get, 2, 1, {0}},
        {VALUE_DICT, "items", method_items, 0, 0, {0}},
        {VALUE_DICT, "keys", method_keys, 0, 0, {0}},
        {VALUE_DICT, "values", method_values, 0, 0, {0}},
    };
    struct value given[PARAMETERS], string = *name;

    string.type = VALUE_STRING;
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        const char *names[PARAMETERS];

        if (methods[i].type != object->type || !value_is(&string, methods[i].name))
            continue;
        for (size_t p = 0; p < PARAMETERS; p++)
            names[p] = methods[i].names[p] ? methods[i].names[p] : " ";
        return take_arguments(machine, methods[i].name, arguments, names, methods[i].parameters,
                              methods[i].required, given) < 0
                   ? -1
                   : methods[i].call(machine, object, given, out);
    }
    return machine_fail(machine, "the method %.*s of %s is not supported",
                        (int)(name->size < 64 ? name->size : 64), name->text,
                        value_type_name(object));
}
