/* SPDX-License-Identifier: BSD-3-Clause */
#include "plan.h"
#include "cli.h"
#include "container/align.h"
#include "readers/gguf.h"
#include "readers/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define HUGE_PAGE_BYTES (2u << 20)

/* Fewest rows or blocks whose bytes are a multiple of a page. */
static uint64_t units_for_pages(uint64_t unit)
{
    uint64_t units = PAGE_BYTES;

    while (units > 1 && unit % 2 == 0) {
        unit /= 2;
        units /= 2;
    }
    return units;
}

uint32_t plan_tile_bytes(uint16_t dtype, uint16_t ndim, const uint64_t *shape, uint64_t size)
{
    struct lwc_dtype_block block = lwc_dtype_block(dtype);
    uint64_t unit = block.bytes, row = 0, count, step;

    /* of empty tensors other dimensions may be absurd */
    if (size && ndim >= 2)
        row = shape[ndim - 1] / block.elements * block.bytes;
    if (row && row <= LWC_TILE_MAX)
        unit = row;
    count = unit < LWC_TILE_TARGET ? LWC_TILE_TARGET / unit : 1;
    step = units_for_pages(unit);
    if (step <= count)
        count -= count % step;
    else if (step * unit <= LWC_TILE_MAX)
        count = step;
    return (uint32_t)(count * unit);
}

struct builder {
    struct plan *plan;
    struct file_tensors *lists; /* tensors of each file of the walk */
    size_t object_capacity;
    size_t extent_capacity;
    size_t names_capacity;
};

/* Make room for one more entry in a growing array. 0 or -1. */
static int reserve(void **array, size_t count, size_t more, size_t *capacity, size_t size)
{
    size_t wanted = *capacity ? *capacity : 256;
    void *grown;

    if (count + more <= *capacity)
        return 0;
    while (wanted < count + more)
        wanted *= 2;
    grown = reallocarray(*array, wanted, size);
    if (!grown)
        return -1;
    *array = grown;
    *capacity = wanted;
    return 0;
}

static int add_name(struct builder *builder, const char *name, __le64 *offset, __le32 *length,
                    struct failure *failure)
{
    struct plan *plan = builder->plan;
    size_t size = strlen(name);

    if (reserve((void **)&plan->names, plan->names_size, size, &builder->names_capacity, 1) < 0)
        return fail(failure, "out of memory for the names");
    memcpy(plan->names + plan->names_size, name, size);
    *offset = plan->names_size;
    *length = (uint32_t)size;
    plan->names_size += size;
    return 0;
}

static struct plan_object *add_object(struct builder *builder, size_t file, uint64_t offset,
                                      uint64_t size, uint32_t tile_bytes, struct failure *failure)
{
    struct plan *plan = builder->plan;
    struct plan_object *object;

    if (reserve((void **)&plan->objects, plan->object_count, 1, &builder->object_capacity,
                sizeof(*plan->objects)) < 0) {
        fail(failure, "out of memory for the objects");
        return NULL;
    }
    object = memset(&plan->objects[plan->object_count++], 0, sizeof(*object));
    object->file = file;
    object->offset = offset;
    object->entry.decoded_size = size;
    object->entry.arena_offset = LWC_NO_ARENA;
    object->entry.tile_bytes = tile_bytes;
    object->entry.tile_first = plan->tile_count;
    object->entry.tile_count = (size + tile_bytes - 1) / tile_bytes;
    plan->tile_count += object->entry.tile_count;
    return object;
}

static int add_extent(struct builder *builder, uint64_t file_offset, uint64_t length, size_t object,
                      struct failure *failure)
{
    struct plan *plan = builder->plan;

    if (reserve((void **)&plan->extents, plan->extent_count, 1, &builder->extent_capacity,
                sizeof(*plan->extents)) < 0)
        return fail(failure, "out of memory for the extents");
    plan->extents[plan->extent_count++] =
        (struct lwc_extent){.file_offset = file_offset, .length = length, .object = object};
    return 0;
}

/*
 * An empty tensor takes a page of addresses, too, so that offsets grow
 * strictly and each one belongs to one tensor.
 */
static void place_in_arena(struct plan *plan, struct lwc_object *entry)
{
    uint64_t alignment = entry->decoded_size >= HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : PAGE_BYTES;
    uint64_t size = entry->decoded_size ? entry->decoded_size : 1;

    entry->arena_offset = align_up(plan->arena_size, alignment);
    plan->arena_size = align_up(entry->arena_offset + size, PAGE_BYTES);
}

static int add_tensor(struct builder *builder, size_t file, const struct file_tensor *tensor,
                      struct failure *failure)
{
    struct plan_object *object = add_object(
        builder, file, tensor->offset, tensor->size,
        plan_tile_bytes(tensor->dtype, tensor->ndim, tensor->shape, tensor->size), failure);

    if (!object)
        return -1;
    object->entry.dtype = tensor->dtype;
    object->entry.ndim = tensor->ndim;
    for (uint16_t i = 0; i < tensor->ndim; i++)
        object->entry.shape[i] = tensor->shape[i];
    place_in_arena(builder->plan, &object->entry);
    builder->plan->weights += lwc_dtype_elements(tensor->dtype, tensor->size);
    return add_name(builder, tensor->name, &object->entry.name_offset, &object->entry.name_length,
                    failure);
}

static int add_literal(struct builder *builder, size_t file, uint64_t offset, uint64_t size,
                       struct failure *failure)
{
    struct plan_object *object;

    if (!size)
        return 0;
    object = add_object(builder, file, offset, size, LWC_TILE_TARGET, failure);
    if (!object)
        return -1;
    return add_extent(builder, offset, size, builder->plan->object_count - 1, failure);
}

/* Extents of one file; first_object is the object of its first tensor. */
static int add_file_extents(struct builder *builder, size_t file, size_t first_object,
                            struct failure *failure)
{
    const struct file_tensors *list = &builder->lists[file];
    struct lwc_file *entry = &builder->plan->files[file];
    uint64_t at = 0;

    entry->extent_first = builder->plan->extent_count;
    for (size_t i = 0; i < list->count; i++) {
        const struct file_tensor *tensor = &list->tensors[i];

        if (!tensor->size)
            continue;
        if (add_literal(builder, file, at, tensor->offset - at, failure) < 0 ||
            add_extent(builder, tensor->offset, tensor->size, first_object + i, failure) < 0)
            return -1;
        at = tensor->offset + tensor->size;
    }
    if (add_literal(builder, file, at, entry->size - at, failure) < 0)
        return -1;
    entry->extent_count = builder->plan->extent_count - entry->extent_first;
    return 0;
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name), end = strlen(suffix);

    return length >= end && strcmp(name + length - end, suffix) == 0;
}

/* A GGUF file that makes no sense is carried like any other file that is not parsed. */
static int read_gguf(int fd, const struct walk_file *file, struct file_tensors *list,
                     struct failure *failure)
{
    int result =
        gguf_read(fd, (uint64_t)file->status.st_size, file->path, cli_interrupted, list, failure);

    if (result > 0)
        fprintf(stderr, "lwcmem: %s; it is carried as bytes\n", failure->text);
    return result < 0 ? -1 : 0;
}

/* Parse the headers of all model files. */
static int read_headers(struct builder *builder, struct failure *failure)
{
    const struct walk *walk = &builder->plan->walk;

    for (size_t i = 0; i < walk->count; i++) {
        const struct walk_file *file = &walk->files[i];
        bool safetensors = ends_with(file->name, ".safetensors");
        int fd, result;

        if (cli_check_interrupt(failure) < 0)
            return -1;
        if (!S_ISREG(file->status.st_mode) || (!safetensors && !ends_with(file->name, ".gguf")))
            continue;
        fd = walk_open(file, failure);
        if (fd < 0)
            return -1;
        if (safetensors)
            result = safetensors_read(fd, (uint64_t)file->status.st_size, file->path,
                                      &builder->lists[i], failure);
        else
            result = read_gguf(fd, file, &builder->lists[i], failure);
        close(fd);
        if (result < 0)
            return cli_check_interrupt(failure) < 0 ? -1 : result;
    }
    return 0;
}

static int add_files(struct builder *builder, struct failure *failure)
{
    struct plan *plan = builder->plan;

    for (size_t i = 0; i < plan->walk.count; i++) {
        const struct walk_file *file = &plan->walk.files[i];
        struct lwc_file *entry = &plan->files[i];

        if (add_name(builder, file->name, &entry->name_offset, &entry->name_length, failure) < 0)
            return -1;
        entry->kind = S_ISDIR(file->status.st_mode) ? LWC_FILE_DIRECTORY : LWC_FILE_REGULAR;
        /* not set-uid and the like: unpacking must not grant them */
        entry->mode = file->status.st_mode & 0777;
        if (entry->kind == LWC_FILE_REGULAR)
            entry->size = (uint64_t)file->status.st_size;
        plan->bytes_original += entry->size;
    }
    return 0;
}

/* All tensors come before all literals: what is mapped lies together. */
static int add_contents(struct builder *builder, struct failure *failure)
{
    struct plan *plan = builder->plan;
    size_t first_object = 0;

    for (size_t i = 0; i < plan->walk.count; i++)
        for (size_t t = 0; t < builder->lists[i].count; t++)
            if (add_tensor(builder, i, &builder->lists[i].tensors[t], failure) < 0)
                return -1;
    for (size_t i = 0; i < plan->walk.count; i++) {
        if (add_file_extents(builder, i, first_object, failure) < 0)
            return -1;
        first_object += builder->lists[i].count;
    }
    return 0;
}

int plan_model(const char *model, struct plan *out, struct failure *failure)
{
    struct builder builder = {.plan = out};
    size_t count;
    int result;

    memset(out, 0, sizeof(*out));
    if (walk_model(model, &out->walk, failure) < 0)
        return -1;
    count = out->walk.count;
    out->files = calloc(count + 1, sizeof(*out->files));
    builder.lists = calloc(count + 1, sizeof(*builder.lists));
    if (!out->files || !builder.lists)
        result = fail(failure, "out of memory for the plan");
    else if ((result = read_headers(&builder, failure)) == 0 &&
             (result = add_files(&builder, failure)) == 0)
        result = add_contents(&builder, failure);
    for (size_t i = 0; builder.lists && i < count; i++)
        file_tensors_free(&builder.lists[i]);
    free(builder.lists);
    if (result < 0)
        plan_free(out);
    return result;
}

void plan_free(struct plan *plan)
{
    walk_free(&plan->walk);
    free(plan->files);
    free(plan->objects);
    free(plan->extents);
    free(plan->names);
    memset(plan, 0, sizeof(*plan));
}
