/* SPDX-License-Identifier: BSD-3-Clause */
/* Templates: from text to tokens, with trim_blocks and lstrip_blocks. */
#include "template_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct lexer {
    const char *path;
    struct arena *arena;
    struct failure *failure;
    const char *at, *end;
    unsigned int line;
    bool line_starts; /* the last tag has taken a newline */
    struct token *tokens;
    size_t count, room;
};

static int lex_fail(const struct lexer *lexer, const char *what)
{
    return fail(lexer->failure, "%s: line %u: %s", lexer->path, lexer->line, what);
}

static struct token *add_token(struct lexer *lexer, enum token_kind kind, const char *text,
                               size_t size)
{
    if (lexer->count == lexer->room) {
        size_t room = lexer->room ? 2 * lexer->room : 256;
        struct token *grown = arena_take(lexer->arena, room, sizeof(*grown));

        if (!grown) {
            lex_fail(lexer, "the template is too large");
            return NULL;
        }
        if (lexer->count)
            memcpy(grown, lexer->tokens, lexer->count * sizeof(*grown));
        lexer->tokens = grown;
        lexer->room = room;
    }
    lexer->tokens[lexer->count] =
        (struct token){.kind = kind, .line = lexer->line, .text = text, .size = size};
    return &lexer->tokens[lexer->count++];
}

static void advance(struct lexer *lexer, const char *to)
{
    for (; lexer->at < to; lexer->at++)
        lexer->line += *lexer->at == '\n';
}

static bool starts(const struct lexer *lexer, const char *text)
{
    size_t size = strlen(text);

    return (size_t)(lexer->end - lexer->at) >= size && memcmp(lexer->at, text, size) == 0;
}

/* Behind white space, as Python's \s has it. */
static const char *after_space(const char *at, const char *end)
{
    while (at < end) {
        size_t size = character_size(at, (size_t)(end - at));

        if (!is_space(character_code(at, size)))
            break;
        at += size;
    }
    return at;
}

static const char *before_space(const char *start, const char *end)
{
    while (end > start) {
        const char *last = end - 1;

        while (last > start && ((unsigned char)*last & 0xc0) == 0x80)
            last--;
        if (!is_space(character_code(last, (size_t)(end - last))))
            break;
        end = last;
    }
    return end;
}

/* Text before a tag: without what the tag strips. variable: lstrip_blocks is not for it. */
static int add_text(struct lexer *lexer, const char *start, const char *end, char sign,
                    bool variable)
{
    const char *line = end;

    while (line > start && line[-1] != '\n')
        line--;
    if (sign == '-')
        end = before_space(start, end);
    else if (sign != '+' && !variable && (line > start || lexer->line_starts) &&
             after_space(line, end) == end)
        end = line;
    return end == start || add_token(lexer, TOKEN_TEXT, start, (size_t)(end - start)) ? 0 : -1;
}

/*
 * A tag's end at the beginning, if it is there: its size with what it takes of the text behind.
 * name: %}, #} or }}; trim: a newline, as trim_blocks does.
 */
static size_t closing(const struct lexer *lexer, const char *at, const char *name, bool trim)
{
    size_t left = (size_t)(lexer->end - at), sign;

    sign = left > 2 && (*at == '-' || (*at == '+' && trim)) ? 1 : 0;
    if (left < sign + 2 || memcmp(at + sign, name, 2))
        return 0;
    if (sign && *at == '-')
        return (size_t)(after_space(at + 3, lexer->end) - at);
    return sign + 2 + (trim && !sign && left > 2 && at[2] == '\n');
}

static void close_tag(struct lexer *lexer, size_t size)
{
    advance(lexer, lexer->at + size);
    lexer->line_starts = lexer->at[-1] == '\n';
}

static int lex_comment(struct lexer *lexer, const char *at)
{
    for (; at < lexer->end; at++) {
        size_t size = closing(lexer, at, "#}", true);

        if (size) {
            advance(lexer, at);
            close_tag(lexer, size);
            return 0;
        }
    }
    return lex_fail(lexer, "a comment has no end: #} is missing");
}

/* Behind {%, its sign and a name between white space; NULL if it is another. */
static const char *tag_name(const struct lexer *lexer, const char *at, const char *name, char *sign)
{
    size_t size = strlen(name);

    if (lexer->end - at < 2 || memcmp(at, "{%", 2))
        return NULL;
    at += 2;
    *sign = at < lexer->end && (*at == '-' || *at == '+') ? *at++ : 0;
    at = after_space(at, lexer->end);
    if ((size_t)(lexer->end - at) < size || memcmp(at, name, size))
        return NULL;
    return after_space(at + size, lexer->end);
}

/* At behind the name of {% raw %}. */
static int lex_raw(struct lexer *lexer, const char *at)
{
    const char *text = *at == '-' ? after_space(at + 3, lexer->end) : at + 2;

    advance(lexer, text);
    lexer->line_starts = text[-1] == '\n';
    for (at = text; at < lexer->end; at++) {
        char sign = 0;
        const char *behind = tag_name(lexer, at, "endraw", &sign);
        size_t size = behind ? closing(lexer, behind, "%}", true) : 0;

        if (!size)
            continue;
        if (add_text(lexer, text, at, sign, false) < 0)
            return -1;
        advance(lexer, behind);
        close_tag(lexer, size);
        return 0;
    }
    return lex_fail(lexer, "{% raw %} has no {% endraw %}");
}

static bool name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           (byte >= '0' && byte <= '9');
}

static bool digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

/* Digits, between which single underscores may be, copied to text. */
static const char *digits(const char *at, const char *end, char *text, size_t *used, size_t room)
{
    while (digit(at, end) || (at < end && *at == '_' && at[-1] != '_' && digit(at + 1, end))) {
        if (*at != '_' && *used < room)
            text[(*used)++] = *at;
        at++;
    }
    return at;
}

static int lex_number(struct lexer *lexer)
{
    const char *at = lexer->at, *end = lexer->end, *exponent;
    /* behind a point, 1.2 is two names of attributes */
    bool real = false,
         attribute = lexer->count && lexer->tokens[lexer->count - 1].kind == TOKEN_DOT;
    struct token *token;
    char text[64];
    size_t used = 0, room = sizeof(text) - 1;

    at = digits(at, end, text, &used, room);
    if (!attribute && at < end && *at == '.' && digit(at + 1, end)) {
        real = true;
        text[used < room ? used++ : used] = '.';
        at = digits(at + 1, end, text, &used, room);
    }
    exponent = at < end && (*at == 'e' || *at == 'E') ? at + 1 : NULL;
    if (exponent && exponent < end && (*exponent == '+' || *exponent == '-'))
        exponent++;
    if (!attribute && exponent && digit(exponent, end)) {
        real = true;
        while (at < exponent && used < room)
            text[used++] = *at++;
        at = digits(exponent, end, text, &used, room);
    }
    text[used] = 0;
    if (used == room || (at < end && name_byte(*at)) ||
        (!real && *text == '0' && strspn(text, "0") < used))
        return lex_fail(lexer, "a number is not decimal, or too long");
    token = add_token(lexer, real ? TOKEN_REAL : TOKEN_INTEGER, NULL, 0);
    if (!token)
        return -1;
    errno = 0;
    token->real = strtod(text, NULL);
    if (!real)
        token->integer = strtoll(text, NULL, 10);
    if (errno == ERANGE && !real)
        return lex_fail(lexer, "numbers beyond 64 bits are not supported");
    lexer->at = at;
    return 0;
}

static int lex_string(struct lexer *lexer)
{
    const char *at = lexer->at + 1;

    while (at < lexer->end && *at != *lexer->at)
        at += *at == '\\' ? 2 : 1;
    if (at >= lexer->end)
        return lex_fail(lexer, "a string has no end");
    if (!add_token(lexer, TOKEN_STRING, lexer->at + 1, (size_t)(at - lexer->at - 1)))
        return -1;
    advance(lexer, at + 1);
    return 0;
}

static int lex_operator(struct lexer *lexer, char *brackets, size_t *depth)
{
    static const struct {
        char text[3];
        enum token_kind kind;
    } operators[] = {
        {"//", TOKEN_FLOORDIV}, {"**", TOKEN_POW},   {"==", TOKEN_EQ},      {"!=", TOKEN_NE},
        {">=", TOKEN_GE},       {"<=", TOKEN_LE},    {"+", TOKEN_ADD},      {"-", TOKEN_SUB},
        {"*", TOKEN_MUL},       {"/", TOKEN_DIV},    {"%", TOKEN_MOD},      {"~", TOKEN_TILDE},
        {"<", TOKEN_LT},        {">", TOKEN_GT},     {"=", TOKEN_ASSIGN},   {"|", TOKEN_PIPE},
        {".", TOKEN_DOT},       {",", TOKEN_COMMA},  {":", TOKEN_COLON},    {";", TOKEN_SEMICOLON},
        {"(", TOKEN_LPAREN},    {")", TOKEN_RPAREN}, {"[", TOKEN_LBRACKET}, {"]", TOKEN_RBRACKET},
        {"{", TOKEN_LBRACE},    {"}", TOKEN_RBRACE},
    };
    static const char opening[] = "([{", ending[] = ")]}";
    const char *bracket;
    char text[64];

    for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
        if (!starts(lexer, operators[i].text))
            continue;
        bracket = strchr(opening, *lexer->at);
        if (bracket && *depth == TEMPLATE_NESTING)
            return lex_fail(lexer, "too many brackets inside each other");
        if (bracket)
            brackets[(*depth)++] = ending[bracket - opening];
        else if (strchr(ending, *lexer->at) && (!*depth || brackets[--*depth] != *lexer->at))
            return lex_fail(lexer, "a bracket closes none");
        if (!add_token(lexer, operators[i].kind, lexer->at, strlen(operators[i].text)))
            return -1;
        lexer->at += strlen(operators[i].text);
        return 0;
    }
    snprintf(text, sizeof(text), "there is no operator %.*s",
             (int)character_size(lexer->at, (size_t)(lexer->end - lexer->at)), lexer->at);
    return lex_fail(lexer, text);
}

/* Between {{ and }}, or {% and %}. */
static int lex_tag(struct lexer *lexer, bool block)
{
    const char *close = block ? "%}" : "}}";
    char brackets[TEMPLATE_NESTING];
    size_t depth = 0, size;

    for (;;) {
        advance(lexer, after_space(lexer->at, lexer->end));
        if (lexer->at == lexer->end)
            return lex_fail(lexer, block ? "a tag has no end: %} is missing"
                                         : "an expression has no end: }} is missing");
        size = depth ? 0 : closing(lexer, lexer->at, close, block);
        if (size) {
            if (!add_token(lexer, block ? TOKEN_BLOCK_END : TOKEN_PRINT_END, NULL, 0))
                return -1;
            close_tag(lexer, size);
            return 0;
        }
        if (digit(lexer->at, lexer->end)) {
            if (lex_number(lexer) < 0)
                return -1;
        } else if (name_byte(*lexer->at)) {
            const char *end = lexer->at;

            while (end < lexer->end && name_byte(*end))
                end++;
            if (!add_token(lexer, TOKEN_NAME, lexer->at, (size_t)(end - lexer->at)))
                return -1;
            lexer->at = end;
        } else if (*lexer->at == '"' || *lexer->at == '\'') {
            if (lex_string(lexer) < 0)
                return -1;
        } else if (lex_operator(lexer, brackets, &depth) < 0) {
            return -1;
        }
    }
}

/* A tag of any kind, and the text from start to it. */
static int lex_next(struct lexer *lexer, const char *start)
{
    char kind = lexer->at[1], sign = lexer->at + 2 < lexer->end ? lexer->at[2] : 0, raw_sign;
    const char *raw, *inside = lexer->at + 2 + (sign == '-' || sign == '+');

    if (add_text(lexer, start, lexer->at, sign, kind == '{') < 0)
        return -1;
    raw = tag_name(lexer, lexer->at, "raw", &raw_sign);
    if (raw && closing(lexer, raw, "%}", false))
        return lex_raw(lexer, raw);
    if (kind == '#')
        return lex_comment(lexer, inside);
    if (!add_token(lexer, kind == '%' ? TOKEN_BLOCK_BEGIN : TOKEN_PRINT_BEGIN, NULL, 0))
        return -1;
    lexer->at = inside;
    return lex_tag(lexer, kind == '%');
}

/* With newlines as they are counted, without the last one. NULL with a message. */
static char *normal_text(const struct lexer *lexer, const char *text, size_t *size)
{
    char *copy = arena_take(lexer->arena, *size + 1, 1);
    size_t used = 0;

    if (!copy) {
        lex_fail(lexer, "the template is too large");
        return NULL;
    }
    for (size_t i = 0; i < *size; i++) {
        copy[used++] = text[i] == '\r' ? '\n' : text[i];
        i += text[i] == '\r' && i + 1 < *size && text[i + 1] == '\n';
    }
    *size = used && copy[used - 1] == '\n' ? used - 1 : used;
    return copy;
}

const struct token *template_lex(const char *text, size_t size, const char *path,
                                 struct arena *arena, struct failure *failure)
{
    struct lexer lexer = {
        .path = path, .arena = arena, .failure = failure, .line = 1, .line_starts = true};
    const char *start;

    if (size > TEMPLATE_SIZE_MAX) {
        lex_fail(&lexer, "the template is too large");
        return NULL;
    }
    for (size_t i = 0, length; i < size; i += length) {
        length = character_size(text + i, size - i);
        if (!length) {
            lex_fail(&lexer, "the template is not UTF-8");
            return NULL;
        }
        lexer.line += text[i] == '\n';
    }
    lexer.line = 1;
    text = normal_text(&lexer, text, &size);
    if (!text)
        return NULL;
    lexer.at = start = text;
    lexer.end = text + size;
    while (lexer.at < lexer.end) {
        if (lexer.end - lexer.at < 2 || *lexer.at != '{' || !strchr("{%#", lexer.at[1]) ||
            !lexer.at[1]) {
            advance(&lexer, lexer.at + 1);
            continue;
        }
        if (lex_next(&lexer, start) < 0)
            return NULL;
        start = lexer.at;
    }
    if (start < lexer.end && !add_token(&lexer, TOKEN_TEXT, start, (size_t)(lexer.end - start)))
        return NULL;
    return add_token(&lexer, TOKEN_END, NULL, 0) ? lexer.tokens : NULL;
}
