/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests, functions, and methods of values in templates. */
#include "template_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PARAMETERS 3

int take_arguments(struct machine *machine, const char *what, const struct arguments *arguments,
                   const char *const *names, size_t count, size_t required, struct value *out)
{
    size_t named = 0;

    if (arguments->count > count)
        return machine_fail(machine, "%s takes up to %zu arguments", what, count);
    for (size_t i = 0; i < count; i++) {
        const struct value *keyword = dict_find_text(&arguments->keywords, names[i]);

        if (keyword && i < arguments->count)
            return machine_fail(machine, "%s: the argument %s is given twice", what, names[i]);
        named += keyword != NULL;
        if (i >= arguments->count && !keyword && i < required)
            return machine_fail(machine, "%s: the argument %s is missing", what, names[i]);
        out[i] = i < arguments->count ? arguments->values[i]
                 : keyword            ? *keyword
                                      : value_undefined(names[i], strlen(names[i]));
    }
    if (named < arguments->keywords.count)
        return machine_fail(machine, "%s has no such named argument, or it is not supported", what);
    return 0;
}

/* Tests without an argument. 1 done, 0 none of them, -1. */
static int test_type(struct machine *machine, const struct value *name, const struct value *value,
                     bool *out)
{
    enum value_type type = value->type;
    bool whole = type == VALUE_INT, number = whole || type == VALUE_BOOL || type == VALUE_FLOAT;
    bool list = type == VALUE_LIST, rest;
    bool sized = type == VALUE_UNDEFINED || type == VALUE_STRING || type == VALUE_DICT;
    const struct {
        const char *name;
        bool holds;
    } types[] = {
        {"defined", type != VALUE_UNDEFINED},
        {"undefined", type == VALUE_UNDEFINED},
        {"none", type == VALUE_NONE},
        {"boolean", type == VALUE_BOOL},
        {"true", type == VALUE_BOOL && value->boolean},
        {"false", type == VALUE_BOOL && !value->boolean},
        {"integer", whole},
        {"float", type == VALUE_FLOAT},
        {"number", number},
        {"string", type == VALUE_STRING},
        {"mapping", type == VALUE_DICT},
        {"sequence", sized || (list && value->kind <= KIND_RANGE)},
        {"iterable", sized || list || type == VALUE_LOOP},
        {"callable", type == VALUE_UNDEFINED || type == VALUE_LOOP || type >= VALUE_FUNCTION},
    };
    struct value odd, one = value_int(1), two = value_int(2);

    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (value_is(name, types[i].name)) {
            *out = types[i].holds;
            return 1;
        }
    if (!value_is(name, "odd") && !value_is(name, "even"))
        return 0;
    if (operate(machine, TOKEN_MOD, value, &two, &odd) < 0)
        return -1;
    if (value_is(name, "even"))
        one = value_int(0);
    if (value_equal(machine, &odd, &one, &rest) < 0)
        return -1;
    *out = rest;
    return 1;
}

/* Tests with one. */
static int test_pair(struct machine *machine, const struct value *name, const struct value *value,
                     const struct value *other, bool *out)
{
    static const struct {
        const char *name;
        enum token_kind operator;
    } operators[] = {
        {"==", TOKEN_EQ}, {"eq", TOKEN_EQ}, {"equalto", TOKEN_EQ},  {"!=", TOKEN_NE},
        {"ne", TOKEN_NE}, {"<", TOKEN_LT},  {"lt", TOKEN_LT},       {"<=", TOKEN_LE},
        {"le", TOKEN_LE}, {">", TOKEN_GT},  {"gt", TOKEN_GT},       {">=", TOKEN_GE},
        {"ge", TOKEN_GE}, {"in", TOKEN_IN}, {"lessthan", TOKEN_LT}, {"greaterthan", TOKEN_GT},
    };
    struct value rest, zero = value_int(0);

    for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
        if (value_is(name, operators[i].name))
            return operate_compare(machine, operators[i].operator, value, other, out);
    if (value_is(name, "divisibleby"))
        return operate(machine, TOKEN_MOD, value, other, &rest) < 0
                   ? -1
                   : value_equal(machine, &rest, &zero, out);
    if (!value_is(name, "sameas"))
        return machine_fail(machine, "the test %.*s is not supported",
                            (int)(name->size < 64 ? name->size : 64), name->text);
    *out = false;
    if (value->type != other->type)
        return 0;
    if (value->type != VALUE_NONE && value->type != VALUE_BOOL)
        return machine_fail(machine, "sameas is only supported with none, true and false");
    *out = value->type == VALUE_NONE || value->boolean == other->boolean;
    return 0;
}

int call_test(struct machine *machine, const struct value *name, const struct value *value,
              const struct arguments *arguments, bool *out)
{
    int done;

    if (name->type != VALUE_STRING)
        return machine_fail(machine, "the name of a test is a string");
    done = test_type(machine, name, value, out);
    if (done && (arguments->count || arguments->keywords.count))
        return machine_fail(machine, "the test %.*s has no arguments",
                            (int)(name->size < 64 ? name->size : 64), name->text);
    if (done)
        return done < 0 ? -1 : 0;
    if (arguments->count != 1 || arguments->keywords.count)
        return machine_fail(machine, "the test %.*s is not supported, or takes one argument",
                            (int)(name->size < 64 ? name->size : 64), name->text);
    return test_pair(machine, name, value, arguments->values, out);
}

static int call_range(struct machine *machine, const struct arguments *arguments, struct value *out)
{
    int64_t given[3] = {0, 0, 1}, count = 0;
    struct value *items;

    if (!arguments->count || arguments->count > 3 || arguments->keywords.count)
        return machine_fail(machine, "range takes one to three whole numbers");
    for (size_t i = 0; i < arguments->count; i++)
        if (!value_integral(&arguments->values[i], &given[arguments->count == 1 ? 1 : i]))
            return machine_fail(machine, "range takes whole numbers");
    if (!given[2])
        return machine_fail(machine, "the step of range is zero");
    for (int64_t at = given[0]; (given[2] > 0 ? at < given[1] : at > given[1]); count++)
        if (count == TEMPLATE_RANGE || __builtin_add_overflow(at, given[2], &at))
            return machine_fail(machine, "range of more than %d numbers", TEMPLATE_RANGE);
    items = machine_take(machine, (size_t)count, sizeof(*items));
    if (!items || machine_spend(machine, (size_t)count) < 0)
        return -1;
    for (int64_t i = 0; i < count; i++)
        items[i] = value_int(given[0] + i * given[2]);
    *out = value_list(KIND_RANGE, items, (size_t)count);
    return 0;
}

/* dict(a=1) and namespace(a=1), each also with a dict before. */
static int call_dict(struct machine *machine, const struct arguments *arguments,
                     enum value_type type, struct value *out)
{
    const struct dict *parts[2] = {NULL, &arguments->keywords};
    struct dict *dict = machine_take(machine, 1, sizeof(*dict));

    if (!dict)
        return -1;
    if (arguments->count > 1 || (arguments->count && arguments->values->type != VALUE_DICT))
        return machine_fail(machine, "dict and namespace take a dict, and named arguments");
    parts[0] = arguments->count ? arguments->values->dict : NULL;
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; parts[p] && i < parts[p]->count; i++)
            if (dict_set(machine, dict, &parts[p]->keys[i], &parts[p]->values[i]) < 0)
                return -1;
    *out = (struct value){.type = type, .dict = dict};
    return 0;
}

static int call_raise(struct machine *machine, const struct arguments *arguments)
{
    static const char *const names[] = {"message"};
    struct value message;

    if (take_arguments(machine, "raise_exception", arguments, names, 1, 1, &message) < 0 ||
        value_string(machine, &message, &message) < 0)
        return -1;
    return machine_fail(machine, "the chat template refuses: %.*s",
                        (int)(message.size < 512 ? message.size : 512), message.text);
}

static int call_time(struct machine *machine, const struct arguments *arguments, struct value *out)
{
    /* not those of a zone or of less than seconds */
    static const char known[] = "aAbBcdDeFgGhHIjmMnpPrRsStTuUVwWxXyYC%";
    static const char *const names[] = {"format"};
    char format[128], text[1024];
    struct value given;
    struct tm now;

    if (take_arguments(machine, "strftime_now", arguments, names, 1, 1, &given) < 0)
        return -1;
    if (given.type != VALUE_STRING || given.size >= sizeof(format) ||
        memchr(given.text, 0, given.size) || !localtime_r(&machine->now, &now))
        return machine_fail(machine, "strftime_now takes a short string");
    memcpy(format, given.text, given.size);
    format[given.size] = 0;
    for (const char *at = format; (at = strchr(at, '%')); at += 2) {
        if (at[1] == '-' && at[2] && strchr("dHIjmMSyU", at[2]))
            at++;
        if (!at[1] || !strchr(known, at[1]))
            return machine_fail(machine, "strftime_now: the format %.3s is not supported", at);
    }
    return machine_string(machine, text, strftime(text, sizeof(text), format, &now), out);
}

static const char *const functions[] = {"range",        "dict",   "namespace", "raise_exception",
                                        "strftime_now", "lipsum", "cycler",    "joiner"};

bool is_function(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
        if (strlen(functions[i]) == size && memcmp(functions[i], name, size) == 0)
            return true;
    return false;
}

int call_function(struct machine *machine, const struct value *name,
                  const struct arguments *arguments, struct value *out)
{
    struct value string = *name;

    string.type = VALUE_STRING;
    if (value_is(&string, "range"))
        return call_range(machine, arguments, out);
    if (value_is(&string, "dict"))
        return call_dict(machine, arguments, VALUE_DICT, out);
    if (value_is(&string, "namespace"))
        return call_dict(machine, arguments, VALUE_NAMESPACE, out);
    if (value_is(&string, "raise_exception"))
        return call_raise(machine, arguments);
    if (value_is(&string, "strftime_now"))
        return call_time(machine, arguments, out);
    return machine_fail(machine, "the function %.*s is not supported", (int)name->size, name->text);
}
