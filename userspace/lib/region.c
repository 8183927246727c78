/* SPDX-License-Identifier: BSD-3-Clause */
#include "region.h"
#include "uapi/lwcmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int open_device(const char *device, struct failure *failure)
{
    int fd = open(device, O_RDWR | O_CLOEXEC), error = errno;

    if (fd >= 0)
        return fd;
    if (error == ENOENT || error == ENXIO || error == ENODEV)
        return fail(failure,
                    "%s: %s: insmod lwcmem.ko first, or use the backend fused, which needs no "
                    "kernel module",
                    device, strerror(error));
    if (error == EACCES || error == EPERM)
        return fail(failure,
                    "%s: %s: it is for root and the device's group: as root, chgrp GROUP %s for a "
                    "group that you are in and chmod 0660 %s",
                    device, strerror(error), device, device);
    return fail_errno(failure, error, "%s: cannot open", device);
}

static int attach(int control, const char *device, struct container *container,
                  struct failure *failure)
{
    const struct container *base = container_base(container);
    __s32 base_fd = base ? container_fd(base) : -1;
    struct lwcmem_attach request = {
        .size = sizeof(request),
        .fd = container_fd(container),
        .view = LWCMEM_VIEW_ARENA,
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
                    "lwcmem.ko of this version, or use the backend fused",
                    container_path(container));
    if (error == ESTALE)
        return fail(failure, "%s: its base (%s) was changed while it was opened; try again",
                    container_path(container), base ? container_path(base) : "none");
    if (error == EFBIG)
        return fail(failure,
                    "%s: its tensors are too many, or too large together, for the kernel module: "
                    "use the backend fused",
                    container_path(container));
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
static int check_same(int region, struct container *container, struct failure *failure)
{
    const struct lwc_superblock *superblock = container_superblock(container);
    struct lwcmem_info info;

    if (query(region, container_path(container), &info, failure) < 0)
        return -1;
    if (info.generation == superblock->generation && info.length >= superblock->arena_size &&
        memcmp(info.uuid, superblock->uuid, sizeof(info.uuid)) == 0)
        return 0;
    return fail(failure, "%s: it was changed while it was opened; try again",
                container_path(container));
}

int region_attach(struct container *container, const char *device, struct failure *failure)
{
    int control, region;

    if (!device)
        device = secure_getenv("LWCMEM_DEVICE");
    if (!device)
        device = LWCMEM_DEVICE;
    control = open_device(device, failure);
    if (control < 0)
        return -1;
    region = attach(control, device, container, failure);
    close(control); /* a region does not need it */
    if (region >= 0 && check_same(region, container, failure) < 0) {
        close(region);
        return -1;
    }
    return region;
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
