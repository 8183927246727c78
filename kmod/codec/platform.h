/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * The one seam between the codec and what it is compiled into. Everything
 * that the codec uses beyond C itself comes from here.
 */
#ifndef LWC_PLATFORM_H
#define LWC_PLATFORM_H

#ifdef __KERNEL__
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/overflow.h>
#include <asm/cpufeature.h>

/* The crc32 instruction works on general registers: no FPU section. */
static inline bool lwc_has_crc32(void)
{
	return boot_cpu_has(X86_FEATURE_XMM4_2);
}
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

static inline bool lwc_has_crc32(void)
{
	return __builtin_cpu_supports("sse4.2");
}

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define min_t(type, a, b)	({ type a_ = (a), b_ = (b); a_ < b_ ? a_ : b_; })
#define max_t(type, a, b)	({ type a_ = (a), b_ = (b); a_ > b_ ? a_ : b_; })
#define min(a, b)		min_t(typeof(a), a, b)
#define max(a, b)		max_t(typeof(a), a, b)
#define noinline		__attribute__((noinline))
#define __aligned(n)		__attribute__((aligned(n)))
#define check_add_overflow(a, b, d)	__builtin_add_overflow(a, b, d)
#define check_mul_overflow(a, b, d)	__builtin_mul_overflow(a, b, d)
#endif

/*
 * Unaligned loads; x86 is little endian. By the builtin, because a load may span
 * fields of a struct, which the kernel's fortified memcpy warns of.
 */
static inline u32 lwc_le32(const void *p)
{
	u32 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static inline u64 lwc_le64(const void *p)
{
	u64 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

/*
 * A private copy of stored bytes, which may change while they are decoded. What is
 * checked and what is used then are the same value: of a copy by memcpy, the compiler
 * may read a field anew where it is used.
 */
static inline void lwc_fetch(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
	/* for all that the compiler knows, this changes the copy, and what it was made of */
	asm volatile("" : : "r"(to) : "memory");
}

/* Bytes of workspace that lwc_zstd_decode needs, 8-byte aligned. */
size_t lwc_zstd_workspace(void);

/*
 * Decode exactly one zstd frame of src_len bytes to exactly dst_len bytes.
 * True on success. workspace: see above; nothing is kept in it between calls.
 * src must not change meanwhile: zstd is safe for any bytes, but it looks at some twice.
 */
bool lwc_zstd_decode(void *workspace, size_t workspace_len, u8 *dst,
		     size_t dst_len, const u8 *src, size_t src_len);

#endif
