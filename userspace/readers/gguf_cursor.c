/* SPDX-License-Identifier: BSD-3-Clause */
#include "gguf_cursor.h"
#include "container/file_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Arrays in arrays; writers have none at all. */
#define NESTING_MAX 8
/* Ten times what the largest vocabularies take. */
#define HEADER_MAX (256ull << 20)
#define HEADER_TOO_LARGE "a header of more than 256 MiB"

/* Bytes of the file that each takes at least: lengths of strings, numbers of types. */
#define PAIR_LEAST 13
#define ARRAY_LEAST 12
#define STRING_LEAST 8

int gguf_file_read(void *context, uint64_t offset, void *to, size_t size, struct failure *failure)
{
    const struct gguf_file *file = context;
    int error = file_read(file->fd, to, size, offset);

    return error ? fail_errno(failure, error, "%s: cannot read", file->path) : 0;
}

struct gguf_cursor *gguf_cursor_new(const struct gguf_source *source, const char *path,
                                    bool (*stop)(void), struct failure *failure)
{
    struct gguf_cursor *cursor = calloc(1, sizeof(*cursor));

    if (!cursor) {
        fail(failure, "%s: out of memory", path);
        return NULL;
    }
    cursor->source = source;
    cursor->end = source->size < HEADER_MAX ? source->size : HEADER_MAX;
    cursor->stop = stop;
    cursor->failure = failure;
    return cursor;
}

bool gguf_problem(struct gguf_cursor *cursor, const char *problem)
{
    cursor->problem = problem;
    return false;
}

int gguf_report(const struct gguf_cursor *cursor, const char *path)
{
    if (!cursor->problem)
        return -1;
    fail(cursor->failure, "%s: not parsed as GGUF: %s (byte %" PRIu64 ")", path, cursor->problem,
         cursor->at);
    return 1;
}

bool gguf_skip(struct gguf_cursor *cursor, uint64_t length)
{
    if (length > cursor->end - cursor->at)
        return gguf_problem(cursor, cursor->end < cursor->source->size
                                        ? HEADER_TOO_LARGE
                                        : "the file ends too early; it may be truncated");
    cursor->at += length;
    return true;
}

bool gguf_take(struct gguf_cursor *cursor, void *to, size_t length)
{
    const struct gguf_source *source = cursor->source;
    uint64_t from = cursor->at;

    if (!gguf_skip(cursor, length))
        return false;
    if (from < cursor->window || from - cursor->window + length > cursor->filled) {
        uint64_t left = source->size - from;

        if (cursor->stop && cursor->stop()) {
            fail(cursor->failure, "interrupted");
            return false;
        }
        cursor->window = from;
        cursor->filled = left < sizeof(cursor->buffer) ? (size_t)left : sizeof(cursor->buffer);
        if (source->read(source->context, from, cursor->buffer, cursor->filled, cursor->failure) <
            0)
            return false;
    }
    memcpy(to, cursor->buffer + (from - cursor->window), length);
    return true;
}

bool gguf_take_u32(struct gguf_cursor *cursor, uint32_t *value)
{
    return gguf_take(cursor, value, sizeof(*value));
}

bool gguf_take_u64(struct gguf_cursor *cursor, uint64_t *value)
{
    return gguf_take(cursor, value, sizeof(*value));
}

bool gguf_take_string(struct gguf_cursor *cursor, char *text, size_t room, uint64_t *length)
{
    if (!gguf_take_u64(cursor, length))
        return false;
    if (*length >= room)
        return gguf_skip(cursor, *length);
    text[*length] = '\0';
    return gguf_take(cursor, text, (size_t)*length);
}

bool gguf_room(struct gguf_cursor *cursor, uint64_t count, uint64_t least, const char *problem)
{
    return count <= (cursor->end - cursor->at) / least || gguf_problem(cursor, problem);
}

bool gguf_take_start(struct gguf_cursor *cursor, uint64_t *tensors, uint64_t *pairs)
{
    char magic[4];
    uint32_t version;

    if (!gguf_take(cursor, magic, sizeof(magic)))
        return false;
    if (memcmp(magic, "GGUF", sizeof(magic)) != 0)
        return gguf_problem(cursor,
                            "no GGUF magic; if this is a git-lfs pointer, run git lfs pull");
    if (!gguf_take_u32(cursor, &version))
        return false;
    if (version == 2u << 24 || version == 3u << 24)
        return gguf_problem(cursor, "big-endian");
    if (version != 2 && version != 3)
        return gguf_problem(cursor, "another version than 2 and 3");
    return gguf_take_u64(cursor, tensors) && gguf_take_u64(cursor, pairs) &&
           gguf_room(cursor, *pairs, PAIR_LEAST, "more metadata than there is room for");
}

size_t gguf_type_size(uint32_t type)
{
    static const uint8_t sizes[GGUF_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

    return type < GGUF_TYPES ? sizes[type] : 0;
}

bool gguf_take_array(struct gguf_cursor *cursor, uint32_t *type, uint64_t *count)
{
    uint64_t bytes;

    if (!gguf_take_u32(cursor, type) || !gguf_take_u64(cursor, count))
        return false;
    if (*type >= GGUF_TYPES)
        return gguf_problem(cursor, "metadata of an unknown type");
    if (!gguf_type_size(*type))
        return gguf_room(cursor, *count, *type == GGUF_ARRAY ? ARRAY_LEAST : STRING_LEAST,
                         "more items in an array than there is room for");
    if (__builtin_mul_overflow(*count, gguf_type_size(*type), &bytes))
        return gguf_problem(cursor, "an array of more than 2^64 bytes");
    return true;
}

static bool skip_nested(struct gguf_cursor *cursor, uint32_t type, unsigned int depth)
{
    uint64_t count, length;

    if (type >= GGUF_TYPES)
        return gguf_problem(cursor, "metadata of an unknown type");
    if (type == GGUF_STRING)
        return gguf_take_u64(cursor, &length) && gguf_skip(cursor, length);
    if (type != GGUF_ARRAY)
        return gguf_skip(cursor, gguf_type_size(type));
    if (depth == NESTING_MAX)
        return gguf_problem(cursor, "metadata nested too deeply");
    if (!gguf_take_array(cursor, &type, &count))
        return false;
    if (gguf_type_size(type))
        return gguf_skip(cursor, count * gguf_type_size(type));
    for (uint64_t i = 0; i < count; i++)
        if (!skip_nested(cursor, type, depth + 1))
            return false;
    return true;
}

bool gguf_skip_value(struct gguf_cursor *cursor, uint32_t type)
{
    return skip_nested(cursor, type, 0);
}
