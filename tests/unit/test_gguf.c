/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers of GGUF files that would take for ever, in files that have holes for almost all bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "readers/gguf.h"
#include <cmocka.h> /* last: it makes a macro of fail */

#define TERABYTE (1ull << 40)

static bool never(void)
{
    return false;
}

static unsigned int asked;

static bool at_the_third_time(void)
{
    return ++asked == 3;
}

/* Counts of tensors and pairs, then words; zeroes up to size. */
struct header {
    uint64_t tensors;
    uint64_t pairs;
    uint64_t size;
    const void *words;
    size_t length;
};

static int read_header(const struct header *header, bool (*stop)(void), struct failure *failure)
{
    int fd = memfd_create("gguf", 0);
    struct file_tensors list;
    int result;

    assert_int_equal(pwrite(fd, "GGUF\3\0\0\0", 8, 0), 8);
    assert_int_equal(pwrite(fd, (uint64_t[]){header->tensors, header->pairs}, 16, 8), 16);
    if (header->length)
        assert_int_equal(pwrite(fd, header->words, header->length, 24), header->length);
    assert_int_equal(ftruncate(fd, (off_t)header->size), 0);
    result = gguf_read(fd, header->size, "f", stop, &list, failure);
    file_tensors_free(&list);
    close(fd);
    return result;
}

static void expect_malformed(struct header header, const char *problem)
{
    struct failure failure;

    assert_int_equal(read_header(&header, never, &failure), 1);
    if (!strstr(failure.text, problem))
        fail_msg("%s: expected %s", failure.text, problem);
}

/* A pair whose key is empty and whose value is an array. */
struct array {
    uint64_t key;
    uint32_t type;
    uint32_t items;
    uint64_t count;
} __attribute__((packed));

static const struct array strings = {0, 9, 8, 1ull << 36};

static void test_counts(void **unused)
{
    static const struct array words = {0, 9, 8, 1000}, nested = {0, 9, 9, 1000};

    (void)unused;
    expect_malformed((struct header){.pairs = 1000, .size = 12000}, "metadata than there is room");
    expect_malformed((struct header){.tensors = 1000, .size = 20000}, "tensors than there is room");
    expect_malformed((struct header){0, 1, 8000, &words, sizeof(words)},
                     "an array than there is room");
    expect_malformed((struct header){0, 1, 12000, &nested, sizeof(nested)},
                     "an array than there is room");
}

/* All of these have the bytes that they claim. */
static void test_large(void **unused)
{
    (void)unused;
    expect_malformed((struct header){.pairs = 1ull << 34, .size = TERABYTE}, "metadata than there");
    expect_malformed((struct header){.tensors = 1ull << 34, .size = TERABYTE}, "1048576 tensors");
    expect_malformed((struct header){.tensors = (1u << 20) + 1, .size = TERABYTE},
                     "1048576 tensors");
    expect_malformed((struct header){0, 1, TERABYTE, &strings, sizeof(strings)},
                     "an array than there is room");
    expect_malformed((struct header){0, 1, TERABYTE, &(struct array){0, 9, 10, 1ull << 32}, 24},
                     "header of more than 256 MiB");
}

static void test_stop(void **unused)
{
    struct header header = {0, 1, 1 << 24, &(struct array){0, 9, 8, 1 << 20}, 24};
    struct failure failure;

    (void)unused;
    assert_int_equal(read_header(&header, never, &failure), 0);
    assert_int_equal(read_header(&header, at_the_third_time, &failure), -1);
    assert_int_equal(asked, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
