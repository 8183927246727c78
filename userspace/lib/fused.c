/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fused backend: compressed tiles are mapped. What the kernels can decode
 * in registers never reaches memory; any other tile is decoded to the worker's
 * buffer, which stays in its cache, and multiplied from there.
 */
#include "model.h"
#include "packed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const uint8_t *map_file(struct container *container, size_t size, struct failure *failure)
{
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, container_fd(container), 0);

    if (map != MAP_FAILED)
        return map;
    fail_errno(failure, errno, "%s: cannot map", container_path(container));
    return NULL;
}

int fused_open(struct lwcmem_model *model, const struct lwcmem_options *options,
               struct failure *failure)
{
    model->map_size = container_superblock(model->container)->file_size;
    if (options && options->hugepages)
        model->map = packed_map(model->container, options->device, model->map_size, model->notice,
                                sizeof(model->notice), failure);
    else
        model->map = map_file(model->container, model->map_size, failure);
    if (!model->map)
        return -1;
    model->checked =
        calloc(container_count(model->container, LWC_TABLE_TILES) + 1, sizeof(*model->checked));
    if (!model->checked)
        return fail(failure, "%s: out of memory", container_path(model->container));
    return 0;
}

void fused_close(struct lwcmem_model *model)
{
    if (model->map)
        munmap((void *)(uintptr_t)model->map, model->map_size);
    free((void *)model->checked);
    model->map = NULL;
    model->checked = NULL;
}

static int damaged(struct lwcmem_model *model, const struct lwc_object *object, uint64_t tile,
                   enum lwc_error error, struct failure *failure)
{
    char name[LWC_NAME_MAX + 1];

    if (container_name(model->container, object->name_offset, object->name_length, name, failure) <
        0)
        return -1;
    return fail(failure, "%s: %.600s: tile %" PRIu64 ": %s; the file is damaged, get it again",
                container_path(model->container), name, tile, lwc_error_string(error));
}

/* The tile's entry and its stored bytes, with the crc checked the first time. */
static int map_tile(struct lwcmem_model *model, const struct lwc_object *object, uint64_t index,
                    struct lwc_tile *tile, const uint8_t **stored, struct failure *failure)
{
    uint64_t in_table = object->tile_first + index;

    if (container_tile(model->container, object, index, tile, failure) < 0 ||
        container_resolve_copy(model->container, tile, lwc_tile_length(object, index), failure) < 0)
        return -1;
    *stored = model->map + tile->offset;
    if (!tile->stored || atomic_load_explicit(&model->checked[in_table], memory_order_relaxed))
        return 0;
    if (lwc_crc32c(0, *stored, tile->stored) != tile->crc)
        return damaged(model, object, index, LWC_ERR_CRC, failure);
    atomic_store_explicit(&model->checked[in_table], 1, memory_order_relaxed);
    return 0;
}

/* The call's activations as the fused kernels take them; what was not prepared is arranged for the
 * first tile that needs it. NULL without memory. */
static const float *arranged(const struct lwcmem_model *model, struct worker *worker, size_t cols,
                             const struct activations *in)
{
    struct activations same = *in;

    if (model_prepared(model, cols, &same))
        return model->prepared.arranged;
    if (worker->arranged_ready)
        return worker->arranged;
    if (worker->arranged_capacity < in->n * cols) {
        free(worker->arranged);
        worker->arranged_capacity = 0;
        worker->arranged = aligned_alloc(64, (in->n * cols * sizeof(float) + 63) & ~(size_t)63);
        if (!worker->arranged)
            return NULL;
        worker->arranged_capacity = in->n * cols;
    }
    for (size_t t = 0; t < in->n; t++)
        model->kernels->levels_arrange(in->x + t * in->x_stride, cols, worker->arranged + t * cols);
    worker->arranged_ready = true;
    return worker->arranged;
}

static enum lwc_error decode_and_multiply(struct lwcmem_model *model, struct worker *worker,
                                          const struct lwc_tile *tile, const uint8_t *stored,
                                          uint32_t length, enum lwc_dtype dtype, size_t cols,
                                          uint64_t rows, const struct activations *in,
                                          const struct products *out)
{
    enum lwc_error error;

    /* the file may be written to meanwhile */
    if (lwc_uses_zstd(tile))
        stored = memcpy(worker->stored, stored, tile->stored);
    error = lwc_tile_decode(worker->decoder.impl, tile, stored, tile->stored, worker->tile, length,
                            &worker->decoder.scratch);
    if (!error)
        kernels_multiply(model->kernels, dtype, worker->tile, rows, cols, in, out, worker->scratch);
    return error;
}

static int multiply_tile(struct lwcmem_model *model, const struct lwcmem_tensor *tensor,
                         const struct lwc_object *object, struct worker *worker, uint64_t index,
                         uint64_t rows, const struct activations *in, const struct products *out,
                         struct failure *failure)
{
    bool levels, whole = lwc_dtype_bytes(tensor->dtype, rows * tensor->cols) ==
                         lwc_tile_length(object, index);
    struct lwc_levels_view view;
    enum lwc_error error;
    struct lwc_tile tile;
    const uint8_t *stored;
    uint32_t length;

    if (map_tile(model, object, index, &tile, &stored, failure) < 0)
        return -1;
    levels = tile.chain[0] == LWC_CODEC_LEVELS && tile.field == LWC_FIELD_BF16 &&
             tensor->dtype == LWC_DTYPE_BF16 && tensor->cols % LWC_GROUP == 0 &&
             (!model->kernels->gemm_levels || in->n <= model->kernels->levels_vectors);
    if (levels)
        worker_count(&worker->rows_eligible, rows);
    length = lwc_tile_length(object, index);
    error = LWC_OK;
    if (levels && whole && model->kernels->gemm_levels)
        error = lwc_levels_open(&view, tile.param, tile.field, stored, tile.stored,
                                length / lwc_field_size(tile.field));
    if (error)
        return damaged(model, object, index, error, failure);
    if (levels && whole && model->kernels->gemm_levels && view.kept == 7) {
        const float *x = arranged(model, worker, tensor->cols, in);

        if (!x)
            return fail(failure, "%s: out of memory for activations",
                        container_path(model->container));
        error = model->kernels->gemm_levels(&view, tensor->cols, 0, rows, x, in->n, out,
                                            worker->decoder.scratch.tile);
        worker_count(&worker->rows_fused, rows);
    } else {
        if (container_load_base(model->container, &worker->decoder, &tile, length, failure) < 0)
            return -1;
        error = decode_and_multiply(model, worker, &tile, stored, length, tensor->dtype,
                                    tensor->cols, rows, in, out);
        worker_count(&worker->rows_buffered, rows);
        worker_count(&worker->tiles_decoded, 1);
    }
    return error ? damaged(model, object, index, error, failure) : 0;
}

/* Rows that tiles cut through: one by one, put together. */
static int multiply_cut_rows(struct lwcmem_model *model, const struct lwcmem_tensor *tensor,
                             const struct lwc_object *object, struct worker *worker,
                             uint64_t first_row, uint64_t rows, const struct activations *in,
                             const struct products *out, struct failure *failure)
{
    uint64_t row = lwc_dtype_bytes(tensor->dtype, tensor->cols);

    if (worker->row_capacity < row) {
        free(worker->row);
        worker->row = malloc(row);
        worker->row_capacity = worker->row ? row : 0;
        if (!worker->row)
            return fail(failure, "%s: out of memory for a row", container_path(model->container));
    }
    for (uint64_t r = 0; r < rows; r++) {
        struct products one = {out->y + r, out->y_stride};

        if (model_decode(model, worker, object, (first_row + r) * row, row, worker->row, failure) <
            0)
            return -1;
        kernels_multiply(model->kernels, tensor->dtype, worker->row, 1, tensor->cols, in, &one,
                         worker->scratch);
        worker_count(&worker->rows_buffered, 1);
    }
    return 0;
}

int fused_multiply(struct lwcmem_model *model, const struct lwcmem_tensor *tensor,
                   struct worker *worker, uint64_t first_row, uint64_t rows,
                   const struct activations *in, const struct products *out,
                   struct failure *failure)
{
    uint64_t row = lwc_dtype_bytes(tensor->dtype, tensor->cols);
    struct lwc_object object;

    worker->arranged_ready = false;
    if (container_object(model->container, tensor->object, &object, failure) < 0)
        return -1;
    if (!row || object.tile_bytes % row)
        return multiply_cut_rows(model, tensor, &object, worker, first_row, rows, in, out, failure);
    for (uint64_t done = 0; done < rows;) {
        uint64_t part = rows - done < tensor->row_grain ? rows - done : tensor->row_grain;
        struct products some = {out->y + done, out->y_stride};

        if (multiply_tile(model, tensor, &object, worker, (first_row + done) / tensor->row_grain,
                          part, in, &some, failure) < 0)
            return -1;
        done += part;
    }
    return 0;
}
