/* SPDX-License-Identifier: BSD-3-Clause */
#include "lanes_avx512.h"

#include "isa.h"
#include "lanes.h"

#include "kmod/codec/levels_avx512.h"

/* Bytes that the rest is fetched ahead of its use. */
#define REST_AHEAD 2048

/*
 * A weight goes through many dependent instructions, too many for the CPU to
 * have enough groups under way by itself: while one group is multiplied, the
 * symbols of the next are filled in, and those of the one behind it looked up.
 */
struct fused {
    const uint8_t *codes; /* of the group after looked_up */
    const uint8_t *codes_last;
    const uint8_t *rest;
    const uint8_t *next;   /* after looked_up's predecessor */
    const uint8_t *passed; /* next, without the group in symbols: the last one's follower is none */
    const uint8_t *next_start;
    size_t ahead;
    __m512i symbols; /* of the group that comes next */
    struct levels_looked_up looked_up;
    struct levels_lookup lookup;
};

/* The group behind the tile's last one is the last one again, for nothing is behind the codes. */
static inline __attribute__((always_inline)) void fused_look_up(struct fused *fused, uint32_t width)
{
    fused->looked_up = levels_look_up_avx512(fused->codes, width, &fused->lookup);
    fused->codes += fused->codes < fused->codes_last ? 8 * width : 0;
}

static inline __attribute__((always_inline)) void fused_ahead(struct fused *fused, uint32_t width)
{
    fused->passed = fused->next;
    fused->symbols = levels_fill_avx512(&fused->looked_up, width, &fused->next);
    fused_look_up(fused, width);
}

static inline enum lwc_error fused_open(const struct lwc_levels_view *view, uint8_t *scratch,
                                        size_t ahead, struct fused *fused)
{
    uint32_t width = view->width[0];
    enum lwc_error error =
        lwc_levels_next(lwc_impl_select(LWC_ISA_AVX512), view, scratch, ahead, &fused->next);

    if (error)
        return error;
    fused->codes = view->codes[0];
    fused->codes_last = fused->codes + (view->count[0] / LWC_GROUP - 1) * 8 * width;
    fused->rest = view->plane[0];
    fused->next_start = fused->next;
    fused->ahead = ahead;
    fused->lookup = levels_lookup_avx512(view->symbols, width);
    fused_look_up(fused, width);
    fused_ahead(fused, width);
    return LWC_OK;
}

static inline void fused_skip(struct fused *fused, size_t groups, uint32_t width)
{
    for (; groups; groups--) {
        fused_ahead(fused, width);
        fused->rest += LWC_GROUP;
    }
}

static inline size_t fused_passed(const struct fused *fused)
{
    return (size_t)(fused->passed - fused->next_start);
}

/*
 * Vectors of even and of odd weights: w[2 * h + p] holds in each 128-bit lane i
 * the weights 16 * i + 8 * h + p + {0, 2, 4, 6}.
 */
static inline __attribute__((always_inline)) void fused_group(struct fused *fused, uint32_t width,
                                                              lanes_vector w[4])
{
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000u);
    __m512i symbols = fused->symbols, first, second;

    __builtin_prefetch(fused->rest + REST_AHEAD);
    __builtin_prefetch(fused->rest + fused->ahead, 0, 2);
    __builtin_prefetch(fused->codes + fused->ahead, 0, 2);
    fused_ahead(fused, width);
    levels_bf16_avx512(symbols, _mm512_loadu_si512(fused->rest), &first, &second);
    fused->rest += LWC_GROUP;
    w[0] = _mm512_castsi512_ps(_mm512_slli_epi32(first, 16));
    w[1] = _mm512_castsi512_ps(_mm512_and_si512(first, upper));
    w[2] = _mm512_castsi512_ps(_mm512_slli_epi32(second, 16));
    w[3] = _mm512_castsi512_ps(_mm512_and_si512(second, upper));
}

static inline void fused_arrange(const float *x, float *out)
{
    for (size_t v = 0; v < 4; v++)
        for (size_t i = 0; i < 16; i++)
            out[16 * v + i] = x[i / 4 * 16 + v / 2 * 8 + i % 4 * 2 + v % 2];
}

static inline __m128 quarter(__m512 acc)
{
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(acc), _mm512_extractf32x8_ps(acc, 1));

    return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}

/* The tree of lanes_tree: + 32 and + 16 within each vector, + 8 between h, + 4, + 2, then p. */
static inline float fused_tree(const lanes_vector acc[4])
{
    __m128 even = _mm_add_ps(quarter(acc[0]), quarter(acc[2]));
    __m128 odd = _mm_add_ps(quarter(acc[1]), quarter(acc[3]));

    even = _mm_add_ps(even, _mm_movehl_ps(even, even));
    odd = _mm_add_ps(odd, _mm_movehl_ps(odd, odd));
    even = _mm_add_ss(even, _mm_shuffle_ps(even, even, 1));
    odd = _mm_add_ss(odd, _mm_shuffle_ps(odd, odd, 1));
    return _mm_cvtss_f32(_mm_add_ss(even, odd));
}

#include "levels_gemm.h"

const struct kernels kernels_avx512 = {
    .name = "avx512",
    .isa = LWC_ISA_AVX512,
    .gemm_levels = gemm_levels,
    .levels_vectors = 8,
    .levels_arrange = levels_arrange,
    LANES_TABLE,
};
