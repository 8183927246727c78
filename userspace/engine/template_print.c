/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of templates as text: Python's str, repr and json.dumps; and values from JSON. */
#include "template_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unictype.h>

/* The fewest digits that are this number, as Python writes them. */
void real_print(double real, char text[40])
{
    char digits[40];
    int precision = 1, power, count;

    if (!isfinite(real)) {
        strcpy(text, isnan(real) ? "nan" : real < 0 ? "-inf" : "inf");
        return;
    }
    do
        snprintf(digits, sizeof(digits), "%.*e", precision - 1, real);
    while (strtod(digits, NULL) != real && precision++ < 17);
    power = (int)strtol(strchr(digits, 'e') + 1, NULL, 10);
    count = precision;
    if (power >= -4 && power < 16) {
        int behind = count - 1 - power;

        snprintf(text, 40, "%.*f", behind > 1 ? behind : 1, real);
        return;
    }
    /* which has the exponent as Python writes it */
    strcpy(text, digits);
}

static int add_format(struct machine *machine, struct text *out, const char *format, uint32_t code)
{
    char text[16];
    int size = snprintf(text, sizeof(text), format, code);

    return machine_add(machine, out, text, (size_t)size);
}

/* As Python's str.isprintable: what repr leaves as it is. */
static bool is_printable(uint32_t code)
{
    return code == ' ' ||
           !uc_is_general_category_withtable(code, UC_CATEGORY_MASK_C | UC_CATEGORY_MASK_Z);
}

static int print_quoted(struct machine *machine, const struct value *string, struct text *out)
{
    static const char named[] = "\n\r\t\\", letters[] = "nrt\\";
    bool apostrophe = string->size && memchr(string->text, '\'', string->size);
    char quote = apostrophe && !memchr(string->text, '"', string->size) ? '"' : '\'';
    int status = machine_add(machine, out, &quote, 1);

    for (size_t i = 0, size; status == 0 && i < string->size; i += size) {
        const char *at = string->text + i, *name;
        uint32_t code;

        size = character_size(at, string->size - i);
        code = character_code(at, size);
        name = code && code < 0x80 ? strchr(named, (int)code) : NULL;
        if (name || code == (unsigned char)quote) {
            char pair[2] = {'\\', name ? letters[name - named] : quote};

            status = machine_add(machine, out, pair, 2);
        } else if (is_printable(code)) {
            status = machine_add(machine, out, at, size);
        } else {
            status = add_format(machine, out,
                                code < 0x100     ? "\\x%02x"
                                : code < 0x10000 ? "\\u%04x"
                                                 : "\\U%08x",
                                code);
        }
    }
    return status < 0 ? -1 : machine_add(machine, out, &quote, 1);
}

static int print_list(struct machine *machine, const struct value *list, struct text *out)
{
    bool tuple = list->kind == KIND_TUPLE;
    int status;

    if (list->kind > KIND_TUPLE)
        return machine_fail(machine, "ranges, views and what filters give cannot be printed; put "
                                     "|list behind");
    status = machine_add(machine, out, tuple ? "(" : "[", 1);
    for (size_t i = 0; status == 0 && i < list->size; i++)
        if ((i && machine_add(machine, out, ", ", 2) < 0) ||
            value_print(machine, &list->items[i], true, out) < 0)
            status = -1;
    if (status == 0 && tuple && list->size == 1)
        status = machine_add(machine, out, ",", 1);
    return status < 0 ? -1 : machine_add(machine, out, tuple ? ")" : "]", 1);
}

static int print_dict(struct machine *machine, const struct dict *dict, struct text *out)
{
    int status = machine_add(machine, out, "{", 1);

    for (size_t i = 0; status == 0 && i < dict->count; i++)
        if ((i && machine_add(machine, out, ", ", 2) < 0) ||
            value_print(machine, &dict->keys[i], true, out) < 0 ||
            machine_add(machine, out, ": ", 2) < 0 ||
            value_print(machine, &dict->values[i], true, out) < 0)
            status = -1;
    return status < 0 ? -1 : machine_add(machine, out, "}", 1);
}

int value_print(struct machine *machine, const struct value *value, bool quoted, struct text *out)
{
    char text[40] = "";
    int status = 0;

    if (machine_enter(machine) < 0)
        return -1;
    switch (value->type) {
    case VALUE_UNDEFINED:
        strcpy(text, quoted ? "Undefined" : "");
        break;
    case VALUE_NONE:
        strcpy(text, "None");
        break;
    case VALUE_BOOL:
        strcpy(text, value->boolean ? "True" : "False");
        break;
    case VALUE_INT:
        snprintf(text, sizeof(text), "%lld", (long long)value->integer);
        break;
    case VALUE_FLOAT:
        real_print(value->real, text);
        break;
    case VALUE_STRING:
        status = quoted ? print_quoted(machine, value, out)
                        : machine_add(machine, out, value->text, value->size);
        break;
    case VALUE_LIST:
        status = print_list(machine, value, out);
        break;
    case VALUE_DICT:
        status = print_dict(machine, value->dict, out);
        break;
    default:
        status = machine_fail(machine, "%s cannot be printed", value_type_name(value));
    }
    machine->depth--;
    return status < 0 ? -1 : machine_add(machine, out, text, strlen(text));
}

int value_string(struct machine *machine, const struct value *value, struct value *out)
{
    struct text text = {0};

    if (value->type == VALUE_STRING) {
        *out = *value;
        return 0;
    }
    return machine_keep(machine, &text, value_print(machine, value, false, &text), out);
}

/* How json.dumps is asked to write. */
struct dump {
    struct machine *machine;
    struct text *out;
    bool ascii, sort;
    const struct value *indent; /* a string, or NULL */
    struct value comma, colon;
    size_t level;
};

static int put(const struct dump *dump, const char *text)
{
    return machine_add(dump->machine, dump->out, text, strlen(text));
}

static int dump_line(const struct dump *dump)
{
    if (!dump->indent)
        return 0;
    if (put(dump, "\n") < 0)
        return -1;
    for (size_t i = 0; i < dump->level; i++)
        if (machine_add(dump->machine, dump->out, dump->indent->text, dump->indent->size) < 0)
            return -1;
    return 0;
}

static int dump_string(const struct dump *dump, const struct value *string)
{
    static const char named[] = "\"\\\n\r\t\f\b", letters[] = "\"\\nrtfb";
    int status = put(dump, "\"");

    for (size_t i = 0, size; status == 0 && i < string->size; i += size) {
        const char *at = string->text + i, *name;
        uint32_t code;

        size = character_size(at, string->size - i);
        code = character_code(at, size);
        name = code && code < 0x80 ? strchr(named, (int)code) : NULL;
        if (name) {
            char pair[2] = {'\\', letters[name - named]};

            status = machine_add(dump->machine, dump->out, pair, 2);
        } else if (code >= 0x20 && !(dump->ascii && code > 0x7e)) {
            status = machine_add(dump->machine, dump->out, at, size);
        } else if (code < 0x10000) {
            status = add_format(dump->machine, dump->out, "\\u%04x", code);
        } else {
            status =
                add_format(dump->machine, dump->out, "\\u%04x", 0xd800 + ((code - 0x10000) >> 10));
            if (status == 0)
                status = add_format(dump->machine, dump->out, "\\u%04x", 0xdc00 + (code & 0x3ff));
        }
    }
    return status < 0 ? -1 : put(dump, "\"");
}

static int dump_value(struct dump *dump, const struct value *value);

static int dump_scalar(const struct dump *dump, const struct value *value, bool key)
{
    char text[48];

    switch (value->type) {
    case VALUE_NONE:
        strcpy(text, "null");
        break;
    case VALUE_BOOL:
        strcpy(text, value->boolean ? "true" : "false");
        break;
    case VALUE_INT:
        snprintf(text, sizeof(text), "%lld", (long long)value->integer);
        break;
    case VALUE_FLOAT:
        real_print(value->real, text);
        if (!isfinite(value->real))
            strcpy(text, isnan(value->real) ? "NaN" : value->real < 0 ? "-Infinity" : "Infinity");
        break;
    case VALUE_STRING:
        return dump_string(dump, value);
    default:
        return machine_fail(dump->machine, "tojson: %s has no JSON", value_type_name(value));
    }
    return (key && put(dump, "\"") < 0) || put(dump, text) < 0 || (key && put(dump, "\"") < 0) ? -1
                                                                                               : 0;
}

/* Items of a list, or of a dict, in the order of `order` if it is there. */
static int dump_items(struct dump *dump, const struct value *keys, const struct value *values,
                      size_t count, const size_t *order)
{
    if (put(dump, keys ? "{" : "[") < 0)
        return -1;
    dump->level++;
    for (size_t i = 0; i < count; i++) {
        size_t at = order ? order[i] : i;

        if ((i && machine_add(dump->machine, dump->out, dump->comma.text, dump->comma.size) < 0) ||
            dump_line(dump) < 0)
            return -1;
        if (keys && (dump_scalar(dump, &keys[at], true) < 0 ||
                     machine_add(dump->machine, dump->out, dump->colon.text, dump->colon.size) < 0))
            return -1;
        if (dump_value(dump, &values[at]) < 0)
            return -1;
    }
    dump->level--;
    if (count && dump_line(dump) < 0)
        return -1;
    return put(dump, keys ? "}" : "]");
}

static int dump_dict(struct dump *dump, const struct dict *dict)
{
    size_t *order = NULL;

    if (!dict->count)
        return put(dump, "{}");
    if (dump->sort && !(order = machine_take(dump->machine, dict->count, sizeof(*order))))
        return -1;
    for (size_t i = 0; order && i < dict->count; i++) {
        size_t at = i;

        for (; at > 0; at--) {
            int order_of;

            if (machine_spend(dump->machine, 1) < 0 ||
                value_compare(dump->machine, &dict->keys[order[at - 1]], &dict->keys[i],
                              &order_of) < 0)
                return -1;
            if (order_of <= 0)
                break;
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    return dump_items(dump, dict->keys, dict->values, dict->count, order);
}

static int dump_value(struct dump *dump, const struct value *value)
{
    int status;

    if (machine_enter(dump->machine) < 0)
        return -1;
    if (value->type == VALUE_DICT)
        status = dump_dict(dump, value->dict);
    else if (value->type == VALUE_LIST && value->kind <= KIND_TUPLE)
        status =
            value->size ? dump_items(dump, NULL, value->items, value->size, NULL) : put(dump, "[]");
    else
        status = dump_scalar(dump, value, false);
    dump->machine->depth--;
    return status;
}

int value_json(struct machine *machine, const struct value *value,
               const struct arguments *arguments, struct value *out)
{
    static const char *const names[] = {"ensure_ascii", "indent", "separators", "sort_keys"};
    struct value given[4], indent, space = value_text(" ");
    struct text text = {0};
    struct dump dump = {.machine = machine, .out = &text, .colon = value_text(": ")};
    int64_t width;

    if (take_arguments(machine, "tojson", arguments, names, 4, 0, given) < 0)
        return -1;
    dump.ascii = value_true(&given[0]);
    dump.sort = value_true(&given[3]);
    if (given[1].type == VALUE_STRING) {
        dump.indent = &given[1];
    } else if (value_integral(&given[1], &width)) {
        if (string_repeat(machine, &space, width, &indent) < 0)
            return -1;
        dump.indent = &indent;
    } else if (value_true(&given[1])) {
        return machine_fail(machine, "tojson: indent is a number or a string");
    }
    dump.comma = value_text(dump.indent ? "," : ", ");
    if (given[2].type == VALUE_LIST && given[2].kind <= KIND_TUPLE && given[2].size == 2 &&
        given[2].items[0].type == VALUE_STRING && given[2].items[1].type == VALUE_STRING) {
        dump.comma = given[2].items[0];
        dump.colon = given[2].items[1];
    } else if (value_true(&given[2])) {
        return machine_fail(machine, "tojson: separators are two strings");
    }
    return machine_keep(machine, &text, dump_value(&dump, value), out);
}

static int list_from_json(struct machine *machine, const json_t *json, struct value *out)
{
    size_t count = json_array_size(json);
    struct value *items = machine_take(machine, count, sizeof(*items));

    for (size_t i = 0; items && i < count; i++)
        if (value_from_json(machine, json_array_get(json, i), &items[i]) < 0)
            return -1;
    *out = value_list(KIND_LIST, items, count);
    return items ? 0 : -1;
}

static int dict_from_json(struct machine *machine, const json_t *json, struct value *out)
{
    size_t count = json_object_size(json);
    struct dict *dict = machine_take(machine, 1, sizeof(*dict));
    const char *key;
    json_t *item;

    if (!dict || !(dict->keys = machine_take(machine, count, sizeof(*dict->keys))) ||
        !(dict->values = machine_take(machine, count, sizeof(*dict->values))))
        return -1;
    dict->room = count;
    json_object_foreach((json_t *)json, key, item)
    {
        if (machine_string(machine, key, strlen(key), &dict->keys[dict->count]) < 0 ||
            value_from_json(machine, item, &dict->values[dict->count]) < 0)
            return -1;
        dict->count++;
    }
    *out = (struct value){.type = VALUE_DICT, .dict = dict};
    return 0;
}

int value_from_json(struct machine *machine, const json_t *json, struct value *out)
{
    int status = 0;

    if (machine_enter(machine) < 0)
        return -1;
    *out = (struct value){.type = VALUE_NONE};
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        status = dict_from_json(machine, json, out);
        break;
    case JSON_ARRAY:
        status = list_from_json(machine, json, out);
        break;
    case JSON_STRING:
        status = machine_string(machine, json_string_value(json), json_string_length(json), out);
        break;
    case JSON_INTEGER:
        *out = value_int(json_integer_value(json));
        break;
    case JSON_REAL:
        *out = value_float(json_real_value(json));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = value_bool(json_is_true(json));
        break;
    default:
        break;
    }
    machine->depth--;
    return status;
}
