/* SPDX-License-Identifier: BSD-3-Clause */
#include "users.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOWN 5 /* of the processes */

static bool below(const char *path, const char *directory)
{
    size_t length = strlen(directory);

    return strncmp(path, directory, length) == 0 && (!path[length] || path[length] == '/');
}

/* Does the link in the directory of a process lead there? */
static bool leads_below(int process, const char *link, const char *directory)
{
    char path[PATH_MAX];
    ssize_t length = readlinkat(process, link, path, sizeof(path) - 1);

    if (length < 0)
        return false;
    path[length] = '\0';
    return below(path, directory);
}

static DIR *open_directory(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);

    if (!directory && fd >= 0)
        close(fd);
    return directory;
}

static bool opened_below(int process, const char *directory)
{
    DIR *links = open_directory(process, "fd");
    struct dirent *link;
    bool found = false;

    while (links && !found && (link = readdir(links)))
        found = leads_below(dirfd(links), link->d_name, directory);
    if (links)
        closedir(links);
    return found;
}

static bool mapped_below(int process, const char *directory)
{
    int fd = openat(process, "maps", O_RDONLY | O_CLOEXEC);
    FILE *maps = fd < 0 ? NULL : fdopen(fd, "r");
    char *line = NULL;
    size_t room = 0;
    bool found = false;

    while (maps && !found && getline(&line, &room, maps) > 0) {
        char *path = strchr(line, '/');

        if (path)
            path[strcspn(path, "\n")] = '\0';
        found = path && below(path, directory);
    }
    free(line);
    if (maps)
        fclose(maps);
    else if (fd >= 0)
        close(fd);
    return found;
}

static bool uses(int process, const char *directory)
{
    return leads_below(process, "cwd", directory) || leads_below(process, "root", directory) ||
           opened_below(process, directory) || mapped_below(process, directory);
}

static void read_command(int process, char *command, size_t size)
{
    int fd = openat(process, "comm", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, command, size - 1);

    command[length > 0 ? length : 0] = '\0';
    command[strcspn(command, "\n")] = '\0';
    if (fd >= 0)
        close(fd);
}

void users_of(const char *directory, char *text, size_t size)
{
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    size_t length = 0;
    int count = 0;

    *text = '\0';
    while (processes && (entry = readdir(processes))) {
        char command[32];
        int process;

        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        process = openat(dirfd(processes), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (process < 0)
            continue;
        if (uses(process, directory) && count++ < SHOWN && length < size) {
            read_command(process, command, sizeof(command));
            length += (size_t)snprintf(text + length, size - length, "%s%s (%s)",
                                       length ? ", " : "", entry->d_name, command);
        }
        close(process);
    }
    if (count > SHOWN && length < size)
        snprintf(text + length, size - length, " and %d more", count - SHOWN);
    if (processes)
        closedir(processes);
}
