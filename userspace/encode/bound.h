/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LWC_BOUND_H
#define LWC_BOUND_H

#include <stddef.h>
#include <stdint.h>

/*
 * Order-0 bound of a tile of len bytes, in bits: of floats (bf16, fp16, fp32,
 * fp8) the entropy of their exponents and all other bits as they are; of integers
 * that of their bytes, which hold packed ones. Negative for any other dtype. What finds
 * more than that (zeroes, grids, repetition) may come below. Thread safe.
 */
double tile_bound_bits(uint16_t dtype, const uint8_t *src, size_t len);

#endif
