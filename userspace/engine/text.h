/* SPDX-License-Identifier: BSD-3-Clause */
/* Arrays that grow, for tokenizers: bytes and tokens. Zeroed, they are empty. */
#ifndef LWC_ENGINE_TEXT_H
#define LWC_ENGINE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes;
    size_t size, room;
};

struct tokens {
    uint32_t *ids;
    size_t count, room;
};

/* Make room for more elements in an array of *room elements. 0, or -1 without memory. */
int make_room(void **array, size_t *room, size_t count, size_t more, size_t element);

int text_add(struct text *text, const char *bytes, size_t size); /* 0, or -1 without memory */
void text_free(struct text *text);

int tokens_add(struct tokens *tokens, uint32_t id); /* 0, or -1 without memory */

/* Bytes of the UTF-8 character at bytes, of size at least 1; 0 where there is none. */
size_t character_size(const char *bytes, size_t size);

/* The code point of a character of that size. */
uint32_t character_code(const char *bytes, size_t size);

/* A code point, below 0x110000, as UTF-8 in bytes. Its size. */
size_t character_write(uint32_t code, char bytes[4]);

/* Valid UTF-8 without a NUL? */
bool is_text(const char *bytes, size_t size);

/* Text with U+FFFD for each byte that belongs to no character. 0, or -1 without memory. */
int text_add_lossy(struct text *text, const char *bytes, size_t size);

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

#endif
