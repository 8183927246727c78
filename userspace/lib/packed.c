/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The container in huge pages: the copy that the kernel module holds for all
 * processes, or, without the module, one of this process.
 */
#include "packed.h"
#include "region.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)

static const uint8_t *map_shared(struct container *container, const char *device, size_t size,
                                 struct failure *failure)
{
    int view = region_attach(container, REGION_PACKED, device, failure);
    void *map;

    if (view < 0)
        return NULL;
    map = mmap(NULL, size, PROT_READ, MAP_SHARED, view, 0);
    if (map == MAP_FAILED)
        fail_errno(failure, errno, "%s: cannot map its packed view", container_path(container));
    close(view); /* the mapping keeps it */
    return map == MAP_FAILED ? NULL : map;
}

/* Not mapped yet, and at a multiple of a huge page. */
static uint8_t *reserve(size_t size)
{
    uint8_t *map = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t before = -(uintptr_t)map % HUGE_PAGE;

    if (map == MAP_FAILED)
        return NULL;
    if (before)
        munmap(map, before);
    map += before;
    munmap(map + ((size + 4095) & ~(size_t)4095), HUGE_PAGE - before);
    madvise(map, size, MADV_HUGEPAGE);
    return map;
}

const uint8_t *packed_copy(int fd, const char *path, size_t size, struct failure *failure)
{
    uint8_t *map = reserve(size);
    ssize_t got = 1;

    if (!map) {
        fail_errno(failure, errno, "%s: no memory for a copy", path);
        return NULL;
    }
    for (size_t at = 0; at < size && got > 0; at += got)
        do
            got = pread(fd, map + at, size - at, at);
        while (got < 0 && errno == EINTR);
    if (got > 0) {
        mprotect(map, size, PROT_READ);
        return map;
    }
    if (got)
        fail_errno(failure, errno, "%s: cannot read", path);
    else
        fail(failure, "%s: shorter than when it was opened", path);
    munmap(map, size);
    return NULL;
}

const uint8_t *packed_map(struct container *container, const char *device, size_t size,
                          char *notice, size_t notice_size, struct failure *failure)
{
    const uint8_t *map = map_shared(container, device, size, failure);

    if (map)
        return map;
    snprintf(notice, notice_size, "the model is copied for this process alone: %s", failure->text);
    return packed_copy(container_fd(container), container_path(container), size, failure);
}
