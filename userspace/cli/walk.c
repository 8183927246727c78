/* SPDX-License-Identifier: BSD-3-Clause */
#include "walk.h"
#include "cli.h"
#include "kmod/codec/codec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_BUFFER (1u << 20)

/* Directories on the way down, to notice a symlink into one of them. */
struct ancestor {
    const struct ancestor *parent;
    dev_t device;
    ino_t inode;
};

static int walk_directory(struct walk *walk, const char *path, const char *name,
                          const struct ancestor *above, struct failure *failure);

static struct walk_file *append(struct walk *walk)
{
    if (walk->count == walk->capacity) {
        size_t capacity = walk->capacity ? 2 * walk->capacity : 64;
        struct walk_file *files = reallocarray(walk->files, capacity, sizeof(*files));

        if (!files)
            return NULL;
        walk->files = files;
        walk->capacity = capacity;
    }
    return memset(&walk->files[walk->count++], 0, sizeof(*walk->files));
}

/* List one name, and what is below it. Takes over path and name. */
static int add(struct walk *walk, char *path, char *name, const struct ancestor *above,
               struct failure *failure)
{
    struct walk_file *file = path && name ? append(walk) : NULL;
    struct ancestor self = {.parent = above};

    if (!file) {
        free(path);
        free(name);
        return fail(failure, "out of memory for the list of files");
    }
    file->path = path;
    file->name = name;
    if (stat(path, &file->status) < 0)
        return fail_errno(failure, errno, "%s: cannot follow; remove it or restore its target",
                          path);
    if (!lwc_name_ok(name, strlen(name)))
        return fail(failure, "%s: a container cannot hold this name; rename it", path);
    if (S_ISREG(file->status.st_mode))
        return 0;
    if (!S_ISDIR(file->status.st_mode))
        return fail(failure, "%s: neither a file nor a directory; remove it", path);
    self.device = file->status.st_dev;
    self.inode = file->status.st_ino;
    for (const struct ancestor *at = above; at; at = at->parent)
        if (at->device == self.device && at->inode == self.inode)
            return fail(failure, "%s: a symlink into its own parents; remove it", path);
    return walk_directory(walk, path, name, &self, failure);
}

static char *join(const char *left, const char *right)
{
    char *joined;

    if (!*left)
        return strdup(right);
    return asprintf(&joined, "%s/%s", left, right) < 0 ? NULL : joined;
}

static int walk_directory(struct walk *walk, const char *path, const char *name,
                          const struct ancestor *above, struct failure *failure)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    int result = 0;

    if (!directory)
        return fail_errno(failure, errno, "%s: cannot list", path);
    while (result == 0 && (errno = 0, entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        result = add(walk, join(path, entry->d_name), join(name, entry->d_name), above, failure);
    }
    if (result == 0 && errno)
        result = fail_errno(failure, errno, "%s: cannot list", path);
    closedir(directory);
    return result;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(((const struct walk_file *)left)->name, ((const struct walk_file *)right)->name);
}

static int walk_single(struct walk *walk, const char *model, struct failure *failure)
{
    char *copy = strdup(model);
    char *name = copy ? strdup(basename(copy)) : NULL;

    free(copy);
    return add(walk, strdup(model), name, NULL, failure);
}

int walk_model(const char *model, struct walk *out, struct failure *failure)
{
    int result;

    memset(out, 0, sizeof(*out));
    if (stat(model, &out->root) < 0)
        return fail_errno(failure, errno, "%s: cannot read the model", model);
    if (S_ISDIR(out->root.st_mode)) {
        struct ancestor root = {.device = out->root.st_dev, .inode = out->root.st_ino};

        result = walk_directory(out, model, "", &root, failure);
    } else {
        result = walk_single(out, model, failure);
    }
    if (result < 0)
        walk_free(out);
    else if (out->count)
        qsort(out->files, out->count, sizeof(*out->files), compare_names);
    return result;
}

void walk_free(struct walk *walk)
{
    for (size_t i = 0; i < walk->count; i++) {
        free(walk->files[i].path);
        free(walk->files[i].name);
    }
    free(walk->files);
    memset(walk, 0, sizeof(*walk));
}

static bool same_file(const struct stat *left, const struct stat *right)
{
    return left->st_dev == right->st_dev && left->st_ino == right->st_ino;
}

int walk_refuse_output(const struct walk *walk, const char *path, struct failure *failure)
{
    struct stat output = {0}, directory = {0};
    char *copy = strdup(path);
    bool is_input, is_inside;

    if (!copy)
        return fail(failure, "%s: out of memory", path);
    /* what is not there, or may not be looked at, is for the writer to say */
    (void)!stat(path, &output);
    (void)!stat(dirname(copy), &directory);
    free(copy);
    is_input = same_file(&output, &walk->root);
    is_inside = same_file(&directory, &walk->root);
    for (size_t i = 0; i < walk->count; i++) {
        is_input |= same_file(&output, &walk->files[i].status);
        is_inside |= same_file(&directory, &walk->files[i].status);
    }
    if (is_input)
        return fail(failure, "%s: is a file of the model itself; choose another name", path);
    if (is_inside)
        return fail(failure,
                    "%s: lies in the model's directory, so that it would be a file of "
                    "the model; choose a place outside of it",
                    path);
    return 0;
}

int walk_check_unchanged(const struct walk_file *file, int fd, struct failure *failure)
{
    const struct stat *then = &file->status;
    struct stat now;

    if (fstat(fd, &now) < 0)
        return fail_errno(failure, errno, "%s: cannot read", file->path);
    if (now.st_dev != then->st_dev || now.st_ino != then->st_ino || now.st_size != then->st_size ||
        now.st_mtim.tv_sec != then->st_mtim.tv_sec || now.st_mtim.tv_nsec != then->st_mtim.tv_nsec)
        return fail(failure, "%s: changed while it was read; try again when it is complete",
                    file->path);
    return 0;
}

int walk_open(const struct walk_file *file, struct failure *failure)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return fail_errno(failure, errno, "%s: cannot open", file->path);
    if (walk_check_unchanged(file, fd, failure) == 0)
        return fd;
    close(fd);
    return -1;
}

static int hash_descriptor(const struct walk_file *file, int fd, struct sha256 *hash,
                           uint8_t *buffer, bool count_progress, const atomic_bool *stop,
                           struct failure *failure)
{
    for (;;) {
        ssize_t got = read(fd, buffer, HASH_BUFFER);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(failure, errno, "%s: cannot read", file->path);
        if (got == 0)
            return walk_check_unchanged(file, fd, failure);
        if (sha256_update(hash, buffer, (size_t)got) < 0)
            return fail(failure, "%s: out of memory", file->path);
        if (count_progress)
            progress_add((uint64_t)got);
        if (cli_check_interrupt(failure) < 0)
            return -1;
        if (stop && atomic_load(stop))
            return fail(failure, "%s: reading was stopped", file->path);
    }
}

int walk_hash(const struct walk_file *file, bool count_progress, const atomic_bool *stop,
              uint8_t digest[SHA256_SIZE], struct failure *failure)
{
    struct sha256 *hash = sha256_new();
    uint8_t *buffer = malloc(HASH_BUFFER);
    int fd = walk_open(file, failure);
    int result = -1;

    if (!hash || !buffer)
        fail(failure, "%s: out of memory", file->path);
    else if (fd >= 0)
        result = hash_descriptor(file, fd, hash, buffer, count_progress, stop, failure);
    if (result == 0 && sha256_finish(hash, digest) < 0)
        result = fail(failure, "%s: out of memory", file->path);
    if (fd >= 0)
        close(fd);
    free(buffer);
    sha256_free(hash);
    return result;
}
