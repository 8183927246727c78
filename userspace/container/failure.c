/* SPDX-License-Identifier: BSD-3-Clause */
#include "failure.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool between(unsigned char byte, unsigned char least, unsigned char most)
{
    return byte >= least && byte <= most;
}

/* Bytes of the character at text; 0 for a control character and what is not UTF-8. */
static size_t printable(const unsigned char *text)
{
    /* first byte from and to, and what the second one may be: RFC 3629, without C1 controls */
    static const unsigned char starts[][4] = {
        {0xc2, 0xc2, 0xa0, 0xbf}, {0xc3, 0xdf, 0x80, 0xbf}, {0xe0, 0xe0, 0xa0, 0xbf},
        {0xe1, 0xec, 0x80, 0xbf}, {0xed, 0xed, 0x80, 0x9f}, {0xee, 0xef, 0x80, 0xbf},
        {0xf0, 0xf0, 0x90, 0xbf}, {0xf1, 0xf3, 0x80, 0xbf}, {0xf4, 0xf4, 0x80, 0x8f},
    };
    size_t length = *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4;

    if (between(*text, 0x20, 0x7e))
        return 1;
    for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
        if (!between(*text, starts[i][0], starts[i][1]))
            continue;
        if (!between(text[1], starts[i][2], starts[i][3]))
            return 0;
        for (size_t at = 2; at < length; at++)
            if (!between(text[at], 0x80, 0xbf))
                return 0;
        return length;
    }
    return 0;
}

void make_printable(char *text)
{
    while (*text) {
        size_t length = printable((const unsigned char *)text);

        if (!length)
            *text = '?';
        text += length ? length : 1;
    }
}

int fail(struct failure *failure, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(failure->text, sizeof(failure->text), format, args);
    va_end(args);
    make_printable(failure->text);
    return -1;
}

int fail_errno(struct failure *failure, int error, const char *format, ...)
{
    va_list args;
    char words[128];
    size_t used;

    va_start(args, format);
    vsnprintf(failure->text, sizeof(failure->text), format, args);
    va_end(args);
    used = strlen(failure->text);
    snprintf(failure->text + used, sizeof(failure->text) - used, ": %s",
             strerror_r(error, words, sizeof(words)));
    make_printable(failure->text);
    return -1;
}
