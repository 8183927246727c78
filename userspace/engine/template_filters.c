/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters of templates. */
#include "template_parts.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PARAMETERS 3

/* One with parameters: those that are not given are undefined. */
typedef int filter(struct machine *machine, const struct value *value, const struct value *given,
                   struct value *out);

static int filter_trim(struct machine *machine, const struct value *value,
                       const struct value *given, struct value *out)
{
    struct value string;

    if (given[0].type > VALUE_NONE && given[0].type != VALUE_STRING)
        return machine_fail(machine, "trim takes a string");
    return value_string(machine, value, &string) < 0
               ? -1
               : string_strip(machine, &string, 3, given[0].type == VALUE_STRING ? given : NULL,
                              out);
}

static int change_case(struct machine *machine, const struct value *value, enum string_case kind,
                       struct value *out)
{
    struct value string;

    return value_string(machine, value, &string) < 0 ? -1
                                                     : string_case(machine, &string, kind, out);
}

static int filter_upper(struct machine *machine, const struct value *value,
                        const struct value *given, struct value *out)
{
    (void)given;
    return change_case(machine, value, CASE_UPPER, out);
}

static int filter_lower(struct machine *machine, const struct value *value,
                        const struct value *given, struct value *out)
{
    (void)given;
    return change_case(machine, value, CASE_LOWER, out);
}

static int filter_title(struct machine *machine, const struct value *value,
                        const struct value *given, struct value *out)
{
    (void)given;
    return change_case(machine, value, CASE_FILTER_TITLE, out);
}

static int filter_capitalize(struct machine *machine, const struct value *value,
                             const struct value *given, struct value *out)
{
    (void)given;
    return change_case(machine, value, CASE_CAPITALIZE, out);
}

static int filter_string(struct machine *machine, const struct value *value,
                         const struct value *given, struct value *out)
{
    (void)given;
    return value_string(machine, value, out);
}

static int filter_length(struct machine *machine, const struct value *value,
                         const struct value *given, struct value *out)
{
    size_t length;

    (void)given;
    if (value_length(machine, value, &length) < 0)
        return -1;
    *out = value_int((int64_t)length);
    return 0;
}

static int filter_replace(struct machine *machine, const struct value *value,
                          const struct value *given, struct value *out)
{
    struct value string, old, new;
    int64_t most = -1;

    if (given[2].type > VALUE_NONE && !value_integral(&given[2], &most))
        return machine_fail(machine, "replace takes a whole number");
    return value_string(machine, value, &string) < 0 ||
                   value_string(machine, &given[0], &old) < 0 ||
                   value_string(machine, &given[1], &new) < 0
               ? -1
               : string_replace(machine, &string, &old, &new, most, out);
}

static int filter_default(struct machine *machine, const struct value *value,
                          const struct value *given, struct value *out)
{
    bool missing = value->type == VALUE_UNDEFINED || (value_true(&given[1]) && !value_true(value));

    (void)machine;
    *out = !missing ? *value : given[0].type == VALUE_UNDEFINED ? value_text("") : given[0];
    return 0;
}

static int filter_first(struct machine *machine, const struct value *value,
                        const struct value *given, struct value *out)
{
    const struct value *items;
    size_t count;

    (void)given;
    if (value_iterate(machine, value, &items, &count) < 0)
        return -1;
    *out = count ? items[0] : value_undefined("the first item of nothing", 25);
    return 0;
}

static int filter_last(struct machine *machine, const struct value *value,
                       const struct value *given, struct value *out)
{
    const struct value *items;
    size_t count;

    (void)given;
    if (value->type == VALUE_LIST && value->kind == KIND_LAZY)
        return machine_fail(machine, "last of what a filter gives; put |list between");
    if (value_iterate(machine, value, &items, &count) < 0)
        return -1;
    *out = count ? items[count - 1] : value_undefined("the last item of nothing", 24);
    return 0;
}

static int filter_list(struct machine *machine, const struct value *value,
                       const struct value *given, struct value *out)
{
    const struct value *items;
    size_t count;

    (void)given;
    if (value_iterate(machine, value, &items, &count) < 0)
        return -1;
    *out = value_list(KIND_LIST, items, count);
    return 0;
}

static int filter_reverse(struct machine *machine, const struct value *value,
                          const struct value *given, struct value *out)
{
    const struct value none[3] = {{.type = VALUE_NONE}, {.type = VALUE_NONE}, value_int(-1)};
    const struct value *items;
    struct value *reversed;
    size_t count;

    (void)given;
    if (value->type == VALUE_STRING)
        return operate_slice(machine, value, none, out);
    if (value_iterate(machine, value, &items, &count) < 0)
        return -1;
    reversed = machine_take(machine, count, sizeof(*reversed));
    if (!reversed)
        return -1;
    for (size_t i = 0; i < count; i++)
        reversed[i] = items[count - 1 - i];
    *out = value_list(KIND_LIST, reversed, count);
    return value->type == VALUE_LIST && value->kind == KIND_LAZY
               ? 0
               : value_lazy(machine, reversed, count, out);
}

static int filter_items(struct machine *machine, const struct value *value,
                        const struct value *given, struct value *out)
{
    struct value items;

    (void)given;
    if (value->type == VALUE_UNDEFINED)
        return value_lazy(machine, NULL, 0, out);
    if (value->type != VALUE_DICT)
        return machine_fail(machine, "items of %s", value_type_name(value));
    return call_method(machine, value, &(struct value){.text = "items", .size = 5},
                       &(struct arguments){0}, &items) < 0
               ? -1
               : value_lazy(machine, items.items, items.size, out);
}

static int filter_abs(struct machine *machine, const struct value *value, const struct value *given,
                      struct value *out)
{
    double real;

    (void)given;
    if (!value_number(value, &real))
        return machine_fail(machine, "abs of %s", value_type_name(value));
    return operate_sign(machine, real < 0, value, out);
}

/* What Python's float and int read, but for other digits than ASCII's. */
static int read_number(struct machine *machine, const struct value *value, bool *whole,
                       struct value *out)
{
    static const char *const words[] = {"inf", "infinity", "nan"};
    struct value string;
    char text[128], *end, *at = text;
    double real;

    *out = value_undefined("", 0);
    if (string_strip(machine, value, 3, NULL, &string) < 0)
        return -1;
    for (size_t i = 0; i < string.size; i++)
        if (string.text[i] == '_' || (unsigned char)string.text[i] >= 0x80 ||
            string.size >= sizeof(text))
            return machine_fail(machine, "the number of such a string is not supported");
    memcpy(text, string.text, string.size);
    text[string.size] = 0;
    at += *at == '-' || *at == '+';
    *whole = *at && strspn(at, "0123456789") == strlen(at);
    if (strlen(text) != string.size)
        return 0;
    if (*whole) {
        errno = 0;
        *out = value_int(strtoll(text, NULL, 10));
        return errno ? machine_fail(machine, "%s does not fit 64 bits", text) : 0;
    }
    real = strtod(text, &end);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strcasecmp(at, words[i]) == 0)
            *out = value_float(real);
    if (*at && !*end && strspn(at, "0123456789.eE+-") == strlen(at))
        *out = value_float(real);
    return 0;
}

static int filter_float(struct machine *machine, const struct value *value,
                        const struct value *given, struct value *out)
{
    struct value number = value_undefined("", 0);
    double real;
    bool whole;

    if (value->type == VALUE_UNDEFINED)
        return machine_fail(machine, "float of what is undefined");
    if (value->type == VALUE_STRING && read_number(machine, value, &whole, &number) < 0)
        return -1;
    if (value_number(value, &real) || value_number(&number, &real))
        *out = value_float(real);
    else
        *out = given[0].type == VALUE_UNDEFINED ? value_float(0) : given[0];
    return 0;
}

static int filter_int(struct machine *machine, const struct value *value, const struct value *given,
                      struct value *out)
{
    struct value number = *value;
    int64_t base = 10;
    bool whole, string = value->type == VALUE_STRING;

    if (given[1].type != VALUE_UNDEFINED && (!value_integral(&given[1], &base) || base != 10))
        return machine_fail(machine, "int with a base other than 10 is not supported");
    if (value->type == VALUE_UNDEFINED)
        return machine_fail(machine, "int of what is undefined");
    if (string && read_number(machine, value, &whole, &number) < 0)
        return -1;
    if (value_integral(&number, &out->integer)) {
        *out = value_int(out->integer);
        return 0;
    }
    *out = given[0].type == VALUE_UNDEFINED ? value_int(0) : given[0];
    if (number.type != VALUE_FLOAT || isnan(number.real) || (string && isinf(number.real)))
        return 0;
    if (fabs(number.real) >= 0x1p63)
        return machine_fail(machine, "int of a number that does not fit 64 bits");
    *out = value_int((int64_t)number.real);
    return 0;
}

/* A point separates names; a part of digits is an index. */
static int attribute_of(struct machine *machine, const struct value *item, const struct value *path,
                        const struct value *otherwise, struct value *out)
{
    const char *at = path->text, *end = at + path->size;

    *out = *item;
    if (path->type == VALUE_INT)
        return operate_item(machine, item, path, out);
    if (path->type != VALUE_STRING)
        return machine_fail(machine, "an attribute is a string or a whole number");
    for (;;) {
        const char *point = memchr(at, '.', (size_t)(end - at));
        struct value part = {.type = VALUE_STRING, .text = at}, object = *out;
        int64_t index = 0;

        part.size = (size_t)((point ? point : end) - at);
        for (size_t i = 0; i < part.size && at[i] >= '0' && at[i] <= '9' && i < 9; i++) {
            index = index * 10 + (at[i] - '0');
            if (i + 1 == part.size)
                part = value_int(index);
        }
        if (operate_item(machine, &object, &part, out) < 0)
            return -1;
        if (otherwise && otherwise->type > VALUE_NONE && out->type == VALUE_UNDEFINED)
            *out = *otherwise;
        if (!point)
            return 0;
        at = point + 1;
    }
}

static int filter_join(struct machine *machine, const struct value *value,
                       const struct value *given, struct value *out)
{
    const struct value *items;
    struct value separator = value_text(""), *attributes;
    size_t count;

    if ((given[0].type != VALUE_UNDEFINED && value_string(machine, &given[0], &separator) < 0) ||
        value_iterate(machine, value, &items, &count) < 0)
        return -1;
    if (given[1].type > VALUE_NONE) {
        attributes = machine_take(machine, count, sizeof(*attributes));
        for (size_t i = 0; i < count; i++)
            if (!attributes ||
                attribute_of(machine, &items[i], &given[1], NULL, &attributes[i]) < 0)
                return -1;
        items = attributes;
    }
    return string_join(machine, &separator, items, count, false, out);
}

static int filter_indent(struct machine *machine, const struct value *value,
                         const struct value *given, struct value *out)
{
    struct value space = value_text(" "), with, lines, string;
    struct text text = {0};
    int64_t width = 4;
    int status = 0;

    with = given[0];
    if (given[0].type != VALUE_STRING) {
        if (given[0].type != VALUE_UNDEFINED && !value_integral(&given[0], &width))
            return machine_fail(machine, "indent takes a number or a string");
        if (string_repeat(machine, &space, width, &with) < 0)
            return -1;
    }
    if (value->type != VALUE_STRING)
        return machine_fail(machine, "indent of %s", value_type_name(value));
    /* jinja2 ends the last line before it splits */
    if (operate(machine, TOKEN_ADD, value,
                &(struct value){.type = VALUE_STRING, .text = "\n", .size = 1}, &string) < 0 ||
        string_lines(machine, &string, &lines) < 0)
        return -1;
    for (size_t i = 0; status == 0 && i < lines.size; i++) {
        const struct value *line = &lines.items[i];
        bool indented = i ? value_true(&given[2]) || line->size : value_true(&given[1]);

        if ((i && machine_add(machine, &text, "\n", 1) < 0) ||
            (indented && machine_add(machine, &text, with.text, with.size) < 0) ||
            machine_add(machine, &text, line->text, line->size) < 0)
            status = -1;
    }
    return machine_keep(machine, &text, status, out);
}

/* Of what counts as false, the filters that follow take nothing. */
static int iterate_true(struct machine *machine, const struct value *value,
                        const struct value **items, size_t *count)
{
    *count = 0;
    *items = NULL;
    return value_true(value) ? value_iterate(machine, value, items, count) : 0;
}

/* map(attribute="a", default=b) or map("filter", ...) */
static int filter_map(struct machine *machine, const struct value *value,
                      const struct arguments *arguments, struct value *out)
{
    const struct value *attribute = dict_find_text(&arguments->keywords, "attribute");
    const struct value *otherwise = dict_find_text(&arguments->keywords, "default");
    struct arguments rest = *arguments;
    const struct value *items;
    struct value *results;
    size_t count;

    if (arguments->count) {
        rest.values++;
        rest.count--;
    } else if (!attribute || arguments->keywords.count > 1u + (otherwise != NULL)) {
        return machine_fail(machine, "map takes the name of a filter or attribute=");
    }
    if (iterate_true(machine, value, &items, &count) < 0)
        return -1;
    results = machine_take(machine, count, sizeof(*results));
    for (size_t i = 0; i < count; i++)
        if (!results ||
            (arguments->count
                 ? call_filter(machine, arguments->values, &items[i], &rest, &results[i])
                 : attribute_of(machine, &items[i], attribute, otherwise, &results[i])) < 0)
            return -1;
    return results ? value_lazy(machine, results, count, out) : -1;
}

/* Items, or those whose attribute, for which a test holds, or does not. */
static int choose(struct machine *machine, const struct value *value,
                  const struct arguments *arguments, bool attribute, bool wanted, struct value *out)
{
    struct arguments rest = *arguments;
    const struct value *items;
    struct value *kept, tested;
    size_t count, used = 0, own = attribute + 1u;

    if (arguments->count < attribute)
        return machine_fail(machine, "the name of an attribute is missing");
    if (iterate_true(machine, value, &items, &count) < 0 ||
        !(kept = machine_take(machine, count, sizeof(*kept))))
        return -1;
    if (arguments->count >= own) {
        rest.values += own;
        rest.count -= own;
    }
    for (size_t i = 0; i < count; i++) {
        bool holds;

        tested = items[i];
        if (attribute && attribute_of(machine, &items[i], arguments->values, NULL, &tested) < 0)
            return -1;
        holds = value_true(&tested);
        if (arguments->count >= own &&
            call_test(machine, &arguments->values[own - 1], &tested, &rest, &holds) < 0)
            return -1;
        if (holds == wanted)
            kept[used++] = items[i];
    }
    return value_lazy(machine, kept, used, out);
}

/* Those whose arguments are others' too. 1 done, 0 none of them, -1. */
static int call_nesting(struct machine *machine, const struct value *name,
                        const struct value *value, const struct arguments *arguments,
                        struct value *out)
{
    static const char *const names[] = {"select", "reject", "selectattr", "rejectattr"};

    if (value_is(name, "map"))
        return filter_map(machine, value, arguments, out) < 0 ? -1 : 1;
    if (value_is(name, "tojson"))
        return value_json(machine, value, arguments, out) < 0 ? -1 : 1;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (value_is(name, names[i]))
            return choose(machine, value, arguments, i >= 2, i % 2 == 0, out) < 0 ? -1 : 1;
    return 0;
}

int call_filter(struct machine *machine, const struct value *name, const struct value *value,
                const struct arguments *arguments, struct value *out)
{
    static const struct {
        const char *name;
        filter *call;
        const char *parameters[PARAMETERS];
        size_t required;
    } filters[] = {
        {"trim", filter_trim, {"chars"}, 0},
        {"upper", filter_upper, {0}, 0},
        {"lower", filter_lower, {0}, 0},
        {"title", filter_title, {0}, 0},
        {"capitalize", filter_capitalize, {0}, 0},
        {"string", filter_string, {0}, 0},
        {"safe", filter_string, {0}, 0},
        {"length", filter_length, {0}, 0},
        {"count", filter_length, {0}, 0},
        {"replace", filter_replace, {"old", "new", "count"}, 2},
        {"default", filter_default, {"default_value", "boolean"}, 0},
        {"d", filter_default, {"default_value", "boolean"}, 0},
        {"first", filter_first, {0}, 0},
        {"last", filter_last, {0}, 0},
        {"list", filter_list, {0}, 0},
        {"reverse", filter_reverse, {0}, 0},
        {"items", filter_items, {0}, 0},
        {"abs", filter_abs, {0}, 0},
        {"float", filter_float, {"default"}, 0},
        {"int", filter_int, {"default", "base"}, 0},
        {"join", filter_join, {"d", "attribute"}, 0},
        {"indent", filter_indent, {"width", "first", "blank"}, 0},
    };
    struct value given[PARAMETERS];
    size_t count = 0;
    int status;

    if (name->type != VALUE_STRING)
        return machine_fail(machine, "the name of a filter is a string");
    if (machine_enter(machine) < 0)
        return -1;
    status = call_nesting(machine, name, value, arguments, out);
    machine->depth--;
    if (status)
        return status < 0 ? -1 : 0;
    for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
        if (!value_is(name, filters[i].name))
            continue;
        while (count < PARAMETERS && filters[i].parameters[count])
            count++;
        return take_arguments(machine, filters[i].name, arguments, filters[i].parameters, count,
                              filters[i].required, given) < 0
                   ? -1
                   : filters[i].call(machine, value, given, out);
    }
    return machine_fail(machine, "the filter %.*s is not supported",
                        (int)(name->size < 64 ? name->size : 64), name->text);
}
