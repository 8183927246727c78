/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One buffer for all runs of which only so many bytes may be touched, exactly: the rest is
 * poisoned for AddressSanitizer. An allocation for each run would be as exact and far slower.
 */
#ifndef FUZZ_GUARDED_H
#define FUZZ_GUARDED_H

#include <sanitizer/asan_interface.h>
#include <stdint.h>
#include <stdlib.h>

#define GUARD 128 /* more than any access that starts inside and goes too far */

struct guarded {
    uint8_t *area; /* all of it poisoned between runs */
    size_t capacity;
    uint8_t *data;
    size_t size;
};

static inline void guarded_init(struct guarded *buffer, size_t capacity)
{
    buffer->capacity = capacity;
    buffer->area = aligned_alloc(64, (capacity + 3 * GUARD) / 64 * 64);
    if (!buffer->area)
        abort();
    ASAN_POISON_MEMORY_REGION(buffer->area, (capacity + 3 * GUARD) / 64 * 64);
}

/* Open size bytes that start so many bytes behind a multiple of 64; skew: a multiple of 8,
 * below 64. */
static inline uint8_t *guarded_open(struct guarded *buffer, size_t size, size_t skew)
{
    if (size > buffer->capacity)
        abort();
    buffer->data = buffer->area + GUARD + skew;
    buffer->size = size;
    ASAN_UNPOISON_MEMORY_REGION(buffer->data, size);
    return buffer->data;
}

static inline void guarded_close(struct guarded *buffer)
{
    ASAN_POISON_MEMORY_REGION(buffer->data, buffer->size);
}

#endif
