/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GEMM over LEVELS tiles of bf16 with the weights decoded in registers: what
 * the ISAs share. Weights leave the decoder in an order of its own within
 * their group of 64; the activations are brought into the same order, so that
 * a virtual lane is where its weight is. A file of an ISA includes its lanes
 * and lanes.h, defines
 *   struct fused, fused_open(view, scratch, ahead, fused): what a call keeps
 *   fused_skip(fused, groups, width): move on without a result
 *   fused_group(fused, width, w): the next group's weights in w[LANES_VECTORS]
 *   fused_passed(fused): how many weights level 0 has passed on so far
 *   fused_arrange(x, out): 64 activations in the order of w
 *   fused_tree(acc): lanes_tree for lanes in that order
 * and then includes this file.
 *
 * The next tile of a tensor is expected behind this one and to be laid out like
 * it: whatever is used, what is `ahead` bytes behind it is fetched into the L2
 * cache, so that the next tile comes evenly and in the order of its use.
 */
#ifndef LWC_KERNELS_LEVELS_GEMM_H
#define LWC_KERNELS_LEVELS_GEMM_H

/* From a place in this tile to the same place in the next one. */
static inline size_t levels_ahead(const struct lwc_levels_view *view)
{
    const uint8_t *start = view->plane[0] - sizeof(struct lwc_levels_header);
    const uint8_t *end = view->escapes + view->count[view->levels];

    return ((size_t)(end - start) + 63) & ~(size_t)63;
}

/* All rows times `block` vectors. */
static inline __attribute__((always_inline)) void levels_rows(struct fused *fused, uint32_t width,
                                                              size_t cols, size_t rows,
                                                              const float *x, float *y,
                                                              size_t y_stride, size_t block)
{
    struct fused at = *fused; /* in registers */

    for (size_t r = 0; r < rows; r++, y++) {
        lanes_vector acc[LANES_BLOCK][LANES_VECTORS], w[LANES_VECTORS];
        const float *at_x = x;

        for (size_t t = 0; t < block; t++)
            for (size_t v = 0; v < LANES_VECTORS; v++)
                acc[t][v] = lanes_zero();
        for (size_t c = 0; c < cols; c += LANES, at_x += LANES) {
            fused_group(&at, width, w);
            for (size_t v = 0; v < LANES_VECTORS; v++)
                for (size_t t = 0; t < block; t++)
                    acc[t][v] =
                        lanes_fma(w[v], lanes_load(at_x + t * cols + v * LANES_WIDTH), acc[t][v]);
        }
        for (size_t t = 0; t < block; t++)
            y[t * y_stride] = lanes_canonical(fused_tree(acc[t]));
    }
    *fused = at;
}

static inline __attribute__((always_inline)) void
levels_vectors(const struct fused *start, uint32_t width, size_t cols, size_t rows, const float *x,
               size_t n, const struct products *out, struct fused *end)
{
    for (size_t t = 0; t < n; t += LANES_BLOCK) {
        const float *at = x + t * cols;
        float *y = out->y + t * out->y_stride;

        *end = *start;
        switch (n - t < LANES_BLOCK ? n - t : LANES_BLOCK) {
        case 1:
            levels_rows(end, width, cols, rows, at, y, out->y_stride, 1);
            break;
        case 2:
            levels_rows(end, width, cols, rows, at, y, out->y_stride, 2);
            break;
        case 3:
            levels_rows(end, width, cols, rows, at, y, out->y_stride, 3);
            break;
        default:
            levels_rows(end, width, cols, rows, at, y, out->y_stride, LANES_BLOCK);
        }
    }
}

static void levels_arrange(const float *x, size_t cols, float *out)
{
    for (size_t c = 0; c < cols; c += LANES)
        fused_arrange(x + c, out + c);
}

static enum lwc_error gemm_levels(const struct lwc_levels_view *view, size_t cols, size_t first_row,
                                  size_t rows, const float *x, size_t n, const struct products *out,
                                  uint8_t *scratch)
{
    struct fused start, end;
    size_t ahead = levels_ahead(view);
    enum lwc_error error;

    /* the header, and what is used before anything is fetched at its distance */
    __builtin_prefetch(view->plane[0] + ahead - sizeof(struct lwc_levels_header), 0, 2);
    __builtin_prefetch(view->codes[0] + ahead, 0, 2);
    error = fused_open(view, scratch, ahead, &start);
    if (error)
        return error;
    fused_skip(&start, first_row * cols / LANES, view->width[0]);
    end = start;
    switch (view->width[0]) {
    case 1:
        levels_vectors(&start, 1, cols, rows, x, n, out, &end);
        break;
    case 2:
        levels_vectors(&start, 2, cols, rows, x, n, out, &end);
        break;
    case 3:
        levels_vectors(&start, 3, cols, rows, x, n, out, &end);
        break;
    default:
        levels_vectors(&start, 4, cols, rows, x, n, out, &end);
    }
    if ((first_row + rows) * cols < view->count[0])
        return LWC_OK;
    return fused_passed(&end) == view->count[1] ? LWC_OK : LWC_ERR_STREAM;
}

#endif
