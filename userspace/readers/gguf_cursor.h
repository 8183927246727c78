/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One way through the header of a GGUF file, from its start, with every length
 * checked. What reads tensors and what reads values share it.
 *
 * Functions return true, or false after a problem in the file or an error of
 * reading it; then all further calls would be wrong.
 */
#ifndef LWC_GGUF_CURSOR_H
#define LWC_GGUF_CURSOR_H

#include "gguf.h"

#include <stdbool.h>

enum gguf_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPES,
};

struct gguf_cursor {
    const struct gguf_source *source;
    uint64_t end; /* where the header must have ended */
    uint64_t at;
    bool (*stop)(void); /* or NULL */
    uint64_t window;    /* what of the file is in buffer */
    size_t filled;
    const char *problem;     /* in the file; NULL after an error */
    struct failure *failure; /* of an error, written */
    uint8_t buffer[65536];
};

/* At the start of the file. NULL without memory, with a message; freed with free. */
struct gguf_cursor *gguf_cursor_new(const struct gguf_source *source, const char *path,
                                    bool (*stop)(void), struct failure *failure);

/* What is wrong with the file; always false, so that callers can return it. */
bool gguf_problem(struct gguf_cursor *cursor, const char *problem);

/*
 * The message of what ended the reading, and where: 1 for a problem in the file,
 * -1 for an error, whose message is there.
 */
int gguf_report(const struct gguf_cursor *cursor, const char *path);

bool gguf_skip(struct gguf_cursor *cursor, uint64_t length);
/* length: no more than the buffer has. */
bool gguf_take(struct gguf_cursor *cursor, void *to, size_t length);
bool gguf_take_u32(struct gguf_cursor *cursor, uint32_t *value);
bool gguf_take_u64(struct gguf_cursor *cursor, uint64_t *value);
/* A string to text if it is shorter than room, with a NUL behind it; *length in any case. */
bool gguf_take_string(struct gguf_cursor *cursor, char *text, size_t room, uint64_t *length);

/* Is there room for so many that take so many bytes at least? If not, problem. */
bool gguf_room(struct gguf_cursor *cursor, uint64_t count, uint64_t least, const char *problem);

/* Magic and version, and the counts, of which pairs are as many as there is room for. */
bool gguf_take_start(struct gguf_cursor *cursor, uint64_t *tensors, uint64_t *pairs);

/* Type and count of an array's items, of which there is room for count. */
bool gguf_take_array(struct gguf_cursor *cursor, uint32_t *type, uint64_t *count);

/* Past a value of the type, whatever it is. */
bool gguf_skip_value(struct gguf_cursor *cursor, uint32_t type);

/* Bytes of a value; 0: its own length says, or there is no such type. */
size_t gguf_type_size(uint32_t type);

#endif
