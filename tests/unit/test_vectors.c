/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/golden/vectors through every decoder of this CPU: bytes and errors as they are written
 * there. */
#include "container/decoder.h"
#include "codec/cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_MAX (LWC_TILE_MAX + 64)

struct bytes {
    uint8_t *data; /* an allocation of its own, so that a read past its end is seen */
    size_t size;
};

struct vector {
    char *name;
    struct lwc_tile entry;
    size_t length;
    struct bytes base; /* no data: none is given */
    struct bytes input;
    struct bytes output;
    int error;
};

static const char *const errors[LWC_ERRORS] = {
    [LWC_ERR_TRUNCATED] = "TRUNCATED", [LWC_ERR_TRAILING] = "TRAILING",
    [LWC_ERR_GEOMETRY] = "GEOMETRY",   [LWC_ERR_STREAM] = "STREAM",
    [LWC_ERR_PADDING] = "PADDING",     [LWC_ERR_ZSTD] = "ZSTD",
    [LWC_ERR_CHAIN] = "CHAIN",
};

static int error_named(const char *name)
{
    for (int i = 0; i < LWC_ERRORS; i++)
        if (errors[i] && strcmp(name, errors[i]) == 0)
            return i;
    fail_msg("%s: not an error", name);
    return 0;
}

/* Bytes of a word of hex, perhaps with *TIMES, to out unless that is NULL. */
static size_t parse_word(const char *word, size_t length, uint8_t *out)
{
    const char *star = memchr(word, '*', length);
    size_t digits = star ? (size_t)(star - word) : length, size = digits / 2;
    size_t times = star ? strtoul(star + 1, NULL, 10) : 1;

    assert_true(digits && digits % 2 == 0 && times && times <= LENGTH_MAX && size <= LENGTH_MAX);
    for (size_t i = 0; out && i < size; i++)
        assert_int_equal(sscanf(word + 2 * i, "%2hhx", &out[i]), 1);
    for (size_t i = size; out && i < size * times; i++)
        out[i] = out[i - size];
    return size * times;
}

/* Words, or "-" for nothing; out as above. */
static size_t parse_words(const char *text, uint8_t *out)
{
    size_t size = 0;

    if (strcmp(text, "-") == 0)
        return 0;
    for (size_t length; *text; text += length + (text[length] == ' ')) {
        length = strcspn(text, " ");
        size += parse_word(text, length, out ? out + size : NULL);
    }
    return size;
}

static struct bytes parse_bytes(const char *text)
{
    struct bytes bytes = {.size = parse_words(text, NULL)};

    bytes.data = malloc(bytes.size ? bytes.size : 1);
    assert_non_null(bytes.data);
    parse_words(text, bytes.data);
    return bytes;
}

/* zstd has its workspace only where a caller knows that it is used. */
static void run(const struct vector *vector, const struct lwc_impl *impl,
                const struct lwc_scratch *scratch)
{
    uint8_t *out = malloc(vector->length + 1);
    struct lwc_scratch own = *scratch;
    int error;

    memset(out, 0xa5, vector->length + 1);
    own.base = vector->base.data;
    if (!lwc_uses_zstd(&vector->entry))
        own.zstd_len = 0;
    error = (int)lwc_tile_decode(impl, &vector->entry, vector->input.data, vector->input.size, out,
                                 vector->length, &own);
    if (error != vector->error)
        fail_msg("%s: %s says %d (%s), not %d", vector->name, impl->name, error,
                 lwc_error_string(error), vector->error);
    if (out[vector->length] != 0xa5)
        fail_msg("%s: %s wrote beyond the tile", vector->name, impl->name);
    if (!error && memcmp(out, vector->output.data, vector->length))
        fail_msg("%s: %s gives other bytes", vector->name, impl->name);
    free(out);
}

static void finish(struct vector *vector, const struct lwc_scratch *scratch)
{
    if (vector->error == LWC_OK)
        assert_int_equal(vector->output.size, vector->length);
    if (vector->base.data)
        assert_int_equal(vector->base.size, vector->length);
    for (unsigned int i = 0; i < lwc_impl_count; i++)
        if (lwc_impls[i]->isa & lwc_cpu_isa())
            run(vector, lwc_impls[i], scratch);
    free(vector->name);
    free(vector->base.data);
    free(vector->input.data);
    free(vector->output.data);
}

static void parse_chain(struct vector *vector, char *text)
{
    for (int i = 0; *text; i++) {
        assert_true(i < LWC_CHAIN_MAX);
        vector->entry.chain[i] = (uint8_t)strtoul(text, &text, 10);
    }
}

/* The last line of a vector is its output or its error. */
static bool parse_line(struct vector *vector, const char *key, char *value)
{
    if (strcmp(key, "vector") == 0) {
        memset(vector, 0, sizeof(*vector));
        vector->name = strdup(value);
    } else if (strcmp(key, "chain") == 0) {
        parse_chain(vector, value);
    } else if (strcmp(key, "param") == 0) {
        vector->entry.param = (uint8_t)strtoul(value, NULL, 10);
    } else if (strcmp(key, "field") == 0) {
        vector->entry.field = (uint8_t)strtoul(value, NULL, 10);
    } else if (strcmp(key, "length") == 0) {
        vector->length = strtoul(value, NULL, 10);
        assert_true(vector->length <= LENGTH_MAX);
    } else if (strcmp(key, "base") == 0) {
        vector->base = parse_bytes(value);
    } else if (strcmp(key, "input") == 0) {
        vector->input = parse_bytes(value);
    } else if (strcmp(key, "output") == 0) {
        vector->output = parse_bytes(value);
        return true;
    } else if (strcmp(key, "error") == 0) {
        vector->error = error_named(value);
        return true;
    } else {
        fail_msg("%s: not a key of a vector", key);
    }
    return false;
}

static unsigned int run_file(const char *path, const struct lwc_scratch *scratch)
{
    FILE *file = fopen(path, "r");
    unsigned int vectors = 0;
    struct vector vector;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;

    assert_non_null(file);
    while ((length = getline(&line, &capacity, file)) > 0) {
        char *value;

        line[length - 1] = '\0';
        if (*line == '#' || *line == '\0')
            continue;
        value = strchr(line, ' ');
        assert_non_null(value);
        *value++ = '\0';
        if (!parse_line(&vector, line, value))
            continue;
        finish(&vector, scratch);
        vectors++;
    }
    free(line);
    fclose(file);
    return vectors;
}

static void test_vectors(void **unused)
{
    struct decoder decoder;
    struct failure failure;
    unsigned int vectors = 0;
    glob_t files;

    (void)unused;
    assert_int_equal(decoder_init(&decoder, LWC_ISA_ALL, &failure), 0);
    assert_int_equal(glob("tests/golden/vectors/*.txt", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++)
        vectors += run_file(files.gl_pathv[i], &decoder.scratch);
    printf("# %u vectors\n", vectors);
    assert_true(vectors > 500);
    globfree(&files);
    decoder_free(&decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
