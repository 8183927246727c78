/* SPDX-License-Identifier: BSD-3-Clause */
#include "gguf.h"
#include "container/file_read.h"
#include "kmod/codec/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT_DEFAULT 32u
/* Arrays in arrays; writers have none at all. */
#define NESTING_MAX 8
/* Ten times what the largest vocabularies take. */
#define HEADER_MAX (256ull << 20)
#define HEADER_TOO_LARGE "a header of more than 256 MiB"
#define TENSORS_MAX (1u << 20)

/* Bytes of the file that each takes at least: lengths of strings, numbers of types. */
#define PAIR_LEAST 13
#define TENSOR_LEAST 24
#define ARRAY_LEAST 12
#define STRING_LEAST 8

enum value_type {
    VALUE_U32 = 4,
    VALUE_STRING = 8,
    VALUE_ARRAY = 9,
    VALUE_TYPES = 13,
};

/* Bytes of a value; 0: its own length says. */
static const uint8_t value_sizes[VALUE_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

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

/* Goes through the file once, from its start; after a problem or an error all calls return false.
 */
struct cursor {
    int fd;
    uint64_t size;
    uint64_t end; /* where the header must have ended */
    uint64_t at;
    bool (*stop)(void);
    uint64_t window; /* what of the file is in buffer */
    size_t filled;
    const char *problem; /* in the file */
    int error;           /* errno of reading it */
    uint32_t alignment;
    bool aligned; /* the file has said it */
    uint8_t buffer[65536];
};

static bool malformed(struct cursor *cursor, const char *problem)
{
    cursor->problem = problem;
    return false;
}

static bool skip(struct cursor *cursor, uint64_t length)
{
    if (length > cursor->end - cursor->at)
        return malformed(cursor, cursor->end < cursor->size
                                     ? HEADER_TOO_LARGE
                                     : "the file ends too early; it may be truncated");
    cursor->at += length;
    return true;
}

/* length: no more than the buffer has. */
static bool take(struct cursor *cursor, void *to, size_t length)
{
    uint64_t from = cursor->at;

    if (!skip(cursor, length))
        return false;
    if (from < cursor->window || from - cursor->window + length > cursor->filled) {
        uint64_t left = cursor->size - from;

        if (cursor->stop()) {
            cursor->error = EINTR;
            return false;
        }
        cursor->window = from;
        cursor->filled = left < sizeof(cursor->buffer) ? (size_t)left : sizeof(cursor->buffer);
        cursor->error = file_read(cursor->fd, cursor->buffer, cursor->filled, from);
        if (cursor->error)
            return false;
    }
    memcpy(to, cursor->buffer + (from - cursor->window), length);
    return true;
}

static bool take_u32(struct cursor *cursor, uint32_t *value)
{
    return take(cursor, value, sizeof(*value));
}

static bool take_u64(struct cursor *cursor, uint64_t *value)
{
    return take(cursor, value, sizeof(*value));
}

/* A string to text if it is shorter than room, with a NUL behind it; *length in any case. */
static bool take_string(struct cursor *cursor, char *text, size_t room, uint64_t *length)
{
    if (!take_u64(cursor, length))
        return false;
    if (*length >= room)
        return skip(cursor, *length);
    text[*length] = '\0';
    return take(cursor, text, (size_t)*length);
}

/* Is there room for so many that take so many bytes at least? */
static bool room_for(struct cursor *cursor, uint64_t count, uint64_t least, const char *problem)
{
    return count <= (cursor->end - cursor->at) / least || malformed(cursor, problem);
}

static bool skip_array(struct cursor *cursor, unsigned int depth);

static bool skip_value(struct cursor *cursor, uint32_t type, unsigned int depth)
{
    uint64_t length;

    if (type >= VALUE_TYPES)
        return malformed(cursor, "metadata of an unknown type");
    if (type == VALUE_STRING)
        return take_u64(cursor, &length) && skip(cursor, length);
    if (type == VALUE_ARRAY)
        return skip_array(cursor, depth + 1);
    return skip(cursor, value_sizes[type]);
}

static bool skip_array(struct cursor *cursor, unsigned int depth)
{
    uint64_t count, bytes;
    uint32_t type;

    if (depth > NESTING_MAX)
        return malformed(cursor, "metadata nested too deeply");
    if (!take_u32(cursor, &type) || !take_u64(cursor, &count))
        return false;
    if (type < VALUE_TYPES && value_sizes[type]) {
        if (__builtin_mul_overflow(count, value_sizes[type], &bytes))
            return malformed(cursor, "an array of more than 2^64 bytes");
        return skip(cursor, bytes);
    }
    if (!room_for(cursor, count, type == VALUE_ARRAY ? ARRAY_LEAST : STRING_LEAST,
                  "more items in an array than there is room for"))
        return false;
    for (uint64_t i = 0; i < count; i++)
        if (!skip_value(cursor, type, depth))
            return false;
    return count || type < VALUE_TYPES || malformed(cursor, "metadata of an unknown type");
}

static bool take_alignment(struct cursor *cursor, uint32_t type)
{
    if (type != VALUE_U32 || cursor->aligned)
        return malformed(cursor, "general.alignment twice, or not a 32-bit number");
    cursor->aligned = true;
    if (!take_u32(cursor, &cursor->alignment))
        return false;
    if (!cursor->alignment || cursor->alignment & (cursor->alignment - 1))
        return malformed(cursor, "the alignment is no power of two");
    return true;
}

static bool take_metadata(struct cursor *cursor, uint64_t pairs)
{
    static const char alignment[] = "general.alignment";

    if (!room_for(cursor, pairs, PAIR_LEAST, "more metadata than there is room for"))
        return false;
    for (uint64_t i = 0; i < pairs; i++) {
        char key[sizeof(alignment)];
        uint64_t length;
        uint32_t type;

        if (!take_string(cursor, key, sizeof(key), &length) || !take_u32(cursor, &type))
            return false;
        if (length == sizeof(alignment) - 1 && memcmp(key, alignment, sizeof(key)) == 0
                ? !take_alignment(cursor, type)
                : !skip_value(cursor, type, 0))
            return false;
    }
    return true;
}

/* Dimensions, innermost first, to the shape, outermost first; *elements: their product. */
static bool take_shape(struct cursor *cursor, struct file_tensor *tensor, uint64_t *elements)
{
    bool empty = false, overflow = false;

    *elements = 1;
    for (uint16_t i = 0; i < tensor->ndim; i++) {
        uint64_t dimension;

        if (!take_u64(cursor, &dimension))
            return false;
        tensor->shape[tensor->ndim - 1 - i] = dimension;
        if (!dimension)
            empty = true;
        else
            overflow |= __builtin_mul_overflow(*elements, dimension, elements);
    }
    if (empty)
        *elements = 0;
    return empty || !overflow || malformed(cursor, "a tensor of more than 2^64 elements");
}

/* dtype and size of a tensor of so many elements, from ggml's number of its type. */
static bool set_type(struct cursor *cursor, struct file_tensor *tensor, uint32_t type,
                     uint64_t elements)
{
    struct lwc_dtype_block block;

    tensor->dtype = type < sizeof(dtypes) / sizeof(*dtypes) ? dtypes[type] : LWC_DTYPE_BYTES;
    tensor->size = 0;
    if (tensor->dtype == LWC_DTYPE_BYTES)
        return true;
    block = lwc_dtype_block(tensor->dtype);
    if ((tensor->ndim ? tensor->shape[tensor->ndim - 1] : 1) % block.elements)
        return malformed(cursor, "a tensor whose rows are not whole blocks");
    if (__builtin_mul_overflow(elements / block.elements, block.bytes, &tensor->size))
        return malformed(cursor, "a tensor of more than 2^64 bytes");
    return true;
}

/* The offset is still the one from the start of the data. */
static bool take_tensor(struct cursor *cursor, struct file_tensor *tensor)
{
    char name[LWC_NAME_MAX + 1];
    uint64_t length, elements;
    uint32_t dimensions, type;

    if (!take_string(cursor, name, sizeof(name), &length))
        return false;
    if (!length || length > LWC_NAME_MAX || strlen(name) != length)
        return malformed(cursor, "the name of a tensor is empty, too long or has a NUL");
    if (!take_u32(cursor, &dimensions))
        return false;
    if (dimensions > LWC_MAX_DIMS)
        return malformed(cursor, "a tensor of more than 8 dimensions");
    tensor->ndim = (uint16_t)dimensions;
    if (!take_shape(cursor, tensor, &elements) || !take_u32(cursor, &type) ||
        !take_u64(cursor, &tensor->offset))
        return false;
    if (!set_type(cursor, tensor, type, elements))
        return false;
    tensor->name = strdup(name);
    if (!tensor->name)
        cursor->error = ENOMEM;
    return tensor->name != NULL;
}

/* The list grows with what was read, whatever count the file claims. */
static bool take_tensors(struct cursor *cursor, uint64_t count, struct file_tensors *out)
{
    if (count > TENSORS_MAX)
        return malformed(cursor, "more than 1048576 tensors");
    if (!room_for(cursor, count, TENSOR_LEAST, "more tensors than there is room for"))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if ((i & (i - 1)) == 0) {
            struct file_tensor *grown =
                reallocarray(out->tensors, i ? 2 * i : 1, sizeof(*out->tensors));

            if (!grown) {
                cursor->error = ENOMEM;
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

static bool names_differ(struct cursor *cursor, struct file_tensors *list)
{
    if (list->count)
        qsort(list->tensors, list->count, sizeof(*list->tensors), compare_names);
    for (size_t i = 1; i < list->count; i++)
        if (strcmp(list->tensors[i - 1].name, list->tensors[i].name) == 0)
            return malformed(cursor, "two tensors of one name");
    return true;
}

/* Offsets from the start of the data to offsets in the file. */
static bool place_tensors(struct cursor *cursor, struct file_tensors *list)
{
    uint64_t padding = -cursor->at & (cursor->alignment - 1), start, end;

    cursor->end = cursor->size;
    /* without tensors there is no data, hence no padding either */
    if (list->count && !skip(cursor, padding))
        return false;
    start = cursor->at;
    for (size_t i = 0; i < list->count; i++) {
        struct file_tensor *tensor = &list->tensors[i];

        if (tensor->offset & (cursor->alignment - 1))
            return malformed(cursor, "a tensor that is not aligned");
        if (__builtin_add_overflow(start, tensor->offset, &tensor->offset) ||
            __builtin_add_overflow(tensor->offset, tensor->size, &end) || end > cursor->size)
            return malformed(cursor, "a tensor outside the file, which may be truncated");
    }
    return true;
}

static bool take_start(struct cursor *cursor, uint64_t *tensors, uint64_t *pairs)
{
    char magic[4];
    uint32_t version;

    if (!take(cursor, magic, sizeof(magic)))
        return false;
    if (memcmp(magic, "GGUF", sizeof(magic)) != 0)
        return malformed(cursor, "no GGUF magic; if this is a git-lfs pointer, run git lfs pull");
    if (!take_u32(cursor, &version))
        return false;
    if (version == 2u << 24 || version == 3u << 24)
        return malformed(cursor, "big-endian");
    if (version != 2 && version != 3)
        return malformed(cursor, "another version than 2 and 3");
    return take_u64(cursor, tensors) && take_u64(cursor, pairs);
}

int gguf_read(int fd, uint64_t size, const char *path, bool (*stop)(void), struct file_tensors *out,
              struct failure *failure)
{
    struct cursor *cursor = calloc(1, sizeof(*cursor));
    uint64_t tensors, pairs;
    int result = 0;

    memset(out, 0, sizeof(*out));
    if (!cursor)
        return fail(failure, "%s: out of memory", path);
    cursor->fd = fd;
    cursor->size = size;
    cursor->end = size < HEADER_MAX ? size : HEADER_MAX;
    cursor->stop = stop;
    cursor->alignment = ALIGNMENT_DEFAULT;
    if (!take_start(cursor, &tensors, &pairs) || !take_metadata(cursor, pairs) ||
        !take_tensors(cursor, tensors, out) || !names_differ(cursor, out) ||
        !place_tensors(cursor, out)) {
        result = cursor->error ? -1 : 1;
        if (cursor->error)
            fail_errno(failure, cursor->error, "%s: cannot read", path);
        else
            fail(failure, "%s: not parsed as GGUF: %s (byte %" PRIu64 ")", path, cursor->problem,
                 cursor->at);
    } else if (file_tensors_arrange(out, path, failure) < 0) {
        result = 1;
    }
    if (result)
        file_tensors_free(out);
    free(cursor);
    return result;
}
