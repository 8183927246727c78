// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* The implementations and the choice between them. */
#include "levels.h"

static enum lwc_error levels_4_scalar(const struct lwc_levels_view *view, u8 *dst)
{
	struct levels_position start = { { 0, 0 }, 0 };

	return levels_4_from(view, 0, start, dst);
}

static enum lwc_error levels_223_scalar(const struct lwc_levels_view *view, u8 *dst)
{
	struct levels_position start = { { 0, 0 }, 0 };

	return levels_223_from(view, 0, start, dst);
}

static const struct lwc_impl scalar = {
	.name = "scalar", .isa = LWC_ISA_SCALAR, .uses_fpu = false,
	.levels_4 = levels_4_scalar, .levels_223 = levels_223_scalar,
	.planes = lwc_planes_scalar,
};

static const struct lwc_impl bmi2 = {
	.name = "bmi2", .isa = LWC_ISA_BMI2, .uses_fpu = false,
	.levels_4 = lwc_levels_4_bmi2, .levels_223 = lwc_levels_223_bmi2,
	.planes = lwc_planes_scalar,
};

static const struct lwc_impl avx2 = {
	.name = "avx2", .isa = LWC_ISA_AVX2, .uses_fpu = true,
	.levels_4 = lwc_levels_4_avx2, .levels_223 = lwc_levels_223_avx2,
	.planes = lwc_planes_scalar,
};

static const struct lwc_impl avx512 = {
	.name = "avx512", .isa = LWC_ISA_AVX512, .uses_fpu = true,
	.levels_4 = lwc_levels_4_avx512, .levels_223 = lwc_levels_223_avx512,
	.planes = lwc_planes_scalar,
};

const struct lwc_impl *const lwc_impls[] = { &scalar, &bmi2, &avx2, &avx512 };
const unsigned int lwc_impl_count = sizeof(lwc_impls) / sizeof(lwc_impls[0]);

const struct lwc_impl *lwc_impl_select(u32 mask)
{
	unsigned int i = lwc_impl_count;

	while (--i)
		if (lwc_impls[i]->isa & mask)
			break;
	return lwc_impls[i];
}
