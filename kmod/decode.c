// SPDX-License-Identifier: GPL-2.0-only
/* From the stored bytes of a tile to its decoded bytes. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
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
static bool decodes_in_vectors(const struct lwc_impl *impl, const struct lwc_tile *entry)
{
	if (entry->chain[0] == LWC_CODEC_DELTA)
		return impl->isa == LWC_ISA_AVX512;
	return entry->chain[0] == LWC_CODEC_LEVELS || entry->chain[0] == LWC_CODEC_SPARSE ||
	       entry->chain[0] == LWC_CODEC_GRID;
}

/*
 * Codecs that never read what they have written. The others must not write to
 * memory that a user can change: where zstd copies matches from, where SPARSE
 * and GRID keep elements and integers until they are in their places.
 */
static bool only_writes(const struct lwc_tile *entry)
{
	switch (entry->chain[0]) {
	case LWC_CODEC_RAW:
	case LWC_CODEC_CONST:
	case LWC_CODEC_LEVELS:
	case LWC_CODEC_PLANES:
	case LWC_CODEC_SPLIT:
	case LWC_CODEC_DELTA:
		return true;
	default:
		return false;
	}
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
static noinline_for_stack void report(struct lwcmem_tile *tile, const struct lwc_object *object,
				      struct lwcmem_backing *base, u64 ref, int error,
				      const char *problem)
{
	char *name = object ? lwcmem_get_name(tile->backing, object) : NULL;
	char label[LWCMEM_LABEL], base_label[LWCMEM_LABEL];
	int length = lwcmem_label(tile->backing, label);
	int name_length = name ? (int)strlen(name) : 0;
	const char *kind = name ? "tensor " : "object";

	if (base)
		pr_err_ratelimited("%*pE: %s%*pE, tile %llu: tile %llu of its base %*pE: %s (%d)\n",
				   length, label, kind, name_length, name ? name : "",
				   tile->number, ref, lwcmem_label(base, base_label), base_label,
				   problem, error);
	else
		pr_err_ratelimited("%*pE: %s%*pE, tile %llu: %s (%d)\n", length, label, kind,
				   name_length, name ? name : "", tile->number, problem, error);
	kfree(name);
}

/* Stored bytes of a container's tile to length decoded ones. problem: set on errors. */
static int decode_entry(struct lwcmem_backing *container, const struct lwc_tile *entry,
			struct lwcmem_buffer *buffer, u8 *decoded, u32 length,
			struct lwcmem_cost *cost, const char **problem)
{
	u32 len = lwc_le32(&entry->stored);
	u64 start = ktime_get_ns(), read;
	enum lwc_error error;
	const u8 *bytes;

	bytes = len ? lwcmem_read_tile(container, buffer, len, lwc_le64(&entry->offset)) :
		      buffer->stored;
	read = ktime_get_ns();
	cost->read_ns += read - start;
	if (IS_ERR(bytes)) {
		*problem = "cannot read its stored bytes";
		return PTR_ERR(bytes);
	}
	cost->stored += len;
	if (lwc_crc32c(0, bytes, len) != lwc_le32(&entry->crc))
		error = LWC_ERR_CRC;
	else
		error = lwcmem_decode_stored(lwcmem_impl, entry, bytes, decoded, length,
					     &buffer->scratch);
	lwcmem_tile_done(buffer);
	cost->decode_ns += ktime_get_ns() - read;
	*problem = lwc_error_string(error);
	return error ? -EBADMSG : 0;
}

/* What is wrong when the entry of a tile or of an object could not be taken from its table. */
static const char *entry_problem(int error)
{
	if (error == -EBADMSG)
		return "its entry in the tables is damaged, or does not fit";
	return "cannot read its entry in the tables";
}

/* The tile of the base that a DELTA refers to, where the codec looks for it. */
static int decode_base(struct lwcmem_tile *tile, u64 ref, struct lwcmem_buffer *buffer,
		       struct lwcmem_cost *cost, const char **problem)
{
	struct lwcmem_backing *base = tile->backing->base;
	u64 start = ktime_get_ns();
	struct lwc_tile entry;
	int error = lwcmem_get_tile(base, ref, tile->length, &entry);

	cost->read_ns += ktime_get_ns() - start;
	if (error) {
		*problem = entry_problem(error);
		return error;
	}
	error = decode_entry(base, &entry, buffer, buffer->base, tile->length, cost, problem);
	buffer->scratch.base = buffer->base;
	return error;
}

/* Errors are reported here, where it is known what was wrong. */
static int decode(struct lwcmem_tile *tile, struct lwcmem_buffer *buffer, u8 *straight,
		  struct lwcmem_cost *cost)
{
	struct lwcmem_backing *backing = tile->backing, *blamed = NULL;
	const char *problem;
	u64 start = ktime_get_ns(), ref = 0;
	u8 *decoded = buffer->decoded;
	struct lwc_object object;
	struct lwc_tile entry;
	int error;

	error = lwcmem_get_object(backing, tile->object, &object);
	if (error) {
		report(tile, NULL, NULL, 0, error, entry_problem(error));
		return error;
	}
	buffer->scratch.base = NULL;
	error = lwcmem_get_tile(backing, tile->tile, tile->length, &entry);
	cost->read_ns = ktime_get_ns() - start;
	problem = entry_problem(error);
	if (!error && entry.chain[0] == LWC_CODEC_DELTA) {
		ref = lwc_le64(&entry.ref);
		error = decode_base(tile, ref, buffer, cost, &problem);
		blamed = error ? backing->base : NULL;
	}
	if (!error) {
		if (straight && only_writes(&entry))
			decoded = straight;
		error = decode_entry(backing, &entry, buffer, decoded, tile->length, cost,
				     &problem);
	}
	if (error) {
		report(tile, &object, blamed, ref, error, problem);
	} else if (straight && decoded != straight) {
		start = ktime_get_ns();
		memcpy(straight, decoded, tile->length);
		cost->copy_ns = ktime_get_ns() - start;
	} else if (straight) {
		atomic64_inc(&backing->stats.tiles_straight);
	}
	return error;
}

int lwcmem_decode_tile(struct lwcmem_tile *tile, struct lwcmem_buffer *buffer, u8 *straight)
{
	struct lwcmem_stats *stats = &tile->backing->stats;
	struct lwcmem_cost cost = {};
	int error;

	trace_lwcmem_tile_begin(tile);
	lwcmem_count_start(stats);
	error = decode(tile, buffer, straight, &cost);
	atomic64_add(cost.read_ns, &stats->ns_read);
	atomic64_add(cost.decode_ns, &stats->ns_decode);
	atomic64_add(cost.copy_ns, &stats->ns_copy);
	lwcmem_count_end(stats, error ? 0 : tile->length, cost.stored, tile->readahead);
	if (error)
		trace_lwcmem_tile_error(tile, error);
	else
		trace_lwcmem_tile_end(tile, &cost);
	return error;
}
