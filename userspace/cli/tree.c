/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tree {
    char *path;
    char *temporary; /* NULL once published */
    int fd;          /* of the temporary directory */
};

static int is_usable(const char *path, struct failure *failure)
{
    struct dirent *entry;
    DIR *directory;
    int entries = 0;

    directory = opendir(path);
    if (!directory && errno == ENOENT)
        return 0;
    if (!directory && errno == ENOTDIR)
        return fail(failure, "%s: exists and is not a directory; choose another name", path);
    if (!directory)
        return fail_errno(failure, errno, "%s: cannot use this directory", path);
    while ((entry = readdir(directory)))
        entries += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(directory);
    if (entries)
        return fail(failure, "%s: exists already and is not empty; choose another name", path);
    return 0;
}

static char *strip_slashes(const char *path)
{
    size_t length = strlen(path);

    while (length > 1 && path[length - 1] == '/')
        length--;
    return strndup(path, length);
}

struct tree *tree_new(const char *path, struct failure *failure)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    char *copy = NULL;

    if (!tree)
        goto no_memory;
    tree->fd = -1;
    tree->path = strip_slashes(path);
    copy = tree->path ? strdup(tree->path) : NULL;
    if (!copy)
        goto no_memory;
    if (is_usable(tree->path, failure) < 0)
        goto failed;
    if (asprintf(&tree->temporary, "%s/.lwcmem-XXXXXX", dirname(copy)) < 0) {
        tree->temporary = NULL;
        goto no_memory;
    }
    if (!mkdtemp(tree->temporary)) {
        fail_errno(failure, errno, "%s: cannot create a directory there", path);
        free(tree->temporary);
        tree->temporary = NULL;
        goto failed;
    }
    tree->fd = open(tree->temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tree->fd < 0) {
        fail_errno(failure, errno, "%s: cannot create a directory there", path);
        goto failed;
    }
    free(copy);
    return tree;
no_memory:
    fail(failure, "%s: out of memory", path);
failed:
    free(copy);
    tree_free(tree);
    return NULL;
}

static int cannot_create(const struct tree *tree, const char *name, struct failure *failure)
{
    if (errno == EEXIST)
        return fail(failure, "%s/%s: the container names it twice; the file is damaged", tree->path,
                    name);
    if (errno == ENOENT || errno == ENOTDIR)
        return fail(failure, "%s/%s: the container has no directory for it; the file is damaged",
                    tree->path, name);
    return fail_errno(failure, errno, "%s/%s: cannot create", tree->path, name);
}

int tree_add_directory(struct tree *tree, const char *name, struct failure *failure)
{
    return mkdirat(tree->fd, name, 0700) < 0 ? cannot_create(tree, name, failure) : 0;
}

int tree_add_file(struct tree *tree, const char *name, uint64_t size, struct failure *failure)
{
    int fd = openat(tree->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int result = 0;

    if (fd < 0)
        return cannot_create(tree, name, failure);
    if (ftruncate(fd, (off_t)size) < 0)
        result = fail_errno(failure, errno, "%s/%s: cannot make a file of %llu bytes", tree->path,
                            name, (unsigned long long)size);
    close(fd);
    return result;
}

int tree_open(struct tree *tree, const char *name, struct failure *failure)
{
    int fd = openat(tree->fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        fail_errno(failure, errno, "%s/%s: cannot open", tree->path, name);
    return fd;
}

int tree_write(struct tree *tree, int fd, const char *name, const void *data, size_t size,
               uint64_t offset, struct failure *failure)
{
    const uint8_t *at = data;

    while (size) {
        ssize_t put = pwrite(fd, at, size, (off_t)offset);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return fail_errno(failure, put < 0 ? errno : ENOSPC,
                              "%s/%s: cannot write; free space or choose another disk", tree->path,
                              name);
        at += put;
        size -= (size_t)put;
        offset += (uint64_t)put;
    }
    return 0;
}

int tree_set_mode(struct tree *tree, const char *name, mode_t mode, struct failure *failure)
{
    if (fchmodat(tree->fd, name, mode, 0) < 0)
        return fail_errno(failure, errno, "%s/%s: cannot set the mode", tree->path, name);
    return 0;
}

int tree_close(struct tree *tree, int fd, const char *name, struct failure *failure)
{
    int result = 0;

    if (fsync(fd) < 0)
        result = fail_errno(failure, errno, "%s/%s: cannot write to the disk", tree->path, name);
    close(fd);
    return result;
}

int tree_publish(struct tree *tree, struct failure *failure)
{
    mode_t mask = umask(0);

    umask(mask);
    if (fchmod(tree->fd, 0777 & ~mask) < 0)
        return fail_errno(failure, errno, "%s: cannot set the mode", tree->path);
    /* replaces an empty directory, nothing else */
    if (rename(tree->temporary, tree->path) < 0) {
        if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR)
            return fail(failure, "%s: appeared meanwhile; choose another name", tree->path);
        return fail_errno(failure, errno, "%s: cannot move the finished files there", tree->path);
    }
    free(tree->temporary);
    tree->temporary = NULL;
    return 0;
}

static void remove_below(int directory_fd)
{
    DIR *directory = fdopendir(directory_fd);
    struct dirent *entry;

    if (!directory) {
        close(directory_fd);
        return;
    }
    while ((entry = readdir(directory))) {
        int fd;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(directory), entry->d_name, 0) == 0)
            continue;
        fchmodat(dirfd(directory), entry->d_name, 0700, 0);
        fd = openat(dirfd(directory), entry->d_name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0)
            remove_below(fd);
        unlinkat(dirfd(directory), entry->d_name, AT_REMOVEDIR);
    }
    closedir(directory);
}

void tree_free(struct tree *tree)
{
    if (!tree)
        return;
    if (tree->temporary && tree->fd >= 0) {
        remove_below(tree->fd);
        tree->fd = -1;
    }
    if (tree->temporary)
        rmdir(tree->temporary);
    if (tree->fd >= 0)
        close(tree->fd);
    free(tree->temporary);
    free(tree->path);
    free(tree);
}
