/* SPDX-License-Identifier: BSD-3-Clause */
/* Operators of templates, with the meaning of Python's. */
#include "template_parts.h"

#include <math.h>
#include <string.h>

static int too_large(struct machine *machine)
{
    return machine_fail(machine, "whole numbers of more than 64 bits are not supported");
}

static int divide_integers(struct machine *machine, enum token_kind operator, int64_t a, int64_t b,
                           struct value *out)
{
    int64_t quotient, rest;

    if (!b)
        return machine_fail(machine, "division by zero");
    if (operator== TOKEN_DIV) {
        /* Python rounds the exact quotient once */
        if (llabs(a / 2) > 1ll << 51 || llabs(b / 2) > 1ll << 51)
            return machine_fail(machine, "quotients of numbers beyond 2^52 are not supported");
        *out = value_float((double)a / (double)b);
        return 0;
    }
    if (b == -1 && a == INT64_MIN)
        return too_large(machine);
    quotient = a / b;
    rest = a % b;
    if (rest && (rest < 0) != (b < 0)) {
        quotient--;
        rest += b;
    }
    *out = value_int(operator== TOKEN_MOD ? rest : quotient);
    return 0;
}

static int operate_integers(struct machine *machine, enum token_kind operator, int64_t a, int64_t b,
                            struct value *out)
{
    int64_t result;
    bool overflow;

    switch (operator) {
    case TOKEN_ADD:
        overflow = __builtin_add_overflow(a, b, &result);
        break;
    case TOKEN_SUB:
        overflow = __builtin_sub_overflow(a, b, &result);
        break;
    case TOKEN_MUL:
        overflow = __builtin_mul_overflow(a, b, &result);
        break;
    default:
        return divide_integers(machine, operator, a, b, out);
    }
    *out = value_int(result);
    return overflow ? too_large(machine) : 0;
}

static int operate_reals(struct machine *machine, enum token_kind operator, double a, double b,
                         struct value *out)
{
    double rest, floored;

    if (operator>= TOKEN_DIV && b == 0)
        return machine_fail(machine, "division by zero");
    switch (operator) {
    case TOKEN_ADD:
        *out = value_float(a + b);
        return 0;
    case TOKEN_SUB:
        *out = value_float(a - b);
        return 0;
    case TOKEN_MUL:
        *out = value_float(a * b);
        return 0;
    case TOKEN_DIV:
        *out = value_float(a / b);
        return 0;
    default:
        break;
    }
    rest = fmod(a, b);
    floored = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0)) {
        rest += b;
        floored -= 1;
    }
    if (rest == 0)
        rest = copysign(0, b);
    if (operator== TOKEN_MOD) {
        *out = value_float(rest);
        return 0;
    }
    if (floored == 0)
        floored = copysign(0, a / b);
    else
        floored = floored - floor(floored) > 0.5 ? floor(floored) + 1 : floor(floored);
    *out = value_float(floored);
    return 0;
}

static int repeat_list(struct machine *machine, const struct value *list, int64_t times,
                       struct value *out)
{
    size_t count = 0;
    struct value *items;

    if (times < 0)
        times = 0;
    if (__builtin_mul_overflow(list->size, (size_t)times, &count) ||
        machine_spend(machine, count < TEMPLATE_STEPS ? count : TEMPLATE_STEPS) < 0)
        return machine_fail(machine, "a list has too many items");
    items = machine_take(machine, count, sizeof(*items));
    for (size_t i = 0; items && i < count; i++)
        items[i] = list->items[i % list->size];
    *out = value_list(list->kind, items, count);
    return items ? 0 : -1;
}

static int add_lists(struct machine *machine, const struct value *a, const struct value *b,
                     struct value *out)
{
    struct value *items = machine_take(machine, a->size + b->size, sizeof(*items));

    if (!items || machine_spend(machine, a->size + b->size) < 0)
        return -1;
    if (a->size)
        memcpy(items, a->items, a->size * sizeof(*items));
    if (b->size)
        memcpy(items + a->size, b->items, b->size * sizeof(*items));
    *out = value_list(a->kind, items, a->size + b->size);
    return 0;
}

static int add_strings(struct machine *machine, const struct value *a, const struct value *b,
                       struct value *out)
{
    struct text text = {0};
    int status = machine_add(machine, &text, a->text, a->size);

    if (status == 0)
        status = machine_add(machine, &text, b->text, b->size);
    return machine_keep(machine, &text, status, out);
}

static bool is_plain_list(const struct value *value)
{
    return value->type == VALUE_LIST && value->kind <= KIND_TUPLE;
}

int operate(struct machine *machine, enum token_kind operator, const struct value * a,
            const struct value *b, struct value *out)
{
    static const char names[][3] = {"+", "-", "*", "/", "//", "%"};
    int64_t ia, ib;
    double da, db;

    if (value_integral(a, &ia) && value_integral(b, &ib))
        return operate_integers(machine, operator, ia, ib, out);
    if (value_number(a, &da) && value_number(b, &db))
        return operate_reals(machine, operator, da, db, out);
    if (operator== TOKEN_ADD && a->type == VALUE_STRING && b->type == VALUE_STRING)
        return add_strings(machine, a, b, out);
    if (operator== TOKEN_ADD && is_plain_list(a) && is_plain_list(b) && a->kind == b->kind)
        return add_lists(machine, a, b, out);
    if (operator== TOKEN_MUL && value_integral(a, &ia) && !value_integral(b, &ib))
        return operate(machine, operator, b, a, out);
    if (operator== TOKEN_MUL && a->type == VALUE_STRING && value_integral(b, &ib))
        return string_repeat(machine, a, ib, out);
    if (operator== TOKEN_MUL && is_plain_list(a) && value_integral(b, &ib))
        return repeat_list(machine, a, ib, out);
    if (operator== TOKEN_MOD && a->type == VALUE_STRING)
        return machine_fail(machine, "formatting by %% is not supported");
    if (a->type == VALUE_UNDEFINED || b->type == VALUE_UNDEFINED) {
        const struct value *missing = a->type == VALUE_UNDEFINED ? a : b;

        return machine_fail(machine, "%.*s is undefined",
                            (int)(missing->size < 64 ? missing->size : 64), missing->text);
    }
    return machine_fail(machine, "%s %s %s is not supported", value_type_name(a),
                        names[operator- TOKEN_ADD], value_type_name(b));
}

int operate_compare(struct machine *machine, enum token_kind operator, const struct value * a,
                    const struct value *b, bool *out)
{
    int order = 0;

    if (operator== TOKEN_EQ || operator== TOKEN_NE) {
        if (value_equal(machine, a, b, out) < 0)
            return -1;
        *out ^= operator== TOKEN_NE;
        return 0;
    }
    if (operator== TOKEN_IN || operator== TOKEN_NOT_IN) {
        if (value_contains(machine, b, a, out) < 0)
            return -1;
        *out ^= operator== TOKEN_NOT_IN;
        return 0;
    }
    if (value_compare(machine, a, b, &order) < 0)
        return -1;
    *out = order != VALUE_UNORDERED && (operator== TOKEN_LT ? order < 0 :
                                        operator== TOKEN_LE ? order <= 0
                                        :
                                        operator== TOKEN_GT ? order > 0
                                                            : order >= 0);
    return 0;
}

int operate_sign(struct machine *machine, bool minus, const struct value *value, struct value *out)
{
    int64_t integer;

    if (value_integral(value, &integer)) {
        *out = value_int(integer);
        if (minus && __builtin_sub_overflow(0, integer, &out->integer))
            return too_large(machine);
        return 0;
    }
    if (value->type != VALUE_FLOAT)
        return machine_fail(machine, "%s has no sign", value_type_name(value));
    *out = value_float(minus ? -value->real : value->real);
    return 0;
}

/* A bound of a slice, as Python adjusts it to the length. */
static int64_t bound(int64_t at, int64_t length, bool backward)
{
    int64_t least = backward ? -1 : 0, most = backward ? length - 1 : length;

    if (at < 0)
        at = at < -length ? -1 : at + length;
    return at < least ? least : at > most ? most : at;
}

int operate_slice(struct machine *machine, const struct value *value, const struct value bounds[3],
                  struct value *out)
{
    int64_t given[3] = {0}, step, first, last, length;
    struct value *items;
    size_t count, size;

    if (value->type != VALUE_STRING && (value->type != VALUE_LIST || value->kind > KIND_RANGE))
        return machine_fail(machine, "slices of %s are not supported", value_type_name(value));
    if (value_length(machine, value, &size) < 0)
        return -1;
    for (size_t i = 0; i < 3; i++)
        if (bounds[i].type != VALUE_NONE && !value_integral(&bounds[i], &given[i]))
            return machine_fail(
                machine, "the bounds of a slice must be whole numbers, others are not supported");
    length = (int64_t)size;
    step = bounds[2].type == VALUE_NONE ? 1 : given[2];
    if (!step)
        return machine_fail(machine, "the step of a slice is zero");
    first = bounds[0].type != VALUE_NONE ? bound(given[0], length, step < 0)
            : step < 0                   ? length - 1
                                         : 0;
    last = bounds[1].type != VALUE_NONE ? bound(given[1], length, step < 0)
           : step < 0                   ? -1
                                        : length;
    if (step > length)
        step = length + 1;
    if (step < -length)
        step = -length - 1;
    count = 0;
    if (step > 0 && last > first)
        count = (size_t)((last - first + step - 1) / step);
    if (step < 0 && first > last)
        count = (size_t)((first - last - step - 1) / -step);
    if (value->type == VALUE_STRING)
        return string_slice(machine, value, (size_t)first, count, step, out);
    items = machine_take(machine, count, sizeof(*items));
    if (!items || machine_spend(machine, count) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        items[i] = value->items[first + (int64_t)i * step];
    *out = value_list(value->kind, items, count);
    return 0;
}

static int loop_attribute(struct machine *machine, const struct loop *loop, const char *name,
                          size_t size, struct value *out)
{
    int64_t index = (int64_t)loop->index, count = (int64_t)loop->count;
    const struct {
        const char *name;
        struct value value;
    } attributes[] = {
        {"index", value_int(index + 1)},
        {"index0", value_int(index)},
        {"revindex", value_int(count - index)},
        {"revindex0", value_int(count - index - 1)},
        {"first", value_bool(index == 0)},
        {"last", value_bool(index + 1 == count)},
        {"length", value_int(count)},
        {"depth", value_int(1)},
        {"depth0", value_int(0)},
        {"previtem", index > 0 ? loop->items[index - 1]
                               : value_undefined("loop.previtem", strlen("loop.previtem"))},
        {"nextitem", index + 1 < count ? loop->items[index + 1]
                                       : value_undefined("loop.nextitem", strlen("loop.nextitem"))},
    };

    for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++)
        if (strlen(attributes[i].name) == size && memcmp(attributes[i].name, name, size) == 0) {
            *out = attributes[i].value;
            return 0;
        }
    return machine_fail(machine, "loop.%.*s is not supported", (int)(size < 64 ? size : 64), name);
}

static int make_method(struct machine *machine, const struct value *value, const char *name,
                       size_t size, struct value *out)
{
    struct value *object = machine_take(machine, 1, sizeof(*object));

    if (!object)
        return -1;
    *object = *value;
    *out = (struct value){.type = VALUE_METHOD, .text = name, .size = size, .object = object};
    return 0;
}

static int refuse_item(struct machine *machine, const struct value *value, const char *name,
                       size_t size)
{
    int shown = (int)(size < 64 ? size : 64);

    if (value->type == VALUE_UNDEFINED)
        return machine_fail(machine, "%.*s is undefined, and has no %.*s",
                            (int)(value->size < 64 ? value->size : 64), value->text, shown, name);
    return machine_fail(machine, "%.*s of %s is not supported", shown, name,
                        value_type_name(value));
}

/* 1: the value has it by itself, as loops and namespaces do; 0, or -1 */
static int own_attribute(struct machine *machine, const struct value *value, const char *name,
                         size_t size, struct value *out)
{
    const struct value *found;

    if (value->type == VALUE_LOOP)
        return loop_attribute(machine, value->loop, name, size, out) < 0 ? -1 : 1;
    if (value->type == VALUE_NAMESPACE) {
        found = dict_find(value->dict, name, size);
        *out = found ? *found : value_undefined(name, size);
        return 1;
    }
    if (value->type == VALUE_UNDEFINED || value->type >= VALUE_FUNCTION ||
        (size >= 2 && memcmp(name, "__", 2) == 0))
        return refuse_item(machine, value, name, size);
    return 0;
}

int operate_attribute(struct machine *machine, const struct value *value, const char *name,
                      size_t size, struct value *out)
{
    const struct value *found;
    int own = own_attribute(machine, value, name, size, out);

    if (own)
        return own < 0 ? -1 : 0;
    if (has_method(value, name, size))
        return make_method(machine, value, name, size, out);
    found = value->type == VALUE_DICT ? dict_find(value->dict, name, size) : NULL;
    *out = found ? *found : value_undefined(name, size);
    return machine_spend(machine, value->type == VALUE_DICT ? value->dict->count : 0);
}

/* An item of what is in order, by its index. */
static int item_at(struct machine *machine, const struct value *value, int64_t index,
                   struct value *out)
{
    size_t length;

    if (value_length(machine, value, &length) < 0)
        return -1;
    if (index < 0)
        index += (int64_t)length;
    if (index < 0 || index >= (int64_t)length) {
        *out = value_undefined("an item of a list", strlen("an item of a list"));
        return 0;
    }
    if (value->type == VALUE_STRING)
        return string_slice(machine, value, (size_t)index, 1, 1, out);
    *out = value->items[index];
    return 0;
}

int operate_item(struct machine *machine, const struct value *value, const struct value *key,
                 struct value *out)
{
    int64_t index;
    int found = 0;

    if (value->type == VALUE_DICT) {
        found = key->type > VALUE_STRING ? 0 : dict_get(machine, value->dict, key, out);
        if (found)
            return found < 0 ? -1 : 0;
    }
    if ((value->type == VALUE_STRING || (value->type == VALUE_LIST && value->kind <= KIND_RANGE)) &&
        value_integral(key, &index))
        return item_at(machine, value, index, out);
    if (key->type == VALUE_STRING) {
        found = own_attribute(machine, value, key->text, key->size, out);
        if (found)
            return found < 0 ? -1 : 0;
        if (has_method(value, key->text, key->size))
            return make_method(machine, value, key->text, key->size, out);
        *out = value_undefined(key->text, key->size);
        return 0;
    }
    if (value->type == VALUE_UNDEFINED || value->type > VALUE_DICT)
        return refuse_item(machine, value, "an item", strlen("an item"));
    *out = value_undefined("an item", strlen("an item"));
    return 0;
}
