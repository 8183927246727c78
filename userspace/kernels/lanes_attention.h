/* SPDX-License-Identifier: BSD-3-Clause */
/* Attention of one head over cached keys and values; included by lanes.h. */
#ifndef LWC_LANES_ATTENTION_H
#define LWC_LANES_ATTENTION_H

/* Registers of a line that values are mixed to, and what of the values stays in the L1 cache. */
#define LANES_MIX_VECTORS 4
#define LANES_MIX_BYTES 16384

/* In any order: a NaN or nothing but -inf makes all results NaN, whatever this gives. */
static float max_lanes(const float *x, size_t count)
{
    float lanes[LANES], max = x[0];
    size_t whole = count - count % LANES;

    for (size_t i = 0; i < LANES; i++)
        lanes[i] = max;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
    for (size_t i = whole; i < count; i++)
        max = x[i] > max ? x[i] : max;
    for (size_t l = 0; l < LANES; l++)
        max = lanes[l] > max ? lanes[l] : max;
    return max;
}

static void softmax(float *x, size_t count)
{
    float max, sum;

    if (!count)
        return;
    max = max_lanes(x, count);
    for (size_t i = 0; i < count; i++)
        x[i] = exp_fixed(x[i] - max);
    sum = sum_lanes(x, count);
    for (size_t i = 0; i < count; i++)
        x[i] = lanes_canonical(x[i] / sum);
}

static inline __attribute__((always_inline)) void scores_of(enum lwc_dtype dtype,
                                                            const float *query, const uint8_t *keys,
                                                            size_t positions, size_t dim,
                                                            float scale, float *out)
{
    size_t row = dim * (dtype == LWC_DTYPE_F32 ? 4 : 2), p = 0;
    lanes_vector folded[LANES_WIDTH];

    for (; dim % LANES == 0 && p + LANES_WIDTH <= positions; p += LANES_WIDTH) {
        for (size_t i = 0; i < LANES_WIDTH; i++) {
            const uint8_t *key = keys + (p + i) * row;
            lanes_vector acc[LANES_VECTORS];

            for (size_t v = 0; v < LANES_VECTORS; v++)
                acc[v] = lanes_zero();
            for (size_t c = 0; c < dim; c += LANES)
                for (size_t v = 0; v < LANES_VECTORS; v++)
                    acc[v] = lanes_fma(lanes_weights(dtype, key, c + v * LANES_WIDTH),
                                       lanes_load(query + c + v * LANES_WIDTH), acc[v]);
            folded[i] = lanes_fold(acc);
        }
        lanes_tree_many(folded, out + p);
        for (size_t i = 0; i < LANES_WIDTH; i++)
            out[p + i] = lanes_canonical(out[p + i]) * scale;
    }
    for (; p < positions; p++) {
        lanes_row(dtype, keys + p * row, dim, query, 0, out + p, 0, 1);
        out[p] *= scale;
    }
}

static void scores(enum lwc_dtype dtype, const float *query, const void *keys, size_t positions,
                   size_t dim, float scale, float *out)
{
    if (dtype == LWC_DTYPE_F32)
        scores_of(LWC_DTYPE_F32, query, keys, positions, dim, scale, out);
    else
        scores_of(LWC_DTYPE_F16, query, keys, positions, dim, scale, out);
}

/* Where to mix: lines of scores and of results. */
struct mixing {
    const float *scores;
    size_t stride;
    float *out;
    size_t dim;
};

/*
 * `lines` results, `vectors` registers of each from element `first` on: in
 * registers over all positions, so that values are loaded once for all lines.
 */
static inline __attribute__((always_inline)) void
mix_block(enum lwc_dtype dtype, const struct mixing *to, const uint8_t *values, size_t positions,
          size_t first, size_t lines, size_t vectors)
{
    size_t element = dtype == LWC_DTYPE_F32 ? 4 : 2;
    lanes_vector acc[LANES_MIX_LINES][LANES_MIX_VECTORS];

    LANES_FOR (t, lines)
        LANES_FOR (v, vectors)
            acc[t][v] = lanes_load(to->out + t * to->dim + first + v * LANES_WIDTH);
    for (size_t p = 0; p < positions; p++) {
        const uint8_t *at = values + p * to->dim * element;
        lanes_vector value[LANES_MIX_VECTORS];

        LANES_FOR (v, vectors)
            value[v] = lanes_weights(dtype, at, first + v * LANES_WIDTH);
        LANES_FOR (t, lines) {
            lanes_vector score = lanes_set(to->scores[t * to->stride + p]);

            LANES_FOR (v, vectors)
                acc[t][v] = lanes_fma(score, value[v], acc[t][v]);
        }
    }
    LANES_FOR (t, lines)
        LANES_FOR (v, vectors)
            lanes_store(to->out + t * to->dim + first + v * LANES_WIDTH, acc[t][v]);
}

static inline __attribute__((always_inline)) void mix_lines(enum lwc_dtype dtype,
                                                            const struct mixing *to,
                                                            const uint8_t *values, size_t positions,
                                                            size_t lines)
{
    size_t element = dtype == LWC_DTYPE_F32 ? 4 : 2, i = 0;

    for (; i + LANES_MIX_VECTORS * LANES_WIDTH <= to->dim; i += LANES_MIX_VECTORS * LANES_WIDTH)
        mix_block(dtype, to, values, positions, i, lines, LANES_MIX_VECTORS);
    for (; i + LANES_WIDTH <= to->dim; i += LANES_WIDTH)
        mix_block(dtype, to, values, positions, i, lines, 1);
    for (size_t p = 0; i < to->dim && p < positions; p++) {
        float tail[LANES];

        lanes_tail(dtype, values + (p * to->dim + i) * element, to->dim - i, tail);
        for (size_t t = 0; t < lines; t++)
            for (size_t j = i; j < to->dim; j++) {
                float *out = to->out + t * to->dim + j;

                *out = __builtin_fmaf(to->scores[t * to->stride + p], tail[j - i], *out);
            }
    }
}

static inline __attribute__((always_inline)) void mix_of(enum lwc_dtype dtype, const float *scores,
                                                         size_t stride, size_t n,
                                                         const uint8_t *values, size_t positions,
                                                         size_t dim, float *out)
{
    size_t row = dim * (dtype == LWC_DTYPE_F32 ? 4 : 2), part;
    size_t fit = LANES_MIX_BYTES / row ? LANES_MIX_BYTES / row : 1;

    for (size_t p = 0; p < positions; p += part) {
        size_t t = 0;

        part = positions - p < fit ? positions - p : fit;
        for (; t + LANES_MIX_LINES <= n; t += LANES_MIX_LINES)
            mix_lines(dtype, &(struct mixing){scores + t * stride + p, stride, out + t * dim, dim},
                      values + p * row, part, LANES_MIX_LINES);
        for (; t < n; t++)
            mix_lines(dtype, &(struct mixing){scores + t * stride + p, stride, out + t * dim, dim},
                      values + p * row, part, 1);
    }
    for (size_t i = 0; i < n * dim; i++)
        out[i] = lanes_canonical(out[i]);
}

static void mix(enum lwc_dtype dtype, const float *scores, size_t stride, size_t n,
                const void *values, size_t positions, size_t dim, float *out)
{
    if (dtype == LWC_DTYPE_F32)
        mix_of(LWC_DTYPE_F32, scores, stride, n, values, positions, dim, out);
    else
        mix_of(LWC_DTYPE_F16, scores, stride, n, values, positions, dim, out);
}

static void to_f16(const float *x, size_t count, uint16_t *out)
{
    size_t whole = count - count % LANES_WIDTH;
    uint16_t halves[LANES_WIDTH];
    float tail[LANES_WIDTH];

    for (size_t i = 0; i < whole; i += LANES_WIDTH)
        lanes_store_f16(out + i, lanes_load(x + i));
    for (size_t i = 0; i < LANES_WIDTH; i++)
        tail[i] = whole + i < count ? x[whole + i] : 0;
    lanes_store_f16(halves, lanes_load(tail));
    memcpy(out + whole, halves, (count - whole) * sizeof(*out));
}

#endif
