/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of GGUF headers: each type, what getters refuse, and files that are wrong or change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "readers/gguf_cursor.h"
#include "readers/gguf_values.h"
#include <cmocka.h> /* last: it makes a macro of fail */

/* A file in memory as it is written, pair by pair. */
struct file {
    uint8_t *bytes;
    size_t size, capacity;
    size_t reads;
    size_t fails_at;          /* the read that fails, from 1 */
    const struct file *later; /* what is read from the second read on */
};

static void put(struct file *file, const void *from, size_t size)
{
    if (file->capacity < file->size + size) {
        file->capacity = 2 * (file->size + size);
        file->bytes = realloc(file->bytes, file->capacity);
        assert_non_null(file->bytes);
    }
    memcpy(file->bytes + file->size, from, size);
    file->size += size;
}

static void put_text(struct file *file, const char *text, uint64_t size)
{
    put(file, &size, sizeof(size));
    put(file, text, size);
}

static void begin(struct file *file)
{
    *file = (struct file){0};
    put(file, "GGUF\3\0\0\0", 8);
    put(file, (uint64_t[]){0, 0}, 16);
}

static void put_key(struct file *file, const char *key, uint32_t type)
{
    uint64_t pairs;

    memcpy(&pairs, file->bytes + 16, sizeof(pairs));
    pairs++;
    memcpy(file->bytes + 16, &pairs, sizeof(pairs));
    put_text(file, key, strlen(key));
    put(file, &type, sizeof(type));
}

#define PUT(file, key, type, value)                                                                \
    do {                                                                                           \
        __typeof__(value) put_value = (value);                                                     \
        put_key(file, key, type);                                                                  \
        put(file, &put_value, sizeof(put_value));                                                  \
    } while (0)

static void put_array(struct file *file, const char *key, uint32_t type, uint64_t count,
                      const void *items, size_t size)
{
    put_key(file, key, GGUF_ARRAY);
    put(file, &type, sizeof(type));
    put(file, &count, sizeof(count));
    put(file, items, size);
}

static int read_file(void *context, uint64_t offset, void *to, size_t size, struct failure *failure)
{
    struct file *file = context;
    const struct file *from = file->reads++ && file->later ? file->later : file;

    if (file->reads == file->fails_at) {
        snprintf(failure->text, sizeof(failure->text), "the disk is on fire");
        return -1;
    }
    assert_true(offset <= from->size && size <= from->size - offset);
    memcpy(to, from->bytes + offset, size);
    return 0;
}

static struct gguf_values *values_of(struct file *file, struct failure *failure)
{
    struct gguf_source source = {read_file, file, file->size};

    return gguf_values_new(&source, "f", failure);
}

static void expect(const struct failure *failure, const char *words)
{
    if (!strstr(failure->text, words))
        fail_msg("%s: expected %s", failure->text, words);
}

static void expect_refused(struct file *file, const char *words)
{
    struct failure failure;

    assert_null(values_of(file, &failure));
    expect(&failure, words);
    free(file->bytes);
}

static void test_numbers(void **unused)
{
    static const struct {
        const char *key;
        uint64_t expected;
    } whole[] = {{"u8", 255},         {"i8", 127},        {"u16", 65535},      {"i16", 32767},
                 {"u32", UINT32_MAX}, {"i32", INT32_MAX}, {"u64", UINT64_MAX}, {"i64", INT64_MAX}};
    static const char *const negative[] = {"-8", "-16", "-32", "-64"};
    struct gguf_values *values;
    struct failure failure;
    struct file file;
    uint64_t number;
    double real;
    bool yes;

    (void)unused;
    begin(&file);
    PUT(&file, "u8", GGUF_U8, (uint8_t)255);
    PUT(&file, "i8", GGUF_I8, (int8_t)127);
    PUT(&file, "u16", GGUF_U16, (uint16_t)65535);
    PUT(&file, "i16", GGUF_I16, (int16_t)32767);
    PUT(&file, "u32", GGUF_U32, UINT32_MAX);
    PUT(&file, "i32", GGUF_I32, INT32_MAX);
    PUT(&file, "u64", GGUF_U64, UINT64_MAX);
    PUT(&file, "i64", GGUF_I64, INT64_MAX);
    PUT(&file, "-8", GGUF_I8, (int8_t)-1);
    PUT(&file, "-16", GGUF_I16, (int16_t)-1);
    PUT(&file, "-32", GGUF_I32, (int32_t)-1);
    PUT(&file, "-64", GGUF_I64, (int64_t)-1);
    PUT(&file, "f32", GGUF_F32, 0.1f);
    PUT(&file, "f64", GGUF_F64, 0.1);
    PUT(&file, "true", GGUF_BOOL, (uint8_t)1);
    PUT(&file, "false", GGUF_BOOL, (uint8_t)0);
    PUT(&file, "neither", GGUF_BOOL, (uint8_t)2);
    values = values_of(&file, &failure);
    assert_non_null(values);
    for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
        assert_int_equal(gguf_values_u64(values, whole[i].key, &number, &failure), 1);
        assert_true(number == whole[i].expected);
        assert_int_equal(gguf_values_float(values, whole[i].key, &real, &failure), -1);
        expect(&failure, "is not a floating-point number");
    }
    for (size_t i = 0; i < sizeof(negative) / sizeof(*negative); i++) {
        assert_int_equal(gguf_values_u64(values, negative[i], &number, &failure), -1);
        expect(&failure, "or it is negative");
    }
    assert_int_equal(gguf_values_float(values, "f32", &real, &failure), 1);
    assert_true(real == (double)0.1f);
    assert_int_equal(gguf_values_float(values, "f64", &real, &failure), 1);
    assert_true(real == 0.1);
    assert_int_equal(gguf_values_u64(values, "f32", &number, &failure), -1);
    assert_int_equal(gguf_values_u64(values, "true", &number, &failure), -1);
    assert_int_equal(gguf_values_bool(values, "true", &yes, &failure), 1);
    assert_true(yes);
    assert_int_equal(gguf_values_bool(values, "false", &yes, &failure), 1);
    assert_false(yes);
    assert_int_equal(gguf_values_bool(values, "neither", &yes, &failure), -1);
    assert_int_equal(gguf_values_bool(values, "u8", &yes, &failure), -1);
    expect(&failure, "f: u8 is not a bool");
    assert_int_equal(gguf_values_u64(values, "u", &number, &failure), 0);
    assert_int_equal(gguf_values_u64(values, "u88", &number, &failure), 0);
    gguf_values_free(values);
    free(file.bytes);
}

static void test_strings(void **unused)
{
    struct gguf_values *values;
    struct gguf_string string;
    struct gguf_array array;
    struct failure failure;
    struct file file;

    (void)unused;
    begin(&file);
    put_key(&file, "text", GGUF_STRING);
    put_text(&file, "a\0b", 3);
    put_key(&file, "", GGUF_STRING);
    put_text(&file, "", 0);
    put_array(&file, "many", GGUF_STRING, 3, "\2\0\0\0\0\0\0\0hi\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0",
              27);
    put_array(&file, "none", GGUF_STRING, 0, "", 0);
    values = values_of(&file, &failure);
    assert_non_null(values);
    assert_int_equal(gguf_values_string(values, "text", &string, &failure), 1);
    assert_int_equal(string.size, 3);
    assert_memory_equal(string.text, "a\0b", 3);
    assert_false(gguf_string_is(string, "a"));
    assert_int_equal(gguf_values_string(values, "", &string, &failure), 1);
    assert_true(gguf_string_is(string, ""));
    assert_int_equal(gguf_values_string(values, "many", &string, &failure), -1);
    expect(&failure, "many is not a string");
    assert_int_equal(gguf_values_array(values, "many", GGUF_STRINGS, &array, &failure), 1);
    assert_int_equal(array.count, 3);
    assert_true(gguf_string_is(gguf_array_string(&array, 0), "hi"));
    assert_true(gguf_string_is(gguf_array_string(&array, 1), ""));
    assert_int_equal(gguf_array_string(&array, 2).size, 1);
    assert_int_equal(gguf_values_array(values, "many", GGUF_WHOLE, &array, &failure), -1);
    expect(&failure, "many is not an array of whole numbers");
    assert_int_equal(gguf_values_array(values, "text", GGUF_STRINGS, &array, &failure), -1);
    for (enum gguf_items items = GGUF_STRINGS; items <= GGUF_REAL; items++) {
        assert_int_equal(gguf_values_array(values, "none", items, &array, &failure), 1);
        assert_int_equal(array.count, 0);
    }
    assert_int_equal(gguf_values_array(values, "missing", GGUF_STRINGS, &array, &failure), 0);
    gguf_values_free(values);
    free(file.bytes);
}

static void test_arrays(void **unused)
{
    struct gguf_values *values;
    struct gguf_array array;
    struct failure failure;
    struct file file;

    (void)unused;
    begin(&file);
    put_array(&file, "i8", GGUF_I8, 3, (int8_t[]){1, -2, 3}, 3);
    put_array(&file, "i32", GGUF_I32, 2, (int32_t[]){INT32_MIN, 7}, 8);
    put_array(&file, "u32", GGUF_U32, 1, (uint32_t[]){UINT32_MAX}, 4);
    put_array(&file, "u64", GGUF_U64, 2, (uint64_t[]){5, UINT64_MAX}, 16);
    put_array(&file, "bools", GGUF_BOOL, 2, (uint8_t[]){0, 1}, 2);
    put_array(&file, "f32", GGUF_F32, 2, (float[]){1.5f, -0.25f}, 8);
    put_array(&file, "f64", GGUF_F64, 1, (double[]){0.1}, 8);
    /* two arrays of one byte each */
    put_array(&file, "nested", GGUF_ARRAY, 2, "\0\0\0\0\1\0\0\0\0\0\0\0a\0\0\0\0\1\0\0\0\0\0\0\0b",
              26);
    put_array(&file, "last", GGUF_U8, 2, "\1\2", 2);
    values = values_of(&file, &failure);
    assert_non_null(values);
    assert_int_equal(gguf_values_array(values, "i8", GGUF_WHOLE, &array, &failure), 1);
    assert_int_equal(array.count, 3);
    assert_true(gguf_array_whole(&array, 1) == -2 && gguf_array_whole(&array, 2) == 3);
    assert_int_equal(gguf_values_array(values, "i8", GGUF_REAL, &array, &failure), -1);
    expect(&failure, "an array of floating-point numbers");
    assert_int_equal(gguf_values_array(values, "i32", GGUF_WHOLE, &array, &failure), 1);
    assert_true(gguf_array_whole(&array, 0) == INT32_MIN && gguf_array_whole(&array, 1) == 7);
    assert_int_equal(gguf_values_array(values, "u32", GGUF_WHOLE, &array, &failure), 1);
    assert_true(gguf_array_whole(&array, 0) == UINT32_MAX);
    assert_int_equal(gguf_values_array(values, "u64", GGUF_WHOLE, &array, &failure), 1);
    assert_true(gguf_array_whole(&array, 0) == 5 && gguf_array_whole(&array, 1) == INT64_MAX);
    assert_int_equal(gguf_values_array(values, "bools", GGUF_WHOLE, &array, &failure), 1);
    assert_true(gguf_array_whole(&array, 0) == 0 && gguf_array_whole(&array, 1) == 1);
    assert_int_equal(gguf_values_array(values, "f32", GGUF_REAL, &array, &failure), 1);
    assert_true(gguf_array_real(&array, 0) == 1.5 && gguf_array_real(&array, 1) == -0.25);
    assert_int_equal(gguf_values_array(values, "f32", GGUF_WHOLE, &array, &failure), -1);
    assert_int_equal(gguf_values_array(values, "f64", GGUF_REAL, &array, &failure), 1);
    assert_true(gguf_array_real(&array, 0) == 0.1);
    for (enum gguf_items items = GGUF_STRINGS; items <= GGUF_REAL; items++)
        assert_int_equal(gguf_values_array(values, "nested", items, &array, &failure), -1);
    assert_int_equal(gguf_values_array(values, "last", GGUF_WHOLE, &array, &failure), 1);
    assert_true(gguf_array_whole(&array, 1) == 2);
    gguf_values_free(values);
    free(file.bytes);
}

/* More strings than one read of the header has, and an answer for each. */
static void test_vocabulary(void **unused)
{
    uint32_t type = GGUF_STRING;
    uint64_t count = 150000;
    struct gguf_values *values;
    struct gguf_array array;
    struct failure failure;
    struct file file;
    char text[16];

    (void)unused;
    begin(&file);
    put_key(&file, "tokens", GGUF_ARRAY);
    put(&file, &type, sizeof(type));
    put(&file, &count, sizeof(count));
    for (unsigned int i = 0; i < count; i++)
        put_text(&file, text, (uint64_t)snprintf(text, sizeof(text), "%u", i * 7));
    values = values_of(&file, &failure);
    assert_non_null(values);
    assert_int_equal(gguf_values_array(values, "tokens", GGUF_STRINGS, &array, &failure), 1);
    assert_int_equal(array.count, count);
    for (unsigned int i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "%u", i * 7);
        assert_true(gguf_string_is(gguf_array_string(&array, i), text));
    }
    gguf_values_free(values);
    free(file.bytes);
}

static void test_wrong(void **unused)
{
    char key[16];
    struct file file;

    (void)unused;
    begin(&file);
    PUT(&file, "a", GGUF_U8, (uint8_t)1);
    PUT(&file, "b", GGUF_U8, (uint8_t)1);
    PUT(&file, "a", GGUF_U32, (uint32_t)1);
    expect_refused(&file, "two values of one key");
    begin(&file);
    PUT(&file, "a", 13, (uint8_t)1);
    expect_refused(&file, "metadata of an unknown type");
    begin(&file);
    for (unsigned int i = 0; i <= 65536; i++) {
        snprintf(key, sizeof(key), "%u", i);
        PUT(&file, key, GGUF_U8, (uint8_t)1);
    }
    expect_refused(&file, "more than 65536 values");
}

static struct file some_file(void)
{
    struct file file;

    begin(&file);
    PUT(&file, "number", GGUF_U64, (uint64_t)1);
    put_array(&file, "many", GGUF_STRING, 2, "\2\0\0\0\0\0\0\0hi\1\0\0\0\0\0\0\0a", 19);
    put_array(&file, "numbers", GGUF_F64, 3, (double[]){1, 2, 3}, 24);
    put_key(&file, "text", GGUF_STRING);
    put_text(&file, "abc", 3);
    return file;
}

static void test_cut(void **unused)
{
    struct file file = some_file();
    struct failure failure;
    size_t whole = file.size;

    (void)unused;
    for (file.size = 0; file.size < whole; file.size++) {
        failure.text[0] = '\0';
        assert_null(values_of(&file, &failure));
        assert_true(strncmp(failure.text, "f: not parsed as GGUF: ", 23) == 0);
    }
    free(file.bytes);
}

/* Reads every byte; the sanitizers see one that is outside. */
static size_t bytes_of(const struct gguf_array *array)
{
    size_t bytes = 0;

    for (size_t i = 0; i < array->count; i++) {
        struct gguf_string string = gguf_array_string(array, i);

        for (size_t c = 0; c < string.size; c++)
            bytes += string.text[c] != '?';
    }
    return bytes;
}

/* A file that is another one when it is read again, each bit of it: values, or a message. */
static void test_changes(void **unused)
{
    struct file file = some_file(), later = some_file();
    size_t kept = 0, refused = 0;

    (void)unused;
    file.later = &later;
    for (size_t bit = 0; bit < 8 * file.size; bit++) {
        struct gguf_values *values;
        struct gguf_array array;
        struct failure failure = {{0}};

        later.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        file.reads = 0;
        values = values_of(&file, &failure);
        assert_true(!values == (failure.text[0] != '\0'));
        *(values ? &kept : &refused) += 1;
        if (values && gguf_values_array(values, "many", GGUF_STRINGS, &array, &failure) == 1)
            assert_true(bytes_of(&array) <= file.size);
        gguf_values_free(values);
        later.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(kept && refused);
    free(file.bytes);
    free(later.bytes);
}

static void test_keys(void **unused)
{
    static const char *const zeroes[] = {"f", "no", "u", "-0"}, *const others[] = {"array", "g",
                                                                                   "s",     "v",
                                                                                   "x",     "yes"};
    struct gguf_values *values;
    struct gguf_string key, before = {"", 0};
    struct failure failure;
    struct file file;
    size_t count = 0;

    (void)unused;
    begin(&file);
    PUT(&file, "u", GGUF_U32, (uint32_t)0);
    PUT(&file, "v", GGUF_I64, INT64_MIN);
    PUT(&file, "f", GGUF_F32, 0.0f);
    PUT(&file, "-0", GGUF_F64, -0.0);
    PUT(&file, "g", GGUF_F64, 1e-320);
    PUT(&file, "no", GGUF_BOOL, (uint8_t)0);
    PUT(&file, "yes", GGUF_BOOL, (uint8_t)1);
    put_array(&file, "array", GGUF_U8, 1, "", 1);
    put_key(&file, "s", GGUF_STRING);
    put_text(&file, "", 0);
    values = values_of(&file, &failure);
    assert_non_null(values);
    while (gguf_values_key(values, count, &key)) {
        assert_true(!count || before.text[0] <= key.text[0]);
        before = key;
        count++;
    }
    assert_int_equal(count, 9);
    for (size_t i = 0; i < sizeof(zeroes) / sizeof(*zeroes); i++)
        assert_true(gguf_values_is_zero(values, zeroes[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_false(gguf_values_is_zero(values, others[i]));
    gguf_values_free(values);
    free(file.bytes);
}

static void test_errors(void **unused)
{
    (void)unused;
    for (size_t fails_at = 1; fails_at <= 2; fails_at++) {
        struct file file = some_file();

        file.fails_at = fails_at;
        expect_refused(&file, "the disk is on fire");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_strings),
        cmocka_unit_test(test_arrays),  cmocka_unit_test(test_vocabulary),
        cmocka_unit_test(test_wrong),   cmocka_unit_test(test_cut),
        cmocka_unit_test(test_changes), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
