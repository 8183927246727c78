/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: the GGUF readers on arbitrary bytes. What they accept must be
 * tensors in the file, in order, apart, and of the size of their shapes; and
 * values whose strings are in the file.
 */
#include "codec/codec.h"
#include "readers/gguf_values.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int file = -1;
static volatile double seen; /* so that what is read is */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    file = memfd_create("gguf", 0);
    if (file < 0)
        abort();
    return 0;
}

static bool go_on(void)
{
    return false;
}

static void require(int condition)
{
    if (!condition)
        abort();
}

/* The size by another way than the reader's: it divides before it multiplies. */
static void check_size(const struct file_tensor *tensor)
{
    struct lwc_dtype_block block = lwc_dtype_block(tensor->dtype);
    unsigned __int128 elements = 1;
    int empty = 0;

    require(block.bytes && tensor->dtype != LWC_DTYPE_BYTES && tensor->ndim <= LWC_MAX_DIMS);
    for (uint16_t i = 0; i < tensor->ndim; i++)
        empty |= !tensor->shape[i];
    for (uint16_t i = 0; i < tensor->ndim && !empty; i++) {
        elements *= tensor->shape[i];
        require(elements < (unsigned __int128)1 << 64);
    }
    elements = empty ? 0 : elements;
    require(elements * block.bytes == (unsigned __int128)tensor->size * block.elements);
}

static void check_arrays(const struct gguf_values *values, const char *key, size_t size)
{
    struct failure failure;
    struct gguf_array array;
    uint64_t bytes = 0;
    double sum = 0;

    if (gguf_values_array(values, key, GGUF_STRINGS, &array, &failure) == 1)
        for (size_t i = 0; i < array.count; i++) {
            struct gguf_string string = gguf_array_string(&array, i);

            bytes += 8 + string.size;
            if (string.size)
                sum += string.text[string.size - 1];
        }
    require(bytes <= size);
    if (gguf_values_array(values, key, GGUF_WHOLE, &array, &failure) == 1)
        for (size_t i = 0; i < array.count; i++)
            sum += (double)gguf_array_whole(&array, i);
    if (gguf_values_array(values, key, GGUF_REAL, &array, &failure) == 1)
        for (size_t i = 0; i < array.count; i++)
            sum += gguf_array_real(&array, i);
    seen = sum;
}

/* By keys of no and of one character, which are soon found. */
static void check_value(const struct gguf_values *values, const char *key, size_t size)
{
    struct failure failure;
    struct gguf_string string;
    uint64_t number;
    double real;
    bool yes;
    int whole = gguf_values_u64(values, key, &number, &failure);
    int found = (whole == 1) + (gguf_values_float(values, key, &real, &failure) == 1) +
                (gguf_values_bool(values, key, &yes, &failure) == 1);

    if (gguf_values_string(values, key, &string, &failure) == 1) {
        found++;
        require(string.size <= size);
    }
    require(found <= 1 && (whole || !found));
    check_arrays(values, key, size);
}

static int read_data(void *context, uint64_t offset, void *to, size_t size, struct failure *failure)
{
    (void)failure;
    memcpy(to, (const uint8_t *)context + offset, size);
    return 0;
}

/* good: gguf_read takes the header. */
static void check_values(const uint8_t *data, size_t size, bool good)
{
    struct gguf_source source = {read_data, (void *)(uintptr_t)data, size};
    struct failure failure = {{0}};
    struct gguf_values *values = gguf_values_new(&source, "fuzz", &failure);

    require(!values == (failure.text[0] != '\0'));
    require(values || !good || strstr(failure.text, "one key") || strstr(failure.text, "65536"));
    for (unsigned int c = 0; values && c < 256; c++)
        check_value(values, (char[]){(char)c, '\0'}, size);
    gguf_values_free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct file_tensors list;
    struct failure failure = {{0}};
    uint64_t end = 0;
    int result;

    if (ftruncate(file, 0) < 0 || pwrite(file, data, size, 0) != (ssize_t)size)
        abort();
    result = gguf_read(file, size, "fuzz", go_on, &list, &failure);
    require(result >= 0);
    require((result == 0) == (failure.text[0] == '\0'));
    require(result == 0 || (!list.tensors && !list.count));
    for (size_t i = 0; i < list.count; i++) {
        const struct file_tensor *tensor = &list.tensors[i];

        check_size(tensor);
        require(tensor->name[0] && strlen(tensor->name) <= LWC_NAME_MAX);
        require(tensor->offset <= size && tensor->size <= size - tensor->offset);
        require(!tensor->size || tensor->offset >= end);
        end = tensor->size ? tensor->offset + tensor->size : end;
    }
    file_tensors_free(&list);
    check_values(data, size, result == 0);
    return 0;
}
