/* SPDX-License-Identifier: BSD-3-Clause */
/* Page cache of regions, loading and unloading of the module, kernel log. */
#include "libregion.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

uint64_t resident_pages(int fd, uint64_t start, uint64_t length)
{
    uint64_t first = start / PAGE * PAGE, pages = (start + length - first + PAGE - 1) / PAGE;
    uint64_t resident = 0;
    unsigned char *flags;
    void *map;

    if (!length)
        return 0;
    flags = malloc(pages);
    CHECK(flags, "no memory");
    map = CHECK_OK(mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, fd, first));
    CHECK_OK(mincore(map, pages * PAGE, flags));
    for (uint64_t i = 0; i < pages; i++)
        resident += flags[i] & 1;
    munmap(map, pages * PAGE);
    free(flags);
    return resident;
}

void drop_all_caches(void)
{
    CHECK(write_text("/proc/sys/vm/drop_caches", "3\n"), "drop_caches: %m");
}

/* Pages that readahead still decodes cannot go yet. */
static bool becomes_cold(void *argument)
{
    const struct view *view = argument;

    posix_fadvise(view->fd, 0, 0, POSIX_FADV_DONTNEED);
    return !resident_pages(view->fd, 0, view->size);
}

void make_cold(const struct view *view)
{
    if (wait_until(becomes_cold, (void *)view, 5))
        return;
    drop_all_caches();
    CHECK(wait_until(becomes_cold, (void *)view, 20), "%s: %llu pages stay in the cache",
          view->what, (unsigned long long)resident_pages(view->fd, 0, view->size));
}

int unload_module(void)
{
    return syscall(SYS_delete_module, "lwcmem", O_NONBLOCK) ? errno : 0;
}

static bool device_exists(void *argument)
{
    (void)argument;
    return !access(LWCMEM_DEVICE, F_OK);
}

int load_module(const char *parameters)
{
    const char *path = getenv("MODULE");
    int fd = open(path ? path : "/payload/lwcmem.ko", O_RDONLY | O_CLOEXEC), error;

    CHECK(fd >= 0, "MODULE: %m");
    error = syscall(SYS_finit_module, fd, parameters, 0) ? errno : 0;
    close(fd);
    if (!error)
        wait_until(device_exists, NULL, 10);
    return error;
}

bool module_loaded(void)
{
    return !access("/sys/module/lwcmem", F_OK);
}

struct counts {
    int control;
    uint64_t backings, regions;
};

static bool counts_are(void *argument)
{
    const struct counts *counts = argument;
    struct lwcmem_query now = query(counts->control);

    return now.backings == counts->backings && now.regions == counts->regions;
}

bool counts_become(int control, uint64_t backings, uint64_t regions, int seconds)
{
    struct counts counts = {control, backings, regions};

    return wait_until(counts_are, &counts, seconds);
}

uint64_t open_files(void)
{
    uint64_t files;

    CHECK(read_number("/proc/sys/fs/file-nr", NULL, &files), "file-nr: no number");
    return files;
}

static bool files_at_most(void *limit)
{
    return open_files() <= *(uint64_t *)limit;
}

void check_open_files(uint64_t before, uint64_t most)
{
    /* each of several CPUs keeps up to 32 from the sum, then and now */
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    uint64_t limit = before + most + (cpus > 1 ? 64 * cpus : 0);

    CHECK(wait_until(files_at_most, &limit, 20), "%llu files stay open",
          (unsigned long long)(open_files() - before));
}

static bool unloads(void *error)
{
    *(int *)error = unload_module();
    return !*(int *)error;
}

void check_unload(void)
{
    int error = 0;

    CHECK(wait_until(unloads, &error, 60), "unloading: %s", strerror(error));
    error = load_module("");
    CHECK(!error, "loading again: %s", strerror(error));
}

void run_seeds(int control, void (*round)(void *seed), long rounds)
{
    const char *set = getenv("LWCMEM_SEED");
    uint64_t first = set ? strtoull(set, NULL, 0) : 1;
    struct lwcmem_query base = query(control);

    test_comment("seed %llu", (unsigned long long)first);
    for (long i = 0; i < rounds; i++) {
        uint64_t mine = first + i;
        char what[60];

        snprintf(what, sizeof(what), "round with seed %llu", (unsigned long long)mine);
        join_child(start_child(round, &mine), what);
    }
    CHECK(counts_become(control, base.backings, base.regions, 30), "regions or backings stay");
}

int open_log(void)
{
    int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    CHECK(log >= 0, "/dev/kmsg: %m");
    CHECK_OK(lseek(log, 0, SEEK_END));
    return log;
}

struct search {
    int log;
    const char *words[3];
};

static bool line_has(const char *line, const char *const words[3])
{
    for (int i = 0; i < 3; i++)
        if (words[i] && !strcasestr(line, words[i]))
            return false;
    return true;
}

static bool line_comes(void *argument)
{
    const struct search *search = argument;
    char line[4096];
    ssize_t n;

    while ((n = read(search->log, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
        if (n <= 0)
            continue;
        line[n] = 0;
        if (line_has(line, search->words))
            return true;
    }
    return false;
}

bool log_has(int log, const char *first, const char *second, const char *third, int seconds)
{
    struct search search = {log, {first, second, third}};

    return wait_until(line_comes, &search, seconds);
}
