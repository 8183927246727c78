/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of templates share: tokens, nodes of the tree, values, the machine. */
#ifndef LWC_ENGINE_TEMPLATE_PARTS_H
#define LWC_ENGINE_TEMPLATE_PARTS_H

#include "template.h"

#include <stdbool.h>
#include <stdint.h>

#define TEMPLATE_SIZE_MAX (1u << 20)
#define TEMPLATE_MEMORY ((size_t)128 << 20) /* of a tree; of all values of a rendering */
#define TEMPLATE_STEPS 4000000u
#define TEMPLATE_NESTING 60u /* of expressions and of statements in a template */
#define TEMPLATE_DEPTH 300u  /* of a rendering */
#define TEMPLATE_RANGE 100000

/* Memory that is given back all at once. */
struct arena {
    struct arena_block *blocks;
    char *next;
    size_t left, taken;
};

void *arena_take(struct arena *arena, size_t count, size_t size); /* zeroed; NULL */
void arena_free(struct arena *arena);

enum token_kind {
    TOKEN_END,
    TOKEN_TEXT,
    TOKEN_PRINT_BEGIN,
    TOKEN_PRINT_END,
    TOKEN_BLOCK_BEGIN,
    TOKEN_BLOCK_END,
    TOKEN_NAME,
    TOKEN_STRING,
    TOKEN_INTEGER,
    TOKEN_REAL,
    TOKEN_ADD,
    TOKEN_SUB,
    TOKEN_MUL,
    TOKEN_DIV,
    TOKEN_FLOORDIV,
    TOKEN_MOD,
    TOKEN_POW,
    TOKEN_TILDE,
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_LT,
    TOKEN_LE,
    TOKEN_GT,
    TOKEN_GE,
    TOKEN_IN,     /* only in nodes */
    TOKEN_NOT_IN, /* only in nodes */
    TOKEN_ASSIGN,
    TOKEN_PIPE,
    TOKEN_DOT,
    TOKEN_COMMA,
    TOKEN_COLON,
    TOKEN_SEMICOLON,
    TOKEN_LPAREN,
    TOKEN_RPAREN,
    TOKEN_LBRACKET,
    TOKEN_RBRACKET,
    TOKEN_LBRACE,
    TOKEN_RBRACE,
};

struct token {
    enum token_kind kind;
    unsigned int line;
    const char *text; /* of texts, names, and strings without their quotes */
    size_t size;
    int64_t integer;
    double real;
};

enum value_type {
    VALUE_UNDEFINED, /* text: of what */
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_LIST,
    VALUE_DICT,
    VALUE_NAMESPACE,
    VALUE_LOOP,
    VALUE_FUNCTION, /* text: a global's name */
    VALUE_METHOD,   /* text: its name, of object */
    VALUE_MACRO,
};

/* Python's types that are sequences of values in order. */
enum list_kind { KIND_LIST, KIND_TUPLE, KIND_RANGE, KIND_VIEW, KIND_KEYS, KIND_LAZY };

struct value {
    enum value_type type;
    enum list_kind kind;
    size_t size; /* of text, items */
    union {
        bool boolean;
        int64_t integer;
        double real;
        const struct value *items;
        struct lazy *lazy; /* KIND_LAZY */
        struct dict *dict; /* of a namespace, too */
        struct loop *loop;
        const struct macro *macro;
        const struct value *object;
    };
    const char *text;
};

/* Values that may be taken once. */
struct lazy {
    const struct value *items;
    size_t count;
    bool taken;
};

/* In the order of insertion. */
struct dict {
    struct value *keys, *values;
    size_t count, room;
};

enum node_kind {
    /* expressions */
    NODE_CONSTANT,  /* value */
    NODE_NAME,      /* text */
    NODE_LIST,      /* children */
    NODE_TUPLE,     /* children */
    NODE_DICT,      /* children: key, value, key, ... */
    NODE_NOT,       /* first */
    NODE_SIGN,      /* operator, first */
    NODE_BINARY,    /* operator, first, second */
    NODE_AND,       /* first, second */
    NODE_OR,        /* first, second */
    NODE_COMPARE,   /* first, children: NODE_OPERAND */
    NODE_OPERAND,   /* operator, first */
    NODE_CONDITION, /* first if second else third (NULL) */
    NODE_CONCAT,    /* children */
    NODE_ATTRIBUTE, /* text of first */
    NODE_ITEM,      /* second of first */
    NODE_SLICE,     /* of first: second, third, fourth, each or NULL */
    NODE_CALL,      /* first, children: arguments */
    NODE_FILTER,    /* text, first, children: arguments */
    NODE_TEST,      /* text, first, children: arguments */
    NODE_KEYWORD,   /* an argument: text, first */
    /* statements */
    NODE_TEXT,    /* text */
    NODE_PRINT,   /* first */
    NODE_IF,      /* children: NODE_BRANCH */
    NODE_BRANCH,  /* first (NULL: else), children: body */
    NODE_FOR,     /* targets first in second, if third (NULL); children: body; fourth: else */
    NODE_SET,     /* first = second */
    NODE_CAPTURE, /* first = children */
    NODE_MACRO,   /* text, first: parameters (NODE_KEYWORD each), children: body */
    NODE_SCOPE,   /* children */
    NODE_WITH,    /* first: NODE_SET each, children */
    NODE_BREAK,
    NODE_CONTINUE,
};

struct node {
    enum node_kind kind;
    enum token_kind operator;
    unsigned int line;
    const char *text;
    size_t size;
    struct value value;
    struct node *first, *second, *third, *fourth;
    struct node *children, *next;
};

struct template
{
    char *path;
    struct arena arena; /* of all below */
    struct node *body;
};

/* Tokens of a text, in memory of the arena. NULL with a message. */
const struct token *template_lex(const char *text, size_t size, const char *path,
                                 struct arena *arena, struct failure *failure);

struct parser {
    const char *path;
    struct arena *arena;
    struct failure *failure;
    const struct token *token;
    unsigned int nesting;
    unsigned int loops;
    bool in_macro;
};

/* Functions of the parser give a node, or NULL with a message. */
struct node *parser_fail(struct parser *parser, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct node *parser_node(struct parser *parser, enum node_kind kind);
bool parser_is(const struct parser *parser, const char *name); /* the token is this name */
bool parser_skip(struct parser *parser, enum token_kind kind);
bool parser_skip_name(struct parser *parser, const char *name);
bool parser_expect(struct parser *parser, enum token_kind kind, const char *what);
bool parser_nest(struct parser *parser); /* to be followed by nesting-- */
/* conditions: whether `a if b else c` is allowed */
struct node *parser_expression(struct parser *parser, bool conditions);
/* One expression, or several as a tuple. */
struct node *parser_tuple(struct parser *parser, bool conditions);

struct scope {
    struct scope *parent;
    struct dict names;
};

struct macro {
    const struct node *node;
    struct scope *scope;
};

struct loop {
    const struct value *items;
    size_t count, index;
    struct value depth;
};

/* A rendering. */
struct machine {
    const struct template *template;
    struct failure *failure;
    struct arena arena;
    struct text *out;
    struct scope *scope;
    time_t now;
    unsigned int line;
    unsigned int depth;
    unsigned int steps;
    enum { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;
};

struct arguments {
    const struct value *values;
    size_t count;
    struct dict keywords;
};

/* Functions that take a machine return 0, or -1 with a message, if nothing else is said. */
int machine_fail(struct machine *machine, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int machine_spend(struct machine *machine, size_t steps);
int machine_enter(struct machine *machine); /* to be followed by depth-- */
void *machine_take(struct machine *machine, size_t count, size_t size); /* NULL with a message */
int machine_string(struct machine *machine, const char *text, size_t size, struct value *out);
/* What was appended to a text, which is freed, also after an error. */
int machine_keep(struct machine *machine, struct text *text, int status, struct value *out);
int machine_add(struct machine *machine, struct text *text, const char *bytes, size_t size);
int machine_evaluate(struct machine *machine, const struct node *node, struct value *out);
int machine_run(struct machine *machine, const struct node *body);
int machine_call_macro(struct machine *machine, const struct macro *macro,
                       const struct arguments *arguments, struct value *out);
int machine_lookup(struct machine *machine, const char *name, size_t size, struct value *out);

/* Values. */
struct value value_bool(bool boolean);
struct value value_int(int64_t integer);
struct value value_float(double real);
struct value value_text(const char *text); /* that stays where it is */
struct value value_list(enum list_kind kind, const struct value *items, size_t count);
struct value value_undefined(const char *text, size_t size);
int value_lazy(struct machine *machine, const struct value *items, size_t count, struct value *out);
bool value_is(const struct value *value, const char *text);   /* this string */
bool value_integral(const struct value *value, int64_t *out); /* int or bool */
bool value_number(const struct value *value, double *out);
bool value_true(const struct value *value);
const char *value_type_name(const struct value *value);
int value_equal(struct machine *machine, const struct value *a, const struct value *b, bool *out);
/* *out is -1, 0, 1, or VALUE_UNORDERED with NaN. A message where Python has no order. */
#define VALUE_UNORDERED 2
int value_compare(struct machine *machine, const struct value *a, const struct value *b, int *out);
int value_contains(struct machine *machine, const struct value *in, const struct value *value,
                   bool *out);
/* What a loop over it sees. */
int value_iterate(struct machine *machine, const struct value *value, const struct value **items,
                  size_t *count);
int value_length(struct machine *machine, const struct value *value, size_t *out);
int value_print(struct machine *machine, const struct value *value, bool quoted,
                struct text *out); /* Python's str, or repr */
int value_string(struct machine *machine, const struct value *value, struct value *out);
int value_json(struct machine *machine, const struct value *value,
               const struct arguments *arguments, struct value *out);
int value_from_json(struct machine *machine, const json_t *json, struct value *out);
void real_print(double real, char text[40]);

int dict_set(struct machine *machine, struct dict *dict, const struct value *key,
             const struct value *value);
/* 1 found, 0 not, -1 */
int dict_get(struct machine *machine, const struct dict *dict, const struct value *key,
             struct value *out);
const struct value *dict_find(const struct dict *dict, const char *name, size_t size);
const struct value *dict_find_text(const struct dict *dict, const char *name);

/* Operations. */
int operate(struct machine *machine, enum token_kind operator, const struct value * a,
            const struct value *b, struct value *out);
int operate_compare(struct machine *machine, enum token_kind operator, const struct value * a,
                    const struct value *b, bool *out);
int operate_sign(struct machine *machine, bool minus, const struct value *value, struct value *out);
int operate_slice(struct machine *machine, const struct value *value, const struct value bounds[3],
                  struct value *out);
/* value.name and value[key] */
int operate_attribute(struct machine *machine, const struct value *value, const char *name,
                      size_t size, struct value *out);
int operate_item(struct machine *machine, const struct value *value, const struct value *key,
                 struct value *out);

/* Calls. what: for messages. */
int call_filter(struct machine *machine, const struct value *name, const struct value *value,
                const struct arguments *arguments, struct value *out);
int call_test(struct machine *machine, const struct value *name, const struct value *value,
              const struct arguments *arguments, bool *out);
int call_function(struct machine *machine, const struct value *name,
                  const struct arguments *arguments, struct value *out);
int call_method(struct machine *machine, const struct value *object, const struct value *name,
                const struct arguments *arguments, struct value *out);
bool is_function(const char *name, size_t size);
/* What a value has of that name, as Python has it: a method, or nothing. */
bool has_method(const struct value *value, const char *name, size_t size);

/*
 * Arguments by the names of parameters: values in their order, what is not there undefined.
 * required: so many must be there.
 */
int take_arguments(struct machine *machine, const char *what, const struct arguments *arguments,
                   const char *const *names, size_t count, size_t required, struct value *out);

/* Strings, as characters of UTF-8. */
size_t string_length(const struct value *string);
int string_slice(struct machine *machine, const struct value *string, size_t first, size_t count,
                 int64_t step, struct value *out);
int string_characters(struct machine *machine, const struct value *string, struct value *out);
/* sides: 1 left, 2 right, 3 both; of: these characters, or NULL for white space */
int string_strip(struct machine *machine, const struct value *string, int sides,
                 const struct value *of, struct value *out);
enum string_case { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_CAPITALIZE, CASE_FILTER_TITLE };
int string_case(struct machine *machine, const struct value *string, enum string_case kind,
                struct value *out);
int string_replace(struct machine *machine, const struct value *string, const struct value *old,
                   const struct value *new, int64_t most, struct value *out);
int string_join(struct machine *machine, const struct value *separator, const struct value *items,
                size_t count, bool strict, struct value *out);
int string_split(struct machine *machine, const struct value *string, const struct value *separator,
                 int64_t most, bool right, struct value *out);
int string_lines(struct machine *machine, const struct value *string, struct value *out);
int string_repeat(struct machine *machine, const struct value *string, int64_t times,
                  struct value *out);
bool string_find(const struct value *in, const struct value *what, size_t from, size_t *at);
bool is_space(uint32_t code);

#endif
