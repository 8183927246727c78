/* SPDX-License-Identifier: BSD-3-Clause */
/* A region of the kernel module. See uapi/lwcmem.h. */
#ifndef LWC_LIB_REGION_H
#define LWC_LIB_REGION_H

#include "container/reader.h"
#include "lwcmem/lwcmem.h"

enum region_view {
    REGION_ARENA,  /* a file whose bytes are the decoded tensors, each at its arena_offset */
    REGION_PACKED, /* one whose bytes are the container's, held in RAM */
};

/*
 * Attach the container to the device. device NULL: LWCMEM_DEVICE of the
 * environment, else /dev/lwcmem. The region's descriptor, or -1 with a message
 * that says how to get a device that works.
 */
int region_attach(struct container *container, enum region_view view, const char *device,
                  struct failure *failure);

/*
 * The region once more, for reads that decode right into the reader's memory:
 * offset and length must be multiples of *align. -1 if the module has no such.
 */
int region_open_direct(int region, uint32_t *align);

/* What the module says about the region. 0, or -1 with a message. */
int region_info(int region, const char *path, struct lwcmem_region *out, struct failure *failure);

#endif
