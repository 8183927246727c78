/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The header of a safetensors file, with every claim checked.
 *
 * The file may be hostile: sizes, shapes and offsets are checked against each
 * other and against the file before they are believed.
 */
#ifndef LWC_SAFETENSORS_H
#define LWC_SAFETENSORS_H

#include "readers/tensors.h"

/*
 * Parse the header of the open file of size bytes. path is only for messages.
 * 0, or -1 with a message; out is then empty.
 */
int safetensors_read(int fd, uint64_t size, const char *path, struct file_tensors *out,
                     struct failure *failure);

#endif
