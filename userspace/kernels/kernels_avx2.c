/* SPDX-License-Identifier: BSD-3-Clause */
#include "lanes_avx2.h"

#include "isa.h"
#include "lanes.h"

#include "kmod/codec/levels_avx2.h"

/* Bytes that the rest is fetched ahead of its use. */
#define REST_AHEAD 2048

/* Symbols come a block at a time from the decoder, through L1. */
struct fused {
    const uint8_t *codes;
    const uint8_t *rest;
    const uint8_t *next;
    const uint8_t *symbols;
    uint8_t *buffer;
    const uint8_t *own_symbols;
    uint32_t ready; /* groups left in the buffer */
    uint32_t left;  /* groups left in the tile after those */
    size_t passed;
    size_t ahead;
};

static inline enum lwc_error fused_open(const struct lwc_levels_view *view, uint8_t *scratch,
                                        size_t ahead, struct fused *fused)
{
    enum lwc_error error =
        lwc_levels_next(lwc_impl_select(LWC_ISA_AVX2), view, scratch, ahead, &fused->next);

    if (error)
        return error;
    fused->codes = view->codes[0];
    fused->rest = view->plane[0];
    fused->buffer = scratch;
    fused->own_symbols = view->symbols;
    fused->ready = 0;
    fused->left = view->count[0] / LWC_GROUP;
    fused->passed = 0;
    fused->ahead = ahead;
    return LWC_OK;
}

static inline void fused_fill(struct fused *fused, uint32_t width)
{
    uint32_t groups =
        fused->left < LEVELS_BLOCK / LWC_GROUP ? fused->left : LEVELS_BLOCK / LWC_GROUP;

    levels_fetch(fused->codes + fused->ahead,
                 fused->codes + fused->ahead + (size_t)groups * 8 * width);
    fused->passed += levels_level_avx2(fused->codes, width, fused->own_symbols, groups * LWC_GROUP,
                                       fused->next + fused->passed, fused->buffer);
    fused->codes += groups * 8 * width;
    fused->symbols = fused->buffer;
    fused->ready = groups;
    fused->left -= groups;
}

static inline void fused_skip(struct fused *fused, size_t groups, uint32_t width)
{
    while (groups) {
        uint32_t part;

        if (!fused->ready)
            fused_fill(fused, width);
        part = groups < fused->ready ? (uint32_t)groups : fused->ready;
        fused->symbols += (size_t)part * LWC_GROUP;
        fused->rest += (size_t)part * LWC_GROUP;
        fused->ready -= part;
        groups -= part;
    }
}

static inline size_t fused_passed(const struct fused *fused)
{
    return fused->passed;
}

/* 16 bf16 to the even and the odd ones as fp32. */
static inline void fused_widen(__m256i v, lanes_vector w[2])
{
    w[0] = _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
    w[1] = _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32((int)0xffff0000u)));
}

/*
 * Vectors of even and of odd weights: w[4 * h + 2 * u + p] holds in each
 * 128-bit lane i the weights 32 * h + 16 * i + 8 * u + p + {0, 2, 4, 6}.
 */
static inline __attribute__((always_inline)) void fused_group(struct fused *fused, uint32_t width,
                                                              lanes_vector w[8])
{
    if (__builtin_expect(!fused->ready, 0))
        fused_fill(fused, width);
    __builtin_prefetch(fused->rest + REST_AHEAD);
    __builtin_prefetch(fused->rest + fused->ahead, 0, 2);
    for (uint32_t h = 0; h < 2; h++) {
        __m256i symbols = _mm256_loadu_si256((const __m256i *)(fused->symbols + 32 * h));
        __m256i rest = _mm256_loadu_si256((const __m256i *)(fused->rest + 32 * h));

        __m256i first, second;

        levels_bf16_avx2(symbols, rest, &first, &second);
        fused_widen(first, w + 4 * h);
        fused_widen(second, w + 4 * h + 2);
    }
    fused->symbols += LWC_GROUP;
    fused->rest += LWC_GROUP;
    fused->ready--;
}

static inline void fused_arrange(const float *x, float *out)
{
    for (size_t v = 0; v < 8; v++)
        for (size_t i = 0; i < 8; i++)
            out[8 * v + i] = x[v / 4 * 32 + i / 4 * 16 + v / 2 % 2 * 8 + i % 4 * 2 + v % 2];
}

static inline __m128 fused_quarter(__m256 low, __m256 high)
{
    __m256 sum = _mm256_add_ps(low, high);

    return _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
}

/* The tree of lanes_tree: + 32 between h, + 16 between i, + 8 between u, + 4, + 2, then p. */
static inline float fused_tree(const lanes_vector acc[8])
{
    __m128 even = _mm_add_ps(fused_quarter(acc[0], acc[4]), fused_quarter(acc[2], acc[6]));
    __m128 odd = _mm_add_ps(fused_quarter(acc[1], acc[5]), fused_quarter(acc[3], acc[7]));

    even = _mm_add_ps(even, _mm_movehl_ps(even, even));
    odd = _mm_add_ps(odd, _mm_movehl_ps(odd, odd));
    even = _mm_add_ss(even, _mm_shuffle_ps(even, even, 1));
    odd = _mm_add_ss(odd, _mm_shuffle_ps(odd, odd, 1));
    return _mm_cvtss_f32(_mm_add_ss(even, odd));
}

#include "levels_gemm.h"

const struct kernels kernels_avx2 = {
    .name = "avx2",
    .isa = LWC_ISA_AVX2,
    .gemm_levels = gemm_levels,
    .levels_vectors = 1,
    .levels_arrange = levels_arrange,
    LANES_TABLE,
};
