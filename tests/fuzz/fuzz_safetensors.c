/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: the header of a safetensors file. What is accepted must be as safetensors.h
 * promises: sorted, inside the file, without overlap, of the size that shape and dtype give.
 *
 * Options: -max_len=512 -dict=tests/fuzz/safetensors.dict
 * Input: a byte that says whether the rest is the header as it is or tensors to write one of (see
 * write_tensors), and what is wrong with the length in front of it; two bytes for the bytes behind
 * the header.
 */
#include "codec/codec.h"
#include "memory_file.h"
#include "container/format_names.h"
#include "readers/safetensors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { PREFIX = 8, TEXT_MAX = 1 << 16 };

static uint8_t content[PREFIX + TEXT_MAX];
static size_t used;
static unsigned long runs, accepted;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_statistics(void)
{
    if (runs)
        fprintf(stderr, "headers: %lu, %.1f %% accepted\n", runs,
                100.0 * (double)accepted / (double)runs);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    atexit(print_statistics);
    return 0;
}

static void put(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    used += (size_t)vsnprintf((char *)content + used, sizeof(content) - used, format, args);
    va_end(args);
    if (used >= sizeof(content))
        abort();
}

/*
 * Five bytes for each tensor: dtype, number of dimensions and oddities, two dimensions, where it
 * begins behind the one before; its end is what shape and dtype give, unless it is odd.
 */
static void write_tensors(const uint8_t *data, size_t size)
{
    static const char *const odd_dtypes[] = {"F4", "", "F64 ", "bytes"};
    unsigned long at = 0;

    put("{");
    for (int i = 0; i < 200 && size >= 5; i++, data += 5, size -= 5) {
        uint16_t dtype = (uint16_t)(data[0] % (LWC_DTYPES + 4));
        unsigned int ndim = data[1] % 11, odd = data[1] / 11;
        unsigned long bytes = dtype < LWC_DTYPES ? lwc_dtype_size(dtype) : 1;

        put("%s\"t%d\":{\"dtype\":\"%s\",\"shape\":[", i ? "," : "", odd == 1 ? 0 : i,
            dtype < LWC_DTYPES ? dtype_name(dtype) : odd_dtypes[dtype - LWC_DTYPES]);
        for (unsigned int d = 0; d < ndim; d++) {
            unsigned long dimension = d < 2 ? data[2 + d] : 1;

            bytes *= dimension;
            put(odd == 2   ? "%s%lu.5"
                : odd == 3 ? "%s-%lu"
                : odd == 4 ? "%s%lu0000000000"
                           : "%s%lu",
                d ? "," : "", dimension);
        }
        at += odd == 5 ? 0 - (unsigned long)data[4] : (data[4] & 1) * data[4];
        put("],\"data_offsets\":[%lu,%lu%s]}", at, at + bytes + (odd == 6), odd == 7 ? ",1" : "");
        at += bytes;
    }
    put("}");
}

static void check(const struct file_tensors *list)
{
    uint64_t end = PREFIX;

    for (size_t i = 0; i < list->count; i++) {
        const struct file_tensor *tensor = &list->tensors[i];
        uint64_t bytes = lwc_dtype_size(tensor->dtype);

        for (uint16_t d = 0; d < tensor->ndim; d++)
            bytes *= tensor->shape[d];
        if (bytes != tensor->size || tensor->size > memory_file_size ||
            tensor->offset > memory_file_size - tensor->size || !tensor->name || !*tensor->name ||
            (tensor->size && tensor->offset < end))
            abort();
        if (tensor->size)
            end = tensor->offset + tensor->size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct file_tensors list;
    struct failure failure;
    uint64_t length, behind;

    if (size < 3)
        return 0;
    behind = (data[1] | (uint64_t)data[2] << 8) << (data[0] & 64 ? 40 : 0);
    used = PREFIX;
    if (data[0] & 1) {
        write_tensors(data + 3, size - 3);
    } else {
        size_t text = size - 3 < TEXT_MAX ? size - 3 : TEXT_MAX;

        memcpy(content + PREFIX, data + 3, text);
        used += text;
    }
    length = used - PREFIX;
    if (data[0] & 2) /* wrong by a little, or by a lot */
        length = data[0] & 4 ? length + data[1] - 128 : ~0ull / (data[1] + 1u);
    memcpy(content, &length, sizeof(length));
    memory_file_data = content;
    memory_file_length = used;
    memory_file_size = used + behind;
    runs++;
    if (safetensors_read(MEMORY_FILE_FD, memory_file_size, "model", &list, &failure) == 0) {
        accepted++;
        check(&list);
        file_tensors_free(&list);
    }
    return 0;
}
