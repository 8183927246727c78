/* SPDX-License-Identifier: BSD-3-Clause */
/* Mounts of containers, seen by the case alone; they end with it. */
#ifndef LIBMOUNT_H
#define LIBMOUNT_H

#include "libregion.h"

#include <sys/mount.h>
#include <sys/stat.h>

/* Give the case a mount namespace of its own. Before anything is mounted. */
void own_mounts(void);
/* If it is not there. */
void make_directory(const char *directory);
/* 0, or -1 and errno. Makes the directory. */
int try_mount(const char *container, const char *directory);
int try_mount_with(const char *container, const char *directory, const char *options);
/* Mount at directory, which must succeed. */
void mount_at(const char *container, const char *directory);
/* own_mounts and mount_at "./mnt". */
void mount_container(const char *container);

/* Calls visit for all below the directory but itself, parents first; the count. */
uint64_t walk_tree(const char *directory,
                   void (*visit)(const char *path, const char *name, const struct stat *stat));

/* A file of the model that is mounted at the directory, and what it must hold. */
struct view mounted_file(const char *directory, const char *model, const char *name);
/* What is mounted at "./mnt" is the model: names, kinds, modes, sizes, bytes by read and mapping.
 */
void check_mounted(const char *model);
/*
 * Everything that can be reached in the mount at "./mnt", in spite of errors, which must be those
 * of damage, and it must end; visit: each regular file.
 */
void walk_damaged(void (*visit)(const char *path));

#endif
