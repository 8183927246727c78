/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of a region go and come back like those of any file. */
#include "libregion.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t decoded(const struct view *view)
{
    return region_info(view->fd).tiles_decoded;
}

/* All of it decoded again, with the right bytes. */
static void check_decoded_again(const struct view *view, uint64_t before)
{
    check_read(view, 1 << 20);
    CHECK(decoded(view) > before, "%s: nothing was decoded again", view->what);
}

static void fadvise_dontneed(void)
{
    struct view view = open_arena("story");
    uint64_t before;

    check_read(&view, 1 << 20);
    before = decoded(&view);
    make_cold(&view);
    check_decoded_again(&view, before);
}

/*
 * All but what a CPU holds in a batch for the LRU lists: drop_caches, unlike fadvise, does not make
 * other CPUs put it there (Linux 6.1), and such a page stays.
 */
static bool dropped(void *argument)
{
    const struct view *view = argument;
    enum { BATCH = 15 };

    drop_all_caches();
    return resident_pages(view->fd, 0, view->size) <=
           BATCH * (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
}

static void drop_caches(void)
{
    struct view view = open_arena("story");
    uint64_t before;

    check_read(&view, 1 << 20);
    before = decoded(&view);
    CHECK(wait_until(dropped, &view, 20), "%llu pages stay",
          (unsigned long long)resident_pages(view.fd, 0, view.size));
    check_decoded_again(&view, before);
}

static void pageout(void)
{
    struct view view = open_arena("story");
    uint8_t *map = (uint8_t *)map_region(view.fd, view.size, MAP_SHARED);
    uint64_t pages = (view.size + PAGE - 1) / PAGE, before, resident;

    compare(map, view.want, view.size, 0, "before");
    before = decoded(&view);
    if (madvise(map, view.size, MADV_PAGEOUT) && errno == EINVAL)
        test_skip("no MADV_PAGEOUT");
    resident = resident_pages(view.fd, 0, view.size);
    test_comment("%llu of %llu pages stay", (unsigned long long)resident,
                 (unsigned long long)pages);
    CHECK(resident < pages / 2, "%llu of %llu pages stay", (unsigned long long)resident,
          (unsigned long long)pages);
    compare(map, view.want, view.size, 0, "after");
    CHECK(decoded(&view) > before, "nothing was decoded again");
}

static void madvise_dontneed(void)
{
    struct view view = open_arena("story");
    uint8_t *map = (uint8_t *)map_region(view.fd, view.size, MAP_SHARED);
    uint64_t before;

    compare(map, view.want, view.size, 0, "before");
    before = decoded(&view);
    CHECK_OK(madvise(map, view.size, MADV_DONTNEED));
    compare(map, view.want, view.size, 0, "after");
    CHECK(decoded(&view) == before, "what was in the page cache was decoded again");
}

struct part {
    const struct view *view;
    uint64_t start, length;
};

static bool part_resident(void *argument)
{
    const struct part *part = argument;

    return resident_pages(part->view->fd, part->start, part->length) == part->length / PAGE;
}

static void willneed(void)
{
    struct view view = open_arena("story");
    struct part part = {&view, view.size / 4 / PAGE * PAGE, 128 * PAGE};
    uint8_t *map = (uint8_t *)map_region(view.fd, view.size, MAP_SHARED);

    make_cold(&view);
    CHECK_OK(madvise(map + part.start, part.length, MADV_WILLNEED));
    CHECK(wait_until(part_resident, &part, 60), "%llu of %llu pages came",
          (unsigned long long)resident_pages(view.fd, part.start, part.length),
          (unsigned long long)(part.length / PAGE));
    compare(map + part.start, view.want + part.start, part.length, part.start, view.what);
}

static void fadvise_willneed(void)
{
    struct view view = open_arena("story");
    struct part part = {&view, view.size / 4 / PAGE * PAGE, 128 * PAGE};

    make_cold(&view);
    CHECK(!posix_fadvise(view.fd, part.start, part.length, POSIX_FADV_WILLNEED), "fadvise");
    CHECK(wait_until(part_resident, &part, 60), "not all pages came");
    check_pread(&view, part.start, part.start + part.length, 65536);
}

static void random_advice(void)
{
    struct view view = open_arena("story");
    uint8_t *map = (uint8_t *)map_region(view.fd, view.size, MAP_SHARED);
    uint64_t pages = view.size / PAGE;
    struct random seed = {9};

    make_cold(&view);
    CHECK_OK(madvise(map, view.size, MADV_RANDOM));
    for (int i = 0; i < 200; i++) {
        uint64_t at = random_below(&seed, pages) * PAGE;

        compare(map + at, view.want + at, PAGE, at, view.what);
    }
}

static void sequential_advice(void)
{
    struct view view = open_arena("story");
    uint8_t *map = (uint8_t *)map_region(view.fd, view.size, MAP_SHARED);

    make_cold(&view);
    CHECK_OK(madvise(map, view.size, MADV_SEQUENTIAL));
    compare(map, view.want, view.size, 0, view.what);
}

/* Readahead is on: a sequential reader's tiles are queued ahead of it. */
static void readahead_used(void)
{
    struct view view = open_arena("story");
    struct lwcmem_info before, after;

    make_cold(&view);
    before = region_info(view.fd);
    check_read(&view, 16384);
    after = region_info(view.fd);
    test_comment("%llu tiles decoded, %llu by readahead, %llu in flight at most",
                 after.tiles_decoded - before.tiles_decoded,
                 after.readahead_tiles - before.readahead_tiles, after.tiles_in_flight_max);
    CHECK(after.readahead_tiles > before.readahead_tiles, "readahead queued no tile");
}

static void locked(void)
{
    struct view view = open_arena("story");
    struct part part = {&view, view.size / 2 / PAGE * PAGE, 64 * PAGE};
    uint8_t *map = (uint8_t *)map_region(view.fd, view.size, MAP_SHARED);
    uint64_t before;

    make_cold(&view);
    /* no readahead, which would decode what is beside the part */
    CHECK(!posix_fadvise(view.fd, 0, 0, POSIX_FADV_RANDOM), "fadvise");
    CHECK_OK(madvise(map, view.size, MADV_RANDOM));
    CHECK_OK(mlock(map + part.start, part.length));
    CHECK(part_resident(&part), "not resident after mlock");
    CHECK(!posix_fadvise(view.fd, 0, 0, POSIX_FADV_DONTNEED), "fadvise");
    drop_all_caches();
    CHECK(part_resident(&part), "not resident after dropping caches");
    before = decoded(&view);
    compare(map + part.start, view.want + part.start, part.length, part.start, view.what);
    check_pread(&view, part.start, part.start + part.length, 65536);
    CHECK(decoded(&view) == before, "locked pages were decoded again");
    CHECK_OK(munlock(map + part.start, part.length));
    munmap(map, view.size);
    make_cold(&view);
}

static void populated(void)
{
    struct view view = open_arena("story");
    void *map;

    make_cold(&view);
    map = CHECK_OK(mmap(NULL, view.size, PROT_READ, MAP_SHARED | MAP_POPULATE, view.fd, 0));
    compare(map, view.want, view.size, 0, view.what);
}

static const struct test_case cases[] = {
    {"POSIX_FADV_DONTNEED", fadvise_dontneed, 0},
    {"drop_caches", drop_caches, 0},
    {"MADV_PAGEOUT", pageout, 0},
    {"MADV_DONTNEED", madvise_dontneed, 0},
    {"MADV_WILLNEED", willneed, 0},
    {"POSIX_FADV_WILLNEED", fadvise_willneed, 0},
    {"MADV_RANDOM", random_advice, 0},
    {"MADV_SEQUENTIAL", sequential_advice, 0},
    {"readahead of a sequential reader", readahead_used, 0},
    {"mlock of a part", locked, 0},
    {"MAP_POPULATE", populated, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
