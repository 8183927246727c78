/* SPDX-License-Identifier: BSD-3-Clause */
/* Templates: expressions. */
#include "template_parts.h"

#include <stdlib.h>
#include <string.h>

static struct node *parse_or(struct parser *parser);
static struct node *parse_unary(struct parser *parser, bool filters);

static struct node *two(struct parser *parser, enum node_kind kind, enum token_kind operator,
                        struct node * first, struct node *second)
{
    struct node *node = first && second ? parser_node(parser, kind) : NULL;

    if (node) {
        node->operator= operator;
        node->first = first;
        node->second = second;
    }
    return node;
}

static struct node *one(struct parser *parser, enum node_kind kind, struct node *first)
{
    struct node *node = first ? parser_node(parser, kind) : NULL;

    if (node)
        node->first = first;
    return node;
}

/* A name is missing, or it is copied and skipped. */
static struct node *named(struct parser *parser, struct node *node, const char *what)
{
    if (!node)
        return NULL;
    if (parser->token->kind != TOKEN_NAME)
        return parser_fail(parser, "the name of %s is missing", what);
    node->text = parser->token->text;
    node->size = parser->token->size;
    parser->token++;
    return node;
}

/* A code point in so many hexadecimal digits; 0, or -1. */
static int hex(const char *text, size_t digits, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;

        if (digit < 0)
            return -1;
        *out = *out << 4 | (uint32_t)digit;
    }
    return 0;
}

/* What a backslash at text, of size bytes, stands for: its bytes, 0 for none; or -1. */
static int escape(const char *text, size_t size, char out[4], size_t *taken)
{
    static const char names[] = "\\'\"abfnrtv", means[] = "\\'\"\a\b\f\n\r\t\v";
    const char *known = memchr(names, text[1], sizeof(names) - 1);
    size_t digits = text[1] == 'x' ? 2 : text[1] == 'u' ? 4 : text[1] == 'U' ? 8 : 0;
    uint32_t code = 0;

    *taken = 2;
    if (text[1] == '\n')
        return 0;
    if (known) {
        *out = means[known - names];
        return 1;
    }
    if (text[1] >= '0' && text[1] <= '7') {
        for (*taken = 1; *taken < 4 && *taken < size && text[*taken] >= '0' && text[*taken] <= '7';)
            code = code * 8 + (uint32_t)(text[(*taken)++] - '0');
        return (int)character_write(code, out);
    }
    if (digits) {
        *taken += digits;
        if (size < *taken || hex(text + 2, digits, &code) < 0 || code > 0x10ffff ||
            (code >= 0xd800 && code < 0xe000))
            return -1;
        return (int)character_write(code, out);
    }
    if (text[1] == 'N')
        return -1;
    *taken = 1;
    *out = '\\';
    return 1;
}

static struct node *parse_string(struct parser *parser)
{
    struct node *node = parser_node(parser, NODE_CONSTANT);
    const struct token *token;
    size_t room = 0, used = 0;
    char *text;

    for (token = parser->token; token->kind == TOKEN_STRING; token++)
        room += token->size;
    text = node ? arena_take(parser->arena, room + 4, 1) : NULL;
    if (!text)
        return node ? parser_fail(parser, "the template is too large") : NULL;
    for (; parser->token->kind == TOKEN_STRING; parser->token++) {
        const char *at = parser->token->text, *end = at + parser->token->size;

        while (at < end) {
            size_t taken = 1;
            int size = 1;

            if (*at == '\\')
                size = escape(at, (size_t)(end - at), text + used, &taken);
            else
                text[used] = *at;
            if (size < 0)
                return parser_fail(parser, "a string has an escape that is not supported");
            used += (size_t)size;
            at += taken;
        }
    }
    node->value = (struct value){.type = VALUE_STRING, .text = text, .size = used};
    return node;
}

static struct node *parse_name(struct parser *parser)
{
    static const struct {
        const char *name;
        struct value value;
    } constants[] = {
        {"true", {.type = VALUE_BOOL, .boolean = true}},
        {"True", {.type = VALUE_BOOL, .boolean = true}},
        {"false", {.type = VALUE_BOOL, .boolean = false}},
        {"False", {.type = VALUE_BOOL, .boolean = false}},
        {"none", {.type = VALUE_NONE}},
        {"None", {.type = VALUE_NONE}},
    };
    static const char *const keywords[] = {"and", "or", "not", "in", "is", "if", "else"};
    static const char *const unknown[] = {"self", "super", "caller", "varargs", "kwargs"};
    struct node *node;

    for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++)
        if (parser_is(parser, keywords[i]))
            return parser_fail(parser, "an expression is missing before %s", keywords[i]);
    for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
        if (parser_is(parser, unknown[i]) && (i < 2 || parser->in_macro))
            return parser_fail(parser, "%s is not supported", unknown[i]);
    node = parser_node(parser, NODE_NAME);
    for (size_t i = 0; node && i < sizeof(constants) / sizeof(*constants); i++)
        if (parser_is(parser, constants[i].name)) {
            node->kind = NODE_CONSTANT;
            node->value = constants[i].value;
        }
    return named(parser, node, "a variable");
}

static struct node *parse_items(struct parser *parser, enum node_kind kind, enum token_kind end)
{
    struct node *node = parser_node(parser, kind), **last = node ? &node->children : NULL;

    if (!node)
        return NULL;
    parser->token++;
    while (parser->token->kind != end) {
        if (node->children && !parser_expect(parser, TOKEN_COMMA, ","))
            return NULL;
        if (parser->token->kind == end)
            break;
        for (int i = 0; i < (kind == NODE_DICT ? 2 : 1); i++) {
            if (i == 1 && !parser_expect(parser, TOKEN_COLON, ":"))
                return NULL;
            *last = parser_expression(parser, true);
            if (!*last)
                return NULL;
            last = &(*last)->next;
        }
    }
    parser->token++;
    return node;
}

static struct node *parse_primary(struct parser *parser)
{
    const struct token *token = parser->token;
    struct node *node;

    switch (token->kind) {
    case TOKEN_NAME:
        return parse_name(parser);
    case TOKEN_STRING:
        return parse_string(parser);
    case TOKEN_INTEGER:
    case TOKEN_REAL:
        node = parser_node(parser, NODE_CONSTANT);
        if (node)
            node->value =
                token->kind == TOKEN_REAL ? value_float(token->real) : value_int(token->integer);
        parser->token++;
        return node;
    case TOKEN_LPAREN:
        parser->token++;
        if (parser_skip(parser, TOKEN_RPAREN))
            return parser_node(parser, NODE_TUPLE);
        node = parser_tuple(parser, true);
        return node && parser_expect(parser, TOKEN_RPAREN, ")") ? node : NULL;
    case TOKEN_LBRACKET:
        return parse_items(parser, NODE_LIST, TOKEN_RBRACKET);
    case TOKEN_LBRACE:
        return parse_items(parser, NODE_DICT, TOKEN_RBRACE);
    default:
        return parser_fail(parser, "an expression is missing");
    }
}

/* Whether there is a part of a slice here, and its expression. */
static bool slice_part(struct parser *parser, struct node **out)
{
    if (parser->token->kind == TOKEN_COLON || parser->token->kind == TOKEN_RBRACKET)
        return true;
    *out = parser_expression(parser, true);
    return *out;
}

/* Behind [. */
static struct node *parse_item(struct parser *parser, struct node *of)
{
    struct node *node = one(parser, NODE_SLICE, of);

    if (!node || !slice_part(parser, &node->second))
        return NULL;
    if (node->second && parser->token->kind != TOKEN_COLON)
        node->kind = NODE_ITEM;
    else if (!parser_expect(parser, TOKEN_COLON, "what is between [ and ]") ||
             !slice_part(parser, &node->third) ||
             (parser_skip(parser, TOKEN_COLON) && !slice_part(parser, &node->fourth)))
        return NULL;
    if (parser->token->kind == TOKEN_COMMA)
        return parser_fail(parser, "several indices between [ and ] are not supported");
    return parser_expect(parser, TOKEN_RBRACKET, "]") ? node : NULL;
}

/* Behind a point. */
static struct node *parse_attribute(struct parser *parser, struct node *of)
{
    struct node *node = one(parser, NODE_ATTRIBUTE, of);

    if (node && parser->token->kind == TOKEN_INTEGER) {
        node->kind = NODE_ITEM;
        node->second = parse_primary(parser);
        return node->second ? node : NULL;
    }
    return named(parser, node, "an attribute");
}

/* ( and arguments of a call, filter or test. */
static bool parse_arguments(struct parser *parser, struct node *call)
{
    struct node **last = &call->children;
    bool keywords = false;

    parser->token++;
    while (parser->token->kind != TOKEN_RPAREN) {
        bool keyword;

        if (call->children && !parser_expect(parser, TOKEN_COMMA, ","))
            return false;
        if (parser->token->kind == TOKEN_RPAREN)
            break;
        if (parser->token->kind == TOKEN_MUL || parser->token->kind == TOKEN_POW)
            return parser_fail(parser, "* and ** before arguments are not supported");
        keyword = parser->token->kind == TOKEN_NAME && parser->token[1].kind == TOKEN_ASSIGN;
        if (keywords && !keyword)
            return parser_fail(parser, "an argument without a name behind one with it");
        keywords = keyword;
        if (keyword) {
            *last = named(parser, parser_node(parser, NODE_KEYWORD), "an argument");
            if (!*last)
                return false;
            parser->token++;
            (*last)->first = parser_expression(parser, true);
            if (!(*last)->first)
                return false;
        } else if (!(*last = parser_expression(parser, true))) {
            return false;
        }
        last = &(*last)->next;
    }
    parser->token++;
    return true;
}

static struct node *parse_call(struct parser *parser, struct node *of)
{
    struct node *node = one(parser, NODE_CALL, of);

    return node && parse_arguments(parser, node) ? node : NULL;
}

static struct node *parse_postfix(struct parser *parser, struct node *node)
{
    while (node) {
        if (parser_skip(parser, TOKEN_DOT))
            node = parse_attribute(parser, node);
        else if (parser_skip(parser, TOKEN_LBRACKET))
            node = parse_item(parser, node);
        else if (parser->token->kind == TOKEN_LPAREN)
            node = parse_call(parser, node);
        else
            break;
    }
    return node;
}

static bool text_is(const struct node *node, const char *text)
{
    return strlen(text) == node->size && memcmp(node->text, text, node->size) == 0;
}

/* Behind |. */
static struct node *parse_filter(struct parser *parser, struct node *of)
{
    struct node *node = named(parser, one(parser, NODE_FILTER, of), "a filter");

    if (!node || (parser->token->kind == TOKEN_LPAREN && !parse_arguments(parser, node)))
        return NULL;
    /* marks a string as one that operators treat in another way: nothing may follow */
    if (text_is(node, "safe") && parser->token->kind != TOKEN_PRINT_END)
        return parser_fail(parser, "the filter safe is only supported at the end of {{ }}");
    return node;
}

/* Behind is. */
static struct node *parse_test(struct parser *parser, struct node *of)
{
    bool negated = parser_skip_name(parser, "not");
    struct node *node = named(parser, one(parser, NODE_TEST, of), "a test");
    bool argument;

    if (!node)
        return NULL;
    switch (parser->token->kind) {
    case TOKEN_LPAREN:
        if (!parse_arguments(parser, node))
            return NULL;
        break;
    case TOKEN_NAME:
    case TOKEN_STRING:
    case TOKEN_INTEGER:
    case TOKEN_REAL:
    case TOKEN_LBRACKET:
    case TOKEN_LBRACE:
        argument =
            !parser_is(parser, "else") && !parser_is(parser, "or") && !parser_is(parser, "and");
        if (argument && !(node->children = parse_postfix(parser, parse_primary(parser))))
            return NULL;
        break;
    default:
        break;
    }
    return negated ? one(parser, NODE_NOT, node) : node;
}

static struct node *parse_filters(struct parser *parser, struct node *node)
{
    while (node) {
        if (parser_skip(parser, TOKEN_PIPE))
            node = parse_filter(parser, node);
        else if (parser_skip_name(parser, "is"))
            node = parse_test(parser, node);
        else if (parser->token->kind == TOKEN_LPAREN)
            node = parse_call(parser, node);
        else
            break;
    }
    return node;
}

static struct node *parse_unary(struct parser *parser, bool filters)
{
    enum token_kind kind = parser->token->kind;
    struct node *node = NULL;

    if (!parser_nest(parser))
        return NULL;
    if (kind == TOKEN_ADD || kind == TOKEN_SUB) {
        parser->token++;
        node = one(parser, NODE_SIGN, parse_unary(parser, false));
        if (node)
            node->operator= kind;
    } else {
        node = parse_primary(parser);
    }
    parser->nesting--;
    node = parse_postfix(parser, node);
    return filters ? parse_filters(parser, node) : node;
}

static struct node *parse_product(struct parser *parser)
{
    struct node *node = parse_unary(parser, true);

    for (;;) {
        enum token_kind kind = parser->token->kind;

        if (node && kind == TOKEN_POW)
            return parser_fail(parser, "the operator ** is not supported");
        if (!node || kind < TOKEN_MUL || kind > TOKEN_MOD)
            return node;
        parser->token++;
        node = two(parser, NODE_BINARY, kind, node, parse_unary(parser, true));
    }
}

static struct node *parse_concat(struct parser *parser)
{
    struct node *first = parse_product(parser), *node, **last;

    if (!first || parser->token->kind != TOKEN_TILDE)
        return first;
    node = parser_node(parser, NODE_CONCAT);
    if (!node)
        return NULL;
    node->children = first;
    last = &first->next;
    while (parser_skip(parser, TOKEN_TILDE)) {
        *last = parse_product(parser);
        if (!*last)
            return NULL;
        last = &(*last)->next;
    }
    return node;
}

static struct node *parse_sum(struct parser *parser)
{
    struct node *node = parse_concat(parser);

    while (node && (parser->token->kind == TOKEN_ADD || parser->token->kind == TOKEN_SUB)) {
        enum token_kind kind = parser->token++->kind;

        node = two(parser, NODE_BINARY, kind, node, parse_concat(parser));
    }
    return node;
}

/* TOKEN_END where there is none. */
static enum token_kind comparison(struct parser *parser)
{
    enum token_kind kind = parser->token->kind;

    if (kind >= TOKEN_EQ && kind <= TOKEN_GE) {
        parser->token++;
        return kind;
    }
    if (parser_skip_name(parser, "in"))
        return TOKEN_IN;
    if (parser_skip_name(parser, "not")) {
        if (parser_skip_name(parser, "in"))
            return TOKEN_NOT_IN;
        parser->token--;
    }
    return TOKEN_END;
}

static struct node *parse_compare(struct parser *parser)
{
    struct node *first = parse_sum(parser), *node = NULL, **last = NULL;
    enum token_kind kind;

    while (first && (kind = comparison(parser)) != TOKEN_END) {
        struct node *operand;

        if (!node) {
            node = one(parser, NODE_COMPARE, first);
            if (!node)
                return NULL;
            last = &node->children;
        }
        operand = *last = one(parser, NODE_OPERAND, parse_sum(parser));
        if (!operand)
            return NULL;
        operand->operator= kind;
        last = &operand->next;
    }
    return node ? node : first;
}

static struct node *parse_not(struct parser *parser)
{
    struct node *node;

    if (!parser_skip_name(parser, "not"))
        return parse_compare(parser);
    if (!parser_nest(parser))
        return NULL;
    node = one(parser, NODE_NOT, parse_not(parser));
    parser->nesting--;
    return node;
}

static struct node *parse_and(struct parser *parser)
{
    struct node *node = parse_not(parser);

    while (node && parser_skip_name(parser, "and"))
        node = two(parser, NODE_AND, TOKEN_END, node, parse_not(parser));
    return node;
}

static struct node *parse_or(struct parser *parser)
{
    struct node *node = parse_and(parser);

    while (node && parser_skip_name(parser, "or"))
        node = two(parser, NODE_OR, TOKEN_END, node, parse_and(parser));
    return node;
}

struct node *parser_expression(struct parser *parser, bool conditions)
{
    struct node *node, *condition;

    if (!parser_nest(parser))
        return NULL;
    node = parse_or(parser);
    while (conditions && node && parser_skip_name(parser, "if")) {
        condition = two(parser, NODE_CONDITION, TOKEN_END, node, parse_or(parser));
        if (condition && parser_skip_name(parser, "else") &&
            !(condition->third = parser_expression(parser, true)))
            condition = NULL;
        node = condition;
    }
    parser->nesting--;
    return node;
}

static bool tuple_ends(const struct parser *parser)
{
    enum token_kind kind = parser->token->kind;

    return kind == TOKEN_PRINT_END || kind == TOKEN_BLOCK_END || kind == TOKEN_RPAREN ||
           parser_is(parser, "recursive");
}

struct node *parser_tuple(struct parser *parser, bool conditions)
{
    struct node *first = parser_expression(parser, conditions), *node, **last;

    if (!first || parser->token->kind != TOKEN_COMMA)
        return first;
    node = parser_node(parser, NODE_TUPLE);
    if (!node)
        return NULL;
    node->children = first;
    last = &first->next;
    while (parser_skip(parser, TOKEN_COMMA) && !tuple_ends(parser)) {
        *last = parser_expression(parser, conditions);
        if (!*last)
            return NULL;
        last = &(*last)->next;
    }
    return node;
}
