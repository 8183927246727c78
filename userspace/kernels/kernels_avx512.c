/* SPDX-License-Identifier: BSD-3-Clause */
#include "lanes_avx512.h"

#include "isa.h"
#include "lanes.h"

const struct kernels kernels_avx512 = {
    .name = "avx512",
    .isa = LWC_ISA_AVX512,
    LANES_TABLE,
};
