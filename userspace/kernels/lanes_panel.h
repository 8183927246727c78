/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many activation vectors at once, included by lanes.h.
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

static size_t panel_of(size_t n, size_t first)
{
    return n - first < LANES_PANEL ? n - first : LANES_PANEL;
}

/* Panels one after another; in each by lanes, columns, vectors. Columns beyond the last 64: not. */
static void pack(const struct activations *in, size_t cols, float *out)
{
    size_t whole = cols - cols % LANES;

    for (size_t first = 0; first < in->n; first += LANES_PANEL)
        for (size_t lane = 0; lane < LANES; lane += LANES_PANEL_LANES)
            for (size_t c = lane; c < whole; c += LANES)
                for (size_t t = first; t < first + panel_of(in->n, first); t++) {
                    memcpy(out, in->x + t * in->x_stride + c, LANES_PANEL_LANES * sizeof(float));
                    out += LANES_PANEL_LANES;
                }
}

/*
 * Sums of `rows` rows and `panel` vectors in LANES_PANEL_VECTORS vectors of the
 * lanes from v on, over whole groups of 64; x: where they begin in the panel.
 */
static inline __attribute__((always_inline)) void
lanes_panel_vector(enum lwc_dtype dtype, const uint8_t *weights, size_t row_bytes, size_t whole,
                   const float *x, size_t v, float *sums, size_t rows, size_t panel)
{
    lanes_vector acc[LANES_PANEL_ROWS][LANES_PANEL][LANES_PANEL_VECTORS];

    for (size_t i = 0; i < rows; i++)
        for (size_t t = 0; t < panel; t++)
            for (size_t u = 0; u < LANES_PANEL_VECTORS; u++)
                acc[i][t][u] = lanes_zero();
    for (size_t c = v * LANES_WIDTH; c < whole; c += LANES, x += panel * LANES_PANEL_LANES)
        for (size_t i = 0; i < rows; i++)
            for (size_t u = 0; u < LANES_PANEL_VECTORS; u++) {
                lanes_vector w = lanes_weights(dtype, weights + i * row_bytes, c + u * LANES_WIDTH);

                for (size_t t = 0; t < panel; t++)
                    acc[i][t][u] = lanes_fma(
                        w, lanes_load(x + t * LANES_PANEL_LANES + u * LANES_WIDTH), acc[i][t][u]);
            }
    for (size_t i = 0; i < rows; i++)
        for (size_t t = 0; t < panel; t++)
            for (size_t u = 0; u < LANES_PANEL_VECTORS; u++)
                lanes_store(sums + (i * LANES_PANEL + t) * LANES + (v + u) * LANES_WIDTH,
                            acc[i][t][u]);
}

/* The last columns of one row and vector, and the first steps of the tree. */
static inline __attribute__((always_inline)) lanes_vector
lanes_panel_fold(const float *sums, const float *tail, const float *x, size_t count)
{
    lanes_vector acc[LANES_VECTORS];

    for (size_t v = 0; v < LANES_VECTORS; v++)
        acc[v] = lanes_load(sums + v * LANES_WIDTH);
    if (count)
        lanes_finish(acc, tail, x, count);
    return lanes_fold(acc);
}

/* Up to LANES_PANEL_PART rows times `panel` vectors; x: the vectors themselves. */
static inline __attribute__((always_inline)) void
lanes_panel(enum lwc_dtype dtype, const uint8_t *weights, size_t rows, size_t cols,
            const float *packed, const float *x, size_t x_stride, float *y, size_t y_stride,
            size_t panel)
{
    size_t element = dtype == LWC_DTYPE_F32 ? 4 : 2, row_bytes = cols * element;
    size_t whole = cols - cols % LANES, waiting = 0;
    _Alignas(64) float sums[LANES_PANEL_PART][LANES_PANEL * LANES];
    float tail[LANES], out[LANES_WIDTH], *to[LANES_WIDTH];
    lanes_vector folded[LANES_WIDTH];

    for (size_t v = 0; v < LANES_VECTORS; v += LANES_PANEL_VECTORS) {
        const float *at = packed + v * LANES_WIDTH * (whole / LANES) * panel;
        size_t r = 0;

        for (; r + LANES_PANEL_ROWS <= rows; r += LANES_PANEL_ROWS)
            lanes_panel_vector(dtype, weights + r * row_bytes, row_bytes, whole, at, v, sums[r],
                               LANES_PANEL_ROWS, panel);
        for (; r < rows; r++)
            lanes_panel_vector(dtype, weights + r * row_bytes, row_bytes, whole, at, v, sums[r], 1,
                               panel);
    }
    for (size_t i = 0; i < LANES_WIDTH; i++)
        folded[i] = lanes_zero();
    for (size_t r = 0; r < rows; r++) {
        if (cols > whole)
            lanes_tail(dtype, weights + r * row_bytes + whole * element, cols - whole, tail);
        for (size_t t = 0; t < panel; t++) {
            folded[waiting] =
                lanes_panel_fold(sums[r] + t * LANES, tail, x + t * x_stride + whole, cols - whole);
            to[waiting++] = y + t * y_stride + r;
            if (waiting < LANES_WIDTH && (t + 1 < panel || r + 1 < rows))
                continue;
            lanes_tree_many(folded, out);
            for (size_t i = 0; i < waiting; i++)
                *to[i] = lanes_canonical(out[i]);
            waiting = 0;
        }
    }
}

/* All rows times n vectors that are packed. */
static inline __attribute__((always_inline)) void
lanes_panels(enum lwc_dtype dtype, const uint8_t *weights, size_t rows, size_t cols,
             const struct activations *in, const struct products *out)
{
    size_t row_bytes = cols * (dtype == LWC_DTYPE_F32 ? 4 : 2), part;

    for (size_t r = 0; r < rows; r += part) {
        const uint8_t *at = weights + r * row_bytes;

        part = rows - r < LANES_PANEL_PART ? rows - r : LANES_PANEL_PART;
        for (size_t t = 0; t < in->n; t += LANES_PANEL) {
            const float *packed = in->packed + t * (cols - cols % LANES);
            const float *x = in->x + t * in->x_stride;
            float *y = out->y + t * out->y_stride + r;

            switch (panel_of(in->n, t)) {
#define LANES_PANEL_CASE(count)                                                                    \
    case count:                                                                                    \
        lanes_panel(dtype, at, part, cols, packed, x, in->x_stride, y, out->y_stride, count);      \
        break
                LANES_PANEL_CASE(1);
                LANES_PANEL_CASE(2);
                LANES_PANEL_CASE(3);
                LANES_PANEL_CASE(4);
                LANES_PANEL_CASE(5);
                LANES_PANEL_CASE(LANES_PANEL);
            }
        }
    }
}

#endif
