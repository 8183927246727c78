/* SPDX-License-Identifier: BSD-3-Clause */
#include "weights_mapped.h"
#include "container/format_names.h"
#include "lib/packed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GRAIN_BYTES (128u << 10)

/* Tensor ids: file in the upper half, index in its list in the lower. */
static const struct file_tensor *tensor_of(const struct mapped *mapped, uint64_t id)
{
    return &mapped->files[id >> 32].list.tensors[id & 0xffffffffu];
}

static int map_file(struct mapped_file *file, int fd, const char *path, mapped_reader *read,
                    bool hugepages, struct failure *failure)
{
    struct stat status;
    const void *map;

    if (fstat(fd, &status) < 0)
        return fail_errno(failure, errno, "%s: cannot open the weights", path);
    if (read(fd, (uint64_t)status.st_size, path, &file->list, failure))
        return -1;
    if (hugepages) {
        map = packed_copy(fd, path, (size_t)status.st_size, failure);
        if (!map)
            return -1;
    } else {
        map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED)
            return fail_errno(failure, errno, "%s: cannot map", path);
    }
    file->map = map;
    file->size = (size_t)status.st_size;
    return 0;
}

int mapped_add(struct mapped *mapped, const char *path, mapped_reader *read,
               struct failure *failure)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), result;

    if (fd < 0)
        return fail_errno(failure, errno, "%s: cannot open the weights", path);
    if (!mapped->files)
        mapped->files = calloc(MAPPED_FILES_MAX, sizeof(*mapped->files));
    if (!mapped->files)
        result = fail(failure, "%s: out of memory", path);
    else
        result =
            map_file(&mapped->files[mapped->count++], fd, path, read, mapped->hugepages, failure);
    close(fd);
    return result;
}

/* Of two tensors with one name the first file's comes first. */
static int compare(const void *left, const void *right)
{
    const struct mapped_name *a = left, *b = right;
    int order = strcmp(a->name, b->name);

    return order ? order : (a->id > b->id) - (a->id < b->id);
}

int mapped_ready(struct mapped *mapped, struct failure *failure)
{
    size_t total = 0;

    for (size_t f = 0; f < mapped->count; f++)
        total += mapped->files[f].list.count;
    mapped->names = calloc(total + 1, sizeof(*mapped->names));
    if (!mapped->names)
        return fail(failure, "%s: out of memory for the names of tensors", mapped->weights.path);
    for (size_t f = 0; f < mapped->count; f++)
        for (size_t i = 0; i < mapped->files[f].list.count; i++)
            mapped->names[mapped->name_count++] =
                (struct mapped_name){mapped->files[f].list.tensors[i].name, (uint64_t)f << 32 | i};
    qsort(mapped->names, mapped->name_count, sizeof(*mapped->names), compare);
    return 0;
}

void mapped_free(struct mapped *mapped)
{
    free(mapped->packed);
    for (size_t i = 0; i < mapped->count; i++) {
        if (mapped->files[i].map)
            munmap((void *)(uintptr_t)mapped->files[i].map, mapped->files[i].size);
        file_tensors_free(&mapped->files[i].list);
    }
    free(mapped->files);
    free(mapped->names);
}

static const struct mapped_name *look_up(const struct mapped *mapped, const char *name)
{
    size_t from = 0, to = mapped->name_count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (strcmp(mapped->names[middle].name, name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == mapped->name_count || strcmp(mapped->names[from].name, name))
        return NULL;
    return &mapped->names[from];
}

/* As many rows as a tile of a container has, in fours, which kernels take at once. */
static uint32_t grain_of(const struct weight_tensor *tensor)
{
    uint64_t row = lwc_dtype_bytes(tensor->dtype, tensor->cols);
    uint64_t rows = row ? GRAIN_BYTES / row / 4 * 4 : 4;

    return rows > 4 ? (uint32_t)rows : 4;
}

int mapped_find(struct weights *weights, const char *name, struct weight_tensor *tensor,
                struct failure *failure)
{
    const struct mapped *mapped = (const struct mapped *)weights;
    const struct mapped_name *found = look_up(mapped, name);
    const struct file_tensor *from;

    (void)failure;
    if (!found)
        return 0;
    from = tensor_of(mapped, found->id);
    *tensor = (struct weight_tensor){
        .id = found->id, .dtype = from->dtype, .rows = 1, .cols = 1, .row_grain = 1};
    if (from->ndim)
        tensor->cols = from->shape[from->ndim - 1];
    for (uint16_t d = 0; d + 1 < from->ndim; d++)
        tensor->rows *= from->shape[d];
    tensor->row_grain = grain_of(tensor);
    return 1;
}

static const uint8_t *row_at(const struct mapped *mapped, const struct weight_tensor *tensor,
                             uint64_t row)
{
    return mapped->files[tensor->id >> 32].map + tensor_of(mapped, tensor->id)->offset +
           row * lwc_dtype_bytes(tensor->dtype, tensor->cols);
}

static int check_dtype(const struct weights *weights, const struct weight_tensor *tensor,
                       struct failure *failure)
{
    if (kernels_can_multiply(tensor->dtype))
        return 0;
    return fail(failure, "%s: %.600s: weights of type %s cannot be multiplied; " KERNELS_DTYPES,
                weights->path, tensor_of((const struct mapped *)weights, tensor->id)->name,
                dtype_name(tensor->dtype));
}

int mapped_prepare(struct weights *weights, uint64_t cols, struct activations *in,
                   struct failure *failure)
{
    struct mapped *mapped = (struct mapped *)weights;
    size_t count = in->n * cols;

    in->packed = NULL;
    if (in->n == 1)
        return 0;
    if (count > mapped->packed_capacity) {
        free(mapped->packed);
        mapped->packed_capacity = 0;
        mapped->packed = aligned_alloc(64, (count * sizeof(float) + 63) & ~(size_t)63);
        if (!mapped->packed)
            return fail(failure, "%s: out of memory for activations", weights->path);
        mapped->packed_capacity = count;
    }
    weights->kernels->pack(in, cols, mapped->packed);
    in->packed = mapped->packed;
    return 0;
}

int mapped_multiply(struct weights *weights, const struct weight_tensor *tensor,
                    unsigned int worker, uint64_t first, uint64_t rows,
                    const struct activations *in, const struct products *out,
                    struct failure *failure)
{
    const struct mapped *mapped = (const struct mapped *)weights;
    struct products part = {out->y + first, out->y_stride};
    size_t needed = kernels_scratch(weights->kernels, tensor->dtype, tensor->cols, in->n);
    float *scratch = NULL;

    (void)worker;
    if (check_dtype(weights, tensor, failure) < 0)
        return -1;
    if (needed && !(scratch = aligned_alloc(64, (needed * sizeof(*scratch) + 63) & ~(size_t)63)))
        return fail(failure, "%s: out of memory for rows", weights->path);
    kernels_multiply(weights->kernels, tensor->dtype, row_at(mapped, tensor, first), rows,
                     tensor->cols, in, &part, scratch);
    free(scratch);
    return 0;
}

int mapped_rows(struct weights *weights, const struct weight_tensor *tensor, uint64_t first,
                uint64_t rows, float *out, struct failure *failure)
{
    if (check_dtype(weights, tensor, failure) < 0)
        return -1;
    weights->kernels->convert(tensor->dtype, row_at((const struct mapped *)weights, tensor, first),
                              rows * tensor->cols, out);
    return 0;
}

int mapped_stored(struct weights *weights, const struct weight_tensor *tensor, uint64_t *bytes,
                  struct failure *failure)
{
    (void)weights, (void)failure;
    *bytes = tensor->rows * lwc_dtype_bytes(tensor->dtype, tensor->cols);
    return 0;
}
