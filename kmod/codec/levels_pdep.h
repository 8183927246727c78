/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* The instructions of BMI2 that LEVELS needs; as assembly, for files of any ISA above. */
#ifndef LWC_LEVELS_PDEP_H
#define LWC_LEVELS_PDEP_H

#include "levels_join.h"

static inline u64 levels_pdep(u64 bits, u64 mask)
{
	u64 out;

	asm("pdep %2, %1, %0" : "=r"(out) : "r"(bits), "rm"(mask));
	return out;
}

static inline u64 levels_popcount(u64 mask)
{
	u64 out;

	asm("popcnt %1, %0" : "=r"(out) : "rm"(mask) : "cc");
	return out;
}

#endif
