/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bf16 as general tools store it, to compare with: the high and the low bytes
 * of the weights each as a zstd frame of level 1.
 */
#ifndef LWC_BENCH_ZSTD_H
#define LWC_BENCH_ZSTD_H

#include <stddef.h>
#include <stdint.h>
#include <zstd.h>

/* What the encoding of length bytes takes at most. */
size_t bench_zstd_capacity(size_t length);

/* length: even, at most LWC_TILE_MAX. The size, or 0 without memory. */
size_t bench_zstd_encode(const uint8_t *src, size_t length, uint8_t *out, size_t capacity);

/* To exactly length bytes. planes: scratch of length bytes. 0, or -1 for other bytes. */
int bench_zstd_decode(ZSTD_DCtx *context, const uint8_t *stored, size_t size, uint8_t *planes,
                      uint8_t *out, size_t length);

#endif
