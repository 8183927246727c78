/* SPDX-License-Identifier: BSD-3-Clause */
#include "decoder.h"

#include <cpuid.h>
#include <stdlib.h>

/* Those that not all compilers have a name for. F16C uses the registers of AVX2. */
static bool has_lzcnt(void)
{
    unsigned int eax, ebx, ecx, edx;

    return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && ecx & bit_LZCNT;
}

static bool has_f16c(void)
{
    unsigned int eax, ebx, ecx, edx;

    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && ecx & bit_F16C;
}

/* __builtin_cpu_supports has asked XCR0 for the registers, too. */
u32 decoder_cpu_isa(void)
{
    const bool has[LWC_CPU_FLAGS] = {
        [LWC_CPU_BMI1] = __builtin_cpu_supports("bmi"),
        [LWC_CPU_BMI2] = __builtin_cpu_supports("bmi2"),
        [LWC_CPU_POPCNT] = __builtin_cpu_supports("popcnt"),
        [LWC_CPU_LZCNT] = has_lzcnt(),
        [LWC_CPU_AVX2] = __builtin_cpu_supports("avx2"),
        [LWC_CPU_FMA] = __builtin_cpu_supports("fma"),
        [LWC_CPU_F16C] = has_f16c(),
        [LWC_CPU_AVX512F] = __builtin_cpu_supports("avx512f"),
        [LWC_CPU_AVX512BW] = __builtin_cpu_supports("avx512bw"),
        [LWC_CPU_AVX512VL] = __builtin_cpu_supports("avx512vl"),
        [LWC_CPU_AVX512DQ] = __builtin_cpu_supports("avx512dq"),
        [LWC_CPU_AVX512VBMI] = __builtin_cpu_supports("avx512vbmi"),
        [LWC_CPU_AVX512VBMI2] = __builtin_cpu_supports("avx512vbmi2"),
        [LWC_CPU_GFNI] = __builtin_cpu_supports("gfni"),
    };
    u32 flags = 0;

    for (u32 i = 0; i < LWC_CPU_FLAGS; i++)
        flags |= (u32)has[i] << i;
    return lwc_isa_of(flags);
}

int decoder_isa_mask(const char *name, u32 *mask)
{
    static const struct {
        const char *name;
        u32 mask;
    } names[] = {
        {"auto", LWC_ISA_ALL},
        {"scalar", LWC_ISA_SCALAR},
        {"bmi2", LWC_ISA_SCALAR | LWC_ISA_BMI2},
        {"avx2", LWC_ISA_SCALAR | LWC_ISA_BMI2 | LWC_ISA_AVX2},
        {"avx512", LWC_ISA_ALL},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i].name) == 0) {
            *mask = names[i].mask;
            return 0;
        }
    }
    return -1;
}

static int mask_from_environment(u32 *mask, struct failure *failure)
{
    const char *name = getenv("LWCMEM_ISA");

    *mask = LWC_ISA_ALL;
    if (!name || !*name || decoder_isa_mask(name, mask) == 0)
        return 0;
    return fail(failure, "LWCMEM_ISA=%s: not an ISA; use auto, scalar, bmi2, avx2 or avx512", name);
}

int decoder_init(struct decoder *decoder, u32 mask, struct failure *failure)
{
    struct lwc_scratch *scratch = &decoder->scratch;
    size_t workspace = (lwc_zstd_workspace() + 63) & ~(size_t)63;

    memset(decoder, 0, sizeof(*decoder));
    if (!mask && mask_from_environment(&mask, failure) < 0)
        return -1;
    decoder->isa = mask & decoder_cpu_isa();
    decoder->impl = lwc_impl_select(decoder->isa);
    scratch->tile = aligned_alloc(64, LWC_SCRATCH_TILE);
    scratch->zstd = aligned_alloc(64, workspace ? workspace : 64);
    scratch->zstd_len = workspace;
    if (decoder->impl && scratch->tile && scratch->zstd)
        return 0;
    decoder_free(decoder);
    return fail(failure, "out of memory for a tile decoder");
}

void decoder_free(struct decoder *decoder)
{
    free(decoder->scratch.tile);
    free(decoder->scratch.zstd);
    free(decoder->base);
    free(decoder->base_stored);
    memset(decoder, 0, sizeof(*decoder));
}

int decoder_need_base(struct decoder *decoder, struct failure *failure)
{
    if (!decoder->base)
        decoder->base = malloc(LWC_TILE_MAX);
    if (!decoder->base_stored)
        decoder->base_stored = malloc(LWC_TILE_MAX);
    return decoder->base && decoder->base_stored
               ? 0
               : fail(failure, "out of memory for a tile of the base");
}
