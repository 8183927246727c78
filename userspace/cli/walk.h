/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * List what is below a model directory.
 *
 * Symlinks are followed (model caches are made of them); a symlink that leads
 * into one of its own parents, a dangling one, and what is neither file nor
 * directory fail with a message.
 */
#ifndef LWC_WALK_H
#define LWC_WALK_H

#include "container/failure.h"
#include "container/sha256.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct walk_file {
    char *path; /* to open it by */
    char *name; /* relative to the model, '/' between components */
    struct stat status;
};

struct walk {
    struct stat root;        /* the model itself */
    struct walk_file *files; /* sorted by name, bytewise */
    size_t count;
    size_t capacity;
};

/*
 * List model: a directory without itself, or a single file, which is listed
 * under its last component. 0, or -1 with a message; out is then empty.
 */
int walk_model(const char *model, struct walk *out, struct failure *failure);
void walk_free(struct walk *walk);

/*
 * Fails if what is to be written at path is the model, a file of it, or would
 * be one: then it would change what is read, or hold itself.
 */
int walk_refuse_output(const struct walk *walk, const char *path, struct failure *failure);

/*
 * Open a listed file for reading. Fails if it is not the same file any more
 * or has changed. The descriptor, or -1 with a message.
 */
int walk_open(const struct walk_file *file, struct failure *failure);

/* Fails if the open file has changed since it was listed. */
int walk_check_unchanged(const struct walk_file *file, int fd, struct failure *failure);

/*
 * SHA-256 of a listed regular file; counts its bytes as progress if asked.
 * Fails early once stop (NULL is allowed) is set by another thread.
 */
int walk_hash(const struct walk_file *file, bool count_progress, const atomic_bool *stop,
              uint8_t digest[SHA256_SIZE], struct failure *failure);

#endif
