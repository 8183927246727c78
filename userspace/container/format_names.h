/* SPDX-License-Identifier: BSD-3-Clause */
/* What people call the numbers of the format. */
#ifndef LWC_FORMAT_NAMES_H
#define LWC_FORMAT_NAMES_H

#include <stdint.h>

/* The name that safetensors or GGUF gives to the dtype; "bytes" for LWC_DTYPE_BYTES. */
const char *dtype_name(uint16_t dtype);

#endif
