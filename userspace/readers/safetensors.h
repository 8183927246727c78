/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The header of a safetensors file, with every claim checked.
 *
 * The file may be hostile: sizes, shapes and offsets are checked against each
 * other and against the file before they are believed. Tensors come back
 * sorted by offset and do not overlap; bytes between them are allowed.
 */
#ifndef LWC_SAFETENSORS_H
#define LWC_SAFETENSORS_H

#include "container/failure.h"
#include "uapi/lwcmem_format.h"

#include <stddef.h>
#include <stdint.h>

struct safetensors_tensor {
    char *name;
    uint16_t dtype; /* enum lwc_dtype */
    uint16_t ndim;  /* 0: a scalar */
    uint64_t shape[LWC_MAX_DIMS];
    uint64_t offset; /* of the first byte in the file */
    uint64_t size;
};

struct safetensors {
    struct safetensors_tensor *tensors;
    size_t count;
};

/*
 * Parse the header of the open file of size bytes. path is only for messages.
 * Tensors whose dtype or number of dimensions lwcmem has no name for are left
 * out (their place is still checked): they are bytes like any others.
 * 0, or -1 with a message; out is then empty.
 */
int safetensors_read(int fd, uint64_t size, const char *path, struct safetensors *out,
                     struct failure *failure);
void safetensors_free(struct safetensors *list);

/* The name that safetensors gives to the dtype; "bytes" for LWC_DTYPE_BYTES. */
const char *dtype_name(uint16_t dtype);

#endif
