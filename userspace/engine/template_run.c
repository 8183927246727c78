/* SPDX-License-Identifier: BSD-3-Clause */
/* Templates: the machine, statements, scopes. */
#include "template_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int machine_fail(struct machine *machine, const char *format, ...)
{
    char text[768];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return fail(machine->failure, "%s: line %u: %s", machine->template->path, machine->line, text);
}

int machine_spend(struct machine *machine, size_t steps)
{
    if (steps > TEMPLATE_STEPS - machine->steps)
        return machine_fail(machine, "the template takes too many steps");
    machine->steps += (unsigned int)steps;
    return 0;
}

int machine_enter(struct machine *machine)
{
    if (machine->depth == TEMPLATE_DEPTH)
        return machine_fail(machine, "too much is nested inside each other");
    machine->depth++;
    return machine_spend(machine, 1);
}

void *machine_take(struct machine *machine, size_t count, size_t size)
{
    void *taken = arena_take(&machine->arena, count, size);

    if (!taken)
        machine_fail(machine, "the template takes too much memory");
    return taken;
}

int machine_string(struct machine *machine, const char *text, size_t size, struct value *out)
{
    char *copy = machine_take(machine, size + 1, 1);

    if (!copy)
        return -1;
    if (size)
        memcpy(copy, text, size);
    *out = (struct value){.type = VALUE_STRING, .text = copy, .size = size};
    return 0;
}

int machine_keep(struct machine *machine, struct text *text, int status, struct value *out)
{
    if (status == 0)
        status = machine_string(machine, text->bytes, text->size, out);
    text_free(text);
    return status;
}

int machine_add(struct machine *machine, struct text *text, const char *bytes, size_t size)
{
    if (size > TEMPLATE_MEMORY / 4 - text->size)
        return machine_fail(machine, "the template makes too much text");
    if (text_add(text, bytes, size) < 0)
        return machine_fail(machine, "out of memory");
    return machine_spend(machine, size / 64);
}

static int push_scope(struct machine *machine, struct scope *parent)
{
    struct scope *scope = machine_take(machine, 1, sizeof(*scope));

    if (!scope)
        return -1;
    scope->parent = parent;
    machine->scope = scope;
    return 0;
}

static int set_name(struct machine *machine, const char *name, size_t size,
                    const struct value *value)
{
    struct value key = {.type = VALUE_STRING, .text = name, .size = size};

    return dict_set(machine, &machine->scope->names, &key, value);
}

int machine_lookup(struct machine *machine, const char *name, size_t size, struct value *out)
{
    for (const struct scope *scope = machine->scope; scope; scope = scope->parent) {
        const struct value *found = dict_find(&scope->names, name, size);

        if (machine_spend(machine, scope->names.count / 4 + 1) < 0)
            return -1;
        if (found) {
            *out = *found;
            return 0;
        }
    }
    if (is_function(name, size))
        *out = (struct value){.type = VALUE_FUNCTION, .text = name, .size = size};
    else
        *out = value_undefined(name, size);
    return 0;
}

/* Names that a target has, to what value has. */
static int assign(struct machine *machine, const struct node *target, const struct value *value)
{
    const struct value *items;
    struct value space;
    size_t count, at = 0;

    switch (target->kind) {
    case NODE_NAME:
        return set_name(machine, target->text, target->size, value);
    case NODE_ATTRIBUTE:
        if (machine_evaluate(machine, target->first, &space) < 0)
            return -1;
        if (space.type != VALUE_NAMESPACE)
            return machine_fail(machine, "only attributes of a namespace can be set");
        return dict_set(
            machine, space.dict,
            &(struct value){.type = VALUE_STRING, .text = target->text, .size = target->size},
            value);
    default:
        break;
    }
    if (value->type == VALUE_UNDEFINED || value_iterate(machine, value, &items, &count) < 0)
        return value->type == VALUE_UNDEFINED
                   ? machine_fail(machine, "undefined cannot be unpacked")
                   : -1;
    for (const struct node *one = target->children; one; one = one->next, at++)
        if (at >= count || assign(machine, one, &items[at]) < 0)
            return at < count ? -1 : machine_fail(machine, "too few values to unpack");
    return at == count ? 0 : machine_fail(machine, "too many values to unpack");
}

/* The items for which the condition holds. */
static int filter_items(struct machine *machine, const struct node *node,
                        const struct value **items, size_t *count)
{
    struct value *kept = machine_take(machine, *count, sizeof(*kept)), condition;
    struct scope *outer = machine->scope;
    size_t used = 0;
    int status = kept ? 0 : -1;

    for (size_t i = 0; status == 0 && i < *count; i++) {
        if (push_scope(machine, outer) < 0 || assign(machine, node->first, &(*items)[i]) < 0 ||
            machine_evaluate(machine, node->third, &condition) < 0)
            status = -1;
        else if (value_true(&condition))
            kept[used++] = (*items)[i];
    }
    machine->scope = outer;
    *items = kept;
    *count = used;
    return status;
}

static int run_for(struct machine *machine, const struct node *node)
{
    struct loop *loop = machine_take(machine, 1, sizeof(*loop));
    struct value of, self = {.type = VALUE_LOOP, .loop = loop};
    struct scope *outer = machine->scope;
    int status = 0;

    if (!loop || machine_evaluate(machine, node->second, &of) < 0 ||
        value_iterate(machine, &of, &loop->items, &loop->count) < 0 ||
        (node->third && filter_items(machine, node, &loop->items, &loop->count) < 0))
        return -1;
    if (!loop->count && node->fourth)
        return machine_run(machine, node->fourth);
    for (; status == 0 && loop->index < loop->count; loop->index++) {
        if (push_scope(machine, outer) < 0 || set_name(machine, "loop", 4, &self) < 0 ||
            assign(machine, node->first, &loop->items[loop->index]) < 0 ||
            machine_run(machine, node->children) < 0)
            status = -1;
        if (machine->flow == FLOW_BREAK)
            loop->index = loop->count - 1;
        machine->flow = FLOW_ON;
    }
    machine->scope = outer;
    return status;
}

/* What the body says, as a string. */
static int capture(struct machine *machine, const struct node *body, struct value *out)
{
    struct text text = {0}, *outer = machine->out;
    int status;

    machine->out = &text;
    status = machine_run(machine, body);
    machine->out = outer;
    return machine_keep(machine, &text, status, out);
}

static int run_scope(struct machine *machine, const struct node *node)
{
    struct scope *outer = machine->scope;
    struct value value;
    int status = push_scope(machine, outer);

    for (const struct node *set = node->first; status == 0 && set; set = set->next) {
        struct scope *inner = machine->scope;

        machine->scope = outer;
        status = machine_evaluate(machine, set->second, &value);
        machine->scope = inner;
        if (status == 0)
            status = assign(machine, set->first, &value);
    }
    if (status == 0)
        status = machine_run(machine, node->children);
    machine->scope = outer;
    return status;
}

static int run_if(struct machine *machine, const struct node *node)
{
    struct value condition;

    for (const struct node *branch = node->children; branch; branch = branch->next) {
        if (branch->first && machine_evaluate(machine, branch->first, &condition) < 0)
            return -1;
        if (!branch->first || value_true(&condition))
            return machine_run(machine, branch->children);
    }
    return 0;
}

static int run_capture(struct machine *machine, const struct node *node)
{
    struct scope *outer = machine->scope;
    struct value value;
    int status = push_scope(machine, outer);

    if (status == 0)
        status = capture(machine, node->children, &value);
    machine->scope = outer;
    if (status < 0 || machine->flow != FLOW_ON)
        return status;
    return assign(machine, node->first, &value);
}

static int define_macro(struct machine *machine, const struct node *node)
{
    struct macro *macro = machine_take(machine, 1, sizeof(*macro));
    struct value value = {.type = VALUE_MACRO, .macro = macro};

    if (!macro)
        return -1;
    *macro = (struct macro){node, machine->scope};
    return set_name(machine, node->text, node->size, &value);
}

static int bind_parameters(struct machine *machine, const struct node *macro,
                           const struct arguments *arguments)
{
    size_t at = 0, named = 0;

    for (const struct node *one = macro->first; one; one = one->next, at++) {
        const struct value *keyword = dict_find(&arguments->keywords, one->text, one->size);
        struct value value = value_undefined(one->text, one->size);

        if (keyword && at < arguments->count)
            return machine_fail(machine, "a macro is given an argument twice");
        named += keyword != NULL;
        if (at < arguments->count)
            value = arguments->values[at];
        else if (keyword)
            value = *keyword;
        else if (one->first && machine_evaluate(machine, one->first, &value) < 0)
            return -1;
        if (set_name(machine, one->text, one->size, &value) < 0)
            return -1;
    }
    if (arguments->count > at || named < arguments->keywords.count)
        return machine_fail(machine, "a macro is given arguments that it does not have");
    return 0;
}

int machine_call_macro(struct machine *machine, const struct macro *macro,
                       const struct arguments *arguments, struct value *out)
{
    struct scope *outer = machine->scope;
    int status = push_scope(machine, macro->scope);

    if (status == 0)
        status = bind_parameters(machine, macro->node, arguments);
    if (status == 0)
        status = capture(machine, macro->node->children, out);
    machine->scope = outer;
    return status;
}

static int run_one(struct machine *machine, const struct node *node)
{
    struct value value;

    switch (node->kind) {
    case NODE_TEXT:
        return machine_add(machine, machine->out, node->text, node->size);
    case NODE_PRINT:
        return machine_evaluate(machine, node->first, &value) < 0
                   ? -1
                   : value_print(machine, &value, false, machine->out);
    case NODE_IF:
        return run_if(machine, node);
    case NODE_FOR:
        return run_for(machine, node);
    case NODE_SET:
        return machine_evaluate(machine, node->second, &value) < 0
                   ? -1
                   : assign(machine, node->first, &value);
    case NODE_CAPTURE:
        return run_capture(machine, node);
    case NODE_MACRO:
        return define_macro(machine, node);
    case NODE_BREAK:
        machine->flow = FLOW_BREAK;
        return 0;
    case NODE_CONTINUE:
        machine->flow = FLOW_CONTINUE;
        return 0;
    default:
        return run_scope(machine, node);
    }
}

int machine_run(struct machine *machine, const struct node *body)
{
    int status = machine_enter(machine);

    if (status < 0)
        return -1;
    for (; status == 0 && machine->flow == FLOW_ON && body; body = body->next) {
        machine->line = body->line;
        status = machine_spend(machine, 1);
        if (status == 0)
            status = run_one(machine, body);
    }
    machine->depth--;
    return status;
}

int template_render(const struct template *template, const json_t *variables, time_t now,
                    struct text *out, struct failure *failure)
{
    struct machine machine = {
        .template = template, .failure = failure, .now = now, .out = out, .line = 1};
    struct value given;
    int status = value_from_json(&machine, variables, &given);

    if (status == 0)
        status = push_scope(&machine, NULL);
    if (status == 0) {
        machine.scope->names = *given.dict;
        status = push_scope(&machine, machine.scope);
    }
    if (status == 0)
        status = machine_run(&machine, template->body);
    arena_free(&machine.arena);
    return status;
}
