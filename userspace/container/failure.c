/* SPDX-License-Identifier: BSD-3-Clause */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names come from hostile files: no control byte may reach a terminal. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
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
