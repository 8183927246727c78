/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LWC_LEVELS_ENCODE_H
#define LWC_LEVELS_ENCODE_H

#include <stddef.h>
#include <stdint.h>

/* An upper limit of what levels_encode writes. */
size_t levels_capacity(uint32_t weights);

/*
 * Encode weights bf16 values (little endian, any alignment) in a structure of
 * uapi/lwcmem_format.h. out: levels_capacity(weights) bytes. Returns the size.
 */
size_t levels_encode(int structure, const uint8_t *src, uint32_t weights, uint8_t *out);

#endif
