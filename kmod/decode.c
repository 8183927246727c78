// SPDX-License-Identifier: GPL-2.0-only
/* From the stored bytes of a tile to its decoded bytes. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/printk.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#ifndef CONFIG_UML
#include <asm/fpu/types.h>
#endif

#include "lwcmem.h"

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
static bool decodes_in_vectors(const struct lwc_impl *impl, const struct lwc_tile *entry)
{
	if (entry->chain[0] == LWC_CODEC_DELTA)
		return impl->isa == LWC_ISA_AVX512;
	return entry->chain[0] == LWC_CODEC_LEVELS || entry->chain[0] == LWC_CODEC_SPARSE ||
	       entry->chain[0] == LWC_CODEC_GRID;
}

/* All others take an implementation in general registers: LEVELS may be inside of them, too. */
enum lwc_error lwcmem_decode_stored(const struct lwc_impl *impl, const struct lwc_tile *entry,
				    const u8 *stored, u8 *decoded, u32 length,
				    struct lwc_scratch *scratch)
{
	bool fpu = impl->uses_fpu && decodes_in_vectors(impl, entry);
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

/* base, ref: the tile of the base that is to blame, or NULL. */
static void report(struct lwcmem_tile *tile, const struct lwc_object *object,
		   struct lwcmem_backing *base, u64 ref, int error, const char *problem)
{
	char *name = object ? lwcmem_get_name(tile->backing, object) : NULL;
	const char *kind = name ? "tensor " : "object";
	int length = name ? (int)strlen(name) : 0;

	if (base)
		pr_err_ratelimited("%pD4: %s%*pE, tile %llu: tile %llu of its base %pD4: %s (%d)\n",
				   tile->backing->file, kind, length, name ? name : "",
				   tile->number, ref, base->file, problem, error);
	else
		pr_err_ratelimited("%pD4: %s%*pE, tile %llu: %s (%d)\n", tile->backing->file,
				   kind, length, name ? name : "", tile->number, problem, error);
	kfree(name);
}

/* Stored bytes of a container's tile to length decoded ones. problem: set on errors. */
static int decode_entry(struct lwcmem_backing *container, const struct lwc_tile *entry,
			struct lwcmem_buffer *buffer, u8 *decoded, u32 length, u32 *stored,
			const char **problem)
{
	u32 len = lwc_le32(&entry->stored);
	enum lwc_error error;
	int failed;

	failed = lwcmem_read_stored(container, buffer->stored, len, lwc_le64(&entry->offset));
	if (failed) {
		*problem = "cannot read its stored bytes";
		return failed;
	}
	*stored += len;
	if (lwc_crc32c(0, buffer->stored, len) != lwc_le32(&entry->crc))
		error = LWC_ERR_CRC;
	else
		error = lwcmem_decode_stored(lwcmem_impl, entry, buffer->stored, decoded, length,
					     &buffer->scratch);
	*problem = lwc_error_string(error);
	return error ? -EBADMSG : 0;
}

/* The tile of the base that a DELTA refers to, where the codec looks for it. */
static int decode_base(struct lwcmem_tile *tile, u64 ref, struct lwcmem_buffer *buffer, u32 *stored,
		       const char **problem)
{
	struct lwcmem_backing *base = tile->backing->base;
	struct lwc_tile entry;
	int error = lwcmem_get_tile(base, ref, tile->length, &entry);

	if (error) {
		*problem = "its entry in the tiles table is damaged, or does not fit";
		return error;
	}
	error = decode_entry(base, &entry, buffer, buffer->base, tile->length, stored, problem);
	buffer->scratch.base = buffer->base;
	return error;
}

/* Errors are reported here, where it is known what was wrong. */
static int decode(struct lwcmem_tile *tile, struct lwcmem_buffer *buffer, u32 *stored)
{
	struct lwcmem_backing *backing = tile->backing, *blamed = NULL;
	const char *problem = "its entry in the tiles table is damaged";
	struct lwc_object object;
	struct lwc_tile entry;
	u64 ref = 0;
	int error;

	error = lwcmem_get_object(backing, tile->object, &object);
	if (error) {
		report(tile, NULL, NULL, 0, error, "its entry in the objects table is damaged");
		return error;
	}
	buffer->scratch.base = NULL;
	error = lwcmem_get_tile(backing, tile->tile, tile->length, &entry);
	if (!error && entry.chain[0] == LWC_CODEC_DELTA) {
		ref = lwc_le64(&entry.ref);
		error = decode_base(tile, ref, buffer, stored, &problem);
		blamed = error ? backing->base : NULL;
	}
	if (!error)
		error = decode_entry(backing, &entry, buffer, buffer->decoded, tile->length, stored,
				     &problem);
	if (error)
		report(tile, &object, blamed, ref, error, problem);
	return error;
}

int lwcmem_decode_tile(struct lwcmem_tile *tile, struct lwcmem_buffer *buffer)
{
	struct lwcmem_stats *stats = &tile->backing->stats;
	u32 stored = 0;
	int error;

	lwcmem_count_start(stats);
	error = decode(tile, buffer, &stored);
	lwcmem_count_end(stats, error ? 0 : tile->length, stored, tile->readahead);
	return error;
}
