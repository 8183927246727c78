/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * read_weights MODEL gguf|directory|fused|user ISA VECTORS TENSOR...: writes, for
 * each tensor, its rows as fp32 and then their products with some vectors, as
 * the engine reads and multiplies them. For tests.
 */
#include "open_model.h"

/* Numbers of some size and both signs. */
static float activation(size_t i)
{
    return (float)((int)(i * 2654435761u >> 20 & 1023) - 511) / 64.0f;
}

static int write_floats(const float *values, size_t count)
{
    return fwrite(values, sizeof(*values), count, stdout) == count ? 0 : -1;
}

static int write_rows(struct weights *weights, const struct weight_tensor *tensor,
                      struct failure *failure)
{
    size_t count = tensor->rows * tensor->cols;
    float *values = malloc(count * sizeof(*values) + 1);
    int result = values ? 0 : fail(failure, "out of memory");

    if (result == 0)
        result = weights->ops->rows(weights, tensor, 0, tensor->rows, values, failure);
    if (result == 0 && write_floats(values, count) < 0)
        result = fail(failure, "cannot write");
    free(values);
    return result;
}

/* Products of the unit's one tensor, as its parts come. */
static int multiply_parts(struct weights *weights, size_t unit, const struct weight_tensor *tensor,
                          const struct activations *in, const struct products *out,
                          struct failure *failure)
{
    struct weight_part part = {.last = true};

    part.rows[0].count = tensor->rows;
    do {
        uint64_t row, end, count = tensor->row_grain;

        if (weights->ops->wait && weights->ops->wait(weights, unit, &part, failure) < 0)
            return -1;
        row = part.rows[0].first;
        end = row + part.rows[0].count;
        for (; row < end; row += count)
            if (weights->ops->multiply(weights, tensor, 0, row,
                                       end - row < count ? end - row : count, in, out, failure) < 0)
                return -1;
        if (weights->ops->done && weights->ops->done(weights, unit, failure) < 0)
            return -1;
    } while (!part.last);
    return 0;
}

static int write_products(struct weights *weights, size_t unit, const struct weight_tensor *tensor,
                          size_t vectors, struct failure *failure)
{
    float *x = malloc(vectors * tensor->cols * sizeof(*x) + 1);
    float *y = calloc(vectors * tensor->rows + 1, sizeof(*y));
    struct activations in = {.x = x, .x_stride = tensor->cols, .n = vectors};
    struct products out = {y, tensor->rows};
    int result = x && y ? 0 : fail(failure, "out of memory");

    for (size_t i = 0; result == 0 && i < vectors * tensor->cols; i++)
        x[i] = activation(i);
    if (result == 0)
        result = multiply_parts(weights, unit, tensor, &in, &out, failure);
    if (result == 0 && write_floats(y, vectors * tensor->rows) < 0)
        result = fail(failure, "cannot write");
    free(x);
    free(y);
    return result;
}

static int read_all(struct weights *weights, size_t vectors, char **names, size_t count,
                    struct failure *failure)
{
    struct weight_tensor *tensors = calloc(count, sizeof(*tensors));
    struct weight_unit *units = calloc(count, sizeof(*units));
    int result = tensors && units ? 0 : fail(failure, "out of memory");
    uint64_t least;

    for (size_t i = 0; result == 0 && i < count; i++) {
        units[i] = (struct weight_unit){{&tensors[i]}, 1};
        if (weights->ops->find(weights, names[i], &tensors[i], failure) <= 0)
            result = fail(failure, "no tensor %s", names[i]);
    }
    if (result == 0 && weights->ops->plan &&
        (weights->ops->plan(weights, units, count, &least, failure) < 0 ||
         weights->ops->start(weights, 0, failure) < 0))
        result = -1;
    for (size_t i = 0; result == 0 && i < count; i++)
        if (write_rows(weights, &tensors[i], failure) < 0 ||
            write_products(weights, i, &tensors[i], vectors, failure) < 0)
            result = -1;
    free(tensors);
    free(units);
    return result;
}

int main(int argc, char **argv)
{
    struct failure failure;
    struct weights *weights;
    int result;

    if (argc < 6)
        return stop("MODEL gguf|directory|fused|user ISA VECTORS TENSOR...");
    weights = open_model(argv[1], NULL, argv[2], argv[3], 1, &failure);
    if (!weights)
        return stop(failure.text);
    /* liblwcmem computes with its own: here all is rounded towards zero */
    if (strcmp(argv[2], "fused") == 0 || strcmp(argv[2], "user") == 0)
        __builtin_ia32_ldmxcsr(0x7fc0);
    result = read_all(weights, (size_t)atoi(argv[4]), argv + 5, (size_t)argc - 5, &failure);
    weights->ops->close(weights);
    return result < 0 || fflush(stdout) ? stop(failure.text) : 0;
}
