/* SPDX-License-Identifier: BSD-3-Clause */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void host_path(char path[HOST_PATH_MAX], const char *root, const char *format, ...)
{
    size_t length = (size_t)snprintf(path, HOST_PATH_MAX, "%s", root);
    va_list arguments;

    if (length >= HOST_PATH_MAX)
        return;
    va_start(arguments, format);
    vsnprintf(path + length, HOST_PATH_MAX - length, format, arguments);
    va_end(arguments);
}

static ssize_t read_all(int fd, char *text, size_t size)
{
    size_t length = 0;
    ssize_t got;

    while ((got = read(fd, text + length, size - length)) > 0)
        length += (size_t)got;
    return got < 0 ? -1 : (ssize_t)length;
}

bool host_read(const char *root, const char *path, char *text, size_t size)
{
    char whole[HOST_PATH_MAX];
    ssize_t length = -1;
    int fd, error;

    host_path(whole, root, "%s", path);
    fd = open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0)
        length = read_all(fd, text, size - 1);
    error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    text[length < 0 ? 0 : length] = '\0';
    while (length > 0 && strchr(" \t\n", text[length - 1]))
        text[--length] = '\0';
    return length >= 0;
}

static bool parse(const char *text, uint64_t *value)
{
    char *end;

    *value = 0;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *value = strtoull(text, &end, 0);
    return !errno;
}

bool host_number(const char *root, const char *path, uint64_t *value)
{
    char text[64];

    return host_read(root, path, text, sizeof(text)) && parse(text, value);
}

bool host_line(const char *text, const char *key, char *value, size_t size)
{
    size_t length = strlen(key);

    *value = '\0';
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) != 0)
            continue;
        line += length;
        line += strspn(line, " \t");
        snprintf(value, size, "%.*s", (int)strcspn(line, "\n"), line);
        return true;
    }
    return false;
}

uint64_t host_line_number(const char *text, const char *key)
{
    char value[64];
    uint64_t number = 0;

    if (host_line(text, key, value, sizeof(value)))
        parse(value, &number);
    return number;
}
