/* SPDX-License-Identifier: BSD-3-Clause */
/* Tokenizers from texts of tokenizer.json, good and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/tokenizer.h"
#include <cmocka.h> /* last: it makes a macro of fail */

#define MARK "\xe2\x96\x81"

static const char normalizer[] =
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
    "{\"type\":\"Prepend\",\"prepend\":\"" MARK "\"},"
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"}]}";
static const char added[] = "\"added_tokens\":[{\"id\":1,\"content\":\"<s>\",\"special\":true},"
                            "{\"id\":2,\"content\":\"</s>\",\"special\":true}]";
static const char template[] =
    "\"post_processor\":{\"type\":\"TemplateProcessing\","
    "\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}}],"
    "\"special_tokens\":{\"<s>\":{\"ids\":[1]}}}";

static const char decoder[] =
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":["
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" MARK "\"},\"content\":\" \"},"
    "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"
    "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}";

/* Ids 3..258 are the bytes, then: mark 259, a 260, b 261, ab 262, mark-a 263, abb 264. */
static char *small_tokenizer(const char *merges)
{
    char *json = malloc(20000), *at = json;

    at += sprintf(at,
                  "{%s,%s,%s,%s,\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,"
                  "\"unk_token\":\"<unk>\",\"vocab\":{\"<unk>\":0,\"<s>\":1,\"</s>\":2",
                  normalizer, added, template, decoder);
    for (int i = 0; i < 256; i++)
        at += sprintf(at, ",\"<0x%02X>\":%d", (unsigned int)i, i + 3);
    sprintf(at,
            ",\"" MARK "\":259,\"a\":260,\"b\":261,\"ab\":262,\"" MARK "a\":263,\"abb\":264},"
            "\"merges\":%s}}",
            merges);
    return json;
}

static void expect(struct tokenizer *tokenizer, const char *text, size_t size, size_t count,
                   const uint32_t *want)
{
    struct failure failure;
    uint32_t *tokens;
    size_t got;

    assert_int_equal(tokenizer_encode(tokenizer, text, size, true, true, &tokens, &got, &failure),
                     0);
    assert_int_equal(got, count);
    assert_memory_equal(tokens, want, count * sizeof(*want));
    free(tokens);
}

#define EXPECT(text, ...)                                                                          \
    expect(tokenizer, text, sizeof(text) - 1,                                                      \
           sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), (uint32_t[]){__VA_ARGS__})

static void test_encode(void **unused)
{
    char *json = small_tokenizer("[\"a b\",[\"" MARK "\",\"a\"],\"ab b\"]");
    struct failure failure = {""};
    struct tokenizer *tokenizer = tokenizer_from_json(json, strlen(json), "t.json", &failure);

    (void)unused;
    assert_non_null(tokenizer);
    EXPECT("", 1);
    EXPECT("b", 1, 259, 261);
    EXPECT("ab", 1, 259, 262); /* a b merges before the mark and a */
    EXPECT("abb", 1, 259, 264);
    EXPECT("aab", 1, 263, 262);
    EXPECT("a a", 1, 263, 263);
    EXPECT("  ", 1, 259, 259, 259);
    EXPECT("\xc3\xa9", 1, 259, 0xc3 + 3, 0xa9 + 3); /* spelled in bytes */
    /* what is no UTF-8 is U+FFFD; so is a part of a character */
    EXPECT("\xff", 1, 259, 0xef + 3, 0xbf + 3, 0xbd + 3);
    EXPECT("\xf0\x9f", 1, 259, 0xef + 3, 0xbf + 3, 0xbd + 3, 0xef + 3, 0xbf + 3, 0xbd + 3);
    EXPECT("a\0b", 1, 263, 3, 261);             /* a NUL is a byte like others */
    EXPECT("b</s>b", 1, 259, 261, 2, 259, 261); /* an added token */
    tokenizer_free(tokenizer);
    free(json);
}

static void test_pieces(void **unused)
{
    char *json = small_tokenizer("[]");
    struct failure failure = {""};
    struct tokenizer *tokenizer = tokenizer_from_json(json, strlen(json), "t.json", &failure);
    size_t size;

    (void)unused;
    assert_memory_equal(tokenizer_piece(tokenizer, 263, &size), " a", 2);
    assert_int_equal(size, 2);
    assert_memory_equal(tokenizer_piece(tokenizer, 0xc3 + 3, &size), "\xc3", 1);
    assert_int_equal(size, 1);
    tokenizer_piece(tokenizer, 1, &size); /* special */
    assert_int_equal(size, 0);
    tokenizer_piece(tokenizer, 4000000000u, &size);
    assert_int_equal(size, 0);
    tokenizer_free(tokenizer);
    free(json);
}

/* A long text does not take quadratic time, and merges all the same. */
static void test_long(void **unused)
{
    enum { SIZE = 300000 };
    char *json = small_tokenizer("[\"a b\",\"ab b\"]"), *text = malloc(SIZE);
    struct failure failure = {""};
    struct tokenizer *tokenizer = tokenizer_from_json(json, strlen(json), "t.json", &failure);
    uint32_t *tokens;
    size_t count;

    (void)unused;
    for (int i = 0; i < SIZE; i++)
        text[i] = "abb"[i % 3];
    assert_int_equal(tokenizer_encode(tokenizer, text, SIZE, true, true, &tokens, &count, &failure),
                     0);
    assert_int_equal(count, 2 + SIZE / 3);
    assert_int_equal(tokens[count - 1], 264);
    free(tokens);
    tokenizer_free(tokenizer);
    free(text);
    free(json);
}

static void test_hostile(void **unused)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"model\":3}",
        "{\"model\":{\"type\":\"Unigram\"}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}",
        "{\"model\":{\"byte_fallback\":true,\"vocab\":{\"a\":-1}}}",
        "{\"model\":{\"byte_fallback\":true,\"vocab\":{\"a\":1e30}}}",
        "{\"model\":{\"byte_fallback\":true,\"vocab\":{\"a\":99999999999}}}",
        "{\"model\":{\"byte_fallback\":true,\"vocab\":{\"a\":1,\"b\":1}}}",
        "{\"added_tokens\":[{\"id\":-5}],\"model\":{\"byte_fallback\":true,\"vocab\":{\"a\":1}}}",
        "{\"added_tokens\":[{\"id\":0}],\"model\":{\"byte_fallback\":true,\"vocab\":{\"a\":1}}}",
        "{\"model\":{\"byte_fallback\":true,\"vocab\":{\"a\":1}}}",
        "{\"normalizer\":{\"type\":\"NFC\"},\"model\":{\"byte_fallback\":true,\"vocab\":{\"a\":1}}"
        "}",
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct failure failure = {""};

        assert_null(tokenizer_from_json(bad[i], strlen(bad[i]), "t.json", &failure));
        assert_non_null(strstr(failure.text, "t.json"));
    }
    for (int i = 0; i < 2; i++) {
        char *json = small_tokenizer(i ? "[\"a zz\"]" : "[7]");
        struct failure failure = {""};

        assert_null(tokenizer_from_json(json, strlen(json), "t.json", &failure));
        assert_non_null(strstr(failure.text, "merge 0"));
        free(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
