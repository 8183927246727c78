/* SPDX-License-Identifier: BSD-3-Clause */
#include "decoder.h"
#include "codec/cpu.h"

#include <stdlib.h>

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
    decoder->isa = mask & lwc_cpu_isa();
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
