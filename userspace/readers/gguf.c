/* SPDX-License-Identifier: BSD-3-Clause */
#include "gguf_cursor.h"
#include "kmod/codec/codec.h"

#include <stdlib.h>
#include <string.h>

#define ALIGNMENT_DEFAULT 32u
#define TENSORS_MAX (1u << 20)
/* Bytes of the file that a tensor takes at least. */
#define TENSOR_LEAST 24

/* By the number that ggml gives a type; those without a name here are LWC_DTYPE_BYTES. */
static const uint16_t dtypes[] = {
    [0] = LWC_DTYPE_F32,     [1] = LWC_DTYPE_F16,      [2] = LWC_DTYPE_Q4_0,
    [3] = LWC_DTYPE_Q4_1,    [6] = LWC_DTYPE_Q5_0,     [7] = LWC_DTYPE_Q5_1,
    [8] = LWC_DTYPE_Q8_0,    [9] = LWC_DTYPE_Q8_1,     [10] = LWC_DTYPE_Q2_K,
    [11] = LWC_DTYPE_Q3_K,   [12] = LWC_DTYPE_Q4_K,    [13] = LWC_DTYPE_Q5_K,
    [14] = LWC_DTYPE_Q6_K,   [15] = LWC_DTYPE_Q8_K,    [16] = LWC_DTYPE_IQ2_XXS,
    [17] = LWC_DTYPE_IQ2_XS, [18] = LWC_DTYPE_IQ3_XXS, [19] = LWC_DTYPE_IQ1_S,
    [20] = LWC_DTYPE_IQ4_NL, [21] = LWC_DTYPE_IQ3_S,   [22] = LWC_DTYPE_IQ2_S,
    [23] = LWC_DTYPE_IQ4_XS, [24] = LWC_DTYPE_I8,      [25] = LWC_DTYPE_I16,
    [26] = LWC_DTYPE_I32,    [27] = LWC_DTYPE_I64,     [28] = LWC_DTYPE_F64,
    [29] = LWC_DTYPE_IQ1_M,  [30] = LWC_DTYPE_BF16,    [34] = LWC_DTYPE_TQ1_0,
    [35] = LWC_DTYPE_TQ2_0,  [39] = LWC_DTYPE_MXFP4,   [40] = LWC_DTYPE_NVFP4,
    [41] = LWC_DTYPE_Q1_0,   [42] = LWC_DTYPE_Q2_0,
};

/* *alignment: 0 until the file has said it. */
static bool take_alignment(struct gguf_cursor *cursor, uint32_t type, uint32_t *alignment)
{
    if (type != GGUF_U32 || *alignment)
        return gguf_problem(cursor, "general.alignment twice, or not a 32-bit number");
    if (!gguf_take_u32(cursor, alignment))
        return false;
    if (!*alignment || *alignment & (*alignment - 1))
        return gguf_problem(cursor, "the alignment is no power of two");
    return true;
}

static bool take_metadata(struct gguf_cursor *cursor, uint64_t pairs, uint32_t *alignment)
{
    static const char name[] = "general.alignment";

    *alignment = 0;
    for (uint64_t i = 0; i < pairs; i++) {
        char key[sizeof(name)];
        uint64_t length;
        uint32_t type;

        if (!gguf_take_string(cursor, key, sizeof(key), &length) || !gguf_take_u32(cursor, &type))
            return false;
        if (length == sizeof(name) - 1 && memcmp(key, name, sizeof(key)) == 0
                ? !take_alignment(cursor, type, alignment)
                : !gguf_skip_value(cursor, type))
            return false;
    }
    if (!*alignment)
        *alignment = ALIGNMENT_DEFAULT;
    return true;
}

/* Dimensions, innermost first, to the shape, outermost first; *elements: their product. */
static bool take_shape(struct gguf_cursor *cursor, struct file_tensor *tensor, uint64_t *elements)
{
    bool empty = false, overflow = false;

    *elements = 1;
    for (uint16_t i = 0; i < tensor->ndim; i++) {
        uint64_t dimension;

        if (!gguf_take_u64(cursor, &dimension))
            return false;
        tensor->shape[tensor->ndim - 1 - i] = dimension;
        if (!dimension)
            empty = true;
        else
            overflow |= __builtin_mul_overflow(*elements, dimension, elements);
    }
    if (empty)
        *elements = 0;
    return empty || !overflow || gguf_problem(cursor, "a tensor of more than 2^64 elements");
}

/* dtype and size of a tensor of so many elements, from ggml's number of its type. */
static bool set_type(struct gguf_cursor *cursor, struct file_tensor *tensor, uint32_t type,
                     uint64_t elements)
{
    struct lwc_dtype_block block;

    tensor->dtype = type < sizeof(dtypes) / sizeof(*dtypes) ? dtypes[type] : LWC_DTYPE_BYTES;
    tensor->size = 0;
    if (tensor->dtype == LWC_DTYPE_BYTES)
        return true;
    block = lwc_dtype_block(tensor->dtype);
    if ((tensor->ndim ? tensor->shape[tensor->ndim - 1] : 1) % block.elements)
        return gguf_problem(cursor, "a tensor whose rows are not whole blocks");
    if (__builtin_mul_overflow(elements / block.elements, block.bytes, &tensor->size))
        return gguf_problem(cursor, "a tensor of more than 2^64 bytes");
    return true;
}

/* The offset is still the one from the start of the data. */
static bool take_tensor(struct gguf_cursor *cursor, struct file_tensor *tensor)
{
    char name[LWC_NAME_MAX + 1];
    uint64_t length, elements;
    uint32_t dimensions, type;

    if (!gguf_take_string(cursor, name, sizeof(name), &length))
        return false;
    if (!length || length > LWC_NAME_MAX || strlen(name) != length)
        return gguf_problem(cursor, "the name of a tensor is empty, too long or has a NUL");
    if (!gguf_take_u32(cursor, &dimensions))
        return false;
    if (dimensions > LWC_MAX_DIMS)
        return gguf_problem(cursor, "a tensor of more than 8 dimensions");
    tensor->ndim = (uint16_t)dimensions;
    if (!take_shape(cursor, tensor, &elements) || !gguf_take_u32(cursor, &type) ||
        !gguf_take_u64(cursor, &tensor->offset))
        return false;
    if (!set_type(cursor, tensor, type, elements))
        return false;
    tensor->name = strdup(name);
    if (!tensor->name)
        fail(cursor->failure, "out of memory for the names of tensors");
    return tensor->name != NULL;
}

/* The list grows with what was read, whatever count the file claims. */
static bool take_tensors(struct gguf_cursor *cursor, uint64_t count, struct file_tensors *out)
{
    if (count > TENSORS_MAX)
        return gguf_problem(cursor, "more than 1048576 tensors");
    if (!gguf_room(cursor, count, TENSOR_LEAST, "more tensors than there is room for"))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if ((i & (i - 1)) == 0) {
            struct file_tensor *grown =
                reallocarray(out->tensors, i ? 2 * i : 1, sizeof(*out->tensors));

            if (!grown) {
                fail(cursor->failure, "out of memory for %zu tensors", out->count);
                return false;
            }
            out->tensors = grown;
        }
        if (!take_tensor(cursor, &out->tensors[i]))
            return false;
        out->count++;
    }
    return true;
}

static int compare_names(const void *left, const void *right)
{
    const struct file_tensor *a = left;
    const struct file_tensor *b = right;

    return strcmp(a->name, b->name);
}

static bool names_differ(struct gguf_cursor *cursor, struct file_tensors *list)
{
    if (list->count)
        qsort(list->tensors, list->count, sizeof(*list->tensors), compare_names);
    for (size_t i = 1; i < list->count; i++)
        if (strcmp(list->tensors[i - 1].name, list->tensors[i].name) == 0)
            return gguf_problem(cursor, "two tensors of one name");
    return true;
}

/* Offsets from the start of the data to offsets in the file. */
static bool place_tensors(struct gguf_cursor *cursor, uint32_t alignment, struct file_tensors *list)
{
    uint64_t padding = -cursor->at & (alignment - 1), start, end;

    cursor->end = cursor->source->size;
    /* without tensors there is no data, hence no padding either */
    if (list->count && !gguf_skip(cursor, padding))
        return false;
    start = cursor->at;
    for (size_t i = 0; i < list->count; i++) {
        struct file_tensor *tensor = &list->tensors[i];

        if (tensor->offset & (alignment - 1))
            return gguf_problem(cursor, "a tensor that is not aligned");
        if (__builtin_add_overflow(start, tensor->offset, &tensor->offset) ||
            __builtin_add_overflow(tensor->offset, tensor->size, &end) ||
            end > cursor->source->size)
            return gguf_problem(cursor, "a tensor outside the file, which may be truncated");
    }
    return true;
}

int gguf_read(int fd, uint64_t size, const char *path, bool (*stop)(void), struct file_tensors *out,
              struct failure *failure)
{
    struct gguf_file file = {fd, path};
    struct gguf_source source = {gguf_file_read, &file, size};
    struct gguf_cursor *cursor = gguf_cursor_new(&source, path, stop, failure);
    uint64_t tensors, pairs;
    uint32_t alignment;
    int result = 0;

    memset(out, 0, sizeof(*out));
    if (!cursor)
        return -1;
    if (!gguf_take_start(cursor, &tensors, &pairs) || !take_metadata(cursor, pairs, &alignment) ||
        !take_tensors(cursor, tensors, out) || !names_differ(cursor, out) ||
        !place_tensors(cursor, alignment, out))
        result = gguf_report(cursor, path);
    else if (file_tensors_arrange(out, path, failure) < 0)
        result = 1;
    if (result)
        file_tensors_free(out);
    free(cursor);
    return result;
}
