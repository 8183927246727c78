/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many activation vectors at once by outer products, included by lanes.h.
 *
 * A register holds one element of LANES_WIDTH activation vectors, and is
 * multiplied by one weight. For that, rows and vectors are transposed; those of
 * a lane (see kernels.h) lie together, and a lane's sums of a block, rows times
 * two registers of vectors, stay in registers over all of its columns.
 * Lanes come in the order in which the tree adds them: 0, 32, 16, 48, 8 ...,
 * so that it needs one sum of each of its levels. Two neighbours meet in
 * registers, for stores take time from multiplications (Zen 4: 512 bits cost as
 * much as one and a half).
 */
#ifndef LWC_LANES_OUTER_H
#define LWC_LANES_OUTER_H

/* Rows and registers of vectors in a block. */
#define LANES_OUTER_ROWS 6
#define LANES_OUTER_VECTORS 2
#define OUTER_WIDTH (LANES_OUTER_VECTORS * LANES_WIDTH)
/* Blocks that multiply the same vectors while those are in the L1 cache. */
#define LANES_OUTER_BLOCKS 6
#define LANES_OUTER_LEVELS 6
/* Columns of a lane that the vectors are fetched ahead of their use. */
#define LANES_OUTER_AHEAD 32

/* Lanes in the order of the tree: columns of those before the s-th. */
struct outer_order {
    size_t start[LANES + 1];
};

/* Sums of a block, a level of the tree behind another; the last are of all lanes. */
struct outer_sums {
    _Alignas(
        64) float level[LANES_OUTER_LEVELS][LANES_OUTER_ROWS][LANES_OUTER_VECTORS][LANES_WIDTH];
};

/* The lane that is the s-th, and the place of a lane: bits in reverse. */
static inline size_t outer_reverse(size_t s)
{
    size_t reverse = 0;

    for (size_t bit = 1; bit < LANES; bit *= 2)
        reverse = reverse * 2 + (s & bit ? 1 : 0);
    return reverse;
}

static void outer_order(size_t cols, struct outer_order *order)
{
    order->start[0] = 0;
    for (size_t s = 0; s < LANES; s++)
        order->start[s + 1] = order->start[s] + (cols + LANES - 1 - outer_reverse(s)) / LANES;
}

/* The vectors of n that are multiplied by blocks; panels take the others. */
static size_t outer_count(size_t n)
{
    return n < LANES_OUTER_LEAST ? 0 : n - n % OUTER_WIDTH;
}

static inline __attribute__((always_inline)) square_row outer_load(enum lwc_dtype dtype,
                                                                   const uint8_t *row, size_t c)
{
    if (dtype == LWC_DTYPE_BF16)
        return square_load_bf16(row + 2 * c);
    if (dtype == LWC_DTYPE_F16)
        return square_load_f16(row + 2 * c);
    return square_load((const float *)(const void *)(row + 4 * c));
}

/* SQUARE columns of `rows` rows from c on to lines `at` floats behind to. */
static inline __attribute__((always_inline)) void
outer_square(enum lwc_dtype dtype, const uint8_t *from, size_t row_bytes, size_t rows, size_t c,
             float *const to[SQUARE], size_t at)
{
    square_row square[SQUARE];

    LANES_FOR (r, SQUARE)
        square[r] = r < rows ? outer_load(dtype, from + r * row_bytes, c) : square_zero();
    square_transpose(square);
    LANES_FOR (i, SQUARE)
        square_store(to[i] + at, square[i]);
}

/* The rows' last columns from c on, fewer than SQUARE. */
static __attribute__((__noinline__)) void outer_last(enum lwc_dtype dtype, const uint8_t *from,
                                                     size_t row_bytes, size_t rows, size_t c,
                                                     size_t count, float *const to[SQUARE],
                                                     size_t at)
{
    size_t element = dtype == LWC_DTYPE_F32 ? 4 : 2;
    float tail[LANES];

    for (size_t r = 0; r < rows; r++) {
        lanes_tail(dtype, from + r * row_bytes + c * element, count, tail);
        for (size_t i = 0; i < count; i++)
            to[i][at + r] = tail[i];
    }
}

/*
 * Column c of row r, of at most SQUARE, to to[c % 64][c / 64 * step + r]. Behind
 * the rows of a column SQUARE floats may be overwritten: of the last column of a
 * lane, too.
 */
static inline __attribute__((always_inline)) void
outer_transpose(enum lwc_dtype dtype, const uint8_t *from, size_t row_bytes, size_t rows,
                size_t cols, float *const to[LANES], size_t step)
{
    for (size_t lane = 0; lane < LANES; lane += SQUARE) {
        size_t c = lane, at = 0;

        for (; c + SQUARE <= cols; c += LANES, at += step)
            outer_square(dtype, from, row_bytes, rows, c, to + lane, at);
        if (c < cols)
            outer_last(dtype, from, row_bytes, rows, c, cols - c, to + lane, at);
    }
}

/* Where lanes begin, in lines of `step` floats and so many unused ones between lanes. */
static void outer_lines(const struct outer_order *order, float *out, size_t step, size_t unused,
                        float *to[LANES])
{
    for (size_t s = 0; s < LANES; s++)
        to[outer_reverse(s)] = out + order->start[s] * step + s * unused;
}

/* Blocks of vectors, one after another; in each by lanes, columns, vectors. */
static void outer_pack(const struct activations *in, size_t cols, float *out)
{
    size_t count = outer_count(in->n);
    struct outer_order order;
    float *to[LANES];

    outer_order(cols, &order);
    for (size_t t = 0; t < count; t += SQUARE) {
        const float *x = in->x + t * in->x_stride;

        outer_lines(&order, out + (t - t % OUTER_WIDTH) * cols + t % OUTER_WIDTH, OUTER_WIDTH, 0,
                    to);
        outer_transpose(LWC_DTYPE_F32, (const uint8_t *)x, in->x_stride * sizeof(float), SQUARE,
                        cols, to, OUTER_WIDTH);
    }
}

/* Floats of a block's transposed rows. */
static size_t outer_block_floats(size_t rows, size_t cols)
{
    return rows * cols + LANES * SQUARE;
}

static void outer_pack_rows(enum lwc_dtype dtype, const uint8_t *weights, size_t rows, size_t cols,
                            const struct outer_order *order, float *out)
{
    size_t row_bytes = cols * (dtype == LWC_DTYPE_F32 ? 4 : 2);
    float *to[LANES];

    outer_lines(order, out, rows, SQUARE, to);
    if (dtype == LWC_DTYPE_BF16)
        outer_transpose(LWC_DTYPE_BF16, weights, row_bytes, rows, cols, to, rows);
    else if (dtype == LWC_DTYPE_F16)
        outer_transpose(LWC_DTYPE_F16, weights, row_bytes, rows, cols, to, rows);
    else
        outer_transpose(LWC_DTYPE_F32, weights, row_bytes, rows, cols, to, rows);
}

#define OUTER_EACH(r, rows, v)                                                                     \
    LANES_FOR (r, rows)                                                                            \
        LANES_FOR (v, LANES_OUTER_VECTORS)

/* Sums of one lane. */
static inline __attribute__((always_inline)) void
outer_lane(size_t rows, const float *w, const float *x, size_t columns,
           lanes_vector acc[LANES_OUTER_ROWS][LANES_OUTER_VECTORS])
{
    OUTER_EACH (r, rows, v)
        acc[r][v] = lanes_zero();
    for (size_t c = 0; c < columns; c++, w += rows, x += OUTER_WIDTH) {
        lanes_vector elements[LANES_OUTER_VECTORS];

        LANES_FOR (v, LANES_OUTER_VECTORS) {
            elements[v] = lanes_load(x + v * LANES_WIDTH);
            __builtin_prefetch(x + LANES_OUTER_AHEAD * OUTER_WIDTH + v * LANES_WIDTH);
        }
        OUTER_EACH (r, rows, v)
            acc[r][v] = lanes_fma(lanes_set(w[r]), elements[v], acc[r][v]);
    }
}

/* Two neighbours of the tree, then as much of it as they complete. */
static inline __attribute__((always_inline)) void
outer_pair(size_t rows, const struct outer_order *order, size_t s, const float *w, const float *x,
           struct outer_sums *sums)
{
    lanes_vector first[LANES_OUTER_ROWS][LANES_OUTER_VECTORS];
    lanes_vector second[LANES_OUTER_ROWS][LANES_OUTER_VECTORS];
    size_t start = order->start[s], middle = order->start[s + 1], level = 0;

    w += s * SQUARE;
    outer_lane(rows, w + rows * start, x + OUTER_WIDTH * start, middle - start, first);
    outer_lane(rows, w + rows * middle + SQUARE, x + OUTER_WIDTH * middle,
               order->start[s + 2] - middle, second);
    OUTER_EACH (r, rows, v)
        second[r][v] = lanes_add(first[r][v], second[r][v]);
    for (; s >> (level + 1) & 1; level++)
        OUTER_EACH (r, rows, v)
            second[r][v] = lanes_add(lanes_load(sums->level[level][r][v]), second[r][v]);
    OUTER_EACH (r, rows, v)
        lanes_store(sums->level[level][r][v], second[r][v]);
}

static void outer_pair_of(size_t rows, const struct outer_order *order, size_t s, const float *w,
                          const float *x, struct outer_sums *sums)
{
#define OUTER_PAIR(count)                                                                          \
    case count:                                                                                    \
        outer_pair(count, order, s, w, x, sums);                                                   \
        break
    switch (rows) {
        OUTER_PAIR(1);
        OUTER_PAIR(2);
        OUTER_PAIR(3);
        OUTER_PAIR(4);
        OUTER_PAIR(5);
        OUTER_PAIR(6);
    }
}

/* Rows of a call, cut into blocks of about one size. */
struct outer_rows {
    size_t blocks;
    size_t first[LANES_OUTER_BLOCKS + 1];
    float *w[LANES_OUTER_BLOCKS];
};

static void outer_cut(enum lwc_dtype dtype, const uint8_t *weights, size_t rows, size_t cols,
                      const struct outer_order *order, float *scratch, struct outer_rows *cut)
{
    size_t row_bytes = cols * (dtype == LWC_DTYPE_F32 ? 4 : 2);

    cut->blocks = (rows + LANES_OUTER_ROWS - 1) / LANES_OUTER_ROWS;
    for (size_t b = 0; b <= cut->blocks; b++)
        cut->first[b] = rows * b / cut->blocks;
    for (size_t b = 0; b < cut->blocks; b++) {
        size_t count = cut->first[b + 1] - cut->first[b];

        cut->w[b] = scratch;
        scratch += outer_block_floats(count, cols);
        outer_pack_rows(dtype, weights + cut->first[b] * row_bytes, count, cols, order, cut->w[b]);
    }
}

static void outer_results(const struct outer_sums *sums, size_t rows, float *y, size_t y_stride)
{
    for (size_t t = 0; t < OUTER_WIDTH; t++, y += y_stride)
        for (size_t r = 0; r < rows; r++)
            y[r] = lanes_canonical(
                sums->level[LANES_OUTER_LEVELS - 1][r][t / LANES_WIDTH][t % LANES_WIDTH]);
}

/* Rows that are multiplied together: their transposed weights stay in the L2 cache. */
static size_t outer_rows_at_once(size_t cols)
{
    size_t fit = LANES_OUTER_BYTES / sizeof(float) / (cols ? cols : 1);
    size_t most = (size_t)LANES_OUTER_ROWS * LANES_OUTER_BLOCKS;

    return fit < LANES_OUTER_ROWS ? LANES_OUTER_ROWS : fit > most ? most : fit;
}

static size_t outer_scratch(size_t cols)
{
    return outer_rows_at_once(cols) * cols + (size_t)LANES_OUTER_BLOCKS * LANES * SQUARE;
}

/* All rows times the vectors that are packed for it. */
static void lanes_outer(enum lwc_dtype dtype, const uint8_t *weights, size_t rows, size_t cols,
                        const struct activations *in, const struct products *out, float *scratch)
{
    size_t row_bytes = cols * (dtype == LWC_DTYPE_F32 ? 4 : 2), count = outer_count(in->n), part;
    struct outer_sums sums[LANES_OUTER_BLOCKS];
    struct outer_order order;
    struct outer_rows cut;

    outer_order(cols, &order);
    for (size_t r = 0; r < rows; r += part) {
        part = rows - r < outer_rows_at_once(cols) ? rows - r : outer_rows_at_once(cols);
        outer_cut(dtype, weights + r * row_bytes, part, cols, &order, scratch, &cut);
        for (size_t t = 0; t < count; t += OUTER_WIDTH) {
            for (size_t s = 0; s < LANES; s += 2)
                for (size_t b = 0; b < cut.blocks; b++)
                    outer_pair_of(cut.first[b + 1] - cut.first[b], &order, s, cut.w[b],
                                  in->packed + t * cols, &sums[b]);
            for (size_t b = 0; b < cut.blocks; b++)
                outer_results(&sums[b], cut.first[b + 1] - cut.first[b],
                              out->y + t * out->y_stride + r + cut.first[b], out->y_stride);
        }
    }
}

#endif
