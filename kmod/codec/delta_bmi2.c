// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* DELTA with the shifts of BMI2, in general registers. */
#include "delta_run.h"

enum lwc_error lwc_delta_bmi2(const struct delta_streams *streams, u8 field, bool rare,
			      const u8 *base, u32 count, u8 *dst)
{
	return delta_run(streams, field, rare, base, count, dst);
}
