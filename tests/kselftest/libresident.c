/* SPDX-License-Identifier: BSD-3-Clause */
#include "libresident.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

int try_attach(const char *container, uint32_t view, uint32_t flags)
{
    int control = open_control(), fd = CHECK_OK(open(container, O_RDONLY | O_CLOEXEC)), region;
    struct lwcmem_attach request = {.size = sizeof(request), .fd = fd, .view = view};

    request.flags = flags;
    region = ioctl(control, LWCMEM_IOC_ATTACH, &request);
    int error = errno;

    close(fd);
    close(control);
    errno = error;
    return region;
}

int attach_resident(const char *container, uint32_t view)
{
    int region = try_attach(container, view, LWCMEM_RESIDENT);

    CHECK(region >= 0, "attach %s, view %u, resident: %m", container, view);
    return region;
}

struct view open_packed(const char *model)
{
    struct view view = {.fd = attach_resident(data_path("%s.lwc", model), LWCMEM_VIEW_PACKED)};
    struct stat stat;

    snprintf(view.what, sizeof(view.what), "%s PACKED", model);
    CHECK_OK(fstat(view.fd, &stat));
    view.size = stat.st_size;
    view.want = map_expected(data_path("%s.lwc", model), view.size);
    return view;
}

struct held {
    int fd;
    uint64_t bytes;
};

static bool holds(void *argument)
{
    const struct held *held = argument;

    return region_info(held->fd).bytes_resident == held->bytes;
}

bool resident_becomes(int region, uint64_t bytes)
{
    struct held held = {region, bytes};

    return wait_until(holds, &held, 20);
}

uint64_t mapping_number(const void *address, const char *key)
{
    char line[400], start[40];
    uint64_t kilobytes = 0;
    bool inside = false, found = false;
    FILE *maps = fopen("/proc/self/smaps", "re");

    CHECK(maps, "smaps: %m");
    snprintf(start, sizeof(start), "%lx-", (unsigned long)address);
    while (!found && fgets(line, sizeof(line), maps)) {
        if (!strncmp(line, start, strlen(start)))
            inside = true;
        else if (inside && !strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
            found = sscanf(line + strlen(key) + 1, "%lu", &kilobytes) == 1;
    }
    fclose(maps);
    CHECK(found, "smaps has no %s for the mapping", key);
    return kilobytes * 1024;
}
