/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/split_encode.h"

#include <string.h>

#include "kmod/codec/codec.h"

/*
 * The lower and the upper byte of a scale apart, and bits of quants and packed
 * scales apart from each other: what has the same distribution together.
 */
const uint16_t *split_members(uint16_t dtype)
{
    static const uint16_t members[LWC_DTYPES][LWC_SPLIT_MEMBERS + 1] = {
        [LWC_DTYPE_Q4_0] = {1, 1, 16},
        [LWC_DTYPE_Q4_1] = {1, 1, 1, 1, 16},
        [LWC_DTYPE_Q5_0] = {1, 1, 4, 16},
        [LWC_DTYPE_Q5_1] = {1, 1, 1, 1, 4, 16},
        [LWC_DTYPE_Q8_0] = {1, 1, 32},
        [LWC_DTYPE_Q8_1] = {1, 1, 1, 1, 32},
        [LWC_DTYPE_Q2_K] = {16, 64, 1, 1, 1, 1},
        [LWC_DTYPE_Q3_K] = {32, 64, 8, 4, 1, 1},
        [LWC_DTYPE_Q4_K] = {1, 1, 1, 1, 4, 4, 4, 128},
        [LWC_DTYPE_Q5_K] = {1, 1, 1, 1, 4, 4, 4, 32, 128},
        [LWC_DTYPE_Q6_K] = {128, 64, 16, 1, 1},
        [LWC_DTYPE_Q8_K] = {1, 1, 1, 1, 256, 32},
        [LWC_DTYPE_IQ1_S] = {1, 1, 32, 16},
        [LWC_DTYPE_IQ1_M] = {32, 16, 8},
        [LWC_DTYPE_IQ2_XXS] = {1, 1, 64},
        [LWC_DTYPE_IQ2_XS] = {1, 1, 64, 8},
        [LWC_DTYPE_IQ2_S] = {1, 1, 64, 8, 8},
        [LWC_DTYPE_IQ3_XXS] = {1, 1, 64, 32},
        [LWC_DTYPE_IQ3_S] = {1, 1, 64, 8, 32, 4},
        [LWC_DTYPE_IQ4_NL] = {1, 1, 16},
        [LWC_DTYPE_IQ4_XS] = {1, 1, 2, 4, 128},
        [LWC_DTYPE_TQ1_0] = {48, 4, 1, 1},
        [LWC_DTYPE_TQ2_0] = {64, 1, 1},
        [LWC_DTYPE_MXFP4] = {1, 16},
        [LWC_DTYPE_NVFP4] = {4, 32},
        [LWC_DTYPE_Q1_0] = {1, 1, 16},
        [LWC_DTYPE_Q2_0] = {1, 1, 16},
    };

    return dtype < LWC_DTYPES && members[dtype][0] ? members[dtype] : NULL;
}

static inline __attribute__((always_inline)) void
gather(const uint8_t *src, uint32_t bytes, uint32_t blocks, uint32_t stride, uint8_t *out)
{
    for (; blocks; blocks--, src += stride, out += bytes)
        memcpy(out, src, bytes);
}

/* As in split_scatter of the decoder: the lengths that most members have by themselves. */
void split_gather(const uint8_t *src, uint32_t bytes, uint32_t blocks, uint32_t stride,
                  uint8_t *out)
{
    switch (bytes) {
    case 1:
        gather(src, 1, blocks, stride, out);
        break;
    case 4:
        gather(src, 4, blocks, stride, out);
        break;
    case 16:
        gather(src, 16, blocks, stride, out);
        break;
    case 32:
        gather(src, 32, blocks, stride, out);
        break;
    default:
        gather(src, bytes, blocks, stride, out);
    }
}
