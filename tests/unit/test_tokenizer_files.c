/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of tokenizers that are refused, each for its reason, and ones with random changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/tokenizer.h"
#include "random.h"
#include "readers/gguf_values.h"
#include <cmocka.h> /* last: it makes a macro of fail */

#define MARK "\xe2\x96\x81"

/* A file in memory. */
struct file {
    char bytes[65536];
    size_t size;
};

static void put(struct file *file, const void *bytes, size_t size)
{
    assert_true(size <= sizeof(file->bytes) - file->size);
    memcpy(file->bytes + file->size, bytes, size);
    file->size += size;
}

static void put_text(struct file *file, const char *text)
{
    put(file, text, strlen(text));
}

/* Parts of a right tokenizer.json. */
static const struct {
    const char *key, *value;
} parts[] = {
    {"added_tokens",
     "[{\"id\":5,\"content\":\"<s>\",\"special\":true},{\"id\":6,\"content\":\" x\","
     "\"lstrip\":true,\"rstrip\":true,\"single_word\":true,\"normalized\":true}]"},
    {"normalizer", "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":"
                   "\"Replace\",\"pattern\":{\"Regex\":\"q+\"},\"content\":\"b\"}]}"},
    {"pre_tokenizer",
     "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
     "\"(?i:'s|'t)|[^\\\\r\\\\n\\\\p{L}]?\\\\p{L}+|\\\\p{N}{1,3}|\\\\s+(?!\\\\S)|\\\\s+\"},"
     "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"Digits\",\"individual_digits\":true},"
     "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":true}]}"},
    {"post_processor",
     "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},{\"type\":"
     "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":"
     "\"A\"}}],\"special_tokens\":{\"<s>\":{\"ids\":[5,5]}}}]}"},
    {"decoder", "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{"
                "\"String\":\"a\"},\"content\":\"A\"},{\"type\":\"ByteFallback\"},{\"type\":"
                "\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}"},
    {"model", "{\"type\":\"BPE\",\"unk_token\":\"?\",\"fuse_unk\":true,\"vocab\":{\"?\":0,\"a\":1,"
              "\"b\":2,\"ab\":3,\"\xc4\xa0\":4},\"merges\":[\"a b\"]}"},
};

/* With one part replaced; key NULL: as it is. */
static void make_json(struct file *file, const char *key, const char *value)
{
    file->size = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        put_text(file, i ? ",\"" : "{\"");
        put_text(file, parts[i].key);
        put_text(file, "\":");
        put_text(file, key && strcmp(key, parts[i].key) == 0 ? value : parts[i].value);
    }
    put_text(file, "}");
}

#define SPLIT(pattern)                                                                             \
    "pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" pattern                       \
                     "\"},\"behavior\":\"Isolated\",\"invert\":false}"
#define MODEL(more) "model", "{\"vocab\":{\"a\":1,\"b\":2},\"merges\":[]" more "}"
#define TEMPLATE(single, ids)                                                                      \
    "post_processor", "{\"type\":\"TemplateProcessing\",\"single\":[" single                       \
                      "],\"special_tokens\":{\"<s>\":{\"ids\":" ids "}}}"
#define DECODERS(list) "decoder", "{\"type\":\"Sequence\",\"decoders\":[" list "]}"

static const struct {
    const char *key, *value, *says;
} refused[] = {
    {"model", "7", "model is missing"},
    {"model", "{\"type\":\"Unigram\"}", "its model is of type Unigram"},
    {"model", "{\"merges\":[]}", "model.vocab is missing"},
    {"model", "{\"vocab\":{\"a\":0}}", "model.merges is missing"},
    {"model", "{\"vocab\":{\"a\":-1},\"merges\":[]}", "model.vocab has an id that is no number"},
    {"model", "{\"vocab\":{\"a\":1e9},\"merges\":[]}", "model.vocab has an id that is no number"},
    {"model", "{\"vocab\":{\"a\":16777216},\"merges\":[]}", "has an id that is no number"},
    {"model", "{\"vocab\":{\"a\":1,\"b\":1},\"merges\":[]}", "two tokens of the vocabulary"},
    {"model", "{\"vocab\":{\"a\":1,\"a\":2},\"merges\":[]}", "duplicate object key"},
    {"model", "{\"vocab\":{\"a\":1},\"merges\":[\"a b c\"]}", "merge 0 is not of two tokens"},
    {"model", "{\"vocab\":{\"a\":1},\"merges\":[[\"a\"]]}", "merge 0 is not of two tokens"},
    {"model", "{\"vocab\":{\"a\":1},\"merges\":[[\"a\",\"a\"]]}", "merge 0 is not of two tokens"},
    {MODEL(",\"dropout\":0.1"), "its model has dropout"},
    {MODEL(",\"continuing_subword_prefix\":\"##\""), "continuing_subword_prefix"},
    {MODEL(",\"end_of_word_suffix\":\"</w>\""), "end_of_word_suffix"},
    {MODEL(",\"ignore_merges\":1"), "ignore_merges is neither true nor false"},
    {"added_tokens", "[{\"id\":-5,\"content\":\"x\"}]", "added_tokens has an id that is no number"},
    {"added_tokens", "[{\"id\":9}]", "an added token has no content"},
    {"added_tokens", "[{\"id\":2,\"content\":\"a\"}]", "added token 2 has another id"},
    {"added_tokens", "[{\"id\":2,\"content\":\"x\"}]", "added token 2 has another id"},
    {"added_tokens", "[{\"id\":9,\"content\":\"x\"},{\"id\":9,\"content\":\"y\"}]",
     "two added tokens have one id"},
    {"added_tokens", "[{\"id\":8,\"content\":\"x\"},{\"id\":9,\"content\":\"x\"}]",
     "two added tokens have one content"},
    {"added_tokens", "[{\"id\":9,\"content\":\"x\",\"lstrip\":\"no\"}]", "lstrip is neither"},
    {"normalizer", "{\"type\":\"Lowercase\"}", "its normalizer is of type Lowercase"},
    {"normalizer", "{}", "its normalizer is without a type"},
    {"normalizer", "{\"type\":\"Sequence\"}", "a Sequence has no list"},
    {"normalizer", "{\"type\":\"Replace\",\"content\":\"\"}", "neither a String nor a Regex"},
    {"pre_tokenizer", "{\"type\":\"Whitespace\"}", "its pre_tokenizer is of type Whitespace"},
    {"pre_tokenizer", "{\"type\":\"Split\",\"behavior\":\"Shuffled\"}",
     "'Shuffled', which is none"},
    {"pre_tokenizer", "{\"type\":\"Metaspace\",\"replacement\":\"ab\"}", "is no character"},
    {"pre_tokenizer",
     "{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\",\"prepend_scheme\":\"last\"}",
     "'last', which is none"},
    {"pre_tokenizer",
     "{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\",\"add_prefix_space\":false}",
     "contradicts its prepend_scheme"},
    {SPLIT("a\\\\b"), "a pattern has '\\b'"},
    {SPLIT("(a)\\\\1"), "a pattern has '\\1'"},
    {SPLIT("\\\\p{Han}"), "a pattern has '\\p{Han}'"},
    {SPLIT("\\\\x{110000000}"), "a pattern has '\\x{11000'"},
    {SPLIT("[[:alpha:]]"), "a pattern has '[:'"},
    {SPLIT("[a&&b]"), "a pattern has '&&'"},
    {SPLIT("[]a]"), "a pattern has '[]'"},
    {SPLIT("[\\\\W]"), "a pattern has '\\W'"},
    {SPLIT("a{1,3}+"), "a pattern has '{1,3}+'"},
    {SPLIT("a{,3}"), "a pattern has '{,3}'"},
    {SPLIT("^a"), "a pattern has '^'"},
    {SPLIT("a$"), "a pattern has '$'"},
    {SPLIT("a(?i)b"), "a pattern has '(?i)'"},
    {SPLIT("(?<n>a)"), "a pattern has '(?<n'"},
    {SPLIT("(a"), "a pattern is wrong: missing closing parenthesis"},
    {SPLIT("(*UCP)a"), "a pattern has '(*UC'"},
    {"post_processor", "{\"type\":\"RobertaProcessing\"}", "post_processor is of type Roberta"},
    {TEMPLATE("{\"SpecialToken\":{\"id\":\"<s>\"}}", "[1]"), "not one text with tokens around"},
    {TEMPLATE("{\"Sequence\":{\"id\":\"B\"}}", "[1]"), "not one text with tokens around"},
    {TEMPLATE("{\"Sequence\":{\"id\":\"A\"}},{\"SpecialToken\":{\"id\":\"</s>\"}}", "[1]"),
     "names a special token without an id"},
    {TEMPLATE("{\"Sequence\":{\"id\":\"A\"}},{\"SpecialToken\":{\"id\":\"<s>\"}}", "[-1]"),
     "post_processor has an id that is no number"},
    {"decoder", "{\"type\":\"WordPiece\"}", "its decoder is of type WordPiece"},
    {DECODERS("{\"type\":\"Fuse\"},{\"type\":\"ByteFallback\"}"), "has ByteFallback behind steps"},
    {DECODERS("{\"type\":\"ByteLevel\"},{\"type\":\"Fuse\"}"), "has Fuse behind steps"},
    {DECODERS("{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}"), "has a Strip"},
    {DECODERS("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a\"},\"content\":\"\"}"),
     "has a Replace"},
    {DECODERS("{\"type\":\"Metaspace\",\"replacement\":\"_\"}"), "has a Metaspace"},
};

static void test_refused_json(void **unused)
{
    struct file *file = malloc(sizeof(*file));

    (void)unused;
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        struct failure failure = {""};

        make_json(file, refused[i].key, refused[i].value);
        if (tokenizer_from_json(file->bytes, file->size, "t.json", &failure))
            fail_msg("read all the same: %s", refused[i].value);
        if (strncmp(failure.text, "t.json: ", 8) || !strstr(failure.text, refused[i].says))
            fail_msg("'%s' is not '%s'", failure.text, refused[i].says);
    }
    free(file);
}

static void put_field(struct file *file, int number, const void *bytes, size_t size)
{
    uint8_t head[2] = {(uint8_t)(number << 3 | 2), (uint8_t)size};

    assert_true(size < 128 && number < 16);
    put(file, head, sizeof(head));
    put(file, bytes, size);
}

static void put_piece(struct file *file, const char *text, float score, uint8_t type)
{
    struct file piece = {.size = 0};

    put_field(&piece, 1, text, strlen(text));
    put(&piece, "\x15", 1);
    put(&piece, &score, sizeof(score));
    put(&piece, (uint8_t[]){0x18, type}, 2);
    put_field(file, 1, piece.bytes, piece.size);
}

/* A right tokenizer.model but for a piece, and a field of the model. */
static void make_model(struct file *file, const char *text, float score, uint8_t type,
                       const char *more, size_t more_size)
{
    file->size = 0;
    put_piece(file, "<unk>", 0, 2);
    put_piece(file, "<s>", 0, 3);
    put_piece(file, MARK, -3, 1);
    put_piece(file, "a", -2, 1);
    put_piece(file, "aa", -1, 5);
    put_piece(file, "aaa", -1, 1);
    put_piece(file, "[X]", 0, 4);
    if (text)
        put_piece(file, text, score, type);
    put_field(file, 2, "\x18\x02", 2);
    if (more)
        put(file, more, more_size);
}

static void test_refused_models(void **unused)
{
    static const struct {
        const char *text;
        float score;
        uint8_t type;
        const char *more, *says;
    } wrong[] = {
        {"b", 0, 7, NULL, "token 7 is of type 7"},
        {"", 0, 1, NULL, "token 7 is no text"},
        {"\xff", 0, 4, NULL, "token 7 is no text"},
        {"a", 0, 1, NULL, "token 7 has the text of another"},
        {"b", __builtin_nanf(""), 1, NULL, "the score of token 7 is no number"},
        {"?", 0, 2, NULL, "two tokens are the unknown one"},
        {"x", 0, 6, NULL, "said to be a byte and is named otherwise"},
        {"<0x41>", 0, 6, NULL, "1 tokens of bytes where there must be 0"},
        {NULL, 0, 0, "\x12\x03\x98\x02\x01", "0 tokens of bytes where there must be 256"},
        {NULL, 0, 0, "\x12\x02\x18\x01", "its model is unigram; lwcmem knows BPE"},
        {NULL, 0, 0, "\x1a\x07\x0a\x02hi\x12\x01x", "it normalizes by 'hi'; lwcmem knows identity"},
        {NULL, 0, 0, "\x2a\x03\x12\x01x", "it normalizes by ''"},
        {NULL, 0, 0, "\x12\x7f", "not a SentencePiece model, or cut short"},
        {NULL, 0, 0, "\x0b", "not a SentencePiece model, or cut short"},
    };
    struct file *file = malloc(sizeof(*file));
    struct failure failure = {""};

    (void)unused;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        make_model(file, wrong[i].text, wrong[i].score, wrong[i].type, wrong[i].more,
                   wrong[i].more ? strlen(wrong[i].more) : 0);
        assert_null(tokenizer_from_sentencepiece(file->bytes, file->size, "t.model", &failure));
        if (strncmp(failure.text, "t.model: ", 9) || !strstr(failure.text, wrong[i].says))
            fail_msg("'%s' is not '%s'", failure.text, wrong[i].says);
    }
    assert_null(tokenizer_from_sentencepiece("", 0, "t.model", &failure));
    assert_non_null(strstr(failure.text, "without tokens"));
    free(file);
}

enum { U32 = 4, I32 = 5, FLOAT = 6, BOOL = 7, STRING = 8, ARRAY = 9 };

static void put_u32(struct file *file, uint32_t value)
{
    put(file, &value, sizeof(value));
}

static void put_u64(struct file *file, uint64_t value)
{
    put(file, &value, sizeof(value));
}

static void put_string(struct file *file, const char *text)
{
    put_u64(file, strlen(text));
    put_text(file, text);
}

static void put_key(struct file *file, const char *key, uint32_t type)
{
    char name[64];

    snprintf(name, sizeof(name), "tokenizer.ggml.%s", key);
    put_string(file, name);
    put_u32(file, type);
}

static void put_strings(struct file *file, const char *key, const char *const *texts, size_t count)
{
    put_key(file, key, ARRAY);
    put_u32(file, STRING);
    put_u64(file, count);
    for (size_t i = 0; i < count; i++)
        put_string(file, texts[i]);
}

struct gguf {
    const char *model, *pre, *merge, *token;
    size_t count; /* of types and scores */
    int type;
    uint32_t begin;
    const char *says;
};

static void make_gguf(struct file *file, const struct gguf *is)
{
    const char *tokens[] = {"<unk>", "a", "b", "ab", "<s>", is->token};

    file->size = 0;
    put_text(file, "GGUF");
    put_u32(file, 3);
    put_u64(file, 0);
    put_u64(file, 7);
    put_key(file, "model", STRING);
    put_string(file, is->model);
    put_key(file, "pre", STRING);
    put_string(file, is->pre);
    put_strings(file, "tokens", tokens, 6);
    put_strings(file, "merges", &is->merge, 1);
    put_key(file, "bos_token_id", U32);
    put_u32(file, is->begin);
    put_key(file, "token_type", ARRAY);
    put_u32(file, I32);
    put_u64(file, is->count);
    for (size_t i = 0; i < is->count; i++)
        put_u32(file, (uint32_t[]){2, 1, 1, 1, 3, (uint32_t)is->type, 1}[i]);
    put_key(file, "scores", ARRAY);
    put_u32(file, FLOAT);
    put_u64(file, is->count);
    for (size_t i = 0; i < is->count; i++)
        put(file, &(float){-(float)i}, sizeof(float));
    while (file->size % 32)
        put(file, "", 1);
}

static int read_file(void *context, uint64_t offset, void *to, size_t size, struct failure *failure)
{
    (void)failure;
    memcpy(to, ((struct file *)context)->bytes + offset, size);
    return 0;
}

static struct tokenizer *read_gguf(struct file *file, struct failure *failure)
{
    struct gguf_source source = {read_file, file, file->size};
    struct gguf_values *values = gguf_values_new(&source, "t.gguf", failure);
    struct tokenizer *tokenizer = values ? tokenizer_from_gguf(values, "t.gguf", failure) : NULL;

    gguf_values_free(values);
    return tokenizer;
}

static void test_refused_gguf(void **unused)
{
    static const struct gguf wrong[] = {
        {"bert", "gpt-2", "a b", "c", 6, 1, 4, "tokenizer.ggml.model is 'bert'"},
        {"gpt2", "new", "a b", "c", 6, 1, 4, "tokenizer.ggml.pre is 'new'"},
        {"gpt2", "gpt-2", "a c", "c", 6, 1, 4, "merge 0 is not of two tokens"},
        {"gpt2", "gpt-2", "ab", "c", 6, 1, 4, "merge 0 is not of two tokens"},
        {"gpt2", "gpt-2", "a b", "\xff", 6, 1, 4, "token 5 is no text"},
        {"gpt2", "gpt-2", "a b", "c", 6, 7, 4, "token 5 is of type 7"},
        {"gpt2", "gpt-2", "a b", "c", 6, 1, 6, "tokenizer.ggml.bos_token_id is 6"},
        {"gpt2", "gpt-2", "a b", "c", 7, 1, 4, "token_type has 7 items and the vocabulary 6"},
        {"llama", "default", "a b", "\xff", 6, 4, 4, "token 5 is no text"},
        {"llama", "default", "a b", "a", 6, 1, 4, "token 5 has the text of another"},
        {"llama", "default", "a b", "<0x41>", 6, 6, 4, "1 tokens of bytes"},
    };
    struct file *file = malloc(sizeof(*file));

    (void)unused;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct failure failure = {""};

        make_gguf(file, &wrong[i]);
        assert_null(read_gguf(file, &failure));
        if (strncmp(failure.text, "t.gguf: ", 8) || !strstr(failure.text, wrong[i].says))
            fail_msg("'%s' is not '%s'", failure.text, wrong[i].says);
    }
    free(file);
}

/* Use of a tokenizer, whatever it is; messages are allowed. */
static void use(const struct tokenizer *tokenizer)
{
    static const char text[] =
        "<s>aab qq'S \xcc\x81\xcc\xa3 1234\n [X] x x\xff\xe2\x96 \xe2\x96\x81"
        "abab\0 <0x41>  ";
    struct failure failure = {""};
    struct decoding *decoding = decoding_new(tokenizer, &failure);
    uint32_t *tokens, other;
    const char *part;
    size_t count, size;

    tokenizer_begin(tokenizer, &other);
    tokenizer_find(tokenizer, "a", &other);
    if (tokenizer_encode(tokenizer, text, sizeof(text), true, true, &tokens, &count, &failure) ==
        0) {
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(decoding_add(decoding, tokens[i], &part, &size, &failure), 0);
            tokenizer_piece(tokenizer, tokens[i], &size);
        }
        free(tokens);
    }
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(decoding_add(decoding, (uint32_t)rnd() % 12, &part, &size, &failure), 0);
    assert_int_equal(decoding_end(decoding, &part, &size, &failure), 0);
    decoding_free(decoding);
}

static void change(struct file *file)
{
    for (uint64_t changes = 1 + rnd() % 3; changes && file->size > 8; changes--) {
        size_t at = rnd() % file->size, from = rnd() % file->size, size = rnd() % 12;

        size = size < file->size - at ? size : file->size - at;
        size = size < file->size - from ? size : file->size - from;
        switch (rnd() % 4) {
        case 0:
            file->bytes[at] = (char)rnd();
            break;
        case 1:
            file->bytes[at] ^= (char)(1 << rnd() % 8);
            break;
        case 2: /* a part is left out */
            memmove(file->bytes + at, file->bytes + at + size, file->size - at - size);
            file->size -= size;
            break;
        default: /* a part is there twice */
            memmove(file->bytes + at, file->bytes + from, size);
        }
    }
}

static void test_changed(void **unused)
{
    static const struct gguf right[] = {{"gpt2", "qwen2", "a b", "c", 6, 1, 4, NULL},
                                        {"llama", "default", "a b", "c", 6, 4, 4, NULL}};
    struct file *file = malloc(sizeof(*file));
    size_t read[3] = {0};

    (void)unused;
    for (int i = 0; i < 9000; i++) {
        struct failure failure = {""};
        struct tokenizer *tokenizer;
        int kind = i % 3;
        char *bytes;

        if (kind == 0)
            make_json(file, NULL, NULL);
        else if (kind == 1)
            make_model(file, "b", 0, 1, "\x1a\x02\x20\x01", 4);
        else
            make_gguf(file, &right[i / 3 % 2]);
        if (i > 5)
            change(file);
        bytes = malloc(file->size + 1); /* so that reading beyond the last byte is seen */
        memcpy(bytes + 1, file->bytes, file->size);
        tokenizer = kind == 0   ? tokenizer_from_json(bytes + 1, file->size, "t", &failure)
                    : kind == 1 ? tokenizer_from_sentencepiece(bytes + 1, file->size, "t", &failure)
                                : read_gguf(file, &failure);
        free(bytes);
        if (i <= 5 && !tokenizer)
            fail_msg("%s", failure.text);
        if (tokenizer)
            use(tokenizer);
        else
            assert_true(failure.text[0] != 0);
        read[kind] += tokenizer != NULL;
        tokenizer_free(tokenizer);
    }
    /* many must get past the reader */
    for (int kind = 0; kind < 3; kind++)
        if (read[kind] < 100)
            fail_msg("%zu of kind %d", read[kind], kind);
    free(file);
}

static struct tokenizer *changed_json(const char *key, const char *value)
{
    struct file *file = malloc(sizeof(*file));
    struct failure failure = {""};
    struct tokenizer *tokenizer;

    make_json(file, key, value);
    tokenizer = tokenizer_from_json(file->bytes, file->size, "t.json", &failure);
    if (!tokenizer)
        fail_msg("%s", failure.text);
    free(file);
    return tokenizer;
}

static void expect_failure(const struct tokenizer *tokenizer, const char *text, const char *says)
{
    struct failure failure = {""};
    uint32_t *tokens;
    size_t count;

    assert_int_equal(
        tokenizer_encode(tokenizer, text, strlen(text), true, true, &tokens, &count, &failure), -1);
    assert_non_null(strstr(failure.text, says));
}

/* A pattern that takes exponential time is given up. */
static void test_hostile_pattern(void **unused)
{
    struct tokenizer *tokenizer = changed_json(SPLIT("(?:a|a)+[12]"));

    (void)unused;
    expect_failure(tokenizer, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                   "a pattern of the tokenizer cannot be matched: match limit exceeded");
    tokenizer_free(tokenizer);
}

static void test_unknown_missing(void **unused)
{
    struct tokenizer *tokenizer = changed_json(MODEL(",\"unk_token\":\"?\""));

    (void)unused;
    expect_failure(tokenizer, "x", "no token for a character");
    tokenizer_free(tokenizer);
}

static void test_names(void **unused)
{
    struct tokenizer *tokenizer = changed_json(NULL, NULL);
    uint32_t token;

    (void)unused;
    assert_int_equal(tokenizer_find(tokenizer, "<s>", &token), 1);
    assert_int_equal(token, 5);
    assert_int_equal(tokenizer_find(tokenizer, " x", &token), 1);
    assert_int_equal(token, 6);
    assert_int_equal(tokenizer_find(tokenizer, "ab", &token), 1);
    assert_int_equal(token, 3);
    assert_int_equal(tokenizer_find(tokenizer, "abc", &token), 0);
    assert_int_equal(tokenizer_begin(tokenizer, &token), 1);
    assert_int_equal(token, 5);
    assert_int_equal(tokenizer_end(tokenizer, &token), 0);
    tokenizer_free(tokenizer);
}

/* A character is given when its last byte is there; what is none at once. */
static void test_streamed(void **unused)
{
    static const struct {
        uint32_t token;
        const char *text;
    } steps[] = {{1, ""},
                 {2, ""},
                 {3, "\xe2\x82\xac"},
                 {1, ""},
                 {4, "\xef\xbf\xbd"
                     "a"}};
    static const char json[] =
        "{\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"vocab\":{\"\xc3\xa2\":1,"
        "\"\xc4\xa4\":2,\"\xc2\xac\":3,\"a\":4},\"merges\":[]}}";
    struct tokenizer *tokenizer;
    struct failure failure = {""};
    struct decoding *decoding;
    const char *text;
    size_t size;

    (void)unused;
    tokenizer = tokenizer_from_json(json, strlen(json), "t.json", &failure);
    assert_non_null(tokenizer);
    decoding = decoding_new(tokenizer, &failure);
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        assert_int_equal(decoding_add(decoding, steps[i].token, &text, &size, &failure), 0);
        assert_int_equal(size, strlen(steps[i].text));
        assert_memory_equal(text, steps[i].text, size);
    }
    assert_int_equal(decoding_add(decoding, 1, &text, &size, &failure), 0);
    assert_int_equal(decoding_end(decoding, &text, &size, &failure), 0);
    assert_int_equal(size, 3);
    assert_memory_equal(text, "\xef\xbf\xbd", 3);
    decoding_free(decoding);
    tokenizer_free(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_json),    cmocka_unit_test(test_refused_models),
        cmocka_unit_test(test_refused_gguf),    cmocka_unit_test(test_changed),
        cmocka_unit_test(test_hostile_pattern), cmocka_unit_test(test_unknown_missing),
        cmocka_unit_test(test_names),           cmocka_unit_test(test_streamed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
