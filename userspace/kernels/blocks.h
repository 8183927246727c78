/* SPDX-License-Identifier: BSD-3-Clause */
/* Weights in blocks, as GGUF has them, to fp32: see kernels.h. */
#ifndef LWC_BLOCKS_H
#define LWC_BLOCKS_H

#include "kmod/codec/codec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Is it a dtype in blocks that blocks_convert knows? */
bool blocks_known(uint32_t dtype);

/* count weights, whole blocks of a known dtype. */
void blocks_convert(enum lwc_dtype dtype, const uint8_t *blocks, size_t count, float *out);

#endif
