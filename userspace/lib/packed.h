/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LWC_LIB_PACKED_H
#define LWC_LIB_PACKED_H

#include "container/reader.h"

/*
 * The first size bytes of the container in huge pages, as far as the kernel has
 * them; munmap ends it. Shared with all processes by the kernel module, or else
 * copied, and then notice says why. device as in region.h. NULL with a message.
 */
const uint8_t *packed_map(struct container *container, const char *device, size_t size,
                          char *notice, size_t notice_size, struct failure *failure);

/* A copy of the first size > 0 bytes of a file for this process alone, else the same. */
const uint8_t *packed_copy(int fd, const char *path, size_t size, struct failure *failure);

#endif
