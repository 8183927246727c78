/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernels of each ISA; see kernels.h. */
#ifndef LWC_KERNELS_ISA_H
#define LWC_KERNELS_ISA_H

#include "kernels.h"

extern const struct kernels kernels_scalar;
extern const struct kernels kernels_avx2;
extern const struct kernels kernels_avx512;

#endif
