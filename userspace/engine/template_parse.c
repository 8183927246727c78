/* SPDX-License-Identifier: BSD-3-Clause */
/* Templates: statements. */
#include "template_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 16384u

struct arena_block {
    struct arena_block *next;
};

void *arena_take(struct arena *arena, size_t count, size_t size)
{
    size_t block;
    void *taken;

    if (__builtin_mul_overflow(count ? count : 1, size, &size) || size > TEMPLATE_MEMORY)
        return NULL;
    size = (size + 15) & ~(size_t)15;
    if (size > arena->left) {
        struct arena_block *one;

        block = (size > BLOCK_SIZE ? size : BLOCK_SIZE) + 16;
        if (block > TEMPLATE_MEMORY - arena->taken)
            return NULL;
        one = calloc(1, block);
        if (!one)
            return NULL;
        one->next = arena->blocks;
        arena->blocks = one;
        arena->taken += block;
        arena->next = (char *)one + 16;
        arena->left = block - 16;
    }
    taken = arena->next;
    arena->next += size;
    arena->left -= size;
    return taken;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *next = arena->blocks->next;

        free(arena->blocks);
        arena->blocks = next;
    }
    *arena = (struct arena){0};
}

struct node *parser_fail(struct parser *parser, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fail(parser->failure, "%s: line %u: %s", parser->path, parser->token->line, text);
    return NULL;
}

struct node *parser_node(struct parser *parser, enum node_kind kind)
{
    struct node *node = arena_take(parser->arena, 1, sizeof(*node));

    if (!node)
        return parser_fail(parser, "the template is too large");
    node->kind = kind;
    node->line = parser->token->line;
    return node;
}

bool parser_is(const struct parser *parser, const char *name)
{
    const struct token *token = parser->token;

    return token->kind == TOKEN_NAME && strlen(name) == token->size &&
           memcmp(token->text, name, token->size) == 0;
}

bool parser_skip(struct parser *parser, enum token_kind kind)
{
    if (parser->token->kind != kind)
        return false;
    parser->token++;
    return true;
}

bool parser_skip_name(struct parser *parser, const char *name)
{
    if (!parser_is(parser, name))
        return false;
    parser->token++;
    return true;
}

bool parser_expect(struct parser *parser, enum token_kind kind, const char *what)
{
    if (parser_skip(parser, kind))
        return true;
    parser_fail(parser, "%s is missing", what);
    return false;
}

bool parser_nest(struct parser *parser)
{
    if (parser->nesting < TEMPLATE_NESTING) {
        parser->nesting++;
        return true;
    }
    parser_fail(parser, "too much is nested inside each other");
    return false;
}

static struct node *statements(struct parser *parser, const char *const *ends, bool *ok);

/* Statements to {% end %} or {% other %} (NULL: none), whose name is skipped. false: a message. */
static bool body(struct parser *parser, struct node **out, const char *end, const char *other,
                 const char *third)
{
    const char *const ends[] = {end, other, third, NULL};
    bool ok = true;

    if (!parser_nest(parser))
        return false;
    *out = statements(parser, ends, &ok);
    parser->nesting--;
    return ok;
}

static bool close_block(struct parser *parser)
{
    return parser_expect(parser, TOKEN_BLOCK_END, "%}");
}

/* Names may not be those of constants, nor of what is there anyhow. */
static struct node *target_name(struct parser *parser)
{
    static const char *const reserved[] = {"true", "false", "none", "True",  "False", "None",
                                           "loop", "and",   "or",   "not",   "in",    "is",
                                           "if",   "else",  "self", "caller"};
    struct node *node;

    if (parser->token->kind != TOKEN_NAME)
        return parser_fail(parser, "the name of a variable is missing");
    for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
        if (parser_is(parser, reserved[i]))
            return parser_fail(parser, "%s cannot be set", reserved[i]);
    node = parser_node(parser, NODE_NAME);
    if (!node)
        return NULL;
    node->text = parser->token->text;
    node->size = parser->token->size;
    parser->token++;
    return node;
}

static struct node *target_tuple(struct parser *parser);

static struct node *one_target(struct parser *parser)
{
    struct node *node;

    if (!parser_skip(parser, TOKEN_LPAREN))
        return target_name(parser);
    if (!parser_nest(parser))
        return NULL;
    node = target_tuple(parser);
    parser->nesting--;
    return node && parser_expect(parser, TOKEN_RPAREN, ")") ? node : NULL;
}

static struct node *target_tuple(struct parser *parser)
{
    struct node *first = one_target(parser), *tuple, **last;

    if (!first || parser->token->kind != TOKEN_COMMA)
        return first;
    tuple = parser_node(parser, NODE_TUPLE);
    if (!tuple)
        return NULL;
    tuple->children = first;
    last = &first->next;
    while (parser_skip(parser, TOKEN_COMMA)) {
        if (parser_is(parser, "in") || parser->token->kind == TOKEN_ASSIGN ||
            parser->token->kind == TOKEN_RPAREN)
            break;
        *last = one_target(parser);
        if (!*last)
            return NULL;
        last = &(*last)->next;
    }
    return tuple;
}

static struct node *parse_set(struct parser *parser)
{
    struct node *node = parser_node(parser, NODE_SET), *name;

    if (!node || !(node->first = target_tuple(parser)))
        return NULL;
    if (node->first->kind == NODE_NAME && parser_skip(parser, TOKEN_DOT)) {
        name = node->first;
        node->first = parser_node(parser, NODE_ATTRIBUTE);
        if (!node->first || parser->token->kind != TOKEN_NAME)
            return node->first ? parser_fail(parser, "the name of an attribute is missing") : NULL;
        node->first->first = name;
        node->first->text = parser->token->text;
        node->first->size = parser->token->size;
        parser->token++;
    }
    if (parser_skip(parser, TOKEN_ASSIGN)) {
        node->second = parser_tuple(parser, true);
        return node->second && close_block(parser) ? node : NULL;
    }
    if (parser->token->kind == TOKEN_PIPE)
        return parser_fail(parser, "filters of {%% set %%} blocks are not supported");
    node->kind = NODE_CAPTURE;
    return close_block(parser) && body(parser, &node->children, "endset", NULL, NULL) &&
                   close_block(parser)
               ? node
               : NULL;
}

static struct node *parse_if(struct parser *parser)
{
    struct node *node = parser_node(parser, NODE_IF), **last;
    bool otherwise = false, ended = false;

    if (!node)
        return NULL;
    for (last = &node->children; !ended; last = &(*last)->next) {
        struct node *branch = *last = parser_node(parser, NODE_BRANCH);

        if (!branch || (!otherwise && !(branch->first = parser_tuple(parser, false))) ||
            !close_block(parser) ||
            !body(parser, &branch->children, "endif", otherwise ? NULL : "elif",
                  otherwise ? NULL : "else"))
            return NULL;
        ended = memcmp(parser->token[-1].text, "endif", 4) == 0;
        otherwise = memcmp(parser->token[-1].text, "else", 4) == 0;
    }
    return close_block(parser) ? node : NULL;
}

static struct node *parse_for(struct parser *parser)
{
    struct node *node = parser_node(parser, NODE_FOR);
    bool ok;

    if (!node || !(node->first = target_tuple(parser)))
        return NULL;
    if (!parser_skip_name(parser, "in"))
        return parser_fail(parser, "`in` of {%% for %%} is missing");
    if (!(node->second = parser_tuple(parser, false)) ||
        (parser_skip_name(parser, "if") && !(node->third = parser_expression(parser, true))))
        return NULL;
    if (parser_is(parser, "recursive"))
        return parser_fail(parser, "recursive loops are not supported");
    if (!close_block(parser))
        return NULL;
    parser->loops++;
    ok = body(parser, &node->children, "endfor", "else", NULL);
    parser->loops--;
    if (!ok)
        return NULL;
    if (memcmp(parser->token[-1].text, "else", 4) == 0) {
        node->fourth = parser_node(parser, NODE_SCOPE);
        if (!node->fourth || !close_block(parser) ||
            !body(parser, &node->fourth->children, "endfor", NULL, NULL))
            return NULL;
    }
    return close_block(parser) ? node : NULL;
}

static bool parse_parameters(struct parser *parser, struct node *macro)
{
    struct node **last = &macro->first;
    bool defaults = false;

    while (parser->token->kind != TOKEN_RPAREN) {
        if (macro->first && !parser_expect(parser, TOKEN_COMMA, ","))
            return false;
        *last = target_name(parser);
        if (!*last)
            return false;
        (*last)->kind = NODE_KEYWORD;
        if (parser_skip(parser, TOKEN_ASSIGN)) {
            defaults = true;
            (*last)->first = parser_expression(parser, true);
            if (!(*last)->first)
                return false;
        } else if (defaults) {
            return parser_fail(parser, "a parameter without a default behind one with it");
        }
        last = &(*last)->next;
    }
    return true;
}

static struct node *parse_macro(struct parser *parser)
{
    struct node *node = target_name(parser);
    unsigned int loops = parser->loops;
    bool outer = parser->in_macro, ok;

    if (!node)
        return NULL;
    node->kind = NODE_MACRO;
    if (!parser_expect(parser, TOKEN_LPAREN, "(") || !parse_parameters(parser, node) ||
        !parser_expect(parser, TOKEN_RPAREN, ")") || !close_block(parser))
        return NULL;
    parser->loops = 0;
    parser->in_macro = true;
    ok = body(parser, &node->children, "endmacro", NULL, NULL);
    parser->loops = loops;
    parser->in_macro = outer;
    return ok && close_block(parser) ? node : NULL;
}

/* {% generation %}: what the assistant says, for training; the text is what it is without. */
static struct node *parse_generation(struct parser *parser)
{
    struct node *node = parser_node(parser, NODE_SCOPE);
    unsigned int loops = parser->loops;
    bool ok;

    parser->loops = 0;
    ok = node && close_block(parser) && body(parser, &node->children, "endgeneration", NULL, NULL);
    parser->loops = loops;
    return ok && close_block(parser) ? node : NULL;
}

static struct node *parse_with(struct parser *parser)
{
    struct node *node = parser_node(parser, NODE_WITH), **last = node ? &node->first : NULL;

    while (node && parser->token->kind != TOKEN_BLOCK_END) {
        if (node->first && !parser_expect(parser, TOKEN_COMMA, ","))
            return NULL;
        *last = parser_node(parser, NODE_SET);
        if (!*last || !((*last)->first = target_name(parser)) ||
            !parser_expect(parser, TOKEN_ASSIGN, "=") ||
            !((*last)->second = parser_expression(parser, true)))
            return NULL;
        last = &(*last)->next;
    }
    return node && close_block(parser) && body(parser, &node->children, "endwith", NULL, NULL) &&
                   close_block(parser)
               ? node
               : NULL;
}

static struct node *parse_jump(struct parser *parser, enum node_kind kind)
{
    if (!parser->loops)
        return parser_fail(parser, "{%% break %%} and {%% continue %%} belong into a loop");
    return close_block(parser) ? parser_node(parser, kind) : NULL;
}

/* Behind {%. */
static struct node *statement(struct parser *parser)
{
    static const struct {
        const char *name;
        struct node *(*parse)(struct parser *parser);
    } statements[] = {
        {"if", parse_if},       {"for", parse_for},   {"set", parse_set},
        {"macro", parse_macro}, {"with", parse_with}, {"generation", parse_generation},
    };

    for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++)
        if (parser_skip_name(parser, statements[i].name))
            return statements[i].parse(parser);
    if (parser_skip_name(parser, "break"))
        return parse_jump(parser, NODE_BREAK);
    if (parser_skip_name(parser, "continue"))
        return parse_jump(parser, NODE_CONTINUE);
    if (parser->token->kind != TOKEN_NAME)
        return parser_fail(parser, "a tag has no name");
    return parser_fail(parser, "the tag {%% %.*s %%} is not supported here",
                       (int)(parser->token->size < 64 ? parser->token->size : 64),
                       parser->token->text);
}

static bool ends_here(struct parser *parser, const char *const *ends)
{
    for (size_t i = 0; i < 3; i++)
        if (ends[i] && parser_skip_name(parser, ends[i]))
            return true;
    return false;
}

static struct node *print_or_text(struct parser *parser)
{
    bool print = parser->token->kind == TOKEN_PRINT_BEGIN;
    struct node *node = parser_node(parser, print ? NODE_PRINT : NODE_TEXT);

    if (!node)
        return NULL;
    node->text = parser->token->text;
    node->size = parser->token->size;
    parser->token++;
    if (!print)
        return node;
    node->first = parser_tuple(parser, true);
    return node->first && parser_expect(parser, TOKEN_PRINT_END, "}}") ? node : NULL;
}

/* To one of the ends, which is skipped, or that of the template if there are none. */
static struct node *statements(struct parser *parser, const char *const *ends, bool *ok)
{
    struct node *first = NULL, **last = &first;

    *ok = false;
    while (parser->token->kind != TOKEN_END) {
        if (!parser_skip(parser, TOKEN_BLOCK_BEGIN)) {
            *last = print_or_text(parser);
        } else if (ends && ends_here(parser, ends)) {
            *ok = true;
            return first;
        } else {
            *last = statement(parser);
        }
        if (!*last)
            return NULL;
        last = &(*last)->next;
    }
    *ok = !ends;
    if (ends)
        parser_fail(parser, "{%% %s %%} is missing", ends[0]);
    return first;
}

struct template *template_new(const char *text, size_t size, const char *path,
                              struct failure *failure)
{
    struct template *template = calloc(1, sizeof(*template));
    struct parser parser = {.path = path, .failure = failure};
    bool ok = false;

    if (!template || !(template->path = strdup(path))) {
        fail(failure, "%s: out of memory", path);
        free(template);
        return NULL;
    }
    parser.arena = &template->arena;
    parser.token = template_lex(text, size, path, &template->arena, failure);
    if (parser.token)
        template->body = statements(&parser, NULL, &ok);
    if (ok)
        return template;
    template_free(template);
    return NULL;
}

void template_free(struct template *template)
{
    if (!template)
        return;
    arena_free(&template->arena);
    free(template->path);
    free(template);
}
