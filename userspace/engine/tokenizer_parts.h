/* SPDX-License-Identifier: BSD-3-Clause */
/* What a tokenizer is made of, for the readers of its files and for encoding and decoding. */
#ifndef LWC_ENGINE_TOKENIZER_PARTS_H
#define LWC_ENGINE_TOKENIZER_PARTS_H

#include "added.h"
#include "merges.h"
#include "rules.h"
#include "tokenizer.h"
#include "vocabulary.h"

#define MARK "\xe2\x96\x81" /* U+2581, stands for a space */

enum shown_kind {
    SHOWN_NOT,  /* special, or no token */
    SHOWN_TEXT, /* bytes */
    SHOWN_BYTE, /* one byte of a run that is decoded together */
};

/* What a token is in a text. */
struct shown {
    enum shown_kind kind;
    char *bytes;
    size_t size;
};

/* How the text of a sequence of tokens comes from what is shown of each. */
struct decoder {
    enum {
        RUNS_WHOLE,
        RUNS_EACH
    } runs;             /* one bad byte makes U+FFFD of a whole run, or of itself */
    bool lossy;         /* bytes of neighbours may make characters together */
    bool separated;     /* by a space */
    char *strip;        /* a character that is left out at the beginning of the text, */
    size_t strip_count; /* so often at most */
    bool unmark_first;  /* marks in the first token are nothing */
    bool unmark_text;   /* a mark that begins the first token of the text is nothing, */
    bool unmark_all;    /* nor any in further ones until there is text */
};

/* Merging by the order of merges: files of HuggingFace, and GGUF's for bytes. */
struct merging_model {
    struct merges *merges;
    uint32_t unknown;     /* NO_TOKEN: what has no token is left out */
    bool unknown_missing; /* a text that needs it cannot be encoded */
    bool fuse_unknown;
    bool whole_words; /* a word that is a token is that one, whatever merges say */
    bool bytes_for_unknown;
};

/* Merging by the scores of results: SentencePiece's. */
enum piece_type {
    PIECE_NORMAL = 1,
    PIECE_UNKNOWN,
    PIECE_CONTROL,
    PIECE_USER_DEFINED,
    PIECE_UNUSED,
    PIECE_BYTE,
};

struct scored_model {
    uint32_t *ranks; /* by token, 0 for the best score; NULL: this model is not used */
    uint8_t *types;  /* by token: enum piece_type */
    uint32_t unknown;
    struct added frozen; /* user-defined symbols */
    bool dummy_prefix, dummy_suffix;
    bool remove_extra_spaces, escape_spaces;
    bool has_unused;
};

struct tokenizer {
    struct vocabulary *vocabulary;
    uint32_t bytes[256]; /* tokens of the bytes, or NO_TOKEN */
    struct shown *shown; /* by id */
    uint32_t shown_count;
    struct added added;            /* searched in the text */
    struct added added_normalized; /* searched after normalizer; names are normalized, too */
    struct added names;            /* added tokens by their own names, those of a tokenizer.json */
    struct rules normalizer, splitter;
    struct merging_model merging;
    struct scored_model scored;
    struct tokens before, after;
    uint32_t begin, end; /* or NO_TOKEN */
    struct decoder decoder;
};

/* Where a reader of a file is. */
struct reading {
    struct tokenizer *tokenizer;
    const char *path;
    struct failure *failure;
};

int refuse(const struct reading *reading, const char *what); /* -1 with that message */
int refuse_memory(const struct reading *reading);

struct tokenizer *tokenizer_empty(void); /* NULL without memory */

/* Add a rule; what it points to is taken. 0, or -1 with a message. */
int add_rule(const struct reading *reading, struct rules *rules, const struct rule *rule);

/* Add a rule that splits words by the expression. 0, or -1 with a message. */
int add_split(const struct reading *reading, struct rules *rules, const char *expression,
              enum split_behavior behavior);

/* What GPT-2 splits words by, and byte-level pre-tokenizers that name no pattern. */
#define GPT2_PATTERN                                                                               \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* The merge of that rank, of two tokens that make a third. 0, or -1 with a message. */
int add_merge(const struct reading *reading, uint32_t rank, const char *left, size_t left_size,
              const char *right, size_t right_size);

/* What a token is in a text; the bytes are taken, also when it fails. NULL: out of memory. */
int tokenizer_show(const struct reading *reading, uint32_t id, enum shown_kind kind, char *bytes,
                   size_t size);

/* "<0x41>" is the name of the byte 'A'. */
bool byte_name(const char *text, size_t size, uint8_t *byte);

/* Copy of a text in which each from is to. NULL without memory. */
char *replaced(const char *text, size_t size, const char *from, const char *to, size_t *new_size);

/* Bytes for the characters that stand for them; the text as it is if one stands for none. */
char *visible_bytes(const char *text, size_t size, size_t *new_size);

/* One piece of a vocabulary with scores. */
struct scored_piece {
    const char *text;
    size_t size;
    float score;
    int type;
};

/*
 * Make a tokenizer's model of count pieces. Flags of its model and decoder are set before that.
 * 0, or -1 with a message.
 */
int scored_read(const struct reading *reading, const struct scored_piece *pieces, size_t count,
                bool byte_fallback, const char *unknown_shown);

/* Tokens of valid UTF-8. 0, or -1 with a message. */
int scored_encode(const struct tokenizer *tokenizer, const char *text, size_t size,
                  struct tokens *out, struct failure *failure);

#endif
