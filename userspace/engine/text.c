/* SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"

#include <stdlib.h>
#include <string.h>

int make_room(void **array, size_t *room, size_t count, size_t more, size_t element)
{
    size_t want, bytes;
    void *grown;

    if (*array && more <= *room - count)
        return 0;
    if (__builtin_add_overflow(count, more, &want) || want > SIZE_MAX / 2)
        return -1;
    want = want < 2 * *room ? 2 * *room : want + 16;
    if (__builtin_mul_overflow(want, element, &bytes))
        return -1;
    grown = realloc(*array, bytes);
    if (!grown)
        return -1;
    *array = grown;
    *room = want;
    return 0;
}

int text_add(struct text *text, const char *bytes, size_t size)
{
    if (make_room((void **)&text->bytes, &text->room, text->size, size, 1) < 0)
        return -1;
    if (size)
        memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    return 0;
}

void text_free(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

int tokens_add(struct tokens *tokens, uint32_t id)
{
    if (make_room((void **)&tokens->ids, &tokens->room, tokens->count, 1, sizeof(id)) < 0)
        return -1;
    tokens->ids[tokens->count++] = id;
    return 0;
}

uint32_t character_code(const char *bytes, size_t size)
{
    uint32_t code = (uint8_t)*bytes & (size == 1 ? 0x7f : 0x7fu >> size);

    for (size_t i = 1; i < size; i++)
        code = code << 6 | ((uint8_t)bytes[i] & 0x3f);
    return code;
}

size_t character_size(const char *bytes, size_t size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = (uint8_t)*bytes;
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t code;

    if (length == 1 || !length || first > 0xf4 || length > size)
        return length == 1;
    for (size_t i = 1; i < length; i++)
        if (((uint8_t)bytes[i] & 0xc0) != 0x80)
            return 0;
    code = character_code(bytes, length);
    return code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0
                                                                                        : length;
}

size_t character_write(uint32_t code, char bytes[4])
{
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    for (size_t i = size - 1; i > 0; i--, code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3f));
    bytes[0] = (char)(size == 1 ? code : (0xf00u >> size & 0xff) | code);
    return size;
}

bool is_text(const char *bytes, size_t size)
{
    size_t at = 0, length = 1;

    for (; at < size && length && bytes[at]; at += length)
        length = character_size(bytes + at, size - at);
    return at == size && length;
}

int text_add_lossy(struct text *text, const char *bytes, size_t size)
{
    size_t valid = 0;

    while (valid < size) {
        size_t length = character_size(bytes + valid, size - valid);

        if (length) {
            valid += length;
            continue;
        }
        if (text_add(text, bytes, valid) < 0 ||
            text_add(text, REPLACEMENT, strlen(REPLACEMENT)) < 0)
            return -1;
        bytes += valid + 1;
        size -= valid + 1;
        valid = 0;
    }
    return text_add(text, bytes, valid);
}
