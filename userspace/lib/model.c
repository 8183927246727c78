/* SPDX-License-Identifier: BSD-3-Clause */
#include "region.h"
#include "ring.h"
#include "container/dependency.h"
#include "container/format_names.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int model_report(const struct failure *failure, char error[LWCMEM_ERROR_SIZE])
{
    memcpy(error, failure->text, sizeof(failure->text));
    return -1;
}

void model_notice(struct lwcmem_model *model, const char *format, ...)
{
    size_t length = strlen(model->notice);
    char line[sizeof(model->notice)];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    snprintf(model->notice + length, sizeof(model->notice) - length, "%s%s", length ? "\n" : "",
             line);
}

static int start_workers(struct lwcmem_model *model, struct failure *failure)
{
    size_t size = (model->threads + 1u) * sizeof(*model->workers);

    model->workers = aligned_alloc(_Alignof(struct worker), size);
    if (model->workers)
        memset(model->workers, 0, size);
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

/* The region, if there is to be one. */
static int open_region(struct lwcmem_model *model, struct failure *failure)
{
    model->region = region_attach(model->container, REGION_ARENA, model->device, failure);
    if (model->region < 0)
        return -1;
    model->direct = region_open_direct(model->region, &model->direct_align);
    return 0;
}

static int open_model(struct lwcmem_model *model, const char *path,
                      const struct lwcmem_options *options, struct failure *failure)
{
    model->threads = options && options->threads ? options->threads : 1;
    model->isa = options ? options->isa : 0;
    model->backend = options ? options->backend : LWCMEM_BACKEND_AUTO;
    model->auto_backend = model->backend == LWCMEM_BACKEND_AUTO;
    if (model->auto_backend)
        model->backend = LWCMEM_BACKEND_FUSED;
    if (options && options->device && !(model->device = strdup(options->device)))
        return fail(failure, "%s: out of memory", path);
    if (model->backend > LWCMEM_BACKEND_KMOD)
        return fail(failure, "%s: no such backend", path);
    model->container = dependency_open(path, options ? options->base : NULL, failure);
    if (!model->container)
        return -1;
    if (start_workers(model, failure) < 0 || names_open(model, failure) < 0 ||
        find_structure(model, failure) < 0)
        return -1;
    model->kernels = kernels_select(model->workers[0].decoder.isa);
    if (model->backend == LWCMEM_BACKEND_FUSED)
        return fused_open(model, options, failure);
    return model->backend == LWCMEM_BACKEND_KMOD ? open_region(model, failure) : 0;
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
    model_report(&failure, error);
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
    model_forget_prepared(model);
    for (unsigned int i = 0; model->workers && i <= model->threads; i++) {
        decoder_free(&model->workers[i].decoder);
        free(model->workers[i].stored);
        free(model->workers[i].tile);
        free(model->workers[i].row);
        free(model->workers[i].arranged);
        free(model->workers[i].scratch);
    }
    free(model->workers);
    free(model->names);
    free(model->units);
    free(model->device);
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
    uint64_t row = lwc_dtype_bytes(object->dtype, cols);

    if (!row || object->tile_bytes % row)
        return 1;
    return (uint32_t)(object->tile_bytes / row);
}

void model_describe(const struct lwc_object *object, uint64_t index, struct lwcmem_tensor *tensor)
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
        worker_count(&worker->tiles_decoded, 1);
        memcpy(out, worker->tile + skip, part);
        out += part;
        offset += part;
        size -= part;
    }
    return 0;
}

static int check_dtype(struct lwcmem_model *model, const struct lwcmem_tensor *tensor,
                       struct failure *failure)
{
    char name[LWC_NAME_MAX + 1];
    struct lwc_object object;

    if (kernels_can_multiply(tensor->dtype))
        return 0;
    if (container_object(model->container, tensor->object, &object, failure) < 0 ||
        container_name(model->container, object.name_offset, object.name_length, name, failure) < 0)
        return -1;
    return fail(failure, "%s: %.600s: weights of type %s cannot be multiplied; " KERNELS_DTYPES,
                container_path(model->container), name, dtype_name(tensor->dtype));
}

static int read_rows(struct lwcmem_model *model, const struct lwcmem_tensor *tensor, uint64_t first,
                     uint64_t rows, float *out, struct failure *failure)
{
    uint64_t row = lwc_dtype_bytes(tensor->dtype, tensor->cols);
    struct lwc_object object;
    uint32_t mxcsr;
    uint8_t *bytes;
    int result;

    if (check_dtype(model, tensor, failure) < 0)
        return -1;
    if (first > tensor->rows || rows > tensor->rows - first)
        return fail(failure, "%s: row %" PRIu64 " is not in the tensor",
                    container_path(model->container), first + rows);
    bytes = malloc(rows * row + 1);
    if (!bytes)
        return fail(failure, "%s: out of memory", container_path(model->container));
    pthread_mutex_lock(&model->rows_lock);
    result = container_object(model->container, tensor->object, &object, failure);
    if (result == 0)
        result = model_decode(model, &model->workers[model->threads], &object, first * row,
                              rows * row, bytes, failure);
    pthread_mutex_unlock(&model->rows_lock);
    mxcsr = kernels_enter();
    if (result == 0)
        model->kernels->convert(tensor->dtype, bytes, rows * tensor->cols, out);
    kernels_leave(mxcsr);
    free(bytes);
    return result;
}

int lwcmem_rows(struct lwcmem_model *model, const struct lwcmem_tensor *tensor, uint64_t first_row,
                uint64_t rows, float *out, char error[LWCMEM_ERROR_SIZE])
{
    struct failure failure;

    if (read_rows(model, tensor, first_row, rows, out, &failure) == 0)
        return 0;
    return model_report(&failure, error);
}

/* Units and their tensors, in one piece of memory. */
static int copy_units(struct lwcmem_model *model, const struct lwcmem_unit *units, size_t count,
                      struct failure *failure)
{
    struct lwcmem_tensor *tensors;
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        if (units[i].count > LWCMEM_UNIT_TENSORS)
            return fail(failure, "a unit has %zu tensors; %d are allowed", units[i].count,
                        LWCMEM_UNIT_TENSORS);
        total += units[i].count;
    }
    model->units = malloc(count * sizeof(*model->units) + total * sizeof(*tensors));
    if (!model->units)
        return fail(failure, "%s: out of memory for the ring", container_path(model->container));
    tensors = (struct lwcmem_tensor *)(model->units + count);
    for (size_t i = 0; i < count; i++) {
        model->units[i] = (struct lwcmem_unit){tensors, units[i].count};
        memcpy(tensors, units[i].tensors, units[i].count * sizeof(*tensors));
        tensors += units[i].count;
    }
    model->unit_count = count;
    return 0;
}

/* Is the file too large for the memory? Then it is not mapped, but goes through the ring. */
static void choose_backend(struct lwcmem_model *model, uint64_t memory, uint64_t used)
{
    struct failure failure;

    if (!model->auto_backend || !memory || (used < memory && model->map_size <= memory - used))
        return;
    fused_close(model);
    model->backend = LWCMEM_BACKEND_KMOD;
    if (open_region(model, &failure) == 0)
        return;
    model->backend = LWCMEM_BACKEND_USER;
    model_notice(model, "decoding in this process: %s", failure.text);
}

static const struct fill_ops *fill_of(const struct lwcmem_model *model)
{
    return model->backend == LWCMEM_BACKEND_KMOD ? &fill_kmod : &fill_user;
}

int lwcmem_plan(struct lwcmem_model *model, const struct lwcmem_unit *units, size_t count,
                uint64_t *least, char error[LWCMEM_ERROR_SIZE])
{
    struct failure failure;

    if (copy_units(model, units, count, &failure) < 0 ||
        ring_least(model, fill_of(model), least, &failure) < 0)
        return model_report(&failure, error);
    return 0;
}

int lwcmem_ring_start(struct lwcmem_model *model, uint64_t memory, uint64_t used,
                      char error[LWCMEM_ERROR_SIZE])
{
    struct failure failure;

    model->limited = memory > 0;
    choose_backend(model, memory, used);
    if (model->backend == LWCMEM_BACKEND_FUSED || !model->unit_count)
        return 0;
    return ring_new(model, fill_of(model), memory, used, &failure) < 0
               ? model_report(&failure, error)
               : 0;
}

static int whole_unit(const struct lwcmem_model *model, size_t unit, struct lwcmem_part *part,
                      struct failure *failure)
{
    if (unit >= model->unit_count)
        return fail(failure, "%s: there is no unit %zu", container_path(model->container), unit);
    *part = (struct lwcmem_part){.last = true};
    for (size_t i = 0; i < model->units[unit].count; i++)
        part->rows[i].count = model->units[unit].tensors[i].rows;
    return 0;
}

int lwcmem_part_wait(struct lwcmem_model *model, size_t unit, struct lwcmem_part *part,
                     char error[LWCMEM_ERROR_SIZE])
{
    struct failure failure;
    int result = model->ring ? ring_wait(model->ring, unit, part, &failure)
                             : whole_unit(model, unit, part, &failure);

    return result < 0 ? model_report(&failure, error) : 0;
}

int lwcmem_part_done(struct lwcmem_model *model, size_t unit, char error[LWCMEM_ERROR_SIZE])
{
    struct failure failure;

    if (!model->ring)
        return 0;
    return ring_done(model->ring, unit, &failure) < 0 ? model_report(&failure, error) : 0;
}

static int multiply_ring(struct lwcmem_model *model, const struct lwcmem_tensor *tensor,
                         struct worker *worker, uint64_t first_row, uint64_t rows,
                         const struct activations *in, const struct products *out,
                         struct failure *failure)
{
    const uint8_t *bytes = model->ring ? ring_rows(model->ring, tensor, first_row, rows) : NULL;

    if (!bytes)
        return fail(failure, "%s: rows are multiplied outside of their part",
                    container_path(model->container));
    kernels_multiply(model->kernels, tensor->dtype, bytes, rows, tensor->cols, in, out,
                     worker->scratch);
    worker_count(&worker->rows_buffered, rows);
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

/* Room for what kernels_multiply needs. */
static int prepare_scratch(struct lwcmem_model *model, const struct lwcmem_tensor *tensor,
                           struct worker *worker, size_t n, struct failure *failure)
{
    size_t needed = kernels_scratch(model->kernels, tensor->dtype, tensor->cols, n);

    if (worker->scratch_capacity >= needed)
        return 0;
    free(worker->scratch);
    worker->scratch = aligned_alloc(64, (needed * sizeof(float) + 63) & ~(size_t)63);
    worker->scratch_capacity = worker->scratch ? needed : 0;
    return worker->scratch
               ? 0
               : fail(failure, "%s: out of memory for rows", container_path(model->container));
}

int lwcmem_multiply(struct lwcmem_model *model, const struct lwcmem_tensor *tensor,
                    unsigned int worker, uint64_t first_row, uint64_t rows, const float *x,
                    size_t x_stride, size_t n, float *y, size_t y_stride,
                    char error[LWCMEM_ERROR_SIZE])
{
    struct activations in = {.x = x, .x_stride = x_stride, .n = n};
    struct products out = {y + first_row, y_stride};
    struct failure failure;
    uint32_t mxcsr = kernels_enter();
    int result = check_rows(model, tensor, worker, first_row, rows, &failure);

    model_prepared(model, tensor->cols, &in);
    if (result == 0)
        result = prepare_scratch(model, tensor, &model->workers[worker], n, &failure);
    if (result == 0 && rows && model->backend == LWCMEM_BACKEND_FUSED)
        result = fused_multiply(model, tensor, &model->workers[worker], first_row, rows, &in, &out,
                                &failure);
    else if (result == 0 && rows)
        result = multiply_ring(model, tensor, &model->workers[worker], first_row, rows, &in, &out,
                               &failure);
    kernels_leave(mxcsr);
    return result < 0 ? model_report(&failure, error) : 0;
}

void lwcmem_counters(const struct lwcmem_model *model, struct lwcmem_counters *counters)
{
    *counters = (struct lwcmem_counters){.tiles_decoded = model->tiles_decoded,
                                         .bytes_stored = model->bytes_stored,
                                         .bytes_past = model->bytes_past};
    for (unsigned int i = 0; i <= model->threads; i++) {
        counters->rows_fused += model->workers[i].rows_fused;
        counters->rows_eligible += model->workers[i].rows_eligible;
        counters->rows_buffered += model->workers[i].rows_buffered;
        counters->tiles_decoded += model->workers[i].tiles_decoded;
    }
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
        return model_report(&failure, error);
    return 1;
}

const char *lwcmem_notice(const struct lwcmem_model *model)
{
    return model->notice[0] ? model->notice : NULL;
}
