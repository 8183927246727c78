/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A directory tree that becomes visible whole or not at all.
 *
 * It grows in a private directory beside its final name; tree_publish gives
 * it that name. Names come from a hostile container: nothing outside of the
 * private directory can be reached by them. tree_write may be called by any
 * number of threads, the rest by one.
 */
#ifndef LWC_TREE_H
#define LWC_TREE_H

#include "container/failure.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tree;

/* path must not exist, or be an empty directory. NULL with a message. */
struct tree *tree_new(const char *path, struct failure *failure);

int tree_add_directory(struct tree *tree, const char *name, struct failure *failure);
/* An empty file of the size. */
int tree_add_file(struct tree *tree, const char *name, uint64_t size, struct failure *failure);
/* Descriptor of a file of the tree for reading and writing; -1 with a message. */
int tree_open(struct tree *tree, const char *name, struct failure *failure);
int tree_write(struct tree *tree, int fd, const char *name, const void *data, size_t size,
               uint64_t offset, struct failure *failure);
/* Permission bits; directories only after all that is below them. */
int tree_set_mode(struct tree *tree, const char *name, mode_t mode, struct failure *failure);
/* Sync a finished file to the disk and close its descriptor. */
int tree_close(struct tree *tree, int fd, const char *name, struct failure *failure);

int tree_publish(struct tree *tree, struct failure *failure);

/* Removes what was not published. NULL is allowed. */
void tree_free(struct tree *tree);

#endif
