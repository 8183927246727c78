/* SPDX-License-Identifier: BSD-3-Clause */
#include "lanes_avx2.h"

#include "isa.h"
#include "lanes.h"

#include "kmod/codec/levels_avx2.h"

struct levels_lookup {
    __m256i table;
};

static inline struct levels_lookup levels_lookup_of(uint8_t structure,
                                                    const struct lwc_levels_view *view)
{
    uint8_t table[16];

    if (structure == LWC_STRUCTURE_4)
        memcpy(table, view->symbols, sizeof(table));
    else
        levels_223_table(view->symbols, table);
    return (struct levels_lookup){levels_table_avx2(table)};
}

/* 16 bf16 values as fp32 in two vectors. */
static inline void widen(__m256i values, lanes_vector out[2])
{
    __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(values));
    __m256i high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(values, 1));

    out[0] = _mm256_castsi256_ps(_mm256_slli_epi32(low, 16));
    out[1] = _mm256_castsi256_ps(_mm256_slli_epi32(high, 16));
}

static inline void levels_group_weights(uint8_t structure, const struct lwc_levels_view *view,
                                        uint32_t group, const u64 planes[4],
                                        const struct levels_lookup *lookup,
                                        struct levels_position *at, lanes_vector w[8])
{
    for (uint32_t half = 0; half < 64; half += 32) {
        __m256i codes = structure == LWC_STRUCTURE_4
                            ? levels_nibbles_avx2(view->level0 + (size_t)group * 32, half)
                            : levels_codes_avx2(planes, half);
        __m256i first, second;

        levels_values_avx2(view, codes, lookup->table, (size_t)group * 64 + half, at, &first,
                           &second);
        widen(first, w + half / 8);
        widen(second, w + half / 8 + 2);
    }
}

#include "levels_gemm.h"

const struct kernels kernels_avx2 = {
    .name = "avx2",
    .isa = LWC_ISA_AVX2,
    .gemm_levels = gemm_levels,
    LANES_TABLE,
};
