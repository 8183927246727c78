/* SPDX-License-Identifier: BSD-3-Clause */
#include "gguf_values.h"
#include "gguf_cursor.h"

#include <stdlib.h>
#include <string.h>

/* A thousand times what files have. */
#define VALUES_MAX 65536u

struct value {
    struct gguf_string key;
    uint32_t type;
    const uint8_t *bytes;
    struct gguf_array array; /* GGUF_ARRAY */
    uint32_t *starts;        /* that array's, to be freed */
};

struct gguf_values {
    char *path;
    uint8_t *bytes; /* of the file, from its start to the end of the last value */
    struct value *list;
    size_t count;
};

static int from_memory(void *context, uint64_t offset, void *to, size_t size,
                       struct failure *failure)
{
    (void)failure;
    memcpy(to, (const uint8_t *)context + offset, size);
    return 0;
}

/* Past a string whose length is there: its characters lie behind that. */
static bool take_text(struct gguf_cursor *cursor, const uint8_t *bytes, struct gguf_string *out)
{
    uint64_t length;

    if (!gguf_take_u64(cursor, &length))
        return false;
    *out = (struct gguf_string){(const char *)bytes + cursor->at, (size_t)length};
    return gguf_skip(cursor, length);
}

static bool take_strings(struct gguf_cursor *cursor, struct value *value)
{
    uint64_t first = cursor->at, count = value->array.count;
    uint64_t length;

    /* each takes eight bytes of the file */
    value->starts = malloc((count + 1) * sizeof(*value->starts));
    if (!value->starts) {
        fail(cursor->failure, "out of memory for %zu strings", value->array.count);
        return false;
    }
    value->array.starts = value->starts;
    for (uint64_t i = 0; i < count; i++) {
        value->starts[i] = (uint32_t)(cursor->at - first); /* a header ends before 2^32 */
        if (!gguf_take_u64(cursor, &length) || !gguf_skip(cursor, length))
            return false;
    }
    return true;
}

static bool take_array(struct gguf_cursor *cursor, const uint8_t *bytes, struct value *value)
{
    uint64_t count;

    if (!gguf_take_array(cursor, &value->array.type, &count))
        return false;
    value->array.count = (size_t)count;
    value->array.bytes = bytes + cursor->at;
    if (value->array.type == GGUF_STRING)
        return take_strings(cursor, value);
    if (value->array.type != GGUF_ARRAY)
        return gguf_skip(cursor, count * gguf_type_size(value->array.type));
    for (uint64_t i = 0; i < count; i++)
        if (!gguf_skip_value(cursor, GGUF_ARRAY))
            return false;
    return true;
}

static bool take_value(struct gguf_cursor *cursor, const uint8_t *bytes, struct value *value)
{
    if (!take_text(cursor, bytes, &value->key) || !gguf_take_u32(cursor, &value->type))
        return false;
    value->bytes = bytes + cursor->at;
    if (value->type == GGUF_ARRAY)
        return take_array(cursor, bytes, value);
    return gguf_skip_value(cursor, value->type);
}

static int compare_text(const struct gguf_string *a, const struct gguf_string *b)
{
    int order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);

    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static int compare_keys(const void *left, const void *right)
{
    return compare_text(&((const struct value *)left)->key, &((const struct value *)right)->key);
}

/* The values of the bytes in memory, sorted by key. */
static bool take_values(struct gguf_cursor *cursor, struct gguf_values *values)
{
    uint64_t tensors, pairs;

    if (!gguf_take_start(cursor, &tensors, &pairs))
        return false;
    if (pairs > VALUES_MAX)
        return gguf_problem(cursor, "more than 65536 values");
    values->list = calloc(pairs + 1, sizeof(*values->list));
    if (!values->list) {
        fail(cursor->failure, "out of memory for the values of the header");
        return false;
    }
    while (values->count < pairs)
        if (!take_value(cursor, values->bytes, &values->list[values->count++]))
            return false;
    qsort(values->list, values->count, sizeof(*values->list), compare_keys);
    for (size_t i = 1; i < values->count; i++)
        if (compare_keys(&values->list[i - 1], &values->list[i]) == 0)
            return gguf_problem(cursor, "two values of one key");
    return true;
}

static int read_from_memory(struct gguf_values *values, uint64_t size, struct failure *failure)
{
    struct gguf_source memory = {from_memory, values->bytes, size};
    struct gguf_cursor *cursor = gguf_cursor_new(&memory, values->path, NULL, failure);
    int result = -1;

    if (cursor)
        result = take_values(cursor, values) ? 0 : gguf_report(cursor, values->path);
    free(cursor);
    return result ? -1 : 0;
}

/* How many bytes there are until the end of the last value; 0 with a message. */
static uint64_t measure(const struct gguf_source *source, const char *path, struct failure *failure)
{
    struct gguf_cursor *cursor = gguf_cursor_new(source, path, NULL, failure);
    uint64_t tensors, pairs, length, end = 0;
    uint32_t type;
    bool good;

    if (!cursor)
        return 0;
    good = gguf_take_start(cursor, &tensors, &pairs);
    for (uint64_t i = 0; good && i < pairs; i++)
        good = gguf_take_u64(cursor, &length) && gguf_skip(cursor, length) &&
               gguf_take_u32(cursor, &type) && gguf_skip_value(cursor, type);
    if (good)
        end = cursor->at;
    else
        gguf_report(cursor, path);
    free(cursor);
    return end;
}

struct gguf_values *gguf_values_new(const struct gguf_source *source, const char *path,
                                    struct failure *failure)
{
    struct gguf_values *values = calloc(1, sizeof(*values));
    uint64_t size = measure(source, path, failure);

    if (values && size) {
        values->path = strdup(path);
        values->bytes = malloc(size);
    }
    if (!values || (size && (!values->path || !values->bytes)))
        fail(failure, "%s: out of memory", path);
    /* parsed again from memory: what it points to cannot change any more */
    else if (size && source->read(source->context, 0, values->bytes, size, failure) == 0 &&
             read_from_memory(values, size, failure) == 0)
        return values;
    gguf_values_free(values);
    return NULL;
}

void gguf_values_free(struct gguf_values *values)
{
    if (!values)
        return;
    for (size_t i = 0; i < values->count; i++)
        free(values->list[i].starts);
    free(values->list);
    free(values->bytes);
    free(values->path);
    free(values);
}

const char *gguf_values_path(const struct gguf_values *values)
{
    return values->path;
}

static const struct value *find(const struct gguf_values *values, const char *key)
{
    struct value wanted = {.key = {key, strlen(key)}};

    if (!values->count)
        return NULL;
    return bsearch(&wanted, values->list, values->count, sizeof(*values->list), compare_keys);
}

bool gguf_values_key(const struct gguf_values *values, size_t index, struct gguf_string *key)
{
    if (index < values->count)
        *key = values->list[index].key;
    return index < values->count;
}

static bool is_whole(uint32_t type)
{
    return gguf_type_size(type) && type != GGUF_F32 && type != GGUF_F64 && type != GGUF_BOOL;
}

static bool is_signed(uint32_t type)
{
    return type == GGUF_I8 || type == GGUF_I16 || type == GGUF_I32 || type == GGUF_I64;
}

/* The bits of a whole number, those of a negative one with ones above. */
static uint64_t whole_at(uint32_t type, const uint8_t *bytes)
{
    size_t size = gguf_type_size(type);
    uint64_t bits = 0;

    memcpy(&bits, bytes, size);
    if (is_signed(type) && size < 8 && bits >> (8 * size - 1))
        bits |= ~0ull << (8 * size);
    return bits;
}

static double real_at(uint32_t type, const uint8_t *bytes)
{
    double wide;
    float narrow;

    if (type == GGUF_F64) {
        memcpy(&wide, bytes, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, bytes, sizeof(narrow));
    return narrow;
}

bool gguf_values_is_zero(const struct gguf_values *values, const char *key)
{
    const struct value *value = find(values, key);

    if (!value || !gguf_type_size(value->type))
        return false;
    return value->type == GGUF_F32 || value->type == GGUF_F64
               ? real_at(value->type, value->bytes) == 0
               : whole_at(value->type, value->bytes) == 0;
}

static int wrong(const struct gguf_values *values, const char *key, const char *what,
                 struct failure *failure)
{
    return fail(failure, "%s: %.200s is not %s", values->path, key, what);
}

int gguf_values_u64(const struct gguf_values *values, const char *key, uint64_t *out,
                    struct failure *failure)
{
    const struct value *value = find(values, key);

    if (!value)
        return 0;
    if (is_whole(value->type)) {
        *out = whole_at(value->type, value->bytes);
        if (!is_signed(value->type) || *out <= INT64_MAX)
            return 1;
    }
    return wrong(values, key, "a whole number, or it is negative", failure);
}

int gguf_values_float(const struct gguf_values *values, const char *key, double *out,
                      struct failure *failure)
{
    const struct value *value = find(values, key);

    if (!value)
        return 0;
    if (value->type != GGUF_F32 && value->type != GGUF_F64)
        return wrong(values, key, "a floating-point number", failure);
    *out = real_at(value->type, value->bytes);
    return 1;
}

int gguf_values_bool(const struct gguf_values *values, const char *key, bool *out,
                     struct failure *failure)
{
    const struct value *value = find(values, key);

    if (!value)
        return 0;
    if (value->type != GGUF_BOOL || *value->bytes > 1)
        return wrong(values, key, "a bool", failure);
    *out = *value->bytes;
    return 1;
}

static struct gguf_string string_at(const uint8_t *bytes)
{
    uint64_t length;

    memcpy(&length, bytes, sizeof(length));
    return (struct gguf_string){(const char *)bytes + sizeof(length), (size_t)length};
}

int gguf_values_string(const struct gguf_values *values, const char *key, struct gguf_string *out,
                       struct failure *failure)
{
    const struct value *value = find(values, key);

    if (!value)
        return 0;
    if (value->type != GGUF_STRING)
        return wrong(values, key, "a string", failure);
    *out = string_at(value->bytes);
    return 1;
}

bool gguf_string_is(struct gguf_string string, const char *text)
{
    return string.size == strlen(text) && memcmp(string.text, text, string.size) == 0;
}

int gguf_values_array(const struct gguf_values *values, const char *key, enum gguf_items items,
                      struct gguf_array *out, struct failure *failure)
{
    static const char *const kinds[] = {"an array of strings", "an array of whole numbers",
                                        "an array of floating-point numbers"};
    const struct value *value = find(values, key);
    uint32_t type;

    if (!value)
        return 0;
    type = value->array.type;
    if (value->type != GGUF_ARRAY ||
        (value->array.count && !(items == GGUF_STRINGS ? type == GGUF_STRING
                                 : items == GGUF_WHOLE ? is_whole(type) || type == GGUF_BOOL
                                                       : type == GGUF_F32 || type == GGUF_F64)))
        return wrong(values, key, kinds[items], failure);
    *out = value->array;
    return 1;
}

struct gguf_string gguf_array_string(const struct gguf_array *array, size_t index)
{
    return string_at(array->bytes + array->starts[index]);
}

int64_t gguf_array_whole(const struct gguf_array *array, size_t index)
{
    uint64_t bits = whole_at(array->type, array->bytes + index * gguf_type_size(array->type));

    return array->type == GGUF_U64 && bits > INT64_MAX ? INT64_MAX : (int64_t)bits;
}

double gguf_array_real(const struct gguf_array *array, size_t index)
{
    return real_at(array->type, array->bytes + index * gguf_type_size(array->type));
}
