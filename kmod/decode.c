// SPDX-License-Identifier: GPL-2.0-only
/* From the stored bytes of a tile to its decoded bytes. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ktime.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#ifndef CONFIG_UML
#include <asm/fpu/types.h>
#endif

#include "lwcmem.h"
#include "trace.h"

const struct lwc_impl *lwcmem_impl;

/* Does this kernel keep the registers that AVX-512 uses, or else AVX2? */
static bool keeps_registers(bool avx512)
{
#ifdef CONFIG_UML
	return true;	/* its flags are those that the host's kernel shows */
#else
	u64 needed = XFEATURE_MASK_SSE | XFEATURE_MASK_YMM;

	return cpu_has_xfeatures(avx512 ? needed | XFEATURE_MASK_AVX512 : needed, NULL);
#endif
}

u32 lwcmem_cpu_isa(void)
{
	const bool avx2 = keeps_registers(false), avx512 = keeps_registers(true);
	const bool has[LWC_CPU_FLAGS] = {
		[LWC_CPU_BMI1] = boot_cpu_has(X86_FEATURE_BMI1),
		[LWC_CPU_BMI2] = boot_cpu_has(X86_FEATURE_BMI2),
		[LWC_CPU_POPCNT] = boot_cpu_has(X86_FEATURE_POPCNT),
		[LWC_CPU_LZCNT] = boot_cpu_has(X86_FEATURE_ABM),
		[LWC_CPU_AVX2] = boot_cpu_has(X86_FEATURE_AVX2) && avx2,
		[LWC_CPU_FMA] = boot_cpu_has(X86_FEATURE_FMA) && avx2,
		[LWC_CPU_F16C] = boot_cpu_has(X86_FEATURE_F16C) && avx2,
		[LWC_CPU_AVX512F] = boot_cpu_has(X86_FEATURE_AVX512F) && avx512,
		[LWC_CPU_AVX512BW] = boot_cpu_has(X86_FEATURE_AVX512BW) && avx512,
		[LWC_CPU_AVX512VL] = boot_cpu_has(X86_FEATURE_AVX512VL) && avx512,
		[LWC_CPU_AVX512DQ] = boot_cpu_has(X86_FEATURE_AVX512DQ) && avx512,
		[LWC_CPU_AVX512VBMI] = boot_cpu_has(X86_FEATURE_AVX512VBMI) && avx512,
		[LWC_CPU_AVX512VBMI2] = boot_cpu_has(X86_FEATURE_AVX512_VBMI2) && avx512,
		[LWC_CPU_GFNI] = boot_cpu_has(X86_FEATURE_GFNI),
	};
	u32 flags = 0, i;

	for (i = 0; i < LWC_CPU_FLAGS; i++)
		flags |= (u32)has[i] << i;
	return lwc_isa_of(flags);
}

/* Codecs that gain by vectors and never call zstd, which would hold off preemption for long. */
static bool decodes_in_vectors(const struct lwc_tile *entry)
{
	return entry->chain[0] == LWC_CODEC_LEVELS || entry->chain[0] == LWC_CODEC_SPARSE ||
	       entry->chain[0] == LWC_CODEC_GRID;
}

/* All others take an implementation in general registers: LEVELS may be inside of them, too. */
enum lwc_error lwcmem_decode_stored(const struct lwc_impl *impl, const struct lwc_tile *entry,
				    const u8 *stored, u8 *decoded, u32 length,
				    struct lwc_scratch *scratch)
{
	bool fpu = impl->uses_fpu && decodes_in_vectors(entry);
	enum lwc_error error;

	if (fpu)
		kernel_fpu_begin();
	else if (impl->uses_fpu)
		impl = lwc_impl_select(LWC_ISA_SCALAR | LWC_ISA_BMI2);
	error = lwc_tile_decode(impl, entry, stored, lwc_le32(&entry->stored), decoded, length,
				scratch);
	if (fpu)
		kernel_fpu_end();
	return error;
}

static void report(struct lwcmem_tile *tile, const struct lwc_object *object, int error,
		   const char *problem)
{
	char *name = object ? lwcmem_get_name(tile->backing, object) : NULL;
	char label[LWCMEM_LABEL];
	int length = lwcmem_label(tile->backing, label);

	pr_err_ratelimited("%*pE: %s%*pE, tile %llu: %s (%d)\n", length, label,
			   name ? "tensor " : "object", name ? (int)strlen(name) : 0,
			   name ? name : "", tile->number, problem, error);
	kfree(name);
}

/* Errors are reported here, where it is known what was wrong. */
static int read_tile(struct lwcmem_tile *tile, struct lwcmem_buffer *buffer,
		     struct lwc_object *object, struct lwc_tile *entry)
{
	struct lwcmem_backing *backing = tile->backing;
	int error;

	error = lwcmem_get_object(backing, tile->object, object);
	if (error) {
		report(tile, NULL, error, "its entry in the objects table is damaged");
		return error;
	}
	error = lwcmem_get_tile(backing, object, tile->number, entry);
	if (error) {
		report(tile, object, error, "its entry in the tiles table is damaged");
		return error;
	}
	error = lwcmem_read_stored(backing, buffer->stored, lwc_le32(&entry->stored),
				   lwc_le64(&entry->offset));
	if (error)
		report(tile, object, error, "cannot read its stored bytes");
	return error;
}

static int decode(struct lwcmem_tile *tile, struct lwcmem_buffer *buffer, struct lwcmem_cost *cost)
{
	u64 start = ktime_get_ns(), read;
	struct lwc_object object;
	enum lwc_error problem;
	struct lwc_tile entry;
	int error;

	error = read_tile(tile, buffer, &object, &entry);
	if (error)
		return error;
	read = ktime_get_ns();
	cost->stored = lwc_le32(&entry.stored);
	cost->read_ns = read - start;
	if (lwc_crc32c(0, buffer->stored, cost->stored) != lwc_le32(&entry.crc))
		problem = LWC_ERR_CRC;
	else
		problem = lwcmem_decode_stored(lwcmem_impl, &entry, buffer->stored,
					       buffer->decoded, tile->length, &buffer->scratch);
	cost->decode_ns = ktime_get_ns() - read;
	if (!problem)
		return 0;
	report(tile, &object, -EBADMSG, lwc_error_string(problem));
	return -EBADMSG;
}

int lwcmem_decode_tile(struct lwcmem_tile *tile, struct lwcmem_buffer *buffer)
{
	struct lwcmem_stats *stats = &tile->backing->stats;
	struct lwcmem_cost cost = {};
	int error;

	trace_lwcmem_tile_begin(tile);
	lwcmem_count_start(stats);
	error = decode(tile, buffer, &cost);
	lwcmem_count_end(stats, error ? 0 : tile->length, cost.stored, tile->readahead);
	if (error)
		trace_lwcmem_tile_error(tile, error);
	else
		trace_lwcmem_tile_end(tile, &cost);
	return error;
}
