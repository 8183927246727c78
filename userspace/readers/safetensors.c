/* SPDX-License-Identifier: BSD-3-Clause */
#include "safetensors.h"
#include "container/format_names.h"
#include "container/file_read.h"
#include "kmod/codec/codec.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What the reference implementation refuses, too. */
#define HEADER_MAX 100000000u
#define PREFIX_SIZE 8u

/* LWC_DTYPE_BYTES stands for a dtype without a name here. */
static uint16_t dtype_by_name(const char *name)
{
    for (uint16_t i = LWC_DTYPE_BYTES + 1; lwc_dtype_size(i); i++)
        if (strcmp(name, dtype_name(i)) == 0)
            return i;
    return LWC_DTYPE_BYTES;
}

/* The parsed header, which is length bytes long; NULL with a message. */
static json_t *read_header(int fd, uint64_t size, const char *path, uint64_t *length,
                           struct failure *failure)
{
    json_error_t error;
    json_t *header = NULL;
    uint8_t prefix[PREFIX_SIZE];
    char *text;
    int result;

    if (size < PREFIX_SIZE) {
        fail(failure, "%s: shorter than a safetensors header; get the file again", path);
        return NULL;
    }
    result = file_read(fd, prefix, sizeof(prefix), 0);
    if (result) {
        fail_errno(failure, result, "%s: cannot read", path);
        return NULL;
    }
    if (memcmp(prefix, "version ", sizeof(prefix)) == 0) {
        fail(failure, "%s: a git-lfs pointer, not the model; run git lfs pull", path);
        return NULL;
    }
    memcpy(length, prefix, sizeof(*length));
    if (*length > HEADER_MAX || *length > size - PREFIX_SIZE) {
        fail(failure,
             "%s: safetensors header of %" PRIu64 " bytes does not fit; get the file again", path,
             *length);
        return NULL;
    }
    text = malloc(*length + 1);
    if (!text) {
        fail(failure, "%s: out of memory for the header", path);
        return NULL;
    }
    result = file_read(fd, text, *length, PREFIX_SIZE);
    if (result) {
        fail_errno(failure, result, "%s: cannot read", path);
    } else {
        header = json_loadb(text, *length, JSON_REJECT_DUPLICATES, &error);
        if (!header)
            fail(failure, "%s: safetensors header is not sound JSON (byte %d: %s)", path,
                 error.position, error.text);
        else if (!json_is_object(header)) {
            fail(failure, "%s: safetensors header is not a JSON object", path);
            json_decref(header);
            header = NULL;
        }
    }
    free(text);
    return header;
}

static bool get_u64(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

/* Multiply the dimensions; a zero makes the whole product zero. */
static bool count_elements(const json_t *shape, uint64_t *elements)
{
    uint64_t product = 1;
    bool empty = false;
    bool overflow = false;

    for (size_t i = 0; i < json_array_size(shape); i++) {
        uint64_t dimension;

        if (!get_u64(json_array_get(shape, i), &dimension))
            return false;
        if (dimension == 0)
            empty = true;
        else if (__builtin_mul_overflow(product, dimension, &product))
            overflow = true;
    }
    *elements = empty ? 0 : product;
    return empty || !overflow;
}

/* Fill tensor from its JSON; the words for what is wrong, or NULL. */
static const char *parse_tensor(const json_t *value, uint64_t data_start, uint64_t data_size,
                                struct file_tensor *tensor)
{
    const json_t *dtype = json_object_get(value, "dtype");
    const json_t *shape = json_object_get(value, "shape");
    const json_t *offsets = json_object_get(value, "data_offsets");
    uint64_t begin, end, elements, bytes;

    if (!json_is_string(dtype) || !json_is_array(shape) || !json_is_array(offsets))
        return "dtype, shape or data_offsets is missing";
    if (json_array_size(offsets) != 2 || !get_u64(json_array_get(offsets, 0), &begin) ||
        !get_u64(json_array_get(offsets, 1), &end))
        return "data_offsets is not a pair of unsigned integers";
    if (begin > end || end > data_size)
        return "data_offsets lie outside the file; it may be truncated";
    if (!count_elements(shape, &elements))
        return "shape is not a list of unsigned integers with a product below 2^64";
    tensor->dtype = dtype_by_name(json_string_value(dtype));
    if (tensor->dtype != LWC_DTYPE_BYTES &&
        (__builtin_mul_overflow(elements, lwc_dtype_size(tensor->dtype), &bytes) ||
         bytes != end - begin))
        return "shape and dtype do not give the size of its data";
    if (json_array_size(shape) > LWC_MAX_DIMS)
        tensor->dtype = LWC_DTYPE_BYTES;
    tensor->ndim = 0;
    if (tensor->dtype != LWC_DTYPE_BYTES)
        for (size_t i = 0; i < json_array_size(shape); i++)
            get_u64(json_array_get(shape, i), &tensor->shape[tensor->ndim++]);
    tensor->offset = data_start + begin;
    tensor->size = end - begin;
    return NULL;
}

static int parse_tensors(json_t *header, uint64_t data_start, uint64_t data_size, const char *path,
                         struct file_tensors *out, struct failure *failure)
{
    const char *name;
    json_t *value;

    json_object_foreach(header, name, value)
    {
        struct file_tensor *tensor = &out->tensors[out->count];
        const char *problem;

        if (strcmp(name, "__metadata__") == 0)
            continue;
        problem = strlen(name) > LWC_NAME_MAX ? "name is too long"
                  : *name == '\0'             ? "name is empty"
                                              : parse_tensor(value, data_start, data_size, tensor);
        if (problem)
            return fail(failure, "%s: tensor %.200s: %s; get the file again", path, name, problem);
        tensor->name = strdup(name);
        if (!tensor->name)
            return fail(failure, "%s: out of memory for the tensors", path);
        out->count++;
    }
    return 0;
}

int safetensors_read(int fd, uint64_t size, const char *path, struct file_tensors *out,
                     struct failure *failure)
{
    uint64_t length = 0;
    json_t *header;
    uint64_t data_start;
    int result;

    memset(out, 0, sizeof(*out));
    header = read_header(fd, size, path, &length, failure);
    if (!header)
        return -1;
    data_start = PREFIX_SIZE + length;
    /* one more, so that an empty header allocates something, too */
    out->tensors = calloc(json_object_size(header) + 1, sizeof(*out->tensors));
    if (out->tensors)
        result = parse_tensors(header, data_start, size - data_start, path, out, failure);
    else
        result = fail(failure, "%s: out of memory for the tensors", path);
    json_decref(header);
    if (result == 0)
        result = file_tensors_arrange(out, path, failure);
    if (result < 0)
        file_tensors_free(out);
    return result;
}
