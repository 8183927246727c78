/* SPDX-License-Identifier: BSD-3-Clause */
#include "pages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB (21 << 26)
#endif

size_t bench_pages_round(size_t size)
{
    return (size + BENCH_HUGE_PAGE - 1) / BENCH_HUGE_PAGE * BENCH_HUGE_PAGE;
}

static int map_from_pool(struct bench_pages *pages)
{
    void *map = mmap(NULL, pages->size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);

    if (map == MAP_FAILED)
        return -1;
    pages->map = pages->base = map;
    pages->map_size = pages->size;
    return 0;
}

/* Bytes without access before and after: no neighbour shares the line in smaps. */
static int map_anonymous(struct bench_pages *pages, struct failure *failure)
{
    size_t guard = BENCH_HUGE_PAGE, size = pages->size + 3 * guard;
    uint8_t *map = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (map == MAP_FAILED)
        return fail_errno(failure, errno, "cannot map %zu MiB", size >> 20);
    pages->map = map;
    pages->map_size = size;
    pages->base = map + guard + (guard - (uintptr_t)map % guard) % guard;
    if (mprotect(pages->base, pages->size, PROT_READ | PROT_WRITE) < 0) {
        int error = errno;

        bench_pages_unmap(pages);
        return fail_errno(failure, error, "cannot map %zu MiB", size >> 20);
    }
    /* a kernel without transparent huge pages refuses both: bench_pages_check sees the result */
    madvise(pages->base, pages->size,
            pages->page_size == BENCH_HUGE_PAGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    return 0;
}

int bench_pages_map(struct bench_pages *pages, size_t size, size_t page_size,
                    struct failure *failure)
{
    memset(pages, 0, sizeof(*pages));
    pages->size = bench_pages_round(size);
    pages->page_size = page_size;
    if (page_size == BENCH_HUGE_PAGE && map_from_pool(pages) == 0)
        return 0;
    return map_anonymous(pages, failure);
}

void bench_pages_unmap(struct bench_pages *pages)
{
    if (pages->map)
        munmap(pages->map, pages->map_size);
    memset(pages, 0, sizeof(*pages));
}

void *bench_pages_take(struct bench_pages *pages, size_t size)
{
    uint8_t *taken = pages->base + pages->used;

    pages->used += bench_pages_round(size);
    return taken;
}

/* Bytes of the mapping that lie in huge pages, as /proc/self/smaps tells; -1: it does not. */
static int64_t huge_bytes(const struct bench_pages *pages)
{
    uintptr_t first = (uintptr_t)pages->base, last = first + pages->size, start, end;
    FILE *smaps = fopen("/proc/self/smaps", "r");
    int64_t huge = 0, value;
    int inside = 0, found = 0;
    char line[512];

    if (!smaps)
        return -1;
    while (fgets(line, sizeof(line), smaps)) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2)
            inside = start < last && end > first;
        else if (inside && (sscanf(line, "AnonHugePages: %" SCNd64 " kB", &value) == 1 ||
                            sscanf(line, "Private_Hugetlb: %" SCNd64 " kB", &value) == 1)) {
            huge += value * 1024;
            found = 1;
        }
    }
    fclose(smaps);
    return found ? huge : -1;
}

int64_t bench_pages_check(const struct bench_pages *pages, struct failure *failure)
{
    int64_t huge = huge_bytes(pages);

    if (huge < 0)
        return fail(failure, "/proc/self/smaps does not tell the size of the pages");
    return pages->page_size == BENCH_HUGE_PAGE ? (int64_t)pages->size - huge : huge;
}
