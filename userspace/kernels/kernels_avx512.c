/* SPDX-License-Identifier: BSD-3-Clause */
#include "lanes_avx512.h"

#include "isa.h"
#include "lanes.h"

#include "kmod/codec/levels_avx512.h"

struct levels_lookup {
    __m512i table;
    __m512i rows;
};

static inline struct levels_lookup levels_lookup_of(uint8_t structure,
                                                    const struct lwc_levels_view *view)
{
    uint8_t table[16];

    if (structure == LWC_STRUCTURE_4)
        memcpy(table, view->symbols, sizeof(table));
    else
        levels_223_table(view->symbols, table);
    return (struct levels_lookup){levels_table_avx512(table), levels_rows_avx512()};
}

/* 32 bf16 values as fp32 in two vectors. */
static inline void widen(__m512i values, lanes_vector out[2])
{
    __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(values));
    __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(values, 1));

    out[0] = _mm512_castsi512_ps(_mm512_slli_epi32(low, 16));
    out[1] = _mm512_castsi512_ps(_mm512_slli_epi32(high, 16));
}

static inline void levels_group_weights(uint8_t structure, const struct lwc_levels_view *view,
                                        uint32_t group, const u64 planes[4],
                                        const struct levels_lookup *lookup,
                                        struct levels_position *at, lanes_vector w[4])
{
    __m512i codes = structure == LWC_STRUCTURE_4
                        ? levels_nibbles_avx512(view->level0 + (size_t)group * 32)
                        : levels_codes_avx512(planes, lookup->rows);
    __m512i first, second;

    levels_values_avx512(view, codes, lookup->table, group, at, &first, &second);
    widen(first, w);
    widen(second, w + 2);
}

#include "levels_gemm.h"

const struct kernels kernels_avx512 = {
    .name = "avx512",
    .isa = LWC_ISA_AVX512,
    .gemm_levels = gemm_levels,
    LANES_TABLE,
};
