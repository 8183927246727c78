/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the system says of itself in /proc, /sys and /dev, read below a root
 * directory: "" for this machine, else a copy of some of their files for tests.
 */
#ifndef LWC_HOST_H
#define LWC_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOST_PATH_MAX = 4400 };

/* The root and the formatted path, cut off where it is too long. */
void host_path(char path[HOST_PATH_MAX], const char *root, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The start of a file, without spaces and newlines at its end. False with errno
 * if it cannot be read; text is empty then.
 */
bool host_read(const char *root, const char *path, char *text, size_t size);

/* The whole number that a file starts with. False if it does not. */
bool host_number(const char *root, const char *path, uint64_t *value);

/*
 * The rest of the line of text that starts with the key, without blanks around
 * it. False if there is none; value is empty then.
 */
bool host_line(const char *text, const char *key, char *value, size_t size);
/* The whole number there; 0 if there is none. */
uint64_t host_line_number(const char *text, const char *key);

#endif
