/* SPDX-License-Identifier: BSD-3-Clause */
/* Give back the bytes of a container that no tile refers to any more. */
#ifndef LWC_COMPACT_H
#define LWC_COMPACT_H

#include "container/reader.h"

/* Bytes that compacting would give back. 0, or -1 with a message. */
int compact_gain(struct container *container, uint64_t *gain, struct failure *failure);

/*
 * Replace the file of a container that was opened for update by one that holds
 * only what its generation needs: stored bytes are copied, checked against
 * their crcs. container stays what it was. 0, or -1 with a message and the
 * file as it was.
 */
int compact_container(struct container *container, struct failure *failure);

#endif
