/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* What this CPU has, for userspace; the module asks the kernel. */
#ifndef LWC_CPU_H
#define LWC_CPU_H

#include <cpuid.h>

#include "codec.h"

/* A bit that not all compilers have a name for. */
static inline bool lwc_cpuid_bit(u32 leaf, u32 bit)
{
	u32 eax, ebx, ecx, edx;

	return __get_cpuid(leaf, &eax, &ebx, &ecx, &edx) && (ecx & bit);
}

/*
 * __builtin_cpu_supports has asked XCR0 for the registers, too; F16C uses those
 * of AVX2.
 */
static inline u32 lwc_cpu_ask(void)
{
	const bool has[LWC_CPU_FLAGS] = {
		[LWC_CPU_BMI1] = __builtin_cpu_supports("bmi"),
		[LWC_CPU_BMI2] = __builtin_cpu_supports("bmi2"),
		[LWC_CPU_POPCNT] = __builtin_cpu_supports("popcnt"),
		[LWC_CPU_LZCNT] = lwc_cpuid_bit(0x80000001, bit_LZCNT),
		[LWC_CPU_AVX2] = __builtin_cpu_supports("avx2"),
		[LWC_CPU_FMA] = __builtin_cpu_supports("fma"),
		[LWC_CPU_F16C] = lwc_cpuid_bit(1, bit_F16C),
		[LWC_CPU_AVX512F] = __builtin_cpu_supports("avx512f"),
		[LWC_CPU_AVX512BW] = __builtin_cpu_supports("avx512bw"),
		[LWC_CPU_AVX512VL] = __builtin_cpu_supports("avx512vl"),
		[LWC_CPU_AVX512DQ] = __builtin_cpu_supports("avx512dq"),
		[LWC_CPU_AVX512VBMI] = __builtin_cpu_supports("avx512vbmi"),
		[LWC_CPU_AVX512VBMI2] = __builtin_cpu_supports("avx512vbmi2"),
		[LWC_CPU_GFNI] = __builtin_cpu_supports("gfni"),
	};
	u32 flags = 0, i;

	for (i = 0; i < LWC_CPU_FLAGS; i++)
		flags |= (u32)has[i] << i;
	return lwc_isa_of(flags);
}

/* The ISA bits of this CPU. In a guest each CPUID is an exit of microseconds: it is asked once. */
static inline u32 lwc_cpu_isa(void)
{
	static u32 known;
	u32 isa = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (!isa) {
		isa = lwc_cpu_ask();
		__atomic_store_n(&known, isa, __ATOMIC_RELAXED);
	}
	return isa;
}

#endif
