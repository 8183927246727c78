/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a file that may be shorter than it should be. */
#ifndef LWC_FILE_READ_H
#define LWC_FILE_READ_H

#include <stddef.h>
#include <stdint.h>

/* Read all size bytes at offset. 0, or what errno would say; ENODATA at the end of the file. */
int file_read(int fd, void *data, size_t size, uint64_t offset);

#endif
