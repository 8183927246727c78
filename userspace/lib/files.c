/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of the model, as they were packed. */
#include "model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The bytes [offset, offset + size) of a file, which has them. */
static int read_part(struct lwcmem_model *model, const struct lwc_file *file, uint64_t offset,
                     uint64_t size, uint8_t *out, struct failure *failure)
{
    struct worker *worker = &model->workers[model->threads];

    if (container_check_extents(model->container, file, failure) < 0)
        return -1;
    for (uint64_t i = 0; i < file->extent_count; i++) {
        struct lwc_extent extent;
        struct lwc_object object;
        uint64_t from, to;

        if (container_extent(model->container, file->extent_first + i, &extent, &object, failure) <
            0)
            return -1;
        from = extent.file_offset > offset ? extent.file_offset : offset;
        to = extent.file_offset + extent.length;
        to = to < offset + size ? to : offset + size;
        if (from < to &&
            model_decode(model, worker, &object, extent.object_offset + (from - extent.file_offset),
                         to - from, out + (from - offset), failure) < 0)
            return -1;
    }
    return 0;
}

static int read_locked(struct lwcmem_model *model, const struct lwc_file *file, uint64_t offset,
                       uint64_t size, uint8_t *out, struct failure *failure)
{
    int result;

    pthread_mutex_lock(&model->rows_lock);
    result = read_part(model, file, offset, size, out, failure);
    pthread_mutex_unlock(&model->rows_lock);
    return result;
}

/* The next regular file from entry *at on. 1 found, 0 none, -1 */
static int next_file(struct lwcmem_model *model, uint64_t *at, struct lwc_file *file,
                     char name[LWC_NAME_MAX + 1], struct failure *failure)
{
    uint64_t count = container_count(model->container, LWC_TABLE_FILES);

    while (*at < count) {
        if (container_file(model->container, (*at)++, file, failure) < 0 ||
            container_name(model->container, file->name_offset, file->name_length, name, failure) <
                0)
            return -1;
        if (file->kind == LWC_FILE_REGULAR)
            return 1;
    }
    return 0;
}

/* 1 found, 0 none, -1 */
static int find_file(struct lwcmem_model *model, const char *name, struct lwc_file *file,
                     struct failure *failure)
{
    char found[LWC_NAME_MAX + 1];
    uint64_t at = 0;
    int result;

    while ((result = next_file(model, &at, file, found, failure)) > 0)
        if (strcmp(found, name) == 0)
            return 1;
    return result;
}

int lwcmem_file_next(struct lwcmem_model *model, uint64_t *at, struct lwcmem_file_entry *entry,
                     char error[LWCMEM_ERROR_SIZE])
{
    struct failure failure;
    struct lwc_file file;
    int found;

    _Static_assert(LWCMEM_NAME_SIZE == LWC_NAME_MAX + 1, "the size of names is the format's");
    found = next_file(model, at, &file, entry->name, &failure);
    if (found < 0)
        return model_report(&failure, error);
    if (found)
        entry->size = file.size;
    return found;
}

int lwcmem_file_read(struct lwcmem_model *model, const char *name, uint64_t offset, void *out,
                     size_t size, char error[LWCMEM_ERROR_SIZE])
{
    struct failure failure;
    struct lwc_file file;
    int found = find_file(model, name, &file, &failure);

    if (found > 0 && (offset > file.size || size > file.size - offset))
        found = fail(&failure, "%s: %.600s has %" PRIu64 " bytes; it does not have %zu at %" PRIu64,
                     container_path(model->container), name, (uint64_t)file.size, size, offset);
    if (found > 0 && read_locked(model, &file, offset, size, out, &failure) < 0)
        found = -1;
    return found < 0 ? model_report(&failure, error) : found;
}

int lwcmem_file(struct lwcmem_model *model, const char *name, size_t limit, void **data,
                size_t *size, char error[LWCMEM_ERROR_SIZE])
{
    struct failure failure;
    struct lwc_file file;
    int found = find_file(model, name, &file, &failure);
    uint8_t *content = NULL;

    if (found > 0 && file.size > limit)
        found = fail(&failure, "%s: %s has %" PRIu64 " bytes; at most %zu are read",
                     container_path(model->container), name, (uint64_t)file.size, limit);
    if (found > 0 && !(content = malloc(file.size + 1)))
        found = fail(&failure, "%s: %s: out of memory", container_path(model->container), name);
    if (found > 0 && read_locked(model, &file, 0, file.size, content, &failure) < 0)
        found = -1;
    if (found <= 0) {
        free(content);
        return found < 0 ? model_report(&failure, error) : 0;
    }
    content[file.size] = 0;
    *data = content;
    *size = file.size;
    return 1;
}
