/* SPDX-License-Identifier: BSD-3-Clause */
/* Tensors by name. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a */
static uint64_t hash_of(const char *name, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3;
    return hash;
}

/* Of two tensors with one name the first in the container comes first. */
static int compare(const void *left, const void *right)
{
    const struct model_name *a = left, *b = right;

    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return (a->object > b->object) - (a->object < b->object);
}

int names_open(struct lwcmem_model *model, struct failure *failure)
{
    uint64_t count = container_count(model->container, LWC_TABLE_OBJECTS);
    char name[LWC_NAME_MAX + 1];

    /* grows with what has been read, whatever count the file claims */
    for (uint64_t i = 0; i < count; i++) {
        struct lwc_object object;

        if (container_object(model->container, i, &object, failure) < 0)
            return -1;
        if (!object.name_length)
            continue;
        if (container_name(model->container, object.name_offset, object.name_length, name,
                           failure) < 0)
            return -1;
        if ((model->name_count & (model->name_count - 1)) == 0) {
            struct model_name *grown = reallocarray(
                model->names, model->name_count ? 2 * model->name_count : 1, sizeof(*grown));

            if (!grown)
                return fail(failure, "%s: out of memory for the names of tensors",
                            container_path(model->container));
            model->names = grown;
        }
        model->names[model->name_count++] =
            (struct model_name){hash_of(name, object.name_length), i};
    }
    if (model->name_count)
        qsort(model->names, model->name_count, sizeof(*model->names), compare);
    return 0;
}

/* The first with this hash or a greater one. */
static size_t first_with(const struct lwcmem_model *model, uint64_t hash)
{
    size_t from = 0, to = model->name_count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (model->names[middle].hash < hash)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

int lwcmem_find(struct lwcmem_model *model, const char *name, struct lwcmem_tensor *tensor,
                char error[LWCMEM_ERROR_SIZE])
{
    size_t length = strlen(name);
    uint64_t hash = hash_of(name, length);
    char found[LWC_NAME_MAX + 1];
    struct failure failure;

    for (size_t i = first_with(model, hash); i < model->name_count && model->names[i].hash == hash;
         i++) {
        struct lwc_object object;

        if (container_object(model->container, model->names[i].object, &object, &failure) < 0 ||
            container_name(model->container, object.name_offset, object.name_length, found,
                           &failure) < 0)
            return model_report(&failure, error);
        if (object.name_length != length || memcmp(found, name, length))
            continue;
        model_describe(&object, model->names[i].object, tensor);
        return 1;
    }
    return 0;
}

int lwcmem_stored(struct lwcmem_model *model, const struct lwcmem_tensor *tensor, uint64_t *bytes,
                  char error[LWCMEM_ERROR_SIZE])
{
    struct failure failure;
    struct lwc_object object;
    struct lwc_tile tile;

    if (container_object(model->container, tensor->object, &object, &failure) < 0)
        return model_report(&failure, error);
    *bytes = object.tile_count * sizeof(tile);
    for (uint64_t i = 0; i < object.tile_count; i++) {
        if (container_tile(model->container, &object, i, &tile, &failure) < 0)
            return model_report(&failure, error);
        *bytes += tile.stored;
    }
    return 0;
}
