// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* The implementations and the choice between them. */
#include "delta.h"
#include "grid.h"
#include "levels.h"
#include "sparse.h"

static const struct lwc_impl scalar = {
	.name = "scalar", .isa = LWC_ISA_SCALAR, .uses_fpu = false,
	.level = levels_level_scalar, .unpack = levels_unpack_scalar,
	.join = levels_join_scalar, .scatter = sparse_scatter_scalar, .delta = lwc_delta_scalar,
	.grid = grid_scalar,
	.planes = lwc_planes_scalar,
};

static const struct lwc_impl bmi2 = {
	.name = "bmi2", .isa = LWC_ISA_BMI2, .uses_fpu = false,
	.level = levels_level_bmi2, .unpack = levels_unpack_bmi2,
	.join = levels_join_bmi2, .scatter = sparse_scatter_bmi2, .delta = lwc_delta_bmi2,
	.grid = grid_scalar,
	.planes = lwc_planes_scalar,
};

static const struct lwc_impl avx2 = {
	.name = "avx2", .isa = LWC_ISA_AVX2, .uses_fpu = true,
	.level = levels_level_avx2, .unpack = levels_unpack_bmi2,
	.join = levels_join_avx2, .scatter = sparse_scatter_bmi2, .delta = lwc_delta_bmi2,
	.grid = grid_avx2,
	.planes = lwc_planes_scalar,
};

static const struct lwc_impl avx512 = {
	.name = "avx512", .isa = LWC_ISA_AVX512, .uses_fpu = true,
	.level = levels_level_avx512, .unpack = levels_unpack_avx512,
	.join = levels_join_avx512, .scatter = sparse_scatter_avx512, .delta = lwc_delta_avx512,
	.grid = grid_avx512,
	.planes = lwc_planes_scalar,
};

const struct lwc_impl *const lwc_impls[] = { &scalar, &bmi2, &avx2, &avx512 };
const unsigned int lwc_impl_count = ARRAY_SIZE(lwc_impls);

/* All flags from BMI1 up to and with the last one of the ISA, from BMI2 on. */
#define UP_TO(flag)	((2u << (flag)) - 1)

u32 lwc_isa_of(u32 flags)
{
	static const u32 needs[] = {
		UP_TO(LWC_CPU_LZCNT), UP_TO(LWC_CPU_F16C), UP_TO(LWC_CPU_GFNI),
	};
	u32 isa = LWC_ISA_SCALAR, i;

	for (i = 0; i < ARRAY_SIZE(needs); i++)
		if (!(needs[i] & ~flags))
			isa |= LWC_ISA_BMI2 << i;
	return isa;
}

const struct lwc_impl *lwc_impl_select(u32 mask)
{
	unsigned int i = lwc_impl_count;

	while (--i)
		if (lwc_impls[i]->isa & mask)
			break;
	return lwc_impls[i];
}
