/* SPDX-License-Identifier: BSD-3-Clause */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int source_init(struct source *source, const struct plan *plan)
{
    source->plan = plan;
    source->fd = -1;
    source->data = malloc(LWC_TILE_MAX);
    return source->data ? 0 : -1;
}

void source_free(struct source *source)
{
    if (source->data && source->fd >= 0)
        close(source->fd);
    free(source->data);
    source->data = NULL;
}

static int open_file(struct source *source, size_t file, struct failure *failure)
{
    if (source->fd >= 0 && source->file == file)
        return 0;
    if (source->fd >= 0)
        close(source->fd);
    source->fd = walk_open(&source->plan->walk.files[file], failure);
    source->file = file;
    return source->fd < 0 ? -1 : 0;
}

int source_read(struct source *source, const struct plan_object *object, uint64_t index,
                struct failure *failure)
{
    uint64_t offset = object->offset + index * object->entry.tile_bytes;
    uint32_t length = lwc_tile_length(&object->entry, index);
    const char *path = source->plan->walk.files[object->file].path;

    if (open_file(source, object->file, failure) < 0)
        return -1;
    for (uint32_t done = 0; done < length;) {
        ssize_t got = pread(source->fd, source->data + done, length - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(failure, errno, "%s: cannot read", path);
        if (got == 0)
            return fail(failure,
                        "%s: became shorter while it was read; try again when it is complete",
                        path);
        done += (uint32_t)got;
    }
    return 0;
}
