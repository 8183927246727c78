/* SPDX-License-Identifier: BSD-3-Clause */
/* Activations in the orders that the kernels take them in, made once for all threads. */
#include "model.h"

#include <stdlib.h>

static int reserve(struct prepared *prepared, size_t count)
{
    size_t bytes;

    if (count <= prepared->capacity)
        return 0;
    if (__builtin_mul_overflow(count, sizeof(float), &bytes) || bytes > SIZE_MAX - 63)
        return -1;
    bytes = (bytes + 63) & ~(size_t)63;
    free(prepared->packed);
    free(prepared->arranged);
    *prepared =
        (struct prepared){.packed = aligned_alloc(64, bytes), .arranged = aligned_alloc(64, bytes)};
    if (!prepared->packed || !prepared->arranged)
        return -1;
    prepared->capacity = count;
    return 0;
}

static bool can_arrange(const struct lwcmem_model *model, size_t n, size_t cols)
{
    return model->backend == LWCMEM_BACKEND_FUSED && model->kernels->levels_arrange &&
           n <= model->kernels->levels_vectors && cols % LWC_GROUP == 0;
}

int lwcmem_prepare(struct lwcmem_model *model, const float *x, size_t x_stride, size_t n,
                   size_t cols, char error[LWCMEM_ERROR_SIZE])
{
    struct prepared *prepared = &model->prepared;
    struct activations in = {.x = x, .x_stride = x_stride, .n = n};
    struct failure failure;
    size_t count;

    prepared->x = NULL;
    if (__builtin_mul_overflow(n, cols, &count) || reserve(prepared, count) < 0) {
        fail(&failure, "%s: out of memory for activations", container_path(model->container));
        return model_report(&failure, error);
    }
    if (n > 1)
        model->kernels->pack(&in, cols, prepared->packed);
    if (can_arrange(model, n, cols))
        for (size_t t = 0; t < n; t++)
            model->kernels->levels_arrange(x + t * x_stride, cols, prepared->arranged + t * cols);
    prepared->x = x;
    prepared->x_stride = x_stride;
    prepared->n = n;
    prepared->cols = cols;
    return 0;
}

bool model_prepared(const struct lwcmem_model *model, size_t cols, struct activations *in)
{
    const struct prepared *prepared = &model->prepared;

    if (!prepared->x || prepared->x != in->x || prepared->x_stride != in->x_stride ||
        prepared->n != in->n || prepared->cols != cols)
        return false;
    in->packed = in->n > 1 ? prepared->packed : NULL;
    return true;
}

void model_forget_prepared(struct lwcmem_model *model)
{
    free(model->prepared.packed);
    free(model->prepared.arranged);
}
