/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The header of a GGUF file (versions 2 and 3, little endian), with every
 * claim checked.
 *
 * The file may be hostile: counts, lengths, nesting, dimensions, the alignment
 * and offsets are checked against each other and against the file before they
 * are believed, and memory is bounded by the size of the file.
 */
#ifndef LWC_GGUF_H
#define LWC_GGUF_H

#include "readers/tensors.h"

#include <stdbool.h>

/* A file that is read by ranges, wherever it is. */
struct gguf_source {
    /* All size bytes at offset, which are in the file. 0, or -1 with a message. */
    int (*read)(void *context, uint64_t offset, void *to, size_t size, struct failure *failure);
    void *context;
    uint64_t size; /* of the file */
};

/* The read of an open file, and its context. */
struct gguf_file {
    int fd;
    const char *path; /* for messages */
};

int gguf_file_read(void *context, uint64_t offset, void *to, size_t size, struct failure *failure);

/*
 * Parse the header of the open file of size bytes. path is only for messages.
 * Shapes come back outermost dimension first, unlike the file's. Types that
 * have no name here are left out: their size is not known. stop is asked now
 * and then, and ends the reading with -1.
 * 0; -1 if it cannot be read; 1 if it is malformed or of another kind. Both
 * with a message; out is then empty.
 */
int gguf_read(int fd, uint64_t size, const char *path, bool (*stop)(void), struct file_tensors *out,
              struct failure *failure);

#endif
