/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of templates, as Python has them. */
#include "template_parts.h"

#include <string.h>

struct value value_bool(bool boolean)
{
    return (struct value){.type = VALUE_BOOL, .boolean = boolean};
}

struct value value_int(int64_t integer)
{
    return (struct value){.type = VALUE_INT, .integer = integer};
}

struct value value_float(double real)
{
    return (struct value){.type = VALUE_FLOAT, .real = real};
}

struct value value_text(const char *text)
{
    return (struct value){.type = VALUE_STRING, .text = text, .size = strlen(text)};
}

struct value value_list(enum list_kind kind, const struct value *items, size_t count)
{
    return (struct value){.type = VALUE_LIST, .kind = kind, .items = items, .size = count};
}

struct value value_undefined(const char *text, size_t size)
{
    return (struct value){.type = VALUE_UNDEFINED, .text = text, .size = size};
}

int value_lazy(struct machine *machine, const struct value *items, size_t count, struct value *out)
{
    struct lazy *lazy = machine_take(machine, 1, sizeof(*lazy));

    if (!lazy)
        return -1;
    *lazy = (struct lazy){.items = items, .count = count};
    *out = (struct value){.type = VALUE_LIST, .kind = KIND_LAZY, .lazy = lazy};
    return 0;
}

bool value_is(const struct value *value, const char *text)
{
    return value->type == VALUE_STRING && value->size == strlen(text) &&
           memcmp(value->text, text, value->size) == 0;
}

bool value_integral(const struct value *value, int64_t *out)
{
    if (value->type == VALUE_BOOL)
        *out = value->boolean;
    else if (value->type == VALUE_INT)
        *out = value->integer;
    else
        return false;
    return true;
}

bool value_number(const struct value *value, double *out)
{
    int64_t integer;

    if (value->type == VALUE_FLOAT)
        *out = value->real;
    else if (value_integral(value, &integer))
        *out = (double)integer;
    else
        return false;
    return true;
}

bool value_true(const struct value *value)
{
    switch (value->type) {
    case VALUE_UNDEFINED:
    case VALUE_NONE:
        return false;
    case VALUE_BOOL:
        return value->boolean;
    case VALUE_INT:
        return value->integer;
    case VALUE_FLOAT:
        return value->real != 0;
    case VALUE_STRING:
        return value->size;
    case VALUE_LIST:
        return value->kind == KIND_LAZY || value->size;
    case VALUE_DICT:
        return value->dict->count;
    default:
        return true;
    }
}

const char *value_type_name(const struct value *value)
{
    static const char *const names[] = {
        [VALUE_UNDEFINED] = "undefined", [VALUE_NONE] = "none",
        [VALUE_BOOL] = "a boolean",      [VALUE_INT] = "a whole number",
        [VALUE_FLOAT] = "a number",      [VALUE_STRING] = "a string",
        [VALUE_LIST] = "a list",         [VALUE_DICT] = "a dict",
        [VALUE_NAMESPACE] = "namespace", [VALUE_LOOP] = "loop",
        [VALUE_FUNCTION] = "a function", [VALUE_METHOD] = "a method",
        [VALUE_MACRO] = "a macro",
    };

    return names[value->type];
}

/* Integers and floats by their exact values, as value_compare says. */
static int compare_numbers(const struct value *a, const struct value *b)
{
    int64_t ia, ib;
    double da, db;

    if (value_integral(a, &ia) && value_integral(b, &ib))
        return (ia > ib) - (ia < ib);
    value_number(a, &da);
    value_number(b, &db);
    if (da != da || db != db)
        return VALUE_UNORDERED;
    if (da != db || (a->type == VALUE_FLOAT && b->type == VALUE_FLOAT))
        return (da > db) - (da < db);
    /* one is an integer, rounded to the other: equal doubles of at most 2^63 */
    if (da >= 0x1p63)
        return a->type == VALUE_FLOAT ? 1 : -1;
    ia = a->type == VALUE_FLOAT ? (int64_t)da : (value_integral(a, &ia), ia);
    ib = b->type == VALUE_FLOAT ? (int64_t)db : (value_integral(b, &ib), ib);
    return (ia > ib) - (ia < ib);
}

static int equal_lists(struct machine *machine, const struct value *a, const struct value *b,
                       bool *out)
{
    *out = a->kind == b->kind && a->size == b->size;
    if (a->kind > KIND_RANGE || b->kind > KIND_RANGE)
        return machine_fail(machine, "views and iterators cannot be compared");
    for (size_t i = 0; *out && i < a->size; i++)
        if (value_equal(machine, &a->items[i], &b->items[i], out) < 0)
            return -1;
    return 0;
}

static int equal_dicts(struct machine *machine, const struct dict *a, const struct dict *b,
                       bool *out)
{
    *out = a->count == b->count;
    for (size_t i = 0; *out && i < a->count; i++) {
        struct value other;
        int found = dict_get(machine, b, &a->keys[i], &other);

        *out = found > 0;
        if (found < 0 || (found && value_equal(machine, &a->values[i], &other, out) < 0))
            return -1;
    }
    return 0;
}

int value_equal(struct machine *machine, const struct value *a, const struct value *b, bool *out)
{
    double number;
    int status = 0;

    if (machine_enter(machine) < 0)
        return -1;
    if (value_number(a, &number) && value_number(b, &number)) {
        *out = compare_numbers(a, b) == 0;
    } else if (a->type != b->type) {
        *out = false;
    } else if (a->type == VALUE_STRING) {
        *out = a->size == b->size && (!a->size || memcmp(a->text, b->text, a->size) == 0);
        status = machine_spend(machine, *out ? a->size / 64 : 0);
    } else if (a->type == VALUE_LIST) {
        status = equal_lists(machine, a, b, out);
    } else if (a->type == VALUE_DICT) {
        status = equal_dicts(machine, a->dict, b->dict, out);
    } else if (a->type == VALUE_UNDEFINED || a->type == VALUE_NONE) {
        *out = true;
    } else {
        status = machine_fail(machine, "%s cannot be compared", value_type_name(a));
    }
    machine->depth--;
    return status;
}

int value_compare(struct machine *machine, const struct value *a, const struct value *b, int *out)
{
    double number;
    size_t least = a->size < b->size ? a->size : b->size;
    int status = 0;

    if (value_number(a, &number) && value_number(b, &number)) {
        *out = compare_numbers(a, b);
        return 0;
    }
    *out = (a->size > b->size) - (a->size < b->size);
    if (a->type == VALUE_STRING && b->type == VALUE_STRING) {
        /* UTF-8 is in the order of its code points */
        int order = least ? memcmp(a->text, b->text, least) : 0;

        *out = order > 0 ? 1 : order < 0 ? -1 : *out;
        return machine_spend(machine, least / 64);
    }
    if (a->type != VALUE_LIST || b->type != VALUE_LIST || a->kind != b->kind ||
        a->kind > KIND_TUPLE)
        return machine_fail(machine, "%s and %s have no order", value_type_name(a),
                            value_type_name(b));
    if (machine_enter(machine) < 0)
        return -1;
    for (size_t i = 0; status == 0 && i < least; i++) {
        bool equal = false;

        status = value_equal(machine, &a->items[i], &b->items[i], &equal);
        if (status < 0 || equal)
            continue;
        status = value_compare(machine, &a->items[i], &b->items[i], out);
        break;
    }
    machine->depth--;
    return status;
}

static int check_key(struct machine *machine, const struct value *key)
{
    if (key->type < VALUE_LIST)
        return 0;
    if (key->type == VALUE_LIST && key->kind == KIND_TUPLE) {
        for (size_t i = 0; i < key->size; i++)
            if (key->items[i].type >= VALUE_LIST)
                return machine_fail(machine, "tuples of such values are not supported as keys");
        return 0;
    }
    return machine_fail(machine, "%s is no key of a dict", value_type_name(key));
}

int value_contains(struct machine *machine, const struct value *in, const struct value *value,
                   bool *out)
{
    const struct value *items;
    struct value ignored;
    size_t count, at;
    int found;

    *out = false;
    if (in->type == VALUE_STRING) {
        if (value->type != VALUE_STRING)
            return machine_fail(machine, "`in` a string takes a string, not %s",
                                value_type_name(value));
        *out = string_find(in, value, 0, &at);
        return machine_spend(machine, in->size / 16);
    }
    if (in->type == VALUE_DICT) {
        found = dict_get(machine, in->dict, value, &ignored);
        *out = found > 0;
        return found < 0 ? -1 : 0;
    }
    if ((in->type == VALUE_LIST && in->kind == KIND_KEYS && check_key(machine, value) < 0) ||
        value_iterate(machine, in, &items, &count) < 0)
        return -1;
    for (size_t i = 0; !*out && i < count; i++)
        if (value_equal(machine, &items[i], value, out) < 0)
            return -1;
    return 0;
}

int value_iterate(struct machine *machine, const struct value *value, const struct value **items,
                  size_t *count)
{
    struct value characters;

    switch (value->type) {
    case VALUE_UNDEFINED:
        *count = 0;
        *items = NULL;
        return 0;
    case VALUE_STRING:
        if (string_characters(machine, value, &characters) < 0)
            return -1;
        *items = characters.items;
        *count = characters.size;
        return 0;
    case VALUE_DICT:
        *items = value->dict->keys;
        *count = value->dict->count;
        return machine_spend(machine, *count);
    case VALUE_LIST:
        *items = value->kind == KIND_LAZY ? value->lazy->items : value->items;
        *count = value->kind == KIND_LAZY ? value->lazy->count : value->size;
        if (value->kind == KIND_LAZY && value->lazy->taken)
            return machine_fail(machine, "what a filter has given is used twice; put |list behind");
        if (value->kind == KIND_LAZY)
            value->lazy->taken = true;
        return machine_spend(machine, *count);
    default:
        return machine_fail(machine, "%s is nothing to iterate over", value_type_name(value));
    }
}

int value_length(struct machine *machine, const struct value *value, size_t *out)
{
    switch (value->type) {
    case VALUE_UNDEFINED:
        *out = 0;
        return 0;
    case VALUE_STRING:
        *out = string_length(value);
        return machine_spend(machine, value->size / 64);
    case VALUE_DICT:
        *out = value->dict->count;
        return 0;
    case VALUE_LOOP:
        *out = value->loop->count;
        return 0;
    case VALUE_LIST:
        *out = value->size;
        if (value->kind != KIND_LAZY)
            return 0;
        return machine_fail(machine, "what a filter gives has no length; put |list behind");
    default:
        return machine_fail(machine, "%s has no length", value_type_name(value));
    }
}

/* Where the key is: 1 found, 0 none, -1. */
static int find_key(struct machine *machine, const struct dict *dict, const struct value *key,
                    size_t *at)
{
    if (check_key(machine, key) < 0)
        return -1;
    for (*at = 0; *at < dict->count; ++*at) {
        bool equal;

        if (machine_spend(machine, 1) < 0 ||
            value_equal(machine, &dict->keys[*at], key, &equal) < 0)
            return -1;
        if (equal)
            return 1;
    }
    return 0;
}

int dict_get(struct machine *machine, const struct dict *dict, const struct value *key,
             struct value *out)
{
    size_t at;
    int found = find_key(machine, dict, key, &at);

    if (found > 0)
        *out = dict->values[at];
    return found;
}

const struct value *dict_find(const struct dict *dict, const char *name, size_t size)
{
    for (size_t i = 0; i < dict->count; i++)
        if (dict->keys[i].type == VALUE_STRING && dict->keys[i].size == size &&
            memcmp(dict->keys[i].text, name, size) == 0)
            return &dict->values[i];
    return NULL;
}

const struct value *dict_find_text(const struct dict *dict, const char *name)
{
    return dict_find(dict, name, strlen(name));
}

int dict_set(struct machine *machine, struct dict *dict, const struct value *key,
             const struct value *value)
{
    size_t room = dict->room ? 2 * dict->room : 4;
    struct value *keys, *values;
    size_t at;
    int found = find_key(machine, dict, key, &at);

    if (found < 0)
        return -1;
    if (found) {
        dict->values[at] = *value;
        return 0;
    }
    if (dict->count == dict->room) {
        keys = machine_take(machine, room, sizeof(*keys));
        values = keys ? machine_take(machine, room, sizeof(*values)) : NULL;
        if (!values)
            return -1;
        if (dict->count) {
            memcpy(keys, dict->keys, dict->count * sizeof(*keys));
            memcpy(values, dict->values, dict->count * sizeof(*values));
        }
        dict->keys = keys;
        dict->values = values;
        dict->room = room;
    }
    dict->keys[dict->count] = *key;
    dict->values[dict->count++] = *value;
    return 0;
}
