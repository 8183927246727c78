/* SPDX-License-Identifier: BSD-3-Clause */
/* DELTA encoder; uapi/lwcmem_format.h describes the format. */
#ifndef LWC_DELTA_ENCODE_H
#define LWC_DELTA_ENCODE_H

#include <stddef.h>
#include <stdint.h>

/* One thread at a time. */
struct delta_encoder;

/* NULL without memory. */
struct delta_encoder *delta_encoder_new(void);
void delta_encoder_free(struct delta_encoder *encoder); /* NULL is allowed */

/*
 * count elements of the field (1 .. LWC_LEVELS_WEIGHTS) at src by those of a
 * base. Returns the stored bytes, fewer than limit, and where they are until
 * the next call in *out; 0 if there would not be fewer.
 */
size_t delta_encode(struct delta_encoder *encoder, uint8_t field, const uint8_t *src,
                    const uint8_t *base, uint32_t count, size_t limit, const uint8_t **out);

#endif
