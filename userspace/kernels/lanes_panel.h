/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many activation vectors at once, included by lanes.h.
 *
 * Lanes do not meet before the tree, so one vector of them goes over all
 * columns before the next: then as many accumulators as registers hold belong
 * to different rows and activations, and what is loaded is used LANES_PANEL
 * times. Sums wait in memory, in lanes, until all vectors of a panel have them.
 */
#ifndef LWC_LANES_PANEL_H
#define LWC_LANES_PANEL_H

/* Activation vectors of a panel: what 32, 16 or any number of registers hold. */
#if LANES_WIDTH == 16
#define LANES_PANEL 6
#else
#define LANES_PANEL 4
#endif
/* Rows that share a panel of activations while those are in the L1 cache. */
#define LANES_PANEL_PART 32

/* Sums of `rows` rows and `panel` vectors in vector v of the lanes, over whole groups of 64. */
static inline __attribute__((always_inline)) void
lanes_panel_vector(enum lwc_dtype dtype, const uint8_t *weights, size_t row_bytes, size_t whole,
                   const float *x, size_t x_stride, size_t v, float *sums, size_t rows,
                   size_t panel)
{
    lanes_vector acc[LANES_PANEL_ROWS][LANES_PANEL];

    for (size_t i = 0; i < rows; i++)
        for (size_t t = 0; t < panel; t++)
            acc[i][t] = lanes_zero();
    for (size_t c = v * LANES_WIDTH; c < whole; c += LANES) {
        lanes_vector activations[LANES_PANEL];

        for (size_t t = 0; t < panel; t++)
            activations[t] = lanes_load(x + t * x_stride + c);
        for (size_t i = 0; i < rows; i++) {
            lanes_vector w = lanes_weights(dtype, weights + i * row_bytes, c);

            for (size_t t = 0; t < panel; t++)
                acc[i][t] = lanes_fma(w, activations[t], acc[i][t]);
        }
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t t = 0; t < panel; t++)
            lanes_store(sums + (i * LANES_PANEL + t) * LANES + v * LANES_WIDTH, acc[i][t]);
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

/* Up to LANES_PANEL_PART rows times `panel` vectors. */
static inline __attribute__((always_inline)) void
lanes_panel(enum lwc_dtype dtype, const uint8_t *weights, size_t rows, size_t cols, const float *x,
            size_t x_stride, float *y, size_t y_stride, size_t panel)
{
    size_t element = dtype == LWC_DTYPE_F32 ? 4 : 2, row_bytes = cols * element;
    size_t whole = cols - cols % LANES, waiting = 0;
    _Alignas(64) float sums[LANES_PANEL_PART][LANES_PANEL * LANES];
    float tail[LANES], out[LANES_WIDTH], *to[LANES_WIDTH];
    lanes_vector folded[LANES_WIDTH];

    for (size_t v = 0; v < LANES_VECTORS; v++) {
        size_t r = 0;

        for (; r + LANES_PANEL_ROWS <= rows; r += LANES_PANEL_ROWS)
            lanes_panel_vector(dtype, weights + r * row_bytes, row_bytes, whole, x, x_stride, v,
                               sums[r], LANES_PANEL_ROWS, panel);
        for (; r < rows; r++)
            lanes_panel_vector(dtype, weights + r * row_bytes, row_bytes, whole, x, x_stride, v,
                               sums[r], 1, panel);
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

/* All rows times n vectors. */
static inline __attribute__((always_inline)) void
lanes_panels(enum lwc_dtype dtype, const uint8_t *weights, size_t rows, size_t cols,
             const struct activations *in, const struct products *out)
{
    size_t row_bytes = cols * (dtype == LWC_DTYPE_F32 ? 4 : 2), part;

    for (size_t r = 0; r < rows; r += part) {
        const uint8_t *at = weights + r * row_bytes;
        const float *x = in->x;
        float *y = out->y + r;
        size_t t = 0;

        part = rows - r < LANES_PANEL_PART ? rows - r : LANES_PANEL_PART;
        for (; t + LANES_PANEL <= in->n; t += LANES_PANEL)
            lanes_panel(dtype, at, part, cols, x + t * in->x_stride, in->x_stride,
                        y + t * out->y_stride, out->y_stride, LANES_PANEL);
        for (; t + 2 <= in->n; t += 2)
            lanes_panel(dtype, at, part, cols, x + t * in->x_stride, in->x_stride,
                        y + t * out->y_stride, out->y_stride, 2);
        if (t < in->n)
            lanes_panel(dtype, at, part, cols, x + t * in->x_stride, in->x_stride,
                        y + t * out->y_stride, out->y_stride, 1);
    }
}

#endif
