/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scores of many queries, included by lanes.h.
 *
 * A head has so few elements that nearly all of a dot product is its tree. So a
 * register has one element of LANES_WIDTH queries, and the tree is gone through
 * depth first: what has not met yet stays in registers for eight lanes.
 */
#ifndef LWC_LANES_SCORES_H
#define LWC_LANES_SCORES_H

/* Keys in registers, and those whose scores are brought to lines together. */
#define SCORES_KEYS 2
#define SCORES_SQUARE 8
/* Queries in registers. */
#define SCORES_QUERIES (LANES_SCORES_VECTORS * LANES_WIDTH)

/* keys: fp32, neighbours; queries: SCORES_QUERIES elements after another, by columns. */
struct scoring {
    const float *keys[SCORES_KEYS];
    const float *queries;
};

typedef lanes_vector scores_sums[SCORES_KEYS][LANES_SCORES_VECTORS];

#define SCORES_EACH(k, v)                                                                          \
    LANES_FOR (k, SCORES_KEYS)                                                                     \
        LANES_FOR (v, LANES_SCORES_VECTORS)

/* Make it now: the compiler would make all lanes first, more than registers hold. */
static inline __attribute__((always_inline)) void scores_now(scores_sums acc)
{
    SCORES_EACH (k, v)
        __asm__ volatile("" : "+v"(acc[k][v]));
}

/* One lane. columns: of a lane. */
static inline __attribute__((always_inline)) void scores_64(const struct scoring *in, size_t lane,
                                                            size_t columns, scores_sums acc)
{
    SCORES_EACH (k, v)
        acc[k][v] = lanes_zero();
    for (size_t c = lane; c < lane + columns * LANES; c += LANES)
        SCORES_EACH (k, v)
            acc[k][v] = lanes_fma(lanes_set(in->keys[k][c]),
                                  lanes_load(in->queries + c * SCORES_QUERIES + v * LANES_WIDTH),
                                  acc[k][v]);
    scores_now(acc);
}

/* scores_N: the sum of the lanes lane, lane + N, lane + 2 N ... */
#define SCORES_NODE(step, below)                                                                   \
    static inline __attribute__((always_inline)) void scores_##step(                               \
        const struct scoring *in, size_t lane, size_t columns, scores_sums acc)                    \
    {                                                                                              \
        scores_sums other;                                                                         \
                                                                                                   \
        scores_##below(in, lane, columns, acc);                                                    \
        scores_##below(in, lane + (step), columns, other);                                         \
        SCORES_EACH (k, v)                                                                         \
            acc[k][v] = lanes_add(acc[k][v], other[k][v]);                                         \
        scores_now(acc);                                                                           \
    }
SCORES_NODE(32, 64)
SCORES_NODE(16, 32)
SCORES_NODE(8, 16)

/* All lanes: the tree's upper levels in memory. */
static inline __attribute__((always_inline)) void scores_1(const struct scoring *in, size_t columns,
                                                           float *const out[SCORES_KEYS])
{
    static const uint8_t lanes[8] = {0, 4, 2, 6, 1, 5, 3, 7};
    _Alignas(64) float level[4][SCORES_KEYS][SCORES_QUERIES];

    for (size_t i = 0; i < 8; i++) {
        scores_sums acc;
        size_t l = 0;

        scores_8(in, lanes[i], columns, acc);
        for (; i >> l & 1; l++)
            SCORES_EACH (k, v)
                acc[k][v] = lanes_add(lanes_load(level[l][k] + v * LANES_WIDTH), acc[k][v]);
        SCORES_EACH (k, v)
            lanes_store(level[l][k] + v * LANES_WIDTH, acc[k][v]);
    }
    for (size_t k = 0; k < SCORES_KEYS; k++)
        memcpy(out[k], level[3][k], sizeof(level[3][k]));
}

/* Dot products of SCORES_SQUARE keys, of which `count` are there, with the queries. */
static inline __attribute__((always_inline)) void
scores_keys(const float *keys, size_t count, size_t dim, size_t columns, const float *queries,
            float sums[SCORES_SQUARE][SCORES_QUERIES])
{
    for (size_t k = 0; k < SCORES_SQUARE && k < count; k += SCORES_KEYS) {
        struct scoring in = {.queries = queries};
        float *out[SCORES_KEYS];

        for (size_t i = 0; i < SCORES_KEYS; i++) {
            in.keys[i] = keys + (k + i < count ? k + i : k) * dim;
            out[i] = sums[k + i];
        }
        scores_1(&in, columns, out);
    }
}

/* The same for dims of one and two columns a lane, which leave no loop. */
static void scores_keys_of(const float *keys, size_t count, size_t dim, const float *queries,
                           float sums[SCORES_SQUARE][SCORES_QUERIES])
{
    if (dim == LANES)
        scores_keys(keys, count, dim, 1, queries, sums);
    else if (dim == 2 * LANES)
        scores_keys(keys, count, dim, 2, queries, sums);
    else
        scores_keys(keys, count, dim, dim / LANES, queries, sums);
}

/* Sums to `keys` elements of `queries` lines. */
static void scores_lines(float sums[SCORES_SQUARE][SCORES_QUERIES], size_t keys, size_t queries,
                         float scale, float *out, size_t stride)
{
    float line[SCORES_SQUARE];

    for (size_t k = 0; k < keys; k++)
        for (size_t t = 0; t < SCORES_QUERIES; t++)
            sums[k][t] = lanes_canonical(sums[k][t]) * scale;
    for (size_t t = 0; t < queries; t += SQUARE)
        for (size_t k = 0; k < keys; k += SQUARE) {
            square_row square[SQUARE];

            LANES_FOR (i, SQUARE)
                square[i] = square_load(sums[k + i] + t);
            square_transpose(square);
            LANES_FOR (i, SQUARE) {
                if (t + i >= queries)
                    break;
                if (keys - k >= SQUARE) {
                    square_store(out + (t + i) * stride + k, square[i]);
                    continue;
                }
                square_store(line, square[i]);
                memcpy(out + (t + i) * stride + k, line, (keys - k) * sizeof(*line));
            }
        }
}

/* SCORES_QUERIES queries by columns, zero where there are fewer. */
static void scores_arrange(const struct activations *queries, size_t first, size_t dim, float *out)
{
    for (size_t t = 0; t < SCORES_QUERIES; t++)
        for (size_t c = 0; c < dim; c++)
            out[c * SCORES_QUERIES + t] =
                first + t < queries->n ? queries->x[(first + t) * queries->x_stride + c] : 0;
}

static size_t scores_scratch(size_t dim, size_t n)
{
    return (n + SCORES_QUERIES - 1) / SCORES_QUERIES * SCORES_QUERIES * dim + SCORES_SQUARE * dim;
}

static void scores_many(enum lwc_dtype dtype, const struct activations *queries, const void *keys,
                        size_t positions, size_t dim, float scale, const struct products *out,
                        float *scratch)
{
    size_t row = dim * (dtype == LWC_DTYPE_F32 ? 4 : 2), count;
    float *converted = scratch + scores_scratch(dim, queries->n) - SCORES_SQUARE * dim;
    _Alignas(64) float sums[SCORES_SQUARE][SCORES_QUERIES] = {0};

    if (dim % LANES) {
        for (size_t t = 0; t < queries->n; t++)
            scores(dtype, queries->x + t * queries->x_stride, keys, positions, dim, scale,
                   out->y + t * out->y_stride);
        return;
    }
    for (size_t t = 0; t < queries->n; t += SCORES_QUERIES)
        scores_arrange(queries, t, dim, scratch + t * dim);
    for (size_t p = 0; p < positions; p += count) {
        const float *at = (const float *)keys + p * dim;

        count = positions - p < SCORES_SQUARE ? positions - p : SCORES_SQUARE;
        if (dtype != LWC_DTYPE_F32) {
            convert(dtype, (const uint8_t *)keys + p * row, count * dim, converted);
            at = converted;
        }
        for (size_t t = 0; t < queries->n; t += SCORES_QUERIES) {
            size_t some = queries->n - t < SCORES_QUERIES ? queries->n - t : SCORES_QUERIES;

            scores_keys_of(at, count, dim, scratch + t * dim, sums);
            scores_lines(sums, count, some, scale, out->y + t * out->y_stride + p, out->y_stride);
        }
    }
}

#endif
