/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GEMM over LEVELS tiles with the weights decoded in registers: what the ISAs
 * share. A file of an ISA includes its lanes and lanes.h, defines
 *   struct levels_lookup, levels_lookup_of(structure, view)
 *   levels_group_weights(structure, view, group, planes, lookup, at, w): the
 *     weights of a group in w[LANES_VECTORS], positions moved on
 * and then includes this file.
 */
#ifndef LWC_KERNELS_LEVELS_GEMM_H
#define LWC_KERNELS_LEVELS_GEMM_H

/* Tiles too small for the SIMD decoders' way of checking positions. */
static enum lwc_error levels_small(uint8_t structure, const struct lwc_levels_view *view,
                                   size_t cols, size_t first_row, size_t rows,
                                   const struct activations *in, const struct products *out)
{
    const struct levels_position start = {{0, 0}, 0};
    uint8_t weights[2 * LEVELS_BLOCK_MIN];
    enum lwc_error error = structure == LWC_STRUCTURE_4 ? levels_4_from(view, 0, start, weights)
                                                        : levels_223_from(view, 0, start, weights);

    if (!error)
        gemm(LWC_DTYPE_BF16, weights + 2 * first_row * cols, rows, cols, in, out);
    return error;
}

/* All rows times `block` vectors. */
static inline __attribute__((always_inline)) enum lwc_error
levels_block(uint8_t structure, const struct lwc_levels_view *view, size_t cols, size_t first_row,
             size_t rows, const float *x, size_t x_stride, float *y, size_t y_stride, size_t block)
{
    const struct levels_lookup lookup = levels_lookup_of(structure, view);
    uint32_t row_groups = (uint32_t)(cols / LWC_GROUP), in_row = 0;
    uint32_t skipped = (uint32_t)first_row * row_groups;
    uint32_t groups = (uint32_t)(first_row + rows) * row_groups;
    lanes_vector acc[LANES_BLOCK][LANES_VECTORS], w[LANES_VECTORS];
    u64 planes[LEVELS_BLOCK][4] __attribute__((aligned(64)));
    struct levels_position at = {{0, 0}, 0};

    for (size_t t = 0; t < block; t++)
        for (size_t v = 0; v < LANES_VECTORS; v++)
            acc[t][v] = lanes_zero();
    for (uint32_t base = 0; base < groups; base += LEVELS_BLOCK) {
        uint32_t n = groups - base < LEVELS_BLOCK ? groups - base : LEVELS_BLOCK;

        if (!levels_inside(view, &at))
            return LWC_ERR_STREAM;
        if (structure == LWC_STRUCTURE_223)
            for (uint32_t i = 0; i < n; i++)
                levels_223_group(view, base + i, &at, planes[i]);
        for (uint32_t i = 0; i < n; i++) {
            const float *at_x = x + (size_t)in_row * LWC_GROUP;

            levels_group_weights(structure, view, base + i, planes[i], &lookup, &at, w);
            if (base + i < skipped)
                continue;
            for (size_t v = 0; v < LANES_VECTORS; v++)
                for (size_t t = 0; t < block; t++)
                    acc[t][v] = lanes_fma(w[v], lanes_load(at_x + t * x_stride + v * LANES_WIDTH),
                                          acc[t][v]);
            if (++in_row < row_groups)
                continue;
            in_row = 0;
            for (size_t t = 0; t < block; t++) {
                y[t * y_stride] = lanes_canonical(lanes_tree(acc[t]));
                for (size_t v = 0; v < LANES_VECTORS; v++)
                    acc[t][v] = lanes_zero();
            }
            y++;
        }
    }
    if (!levels_inside(view, &at))
        return LWC_ERR_STREAM;
    if (groups < view->weights / LWC_GROUP)
        return LWC_OK;
    /* nothing is left to decode: this checks that the streams end here */
    return structure == LWC_STRUCTURE_4 ? levels_4_from(view, view->weights, at, NULL)
                                        : levels_223_from(view, view->weights, at, NULL);
}

static inline __attribute__((always_inline)) enum lwc_error
levels_vectors(uint8_t structure, const struct lwc_levels_view *view, size_t cols, size_t first_row,
               size_t rows, const struct activations *in, const struct products *out)
{
    enum lwc_error error = LWC_OK;
    size_t t = 0;

    for (; t + LANES_BLOCK <= in->n && !error; t += LANES_BLOCK)
        error = levels_block(structure, view, cols, first_row, rows, in->x + t * in->x_stride,
                             in->x_stride, out->y + t * out->y_stride, out->y_stride, LANES_BLOCK);
    for (; t < in->n && !error; t++)
        error = levels_block(structure, view, cols, first_row, rows, in->x + t * in->x_stride,
                             in->x_stride, out->y + t * out->y_stride, out->y_stride, 1);
    return error;
}

static enum lwc_error gemm_levels(uint8_t structure, const struct lwc_levels_view *view,
                                  size_t cols, size_t first_row, size_t rows,
                                  const struct activations *in, const struct products *out)
{
    if (view->weights < LEVELS_BLOCK_MIN)
        return levels_small(structure, view, cols, first_row, rows, in, out);
    if (structure == LWC_STRUCTURE_4)
        return levels_vectors(LWC_STRUCTURE_4, view, cols, first_row, rows, in, out);
    return levels_vectors(LWC_STRUCTURE_223, view, cols, first_row, rows, in, out);
}

#endif
