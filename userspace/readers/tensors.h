/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tensors of a model file: what the readers of all formats give.
 *
 * They are sorted by offset and do not overlap; bytes between them are allowed.
 * Tensors whose dtype or number of dimensions lwcmem has no name for are left
 * out (their place is checked if it is known): they are bytes like any others.
 */
#ifndef LWC_TENSORS_H
#define LWC_TENSORS_H

#include "container/failure.h"
#include "uapi/lwcmem_format.h"

#include <stddef.h>
#include <stdint.h>

struct file_tensor {
    char *name;
    uint16_t dtype; /* enum lwc_dtype */
    uint16_t ndim;  /* 0: a scalar */
    uint64_t shape[LWC_MAX_DIMS];
    uint64_t offset; /* of the first byte in the file */
    uint64_t size;
};

struct file_tensors {
    struct file_tensor *tensors;
    size_t count;
};

/* Frees what the list holds; it is empty then. */
void file_tensors_free(struct file_tensors *list);

/*
 * Sort tensors as a reader found them, check that none overlap, and leave out
 * those of LWC_DTYPE_BYTES. 0, or -1 with a message; path is only for that.
 */
int file_tensors_arrange(struct file_tensors *list, const char *path, struct failure *failure);

#endif
