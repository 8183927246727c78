/* SPDX-License-Identifier: BSD-3-Clause */
#include "libregion.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *data_path(const char *format, ...)
{
    static _Thread_local char paths[8][600];
    static _Thread_local unsigned int turn;
    char *path = paths[turn++ % 8];
    const char *data = getenv("DATA");
    int length = snprintf(path, sizeof(paths[0]), "%s/", data ? data : "/data");
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(path + length, sizeof(paths[0]) - length, format, arguments);
    va_end(arguments);
    return path;
}

int open_control(void)
{
    int fd = open(LWCMEM_DEVICE, O_RDWR | O_CLOEXEC);

    CHECK(fd >= 0, "%s: %m", LWCMEM_DEVICE);
    return fd;
}

struct lwcmem_query query(int control)
{
    struct lwcmem_query query = {.size = sizeof(query)};

    CHECK_OK(ioctl(control, LWCMEM_IOC_QUERY, &query));
    return query;
}

struct lwcmem_info region_info(int region)
{
    struct lwcmem_info info = {.size = sizeof(info)};

    CHECK_OK(ioctl(region, LWCMEM_IOC_INFO, &info));
    return info;
}

int attach_based(int control, int container, int base, uint32_t view, uint64_t file)
{
    struct lwcmem_attach request = {
        .size = sizeof(request), .fd = container, .view = view, .file = file};

    if (base >= 0) {
        request.bases = (uintptr_t)&base;
        request.base_count = 1;
    }
    return ioctl(control, LWCMEM_IOC_ATTACH, &request);
}

int attach(int control, int container, uint32_t view, uint64_t file)
{
    return attach_based(control, container, -1, view, file);
}

int open_base(const char *container)
{
    char path[640];
    int length = strlen(container);

    CHECK(length > 4 && !strcmp(container + length - 4, ".lwc"), "%s: not a container", container);
    snprintf(path, sizeof(path), "%.*s.base.lwc", length - 4, container);
    return open(path, O_RDONLY | O_CLOEXEC);
}

int attach_path(const char *container, uint32_t view, uint64_t file)
{
    int control = open_control(), region;
    int fd = open(container, O_RDONLY | O_CLOEXEC), base = open_base(container);

    CHECK(fd >= 0, "%s: %m", container);
    region = attach_based(control, fd, base, view, file);
    CHECK(region >= 0, "attach %s, view %u, file %llu: %m", container, view,
          (unsigned long long)file);
    close(fd);
    if (base >= 0)
        close(base);
    close(control);
    return region;
}

int read_files(const char *model, struct file_entry *files, int limit)
{
    const char *path = data_path("%s.files", model);
    FILE *list = fopen(path, "re");
    char line[400], kind[20];
    int count = 0;

    CHECK(list, "%s: %m", path);
    while (count < limit && fgets(line, sizeof(line), list)) {
        struct file_entry *file = &files[count++];
        unsigned long long index, size;

        CHECK(sscanf(line, "%llu %19s %llu %255[^\n]", &index, kind, &size, file->name) == 4,
              "%s: unexpected line", path);
        file->index = index;
        file->size = size;
        file->directory = !strcmp(kind, "directory");
    }
    fclose(list);
    return count;
}

struct file_entry largest_file(const char *model)
{
    struct file_entry files[VIEWS_MAX], largest = {};
    int count = read_files(model, files, VIEWS_MAX);

    for (int i = 0; i < count; i++)
        if (files[i].size > largest.size)
            largest = files[i];
    CHECK(largest.size, "%s has no file with content", model);
    return largest;
}

const uint8_t *map_expected(const char *path, uint64_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    void *map;

    CHECK(fd >= 0, "%s: %m", path);
    CHECK_OK(fstat(fd, &stat));
    CHECK((uint64_t)stat.st_size == size, "%s has %lld bytes, the region %llu", path,
          (long long)stat.st_size, (unsigned long long)size);
    if (!size)
        return (const uint8_t *)"";
    map = CHECK_OK(mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0));
    close(fd);
    return map;
}

static struct view make_view(const char *model, const char *name, int fd, const char *expected)
{
    struct view view = {.fd = fd};
    struct stat stat;

    snprintf(view.what, sizeof(view.what), "%s %s", model, name);
    CHECK_OK(fstat(fd, &stat));
    view.size = stat.st_size;
    view.want = map_expected(expected, view.size);
    return view;
}

struct view open_arena(const char *model)
{
    int fd = attach_path(data_path("%s.lwc", model), LWCMEM_VIEW_ARENA, 0);

    return make_view(model, "ARENA", fd, data_path("%s.arena", model));
}

struct view open_file_view(const char *model, const struct file_entry *file)
{
    int fd = attach_path(data_path("%s.lwc", model), LWCMEM_VIEW_FILE, file->index);

    return make_view(model, file->name, fd, data_path("%s/%s", model, file->name));
}

int open_views(const char *model, struct view *views)
{
    struct file_entry files[VIEWS_MAX - 1];
    int count = read_files(model, files, VIEWS_MAX - 1), opened = 0;

    views[opened++] = open_arena(model);
    for (int i = 0; i < count; i++)
        if (!files[i].directory)
            views[opened++] = open_file_view(model, &files[i]);
    return opened;
}

void set_direct(int fd)
{
    CHECK_OK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_DIRECT));
}

const uint8_t *map_region(int fd, uint64_t size, int flags)
{
    return CHECK_OK(mmap(NULL, size, PROT_READ, flags, fd, 0));
}

void look_around(const struct view *view, struct random *seed)
{
    uint8_t page[PAGE];

    for (int i = 0; i < 4; i++) {
        uint64_t at = random_below(seed, view->size);
        ssize_t n = pread(view->fd, page, PAGE, at);

        CHECK(n > 0, "%s: pread: %m", view->what);
        compare(page, view->want + at, n, at, view->what);
    }
}

void check_range(const struct view *view, uint64_t offset, size_t length)
{
    uint8_t *buffer = malloc(length + 1);
    size_t got = 0;

    CHECK(buffer, "no memory");
    while (got < length) {
        ssize_t n = pread(view->fd, buffer + got, length - got, offset + got);

        CHECK(n > 0, "%s: pread at 0x%llx gives %zd: %m", view->what,
              (unsigned long long)(offset + got), n);
        got += n;
    }
    compare(buffer, view->want + offset, length, offset, view->what);
    free(buffer);
}

void check_pread(const struct view *view, uint64_t start, uint64_t end, size_t chunk)
{
    for (uint64_t at = start; at < end; at += chunk)
        check_range(view, at, end - at < chunk ? end - at : chunk);
}

void check_read(const struct view *view, size_t chunk)
{
    uint8_t *buffer = malloc(chunk);
    uint64_t at = 0;
    ssize_t n;

    CHECK(buffer, "no memory");
    CHECK_OK(lseek(view->fd, 0, SEEK_SET));
    while ((n = read(view->fd, buffer, chunk)) > 0) {
        CHECK(at + n <= view->size, "%s: more bytes than its size", view->what);
        compare(buffer, view->want + at, n, at, view->what);
        at += n;
    }
    CHECK(!n, "%s: read at 0x%llx: %m", view->what, (unsigned long long)at);
    CHECK(at == view->size, "%s: read ends at 0x%llx", view->what, (unsigned long long)at);
    free(buffer);
}

void check_mapped(const struct view *view)
{
    const uint8_t *map;

    if (!view->size)
        return;
    map = map_region(view->fd, view->size, MAP_SHARED);
    compare(map, view->want, view->size, 0, view->what);
    munmap((void *)map, view->size);
}
