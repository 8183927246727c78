/* SPDX-License-Identifier: BSD-3-Clause */
#include "region.h"
#include "ring.h"
#include "container/dependency.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int report(const struct failure *failure, char error[LWCMEM_ERROR_SIZE])
{
    memcpy(error, failure->text, sizeof(failure->text));
    return -1;
}

static int start_workers(struct lwcmem_model *model, struct failure *failure)
{
    model->workers = calloc(model->threads + 1u, sizeof(*model->workers));
    for (unsigned int i = 0; model->workers && i <= model->threads; i++) {
        if (decoder_init(&model->workers[i].decoder, model->isa, failure) < 0)
            return -1;
        model->workers[i].tile = aligned_alloc(64, LWC_TILE_MAX);
        model->workers[i].stored = malloc(LWC_TILE_MAX);
        if (!model->workers[i].tile || !model->workers[i].stored)
            return fail(failure, "out of memory for %u threads", model->threads);
    }
    return model->workers ? 0 : fail(failure, "out of memory for %u threads", model->threads);
}

/* That of the first bf16 tensor that has one stands for all. */
static int find_structure(struct lwcmem_model *model, struct failure *failure)
{
    uint64_t count = container_count(model->container, LWC_TABLE_OBJECTS);

    model->structure = "none";
    for (uint64_t i = 0; i < count && strcmp(model->structure, "none") == 0; i++) {
        struct lwc_object object;
        struct lwc_tile tile;

        if (container_object(model->container, i, &object, failure) < 0)
            return -1;
        if (object.dtype != LWC_DTYPE_BF16 || !object.tile_count)
            continue;
        if (container_tile(model->container, &object, 0, &tile, failure) < 0)
            return -1;
        if (tile.chain[0] == LWC_CODEC_LEVELS)
            model->structure = lwc_structure_name(tile.param);
    }
    return 0;
}

static int open_model(struct lwcmem_model *model, const char *path,
                      const struct lwcmem_options *options, struct failure *failure)
{
    model->threads = options && options->threads ? options->threads : 1;
    model->isa = options ? options->isa : 0;
    model->backend = options ? options->backend : LWCMEM_BACKEND_AUTO;
    if (model->backend == LWCMEM_BACKEND_AUTO)
        model->backend = LWCMEM_BACKEND_FUSED;
    if (model->backend > LWCMEM_BACKEND_KMOD)
        return fail(failure, "%s: no such backend", path);
    model->container = dependency_open(path, options ? options->base : NULL, failure);
    if (!model->container)
        return -1;
    if (start_workers(model, failure) < 0 || find_structure(model, failure) < 0)
        return -1;
    model->kernels = kernels_select(model->workers[0].decoder.isa);
    if (model->backend == LWCMEM_BACKEND_FUSED)
        return fused_open(model, options, failure);
    if (model->backend == LWCMEM_BACKEND_KMOD)
        model->region = region_attach(model->container, REGION_ARENA, options->device, failure);
    if (model->region >= 0)
        model->direct = region_open_direct(model->region, &model->direct_align);
    return model->backend == LWCMEM_BACKEND_KMOD && model->region < 0 ? -1 : 0;
}

struct lwcmem_model *lwcmem_open(const char *path, const struct lwcmem_options *options,
                                 char error[LWCMEM_ERROR_SIZE])
{
    struct lwcmem_model *model = calloc(1, sizeof(*model));
    struct failure failure;
    int result;

    if (model) {
        pthread_mutex_init(&model->rows_lock, NULL);
        model->region = -1;
        model->direct = -1;
    }
    result = model ? open_model(model, path, options, &failure)
                   : fail(&failure, "%s: out of memory", path);
    if (result == 0)
        return model;
    report(&failure, error);
    lwcmem_close(model);
    return NULL;
}

void lwcmem_close(struct lwcmem_model *model)
{
    if (!model)
        return;
    ring_free(model->ring);
    if (model->region >= 0)
        close(model->region);
    if (model->direct >= 0)
        close(model->direct);
    fused_close(model);
    for (unsigned int i = 0; model->workers && i <= model->threads; i++) {
        decoder_free(&model->workers[i].decoder);
        free(model->workers[i].stored);
        free(model->workers[i].tile);
        free(model->workers[i].row);
        free(model->workers[i].arranged);
    }
    free(model->workers);
    container_close(model->container);
    pthread_mutex_destroy(&model->rows_lock);
    free(model);
}

enum lwcmem_backend lwcmem_backend(const struct lwcmem_model *model)
{
    return model->backend;
}

const char *lwcmem_isa(const struct lwcmem_model *model)
{
    return model->kernels->name;
}

const char *lwcmem_structure(const struct lwcmem_model *model)
{
    return model->structure;
}

/* Whole rows in a tile, or 1 where tiles cut through rows. */
static uint32_t grain_of(const struct lwc_object *object, uint64_t cols)
{
    uint64_t row = cols * lwc_dtype_size(object->dtype);

    if (!row || object->tile_bytes % row)
        return 1;
    return (uint32_t)(object->tile_bytes / row);
}

static void describe(const struct lwc_object *object, uint64_t index, struct lwcmem_tensor *tensor)
{
    memset(tensor, 0, sizeof(*tensor));
    tensor->object = index;
    tensor->dtype = object->dtype;
    tensor->ndim = object->ndim;
    tensor->rows = 1;
    tensor->cols = 1;
    for (uint16_t i = 0; i < object->ndim; i++) {
        tensor->shape[i] = object->shape[i];
        if (i + 1 < object->ndim)
            tensor->rows *= object->shape[i];
    }
    if (object->ndim)
        tensor->cols = object->shape[object->ndim - 1];
    tensor->size = object->decoded_size;
    tensor->row_grain = grain_of(object, tensor->cols);
    tensor->arena_offset = object->arena_offset;
}

int lwcmem_find(struct lwcmem_model *model, const char *name, struct lwcmem_tensor *tensor,
                char error[LWCMEM_ERROR_SIZE])
{
    uint64_t count = container_count(model->container, LWC_TABLE_OBJECTS);
    char found[LWC_NAME_MAX + 1];
    struct failure failure;
    size_t length = strlen(name);

    for (uint64_t i = 0; i < count; i++) {
        struct lwc_object object;

        if (container_object(model->container, i, &object, &failure) < 0)
            return report(&failure, error);
        if (!object.name_length || object.name_length != length)
            continue;
        if (container_name(model->container, object.name_offset, object.name_length, found,
                           &failure) < 0)
            return report(&failure, error);
        if (memcmp(found, name, length))
            continue;
        describe(&object, i, tensor);
        return 1;
    }
    return 0;
}

int model_decode(struct lwcmem_model *model, struct worker *worker, const struct lwc_object *object,
                 uint64_t offset, uint64_t size, uint8_t *out, struct failure *failure)
{
    while (size) {
        uint64_t tile = offset / object->tile_bytes;
        uint32_t skip = (uint32_t)(offset % object->tile_bytes);
        uint32_t length = lwc_tile_length(object, tile);
        uint64_t part = length - skip < size ? length - skip : size;

        if (container_read_tile(model->container, &worker->decoder, object, tile, worker->stored,
                                worker->tile, failure) < 0)
            return -1;
        atomic_fetch_add(&model->tiles_decoded, 1);
        memcpy(out, worker->tile + skip, part);
        out += part;
        offset += part;
        size -= part;
    }
    return 0;
}

/* All extents of a file, one after another. */
static int read_file(struct lwcmem_model *model, struct worker *worker, const struct lwc_file *file,
                     uint8_t *out, struct failure *failure)
{
    if (container_check_extents(model->container, file, failure) < 0)
        return -1;
    for (uint64_t i = 0; i < file->extent_count; i++) {
        struct lwc_extent extent;
        struct lwc_object object;

        if (container_extent(model->container, file->extent_first + i, &extent, &object, failure) <
                0 ||
            model_decode(model, worker, &object, extent.object_offset, extent.length,
                         out + extent.file_offset, failure) < 0)
            return -1;
    }
    return 0;
}

/* 1 found, 0 none, -1 */
static int find_file(struct lwcmem_model *model, const char *name, struct lwc_file *file,
                     struct failure *failure)
{
    uint64_t count = container_count(model->container, LWC_TABLE_FILES);
    char found[LWC_NAME_MAX + 1];

    for (uint64_t i = 0; i < count; i++) {
        if (container_file(model->container, i, file, failure) < 0 ||
            container_name(model->container, file->name_offset, file->name_length, found, failure) <
                0)
            return -1;
        if (strcmp(found, name) == 0 && file->kind == LWC_FILE_REGULAR)
            return 1;
    }
    return 0;
}

int lwcmem_file(struct lwcmem_model *model, const char *name, size_t limit, void **data,
                size_t *size, char error[LWCMEM_ERROR_SIZE])
{
    struct worker *worker = &model->workers[model->threads];
    struct failure failure;
    struct lwc_file file;
    int found = find_file(model, name, &file, &failure);
    uint8_t *content = NULL;

    if (found <= 0)
        return found < 0 ? report(&failure, error) : 0;
    if (file.size > limit) {
        fail(&failure, "%s: %s has %" PRIu64 " bytes; at most %zu are read",
             container_path(model->container), name, (uint64_t)file.size, limit);
        return report(&failure, error);
    }
    content = malloc(file.size + 1);
    if (!content) {
        fail(&failure, "%s: %s: out of memory", container_path(model->container), name);
        return report(&failure, error);
    }
    pthread_mutex_lock(&model->rows_lock);
    found = read_file(model, worker, &file, content, &failure);
    pthread_mutex_unlock(&model->rows_lock);
    if (found < 0) {
        free(content);
        return report(&failure, error);
    }
    content[file.size] = 0;
    *data = content;
    *size = file.size;
    return 1;
}

static int check_dtype(struct lwcmem_model *model, const struct lwcmem_tensor *tensor,
                       struct failure *failure)
{
    if (tensor->dtype == LWC_DTYPE_BF16 || tensor->dtype == LWC_DTYPE_F16 ||
        tensor->dtype == LWC_DTYPE_F32)
        return 0;
    return fail(failure, "%s: only BF16, F16 and F32 can be multiplied",
                container_path(model->container));
}

int lwcmem_rows(struct lwcmem_model *model, const struct lwcmem_tensor *tensor, uint64_t first_row,
                uint64_t rows, float *out, char error[LWCMEM_ERROR_SIZE])
{
    struct worker *worker = &model->workers[model->threads];
    uint64_t element = lwc_dtype_size(tensor->dtype), row = tensor->cols * element;
    struct failure failure;
    struct lwc_object object;
    uint8_t *bytes;
    int result;

    if (check_dtype(model, tensor, &failure) < 0)
        return report(&failure, error);
    if (first_row > tensor->rows || rows > tensor->rows - first_row) {
        fail(&failure, "%s: row %" PRIu64 " is not in the tensor", container_path(model->container),
             first_row + rows);
        return report(&failure, error);
    }
    bytes = malloc(rows * row + 1);
    if (!bytes) {
        fail(&failure, "%s: out of memory", container_path(model->container));
        return report(&failure, error);
    }
    pthread_mutex_lock(&model->rows_lock);
    result = container_object(model->container, tensor->object, &object, &failure);
    if (result == 0)
        result = model_decode(model, worker, &object, first_row * row, rows * row, bytes, &failure);
    pthread_mutex_unlock(&model->rows_lock);
    if (result == 0)
        model->kernels->convert(tensor->dtype, bytes, rows * tensor->cols, out);
    free(bytes);
    return result < 0 ? report(&failure, error) : 0;
}

int lwcmem_ring_start(struct lwcmem_model *model, const struct lwcmem_unit *units, size_t count,
                      char error[LWCMEM_ERROR_SIZE])
{
    const struct fill_ops *fill = model->backend == LWCMEM_BACKEND_KMOD ? &fill_kmod : &fill_user;
    struct failure failure;

    if (model->backend == LWCMEM_BACKEND_FUSED || !count)
        return 0;
    return ring_new(model, fill, units, count, &failure) < 0 ? report(&failure, error) : 0;
}

int lwcmem_unit_wait(struct lwcmem_model *model, size_t unit, char error[LWCMEM_ERROR_SIZE])
{
    struct failure failure;

    if (!model->ring)
        return 0;
    return ring_wait(model->ring, unit, &failure) < 0 ? report(&failure, error) : 0;
}

int lwcmem_unit_done(struct lwcmem_model *model, size_t unit, char error[LWCMEM_ERROR_SIZE])
{
    struct failure failure;

    if (!model->ring)
        return 0;
    return ring_done(model->ring, unit, &failure) < 0 ? report(&failure, error) : 0;
}

static int multiply_ring(struct lwcmem_model *model, const struct lwcmem_tensor *tensor,
                         uint64_t first_row, uint64_t rows, const struct activations *in,
                         const struct products *out, struct failure *failure)
{
    const uint8_t *bytes = model->ring ? ring_tensor(model->ring, tensor) : NULL;

    if (!bytes)
        return fail(failure, "%s: a tensor is multiplied outside of its unit",
                    container_path(model->container));
    model->kernels->gemm(tensor->dtype,
                         bytes + first_row * tensor->cols * lwc_dtype_size(tensor->dtype), rows,
                         tensor->cols, in, out);
    atomic_fetch_add(&model->rows_buffered, rows);
    return 0;
}

static int check_rows(struct lwcmem_model *model, const struct lwcmem_tensor *tensor,
                      unsigned int worker, uint64_t first_row, uint64_t rows,
                      struct failure *failure)
{
    if (check_dtype(model, tensor, failure) < 0)
        return -1;
    if (worker >= model->threads || first_row > tensor->rows || rows > tensor->rows - first_row ||
        first_row % tensor->row_grain)
        return fail(failure, "%s: rows %" PRIu64 " to %" PRIu64 " of worker %u are not allowed",
                    container_path(model->container), first_row, first_row + rows, worker);
    return 0;
}

int lwcmem_multiply(struct lwcmem_model *model, const struct lwcmem_tensor *tensor,
                    unsigned int worker, uint64_t first_row, uint64_t rows, const float *x,
                    size_t x_stride, size_t n, float *y, size_t y_stride,
                    char error[LWCMEM_ERROR_SIZE])
{
    struct activations in = {x, x_stride, n};
    struct products out = {y + first_row, y_stride};
    struct failure failure;
    uint32_t mxcsr = kernels_enter();
    int result = check_rows(model, tensor, worker, first_row, rows, &failure);

    if (result == 0 && rows && model->backend == LWCMEM_BACKEND_FUSED)
        result = fused_multiply(model, tensor, &model->workers[worker], first_row, rows, &in, &out,
                                &failure);
    else if (result == 0 && rows)
        result = multiply_ring(model, tensor, first_row, rows, &in, &out, &failure);
    kernels_leave(mxcsr);
    return result < 0 ? report(&failure, error) : 0;
}

void lwcmem_counters(const struct lwcmem_model *model, struct lwcmem_counters *counters)
{
    *counters = (struct lwcmem_counters){
        .rows_fused = model->rows_fused,
        .rows_eligible = model->rows_eligible,
        .rows_buffered = model->rows_buffered,
        .tiles_decoded = model->tiles_decoded,
    };
    if (model->ring)
        ring_counters(model->ring, counters);
}

int lwcmem_region(const struct lwcmem_model *model, struct lwcmem_region *region,
                  char error[LWCMEM_ERROR_SIZE])
{
    struct failure failure;

    if (model->region < 0)
        return 0;
    if (region_info(model->region, container_path(model->container), region, &failure) < 0)
        return report(&failure, error);
    return 1;
}

const char *lwcmem_notice(const struct lwcmem_model *model)
{
    return model->notice[0] ? model->notice : NULL;
}
