/* SPDX-License-Identifier: BSD-3-Clause */
#include "format_names.h"
#include "uapi/lwcmem_format.h"

#include <stddef.h>

static const char *const dtype_names[LWC_DTYPES] = {
    [LWC_DTYPE_BYTES] = "bytes",     [LWC_DTYPE_BF16] = "BF16",     [LWC_DTYPE_F16] = "F16",
    [LWC_DTYPE_F32] = "F32",         [LWC_DTYPE_F64] = "F64",       [LWC_DTYPE_F8_E4M3] = "F8_E4M3",
    [LWC_DTYPE_F8_E5M2] = "F8_E5M2", [LWC_DTYPE_I8] = "I8",         [LWC_DTYPE_U8] = "U8",
    [LWC_DTYPE_I16] = "I16",         [LWC_DTYPE_U16] = "U16",       [LWC_DTYPE_I32] = "I32",
    [LWC_DTYPE_U32] = "U32",         [LWC_DTYPE_I64] = "I64",       [LWC_DTYPE_U64] = "U64",
    [LWC_DTYPE_BOOL] = "BOOL",       [LWC_DTYPE_Q4_0] = "Q4_0",     [LWC_DTYPE_Q4_1] = "Q4_1",
    [LWC_DTYPE_Q5_0] = "Q5_0",       [LWC_DTYPE_Q5_1] = "Q5_1",     [LWC_DTYPE_Q8_0] = "Q8_0",
    [LWC_DTYPE_Q8_1] = "Q8_1",       [LWC_DTYPE_Q2_K] = "Q2_K",     [LWC_DTYPE_Q3_K] = "Q3_K",
    [LWC_DTYPE_Q4_K] = "Q4_K",       [LWC_DTYPE_Q5_K] = "Q5_K",     [LWC_DTYPE_Q6_K] = "Q6_K",
    [LWC_DTYPE_Q8_K] = "Q8_K",       [LWC_DTYPE_IQ1_S] = "IQ1_S",   [LWC_DTYPE_IQ1_M] = "IQ1_M",
    [LWC_DTYPE_IQ2_XXS] = "IQ2_XXS", [LWC_DTYPE_IQ2_XS] = "IQ2_XS", [LWC_DTYPE_IQ2_S] = "IQ2_S",
    [LWC_DTYPE_IQ3_XXS] = "IQ3_XXS", [LWC_DTYPE_IQ3_S] = "IQ3_S",   [LWC_DTYPE_IQ4_NL] = "IQ4_NL",
    [LWC_DTYPE_IQ4_XS] = "IQ4_XS",   [LWC_DTYPE_TQ1_0] = "TQ1_0",   [LWC_DTYPE_TQ2_0] = "TQ2_0",
    [LWC_DTYPE_MXFP4] = "MXFP4",     [LWC_DTYPE_NVFP4] = "NVFP4",   [LWC_DTYPE_Q1_0] = "Q1_0",
    [LWC_DTYPE_Q2_0] = "Q2_0"};

const char *dtype_name(uint16_t dtype)
{
    return dtype < LWC_DTYPES ? dtype_names[dtype] : "unknown";
}
