/* SPDX-License-Identifier: BSD-3-Clause */
#include "region.h"
#include "uapi/lwcmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* What does without the module, for messages. */
static const char *instead(enum region_view view)
{
    return view == REGION_ARENA ? ", or use the backend fused, which needs no kernel module" : "";
}

static int open_device(const char *device, enum region_view view, struct failure *failure)
{
    int fd = open(device, O_RDWR | O_CLOEXEC), error = errno;

    if (fd >= 0)
        return fd;
    if (error == ENOENT || error == ENXIO || error == ENODEV)
        return fail(failure, "%s: %s: insmod lwcmem.ko first%s", device, strerror(error),
                    instead(view));
    if (error == EACCES || error == EPERM)
        return fail(failure,
                    "%s: %s: it is for root and the device's group: as root, chgrp GROUP %s for a "
                    "group that you are in and chmod 0660 %s",
                    device, strerror(error), device, device);
    return fail_errno(failure, error, "%s: cannot open", device);
}

static int attach(int control, enum region_view view, const char *device,
                  struct container *container, struct failure *failure)
{
    bool packed = view == REGION_PACKED;
    const struct container *base = container_base(container);
    __s32 base_fd = base ? container_fd(base) : -1;
    struct lwcmem_attach request = {
        .size = sizeof(request),
        .flags = packed ? LWCMEM_RESIDENT : 0,
        .fd = container_fd(container),
        .view = packed ? LWCMEM_VIEW_PACKED : LWCMEM_VIEW_ARENA,
        .bases = base ? (uintptr_t)&base_fd : 0,
        .base_count = base ? 1 : 0,
    };
    int region = ioctl(control, LWCMEM_IOC_ATTACH, &request), error = errno;

    if (region >= 0)
        return region;
    if (error == ENOTTY)
        return fail(failure, "%s: not the device of lwcmem", device);
    if (error == EBADMSG)
        return fail(failure,
                    "%s: the kernel module finds it damaged, the kernel log says where: get the "
                    "file again",
                    container_path(container));
    if (error == EOPNOTSUPP)
        return fail(failure,
                    "%s: it needs a feature that the loaded module does not have: load the "
                    "lwcmem.ko of this version%s",
                    container_path(container), instead(view));
    if (error == ESTALE)
        return fail(failure, "%s: its base (%s) was changed while it was opened; try again",
                    container_path(container), base ? container_path(base) : "none");
    if (error == EFBIG)
        return fail(failure,
                    "%s: its tensors are too many, or too large together, for the kernel module%s",
                    container_path(container), instead(view));
    return fail_errno(failure, error, "%s: the kernel module (%s) does not attach it",
                      container_path(container), device);
}

static int query(int region, const char *path, struct lwcmem_info *info, struct failure *failure)
{
    memset(info, 0, sizeof(*info));
    info->size = sizeof(*info);
    if (ioctl(region, LWCMEM_IOC_INFO, info) < 0)
        return fail_errno(failure, errno, "%s: the kernel module does not tell about its region",
                          path);
    return 0;
}

/* The module may have seen a newer generation of the file than container_open did. */
static int check_same(int region, enum region_view view, struct container *container,
                      struct failure *failure)
{
    const struct lwc_superblock *superblock = container_superblock(container);
    uint64_t length = view == REGION_PACKED ? superblock->file_size : superblock->arena_size;
    struct lwcmem_info info;

    if (query(region, container_path(container), &info, failure) < 0)
        return -1;
    if (info.generation == superblock->generation && info.length >= length &&
        memcmp(info.uuid, superblock->uuid, sizeof(info.uuid)) == 0)
        return 0;
    return fail(failure, "%s: it was changed while it was opened; try again",
                container_path(container));
}

int region_attach(struct container *container, enum region_view view, const char *device,
                  struct failure *failure)
{
    int control, region;

    if (!device)
        device = secure_getenv("LWCMEM_DEVICE");
    if (!device)
        device = LWCMEM_DEVICE;
    control = open_device(device, view, failure);
    if (control < 0)
        return -1;
    region = attach(control, view, device, container, failure);
    close(control); /* a region does not need it */
    if (region >= 0 && check_same(region, view, container, failure) < 0) {
        close(region);
        return -1;
    }
    return region;
}

int region_open_direct(int region, uint32_t *align)
{
    struct lwcmem_info info;
    struct failure failure;
    char path[40];

    if (query(region, "", &info, &failure) < 0 || !info.direct_align)
        return -1;
    *align = info.direct_align;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", region);
    return open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
}

int region_info(int region, const char *path, struct lwcmem_region *out, struct failure *failure)
{
    struct lwcmem_info info;

    if (query(region, path, &info, failure) < 0)
        return -1;
    *out = (struct lwcmem_region){
        .tiles_decoded = info.tiles_decoded,
        .bytes_decoded = info.bytes_decoded,
        .bytes_read = info.bytes_read,
        .tiles_failed = info.tiles_failed,
        .isa = lwc_impl_select(info.isa)->name,
    };
    return 0;
}
