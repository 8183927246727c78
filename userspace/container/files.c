/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of a container: their names and extents. */
#include "reader.h"

#include <inttypes.h>

int container_check_extents(struct container *container, const struct lwc_file *file,
                            struct failure *failure)
{
    uint64_t at = 0;

    for (uint64_t i = 0; i < file->extent_count; i++) {
        struct lwc_extent extent;
        struct lwc_object object;

        if (container_extent(container, file->extent_first + i, &extent, &object, failure) < 0)
            return -1;
        if (extent.file_offset != at || extent.object_offset > object.decoded_size ||
            extent.length > object.decoded_size - extent.object_offset ||
            extent.length > file->size - at)
            return fail(failure,
                        "%s: extent %" PRIu64 " does not fit its file or its object; "
                        "the file is damaged",
                        container_path(container), (uint64_t)file->extent_first + i);
        at += extent.length;
    }
    if (at != file->size)
        return fail(failure, "%s: the extents of a file leave a hole; the file is damaged",
                    container_path(container));
    return 0;
}

int container_file_name(struct container *container, const struct lwc_file *file, char *name,
                        struct failure *failure)
{
    if (container_name(container, file->name_offset, file->name_length, name, failure) < 0)
        return -1;
    if (!lwc_name_ok(name, file->name_length))
        return fail(failure,
                    "%s: %.600s: this name of a file would lead elsewhere; the file is damaged or "
                    "hostile, get it from a source that you trust",
                    container_path(container), name);
    return 0;
}

/* Name and entry of file index, which have been checked. */
static int get_file(struct container *container, uint64_t index, struct lwc_file *file, char *name,
                    struct failure *failure)
{
    return container_file(container, index, file, failure) < 0
               ? -1
               : container_name(container, file->name_offset, file->name_length, name, failure);
}

/* Is the directory that the name is in among the first `files` entries, which are in order? */
static int check_directory(struct container *container, uint64_t files, const char *name,
                           struct failure *failure)
{
    const char *slash = strrchr(name, '/');
    char directory[LWC_NAME_MAX + 1], other[LWC_NAME_MAX + 1];
    uint64_t first = 0, end = files;

    if (!slash)
        return 0;
    memcpy(directory, name, (size_t)(slash - name));
    directory[slash - name] = '\0';
    while (first < end) {
        uint64_t middle = first + (end - first) / 2;
        struct lwc_file file;
        int order;

        if (get_file(container, middle, &file, other, failure) < 0)
            return -1;
        order = strcmp(other, directory);
        if (order == 0 && file.kind == LWC_FILE_DIRECTORY)
            return 0;
        if (order == 0)
            break;
        if (order < 0)
            first = middle + 1;
        else
            end = middle;
    }
    return fail(failure, "%s: %.600s: its directory is not in the container; the file is damaged",
                container_path(container), name);
}

int container_check_files(struct container *container, struct failure *failure)
{
    char names[2][LWC_NAME_MAX + 1] = {"", ""};
    uint64_t end = 0; /* of the extents of the files before */
    uint64_t bytes = 0;

    for (uint64_t i = 0; i < container_count(container, LWC_TABLE_FILES); i++) {
        char *name = names[i & 1];
        struct lwc_file file;

        if (container_file(container, i, &file, failure) < 0 ||
            container_file_name(container, &file, name, failure) < 0 ||
            container_check_extents(container, &file, failure) < 0)
            return -1;
        if (strcmp(names[~i & 1], name) >= 0)
            return fail(failure, "%s: %.600s: names are not in order; the file is damaged",
                        container_path(container), name);
        if (check_directory(container, i, name, failure) < 0)
            return -1;
        bytes += file.size;
        if (!file.extent_count)
            continue;
        if (file.extent_first < end)
            return fail(failure, "%s: %.600s: two files share extent %llu; the file is damaged",
                        container_path(container), name, (unsigned long long)file.extent_first);
        end = file.extent_first + file.extent_count;
    }
    if (bytes != container_superblock(container)->bytes_original)
        return fail(failure, "%s: superblock: bytes_original is not their sum; the file is damaged",
                    container_path(container));
    return 0;
}
