/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keys and values in the header of a GGUF file (versions 2 and 3, little
 * endian): what its model computes, its vocabulary.
 *
 * The file may be hostile: it is checked as gguf_read checks it, a key may be
 * there only once, and memory is bounded by the size of the header. What values
 * mean, and whether a text is UTF-8, is the caller's to check.
 *
 * Getters return 1 found, 0 no such key, or -1 with a message: it has a value
 * of another type, or one that the type asked for does not hold. Any thread.
 * Strings and arrays are valid as long as the values are.
 */
#ifndef LWC_GGUF_VALUES_H
#define LWC_GGUF_VALUES_H

#include "gguf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gguf_values;

/* Any bytes, without a NUL behind them. */
struct gguf_string {
    const char *text;
    size_t size;
};

/* Read them. source is not used afterwards; path is for messages, copied. NULL with a message. */
struct gguf_values *gguf_values_new(const struct gguf_source *source, const char *path,
                                    struct failure *failure);
void gguf_values_free(struct gguf_values *values); /* NULL is allowed */
const char *gguf_values_path(const struct gguf_values *values);

/* Keys in order, by index from 0. false behind the last one. */
bool gguf_values_key(const struct gguf_values *values, size_t index, struct gguf_string *key);
/* Is its value a number that is 0, or false? Not of an array or a string, or where there is none.
 */
bool gguf_values_is_zero(const struct gguf_values *values, const char *key);

/* A whole number of any width that is not negative. */
int gguf_values_u64(const struct gguf_values *values, const char *key, uint64_t *out,
                    struct failure *failure);
/* A number with a point, of any width; NaN and infinities too. */
int gguf_values_float(const struct gguf_values *values, const char *key, double *out,
                      struct failure *failure);
int gguf_values_bool(const struct gguf_values *values, const char *key, bool *out,
                     struct failure *failure);
int gguf_values_string(const struct gguf_values *values, const char *key, struct gguf_string *out,
                       struct failure *failure);

/* Does a string have exactly these characters? */
bool gguf_string_is(struct gguf_string string, const char *text);

enum gguf_items {
    GGUF_STRINGS,
    GGUF_WHOLE, /* whole numbers of any width, or bools: 0 and 1 */
    GGUF_REAL,  /* numbers with a point, of any width */
};

struct gguf_array {
    size_t count;
    uint32_t type;          /* of items, as the file numbers types */
    const uint8_t *bytes;   /* of the first item */
    const uint32_t *starts; /* strings: where each begins, from bytes */
};

/* An array whose items are of that kind; an array without items is of any. */
int gguf_values_array(const struct gguf_values *values, const char *key, enum gguf_items items,
                      struct gguf_array *out, struct failure *failure);

/* Items of an array of that kind; index below count. */
struct gguf_string gguf_array_string(const struct gguf_array *array, size_t index);
/* A number above INT64_MAX is INT64_MAX. */
int64_t gguf_array_whole(const struct gguf_array *array, size_t index);
double gguf_array_real(const struct gguf_array *array, size_t index);

#endif
