/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several activation vectors at once, fewer than LANES_WIDTH; included by
 * lanes.h.
 *
 * Lanes do not meet before the tree, so some vectors of them go over all
 * columns before the next (AVX-512: one; AVX2: two): then all accumulators that
 * registers hold belong to different rows and activations, and what is loaded
 * is used again and again. The activations of a panel lie in the order in which
 * that takes them, for in rows of their own they would compete for the same
 * sets of the L1 cache. Sums wait in memory, in lanes, for their tree.
 */
#ifndef LWC_LANES_PANEL_H
#define LWC_LANES_PANEL_H

/* Activation vectors of a panel. */
#define LANES_PANEL 6
/* Rows that share a panel of activations while those are in the L1 cache. */
#define LANES_PANEL_PART 32
/* Lanes that go over all columns together. */
#define LANES_PANEL_LANES (LANES_PANEL_VECTORS * LANES_WIDTH)

/* Vectors of the panel that begins with `first`: there is code for six, three, two and one. */
static size_t panel_of(size_t n, size_t first)
{
    size_t left = n - first;

    return left >= LANES_PANEL ? LANES_PANEL : left >= 3 ? 3 : left;
}

/* Panels one after another; in each by lanes, columns, vectors. Columns beyond the last 64: not. */
static void panel_pack(const struct activations *in, size_t start, size_t cols, float *out)
{
    size_t whole = cols - cols % LANES;

    for (size_t first = start; first < in->n; first += panel_of(in->n, first))
        for (size_t lane = 0; lane < LANES; lane += LANES_PANEL_LANES)
            for (size_t c = lane; c < whole; c += LANES)
                for (size_t t = first; t < first + panel_of(in->n, first); t++) {
                    memcpy(out, in->x + t * in->x_stride + c, LANES_PANEL_LANES * sizeof(float));
                    out += LANES_PANEL_LANES;
                }
}

/*
 * Sums of LANES_PANEL_ROWS rows, the last of which may be the same one, and
 * `panel` vectors in LANES_PANEL_VECTORS vectors of the lanes from v on, over
 * whole groups of 64; x: where they begin in the panel.
 */
static inline __attribute__((always_inline)) void
lanes_panel_vector(enum lwc_dtype dtype, const uint8_t *const weights[LANES_PANEL_ROWS],
                   size_t whole, const float *x, size_t v, float *sums[LANES_PANEL_ROWS],
                   size_t panel)
{
    lanes_vector acc[LANES_PANEL_ROWS][LANES_PANEL][LANES_PANEL_VECTORS];

    for (size_t i = 0; i < LANES_PANEL_ROWS; i++)
        for (size_t t = 0; t < panel; t++)
            for (size_t u = 0; u < LANES_PANEL_VECTORS; u++)
                acc[i][t][u] = lanes_zero();
    for (size_t c = v * LANES_WIDTH; c < whole; c += LANES, x += panel * LANES_PANEL_LANES)
        for (size_t i = 0; i < LANES_PANEL_ROWS; i++)
            for (size_t u = 0; u < LANES_PANEL_VECTORS; u++) {
                lanes_vector w = lanes_weights(dtype, weights[i], c + u * LANES_WIDTH);

                for (size_t t = 0; t < panel; t++)
                    acc[i][t][u] = lanes_fma(
                        w, lanes_load(x + t * LANES_PANEL_LANES + u * LANES_WIDTH), acc[i][t][u]);
            }
    for (size_t i = 0; i < LANES_PANEL_ROWS; i++)
        for (size_t t = 0; t < panel; t++)
            for (size_t u = 0; u < LANES_PANEL_VECTORS; u++)
                lanes_store(sums[i] + t * LANES + (v + u) * LANES_WIDTH, acc[i][t][u]);
}

/* Up to LANES_PANEL_PART rows times `panel` vectors, in lanes: a line of sums for each row. */
static inline __attribute__((always_inline)) void
lanes_panel_sums(enum lwc_dtype dtype, const uint8_t *weights, size_t row_bytes, size_t rows,
                 size_t whole, const float *packed, float (*sums)[LANES_PANEL * LANES],
                 size_t panel)
{
    for (size_t v = 0; v < LANES_VECTORS; v += LANES_PANEL_VECTORS) {
        const float *at = packed + v * LANES_WIDTH * (whole / LANES) * panel;

        for (size_t r = 0; r < rows; r += LANES_PANEL_ROWS) {
            const uint8_t *from[LANES_PANEL_ROWS];
            float *to[LANES_PANEL_ROWS];

            for (size_t i = 0; i < LANES_PANEL_ROWS; i++) {
                size_t row = r + i < rows ? r + i : rows - 1;

                from[i] = weights + row * row_bytes;
                to[i] = sums[row];
            }
            lanes_panel_vector(dtype, from, whole, at, v, to, panel);
        }
    }
}

/* The first steps of the tree. */
static inline lanes_vector lanes_panel_fold(const float *sums)
{
    lanes_vector acc[LANES_VECTORS];

    for (size_t v = 0; v < LANES_VECTORS; v++)
        acc[v] = lanes_load(sums + v * LANES_WIDTH);
    return lanes_fold(acc);
}

/* The last columns of one row and vector. */
static void lanes_panel_last(float *sums, const float *tail, const float *x, size_t count)
{
    lanes_vector acc[LANES_VECTORS];

    for (size_t v = 0; v < LANES_VECTORS; v++)
        acc[v] = lanes_load(sums + v * LANES_WIDTH);
    lanes_finish(acc, tail, x, count);
    for (size_t v = 0; v < LANES_VECTORS; v++)
        lanes_store(sums + v * LANES_WIDTH, acc[v]);
}

/* Sums to results. weights: of the rows, from their last columns on; x: the vectors, likewise. */
static void lanes_panel_finish(enum lwc_dtype dtype, const uint8_t *weights, size_t row_bytes,
                               size_t rows, size_t last, float (*sums)[LANES_PANEL * LANES],
                               const float *x, size_t x_stride, float *y, size_t y_stride,
                               size_t panel)
{
    float tail[LANES], out[LANES_WIDTH];
    lanes_vector folded[LANES_WIDTH];

    for (size_t i = 0; i < LANES_WIDTH; i++)
        folded[i] = lanes_zero();
    for (size_t r = 0; r < rows && last; r++) {
        lanes_tail(dtype, weights + r * row_bytes, last, tail);
        for (size_t t = 0; t < panel; t++)
            lanes_panel_last(sums[r] + t * LANES, tail, x + t * x_stride, last);
    }
    for (size_t t = 0; t < panel; t++, y += y_stride)
        for (size_t r = 0; r < rows; r += LANES_WIDTH) {
            size_t count = rows - r < LANES_WIDTH ? rows - r : LANES_WIDTH;

            for (size_t i = 0; i < count; i++)
                folded[i] = lanes_panel_fold(sums[r + i] + t * LANES);
            lanes_tree_many(folded, out);
            for (size_t i = 0; i < count; i++)
                y[r + i] = lanes_canonical(out[i]);
        }
}

/* All rows times the vectors from `start` on, packed. */
static void lanes_panels(enum lwc_dtype dtype, const uint8_t *weights, size_t rows, size_t cols,
                         const struct activations *in, size_t start, const float *packed,
                         const struct products *out)
{
    size_t element = dtype == LWC_DTYPE_F32 ? 4 : 2, row_bytes = cols * element;
    size_t last = cols % LANES, whole = cols - last, part;
    _Alignas(64) float sums[LANES_PANEL_PART][LANES_PANEL * LANES];

    for (size_t r = 0; r < rows; r += part) {
        const uint8_t *at = weights + r * row_bytes;

        part = rows - r < LANES_PANEL_PART ? rows - r : LANES_PANEL_PART;
        for (size_t t = start, panel; t < in->n; t += panel) {
            const float *x = packed + (t - start) * whole;

            panel = panel_of(in->n, t);
#define LANES_PANEL_CASE(of, count)                                                                \
    case (of)*LANES_PANEL + (count)-1:                                                             \
        lanes_panel_sums(of, at, row_bytes, part, whole, x, sums, count);                          \
        break
#define LANES_PANEL_CASES(of)                                                                      \
    LANES_PANEL_CASE(of, 1);                                                                       \
    LANES_PANEL_CASE(of, 2);                                                                       \
    LANES_PANEL_CASE(of, 3);                                                                       \
    LANES_PANEL_CASE(of, LANES_PANEL)
            switch ((size_t)dtype * LANES_PANEL + panel - 1) {
                LANES_PANEL_CASES(LWC_DTYPE_BF16);
                LANES_PANEL_CASES(LWC_DTYPE_F16);
                LANES_PANEL_CASES(LWC_DTYPE_F32);
            }
            lanes_panel_finish(dtype, at + whole * element, row_bytes, part, last, sums,
                               in->x + t * in->x_stride + whole, in->x_stride,
                               out->y + t * out->y_stride + r, out->y_stride, panel);
        }
    }
}

#endif
