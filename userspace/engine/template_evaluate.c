/* SPDX-License-Identifier: BSD-3-Clause */
/* Templates: the value of an expression. */
#include "template_parts.h"

#include <string.h>

static int evaluate_items(struct machine *machine, const struct node *node,
                          const struct value **out, size_t *count)
{
    struct value *items;

    *count = 0;
    for (const struct node *one = node; one && one->kind != NODE_KEYWORD; one = one->next)
        ++*count;
    *out = items = machine_take(machine, *count, sizeof(*items));
    if (!items)
        return -1;
    for (size_t i = 0; i < *count; i++, node = node->next)
        if (machine_evaluate(machine, node, &items[i]) < 0)
            return -1;
    return 0;
}

static int evaluate_arguments(struct machine *machine, const struct node *node,
                              struct arguments *out)
{
    *out = (struct arguments){0};
    if (evaluate_items(machine, node->children, &out->values, &out->count) < 0)
        return -1;
    for (const struct node *one = node->children; one; one = one->next) {
        struct value name = {.type = VALUE_STRING, .text = one->text, .size = one->size}, value;

        if (one->kind != NODE_KEYWORD)
            continue;
        if (dict_find(&out->keywords, one->text, one->size))
            return machine_fail(machine, "an argument is given twice");
        if (machine_evaluate(machine, one->first, &value) < 0 ||
            dict_set(machine, &out->keywords, &name, &value) < 0)
            return -1;
    }
    return 0;
}

static int evaluate_dict(struct machine *machine, const struct node *node, struct value *out)
{
    struct dict *dict = machine_take(machine, 1, sizeof(*dict));

    if (!dict)
        return -1;
    for (const struct node *key = node->children; key; key = key->next->next) {
        struct value name, value;

        if (machine_evaluate(machine, key, &name) < 0 ||
            machine_evaluate(machine, key->next, &value) < 0 ||
            dict_set(machine, dict, &name, &value) < 0)
            return -1;
    }
    *out = (struct value){.type = VALUE_DICT, .dict = dict};
    return 0;
}

static int evaluate_compare(struct machine *machine, const struct node *node, struct value *out)
{
    struct value left, right;
    bool holds = true;

    if (machine_evaluate(machine, node->first, &left) < 0)
        return -1;
    for (const struct node *operand = node->children; operand && holds; operand = operand->next) {
        if (machine_evaluate(machine, operand->first, &right) < 0 ||
            operate_compare(machine, operand->operator, & left, &right, &holds) < 0)
            return -1;
        left = right;
    }
    *out = value_bool(holds);
    return 0;
}

static int evaluate_concat(struct machine *machine, const struct node *node, struct value *out)
{
    struct text text = {0};
    struct value value;
    int status = 0;

    for (const struct node *one = node->children; status == 0 && one; one = one->next) {
        status = machine_evaluate(machine, one, &value);
        if (status == 0)
            status = value_print(machine, &value, false, &text);
    }
    return machine_keep(machine, &text, status, out);
}

static int evaluate_slice(struct machine *machine, const struct node *node, struct value *out)
{
    const struct node *const parts[3] = {node->second, node->third, node->fourth};
    struct value value, bounds[3];

    if (machine_evaluate(machine, node->first, &value) < 0)
        return -1;
    for (size_t i = 0; i < 3; i++) {
        bounds[i] = (struct value){.type = VALUE_NONE};
        if (parts[i] && machine_evaluate(machine, parts[i], &bounds[i]) < 0)
            return -1;
    }
    return operate_slice(machine, &value, bounds, out);
}

static int evaluate_call(struct machine *machine, const struct node *node, struct value *out)
{
    struct value function;
    struct arguments arguments;

    if (machine_evaluate(machine, node->first, &function) < 0 ||
        evaluate_arguments(machine, node, &arguments) < 0)
        return -1;
    machine->line = node->line;
    switch (function.type) {
    case VALUE_FUNCTION:
        return call_function(machine, &function, &arguments, out);
    case VALUE_METHOD:
        return call_method(machine, function.object, &function, &arguments, out);
    case VALUE_MACRO:
        return machine_call_macro(machine, function.macro, &arguments, out);
    case VALUE_UNDEFINED:
        return machine_fail(machine, "%.*s is undefined, and called",
                            (int)(function.size < 64 ? function.size : 64), function.text);
    default:
        return machine_fail(machine, "%s cannot be called", value_type_name(&function));
    }
}

static int evaluate_named(struct machine *machine, const struct node *node, struct value *out)
{
    struct value name = {.type = VALUE_STRING, .text = node->text, .size = node->size}, value;
    struct arguments arguments;
    bool holds = false;

    if (machine_evaluate(machine, node->first, &value) < 0 ||
        evaluate_arguments(machine, node, &arguments) < 0)
        return -1;
    machine->line = node->line;
    if (node->kind == NODE_FILTER)
        return call_filter(machine, &name, &value, &arguments, out);
    if (call_test(machine, &name, &value, &arguments, &holds) < 0)
        return -1;
    *out = value_bool(holds);
    return 0;
}

/* and, or, not, if: what decides, and then what it decides about. */
static int evaluate_choice(struct machine *machine, const struct node *node, struct value *out)
{
    const struct node *chosen;
    bool first;

    if (machine_evaluate(machine, node->kind == NODE_CONDITION ? node->second : node->first, out) <
        0)
        return -1;
    first = value_true(out);
    switch (node->kind) {
    case NODE_NOT:
        *out = value_bool(!first);
        return 0;
    case NODE_CONDITION:
        chosen = first ? node->first : node->third;
        if (!chosen)
            *out = value_undefined("the value of an if without else",
                                   strlen("the value of an if without else"));
        break;
    default:
        chosen = first == (node->kind == NODE_AND) ? node->second : NULL;
    }
    return chosen ? machine_evaluate(machine, chosen, out) : 0;
}

static int evaluate_item(struct machine *machine, const struct node *node, struct value *out)
{
    struct value value, second;

    if (machine_evaluate(machine, node->first, &value) < 0)
        return -1;
    if (node->kind == NODE_ATTRIBUTE)
        return operate_attribute(machine, &value, node->text, node->size, out);
    if (machine_evaluate(machine, node->second, &second) < 0)
        return -1;
    machine->line = node->line;
    return node->kind == NODE_ITEM ? operate_item(machine, &value, &second, out)
                                   : operate(machine, node->operator, & value, &second, out);
}

static int evaluate(struct machine *machine, const struct node *node, struct value *out)
{
    const struct value *items;
    size_t count;

    switch (node->kind) {
    case NODE_CONSTANT:
        *out = node->value;
        return 0;
    case NODE_NAME:
        return machine_lookup(machine, node->text, node->size, out);
    case NODE_LIST:
    case NODE_TUPLE:
        if (evaluate_items(machine, node->children, &items, &count) < 0)
            return -1;
        *out = value_list(node->kind == NODE_LIST ? KIND_LIST : KIND_TUPLE, items, count);
        return 0;
    case NODE_DICT:
        return evaluate_dict(machine, node, out);
    case NODE_SIGN:
        return machine_evaluate(machine, node->first, out) < 0
                   ? -1
                   : operate_sign(machine, node->operator== TOKEN_SUB, out, out);
    case NODE_COMPARE:
        return evaluate_compare(machine, node, out);
    case NODE_CONCAT:
        return evaluate_concat(machine, node, out);
    case NODE_SLICE:
        return evaluate_slice(machine, node, out);
    case NODE_CALL:
        return evaluate_call(machine, node, out);
    case NODE_FILTER:
    case NODE_TEST:
        return evaluate_named(machine, node, out);
    case NODE_BINARY:
    case NODE_ATTRIBUTE:
    case NODE_ITEM:
        return evaluate_item(machine, node, out);
    default:
        return evaluate_choice(machine, node, out);
    }
}

int machine_evaluate(struct machine *machine, const struct node *node, struct value *out)
{
    int status = machine_enter(machine);

    if (status < 0)
        return -1;
    machine->line = node->line;
    status = evaluate(machine, node, out);
    machine->depth--;
    return status;
}
