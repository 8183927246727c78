// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* GRID with BMI2: what is no product has its table made in general registers, also for vectors. */
#include "grid_number.h"

static __always_inline void pairs(const struct lwc_grid_arithmetic *arithmetic,
				  struct lwc_grid_parameters parameters, u32 zero, u32 of[16])
{
	u32 i;

	for (i = 0; i < 16; i++)
		of[i] = grid_element(arithmetic, parameters, (u8)(i - zero));
}

void grid_pairs_bmi2(const struct lwc_grid_arithmetic *arithmetic,
		     struct lwc_grid_parameters parameters, u32 zero, u32 of[16])
{
	const struct lwc_grid_arithmetic affine = { LWC_GRID_AFFINE, LWC_FIELD_BF16, LWC_FIELD_BF16 };
	const struct lwc_grid_arithmetic steps = { LWC_GRID_STEPS, LWC_FIELD_F16, LWC_FIELD_BF16 };

	/* the usual ones, known to the compiler */
	if (!memcmp(arithmetic, &affine, sizeof(affine)))
		pairs(&affine, parameters, zero, of);
	else if (!memcmp(arithmetic, &steps, sizeof(steps)))
		pairs(&steps, parameters, zero, of);
	else
		pairs(arithmetic, parameters, zero, of);
}
