/* SPDX-License-Identifier: BSD-3-Clause */
/* Weights of a container, by liblwcmem. */
#include "weights.h"
#include "lwcmem/lwcmem.h"
#include "readers/gguf_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_FILE_MAX (256u << 20)

struct container_weights {
    struct weights weights;
    struct lwcmem_model *model;
    struct lwcmem_tensor *tensors; /* by id */
    size_t count;
    size_t capacity;
    struct gguf_values *values;
};

/* Hand on the message of the library. */
static int pass_on(const char error[LWCMEM_ERROR_SIZE], struct failure *failure)
{
    return fail(failure, "%s", error);
}

static int lwc_find(struct weights *weights, const char *name, struct weight_tensor *tensor,
                    struct failure *failure)
{
    struct container_weights *self = (struct container_weights *)weights;
    char error[LWCMEM_ERROR_SIZE];
    struct lwcmem_tensor *found;
    int result;

    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? 2 * self->capacity : 256;
        struct lwcmem_tensor *grown = reallocarray(self->tensors, capacity, sizeof(*grown));

        if (!grown)
            return fail(failure, "%s: out of memory", weights->path);
        self->tensors = grown;
        self->capacity = capacity;
    }
    found = &self->tensors[self->count];
    result = lwcmem_find(self->model, name, found, error);
    if (result <= 0)
        return result < 0 ? pass_on(error, failure) : 0;
    *tensor = (struct weight_tensor){.id = self->count++,
                                     .dtype = found->dtype,
                                     .rows = found->rows,
                                     .cols = found->cols,
                                     .row_grain = found->row_grain};
    return 1;
}

static int lwc_file(struct weights *weights, const char *name, char **text, size_t *size,
                    struct failure *failure)
{
    struct container_weights *self = (struct container_weights *)weights;
    char error[LWCMEM_ERROR_SIZE];
    void *data;
    int found = lwcmem_file(self->model, name, SMALL_FILE_MAX, &data, size, error);

    if (found < 0)
        return pass_on(error, failure);
    if (found)
        *text = data;
    return found;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);

    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* The only file of the model that has weights, if it is GGUF: 1; 0 for other models; -1. */
static int only_gguf(struct container_weights *self, struct lwcmem_file_entry *out,
                     struct failure *failure)
{
    struct lwcmem_file_entry entry;
    char error[LWCMEM_ERROR_SIZE];
    size_t found = 0, others = 0;
    uint64_t at = 0;
    int more;

    while ((more = lwcmem_file_next(self->model, &at, &entry, error)) > 0) {
        others += ends_with(entry.name, ".safetensors");
        if (ends_with(entry.name, ".gguf") && found++ == 0)
            *out = entry;
    }
    if (more < 0)
        return pass_on(error, failure);
    if (others || !found)
        return 0;
    if (found > 1)
        return fail(failure,
                    "%s: %zu GGUF files; lwcmem runs a model of one: pack the one to run by itself",
                    self->weights.path, found);
    return 1;
}

/* A file in the container, to be read by ranges. */
struct packed_file {
    struct lwcmem_model *model;
    const char *name;
};

static int read_packed(void *context, uint64_t offset, void *to, size_t size,
                       struct failure *failure)
{
    const struct packed_file *file = context;
    char error[LWCMEM_ERROR_SIZE] = "a file of the container is not there any more";

    if (lwcmem_file_read(file->model, file->name, offset, to, size, error) > 0)
        return 0;
    return pass_on(error, failure);
}

static int lwc_values(struct weights *weights, const struct gguf_values **values,
                      struct failure *failure)
{
    struct container_weights *self = (struct container_weights *)weights;
    struct lwcmem_file_entry entry;
    char path[512];
    int found = self->values ? 1 : only_gguf(self, &entry, failure);

    if (found > 0 && !self->values) {
        struct packed_file file = {self->model, entry.name};
        struct gguf_source source = {read_packed, &file, entry.size};

        snprintf(path, sizeof(path), "%.250s: %.250s", weights->path, entry.name);
        self->values = gguf_values_new(&source, path, failure);
    }
    if (found <= 0)
        return found;
    *values = self->values;
    return self->values ? 1 : -1;
}

static const char *backend_name(enum lwcmem_backend backend)
{
    return backend == LWCMEM_BACKEND_FUSED  ? "fused"
           : backend == LWCMEM_BACKEND_USER ? "user"
                                            : "kmod";
}

static int lwc_plan(struct weights *weights, const struct weight_unit *units, size_t count,
                    uint64_t *least, struct failure *failure)
{
    struct container_weights *self = (struct container_weights *)weights;
    struct lwcmem_unit *copy = calloc(count, sizeof(*copy));
    struct lwcmem_tensor *tensors = calloc(count, WEIGHT_UNIT_TENSORS * sizeof(*tensors));
    char error[LWCMEM_ERROR_SIZE];
    int result;

    if (!copy || !tensors) {
        free(copy);
        free(tensors);
        return fail(failure, "%s: out of memory", weights->path);
    }
    for (size_t i = 0; i < count; i++) {
        struct lwcmem_tensor *at = tensors + i * WEIGHT_UNIT_TENSORS;

        copy[i] = (struct lwcmem_unit){at, units[i].count};
        for (size_t t = 0; t < units[i].count; t++)
            at[t] = self->tensors[units[i].tensors[t]->id];
    }
    result = lwcmem_plan(self->model, copy, count, least, error);
    free(copy);
    free(tensors);
    return result < 0 ? pass_on(error, failure) : 0;
}

static int lwc_start(struct weights *weights, uint64_t used, struct failure *failure)
{
    struct container_weights *self = (struct container_weights *)weights;
    char error[LWCMEM_ERROR_SIZE];

    if (lwcmem_ring_start(self->model, weights->memory, used, error) < 0)
        return pass_on(error, failure);
    weights->backend = backend_name(lwcmem_backend(self->model));
    weights->streams = lwcmem_backend(self->model) != LWCMEM_BACKEND_FUSED;
    return 0;
}

static int lwc_wait(struct weights *weights, size_t unit, struct weight_part *part,
                    struct failure *failure)
{
    char error[LWCMEM_ERROR_SIZE];
    struct lwcmem_part from;

    if (lwcmem_part_wait(((struct container_weights *)weights)->model, unit, &from, error) < 0)
        return pass_on(error, failure);
    for (size_t i = 0; i < WEIGHT_UNIT_TENSORS; i++) {
        part->rows[i].first = from.rows[i].first;
        part->rows[i].count = from.rows[i].count;
    }
    part->last = from.last;
    return 0;
}

static int lwc_done(struct weights *weights, size_t unit, struct failure *failure)
{
    char error[LWCMEM_ERROR_SIZE];

    if (lwcmem_part_done(((struct container_weights *)weights)->model, unit, error) == 0)
        return 0;
    return pass_on(error, failure);
}

static int lwc_prepare(struct weights *weights, uint64_t cols, struct activations *in,
                       struct failure *failure)
{
    char error[LWCMEM_ERROR_SIZE];

    if (lwcmem_prepare(((struct container_weights *)weights)->model, in->x, in->x_stride, in->n,
                       cols, error) == 0)
        return 0;
    return pass_on(error, failure);
}

static int lwc_multiply(struct weights *weights, const struct weight_tensor *tensor,
                        unsigned int worker, uint64_t first, uint64_t rows,
                        const struct activations *in, const struct products *out,
                        struct failure *failure)
{
    struct container_weights *self = (struct container_weights *)weights;
    char error[LWCMEM_ERROR_SIZE];

    if (lwcmem_multiply(self->model, &self->tensors[tensor->id], worker, first, rows, in->x,
                        in->x_stride, in->n, out->y, out->y_stride, error) == 0)
        return 0;
    return pass_on(error, failure);
}

static int lwc_rows(struct weights *weights, const struct weight_tensor *tensor, uint64_t first,
                    uint64_t rows, float *out, struct failure *failure)
{
    struct container_weights *self = (struct container_weights *)weights;
    char error[LWCMEM_ERROR_SIZE];

    if (lwcmem_rows(self->model, &self->tensors[tensor->id], first, rows, out, error) == 0)
        return 0;
    return pass_on(error, failure);
}

static int lwc_stored(struct weights *weights, const struct weight_tensor *tensor, uint64_t *bytes,
                      struct failure *failure)
{
    struct container_weights *self = (struct container_weights *)weights;
    char error[LWCMEM_ERROR_SIZE];

    if (lwcmem_stored(self->model, &self->tensors[tensor->id], bytes, error) == 0)
        return 0;
    return pass_on(error, failure);
}

static void lwc_counters(struct weights *weights, struct weight_counters *counters)
{
    struct lwcmem_counters from;

    lwcmem_counters(((struct container_weights *)weights)->model, &from);
    *counters = (struct weight_counters){from.rows_fused,    from.rows_eligible, from.rows_buffered,
                                         from.tiles_decoded, from.bytes_ring,    from.bytes_kernel,
                                         from.bytes_fixed,   from.bytes_direct,  from.bytes_stored,
                                         from.bytes_past};
}

static int lwc_region(struct weights *weights, struct weight_region *region,
                      struct failure *failure)
{
    char error[LWCMEM_ERROR_SIZE];
    struct lwcmem_region from;
    int found = lwcmem_region(((struct container_weights *)weights)->model, &from, error);

    if (found < 0)
        return pass_on(error, failure);
    if (found)
        *region = (struct weight_region){from.tiles_decoded, from.bytes_decoded, from.bytes_read,
                                         from.tiles_failed, from.isa};
    return found;
}

static const char *lwc_notice(struct weights *weights)
{
    return lwcmem_notice(((struct container_weights *)weights)->model);
}

static void lwc_close(struct weights *weights)
{
    struct container_weights *self = (struct container_weights *)weights;

    lwcmem_close(self->model);
    gguf_values_free(self->values);
    free(self->tensors);
    free(self);
}

static const struct weights_ops lwc_ops = {
    .find = lwc_find,
    .file = lwc_file,
    .values = lwc_values,
    .plan = lwc_plan,
    .start = lwc_start,
    .wait = lwc_wait,
    .done = lwc_done,
    .rows = lwc_rows,
    .stored = lwc_stored,
    .prepare = lwc_prepare,
    .multiply = lwc_multiply,
    .close = lwc_close,
    .counters = lwc_counters,
    .region = lwc_region,
    .notice = lwc_notice,
};

struct weights *weights_open_container(const char *path, const char *base,
                                       enum weights_backend backend, bool hugepages,
                                       uint64_t memory, uint32_t isa, unsigned int threads,
                                       const struct kernels *kernels, struct failure *failure)
{
    static const enum lwcmem_backend backends[] = {
        [WEIGHTS_AUTO] = LWCMEM_BACKEND_AUTO,
        [WEIGHTS_FUSED] = LWCMEM_BACKEND_FUSED,
        [WEIGHTS_USER] = LWCMEM_BACKEND_USER,
        [WEIGHTS_KMOD] = LWCMEM_BACKEND_KMOD,
    };
    struct lwcmem_options options = {
        .backend = backends[backend],
        .isa = isa,
        .threads = threads,
        .base = base,
        .hugepages = hugepages,
    };
    struct container_weights *self = calloc(1, sizeof(*self));
    char error[LWCMEM_ERROR_SIZE];

    if (!self) {
        fail(failure, "%s: out of memory", path);
        return NULL;
    }
    self->model = lwcmem_open(path, &options, error);
    if (!self->model) {
        pass_on(error, failure);
        free(self);
        return NULL;
    }
    self->weights = (struct weights){
        .ops = &lwc_ops,
        .kernels = kernels,
        .backend = backend_name(lwcmem_backend(self->model)),
        .structure = lwcmem_structure(self->model),
        .path = path,
        .memory = memory,
    };
    return &self->weights;
}
