/* SPDX-License-Identifier: BSD-3-Clause */
#include "tensors.h"

#include <stdlib.h>
#include <string.h>

static int compare_tensors(const void *left, const void *right)
{
    const struct file_tensor *a = left;
    const struct file_tensor *b = right;

    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* Empty tensors take no bytes, so they may lie anywhere. */
static int check_overlaps(const struct file_tensors *list, const char *path,
                          struct failure *failure)
{
    const struct file_tensor *before = NULL;

    for (size_t i = 0; i < list->count; i++) {
        const struct file_tensor *tensor = &list->tensors[i];

        if (!tensor->size)
            continue;
        if (before && before->offset + before->size > tensor->offset)
            return fail(failure, "%s: tensors %.200s and %.200s overlap; get the file again", path,
                        before->name, tensor->name);
        before = tensor;
    }
    return 0;
}

static void drop_unnamed_dtypes(struct file_tensors *list)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        if (list->tensors[i].dtype == LWC_DTYPE_BYTES)
            free(list->tensors[i].name);
        else
            list->tensors[kept++] = list->tensors[i];
    }
    list->count = kept;
}

int file_tensors_arrange(struct file_tensors *list, const char *path, struct failure *failure)
{
    if (list->count)
        qsort(list->tensors, list->count, sizeof(*list->tensors), compare_tensors);
    if (check_overlaps(list, path, failure) < 0)
        return -1;
    drop_unnamed_dtypes(list);
    return 0;
}

void file_tensors_free(struct file_tensors *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->tensors[i].name);
    free(list->tensors);
    memset(list, 0, sizeof(*list));
}
