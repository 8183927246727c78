/* SPDX-License-Identifier: BSD-3-Clause */
/* SHA-256 by libcrypto. A failure of libcrypto is always lack of memory. */
#ifndef LWC_SHA256_H
#define LWC_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

struct sha256; /* a hash under way; one thread at a time */

/* NULL when out of memory. */
struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *hash);

/* 0 or -ENOMEM. */
int sha256_update(struct sha256 *hash, const void *data, size_t size);

/* Write the digest and start over. 0 or -ENOMEM. */
int sha256_finish(struct sha256 *hash, uint8_t digest[SHA256_SIZE]);

/* Digest of one buffer. 0 or -ENOMEM. */
int sha256_buffer(const void *data, size_t size, uint8_t digest[SHA256_SIZE]);

/* text: 64 hexadecimal digits and a NUL. */
void sha256_hex(const uint8_t digest[SHA256_SIZE], char text[2 * SHA256_SIZE + 1]);

#endif
