/* SPDX-License-Identifier: BSD-3-Clause */
#include "lanes_scalar.h"

#include "isa.h"
#include "lanes.h"

const struct kernels kernels_scalar = {
    .name = "scalar",
    .isa = LWC_ISA_SCALAR,
    LANES_TABLE,
};
