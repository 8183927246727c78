/* SPDX-License-Identifier: BSD-3-Clause */
#include "lanes_avx2.h"

#include "isa.h"
#include "lanes.h"

const struct kernels kernels_avx2 = {
    .name = "avx2",
    .isa = LWC_ISA_AVX2,
    LANES_TABLE,
};
