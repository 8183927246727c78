/* SPDX-License-Identifier: BSD-3-Clause */
/* SPARSE encoder; struct lwc_sparse_header in uapi/lwcmem_format.h. Thread safe, no state. */
#ifndef LWC_SPARSE_ENCODE_H
#define LWC_SPARSE_ENCODE_H

#include <stddef.h>
#include <stdint.h>

/* Elements (1, 2 or 4 bytes) of src that have a bit set. */
size_t sparse_nonzero(const uint8_t *src, size_t count, uint32_t element);

/*
 * Header and mask to out (sparse_capacity(count) bytes), the elements that are
 * stored to kept (as many as src has, in bytes). *stored: how many elements
 * those are. Returns the bytes written to out.
 */
size_t sparse_encode(const uint8_t *src, size_t count, uint32_t element, uint8_t *out,
                     uint8_t *kept, size_t *stored);
size_t sparse_capacity(size_t count);

#endif
