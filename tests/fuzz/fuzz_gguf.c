/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: the GGUF reader on arbitrary bytes. What it accepts must be
 * tensors in the file, in order, apart, and of the size of their shapes.
 */
#include "codec/codec.h"
#include "readers/gguf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int file = -1;

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
    return 0;
}
