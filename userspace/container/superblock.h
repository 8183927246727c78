/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of the superblocks of a file describes it. */
#ifndef LWC_CONTAINER_SUPERBLOCK_H
#define LWC_CONTAINER_SUPERBLOCK_H

#include "failure.h"
#include "kmod/codec/codec.h"

/*
 * The newest slot that is as it was written, checked for a file of size bytes. path is only for
 * messages. 0, or -1 with a message.
 */
int superblock_choose(int fd, const char *path, uint64_t size, struct lwc_superblock *superblock,
                      unsigned int *chosen, struct failure *failure);

/* Would an update keep all that is there? 0, or -1 with a message. */
int superblock_check_updatable(const char *path, const struct lwc_superblock *superblock,
                               struct failure *failure);

#endif
