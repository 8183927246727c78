/* SPDX-License-Identifier: BSD-3-Clause */
/* A small model, damaged at each of its tiles in turn: that tile's pages fail, all others are
 * right. */
#include "libtables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define COPY "damaged.lwc"

static int copy_container(const char *from_path)
{
    int from = CHECK_OK(open(from_path, O_RDONLY | O_CLOEXEC));
    int to = CHECK_OK(open(COPY, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

    while (CHECK_OK(sendfile(to, from, NULL, 1 << 20)) > 0)
        ;
    close(from);
    return to;
}

static void flip(int fd, uint64_t at)
{
    uint8_t byte;

    CHECK(pread(fd, &byte, 1, at) == 1, "pread: %m");
    byte ^= 0x10;
    CHECK(pwrite(fd, &byte, 1, at) == 1, "pwrite: %m");
}

/* Whether the page has a byte of a tile that is stored where the damage is: copies share it. */
static bool touches(const struct tile *tiles, uint64_t count, uint64_t page, uint64_t damage)
{
    for (uint64_t i = 0; i < count; i++)
        if (tiles[i].stored && tiles[i].stored_at <= damage &&
            damage < tiles[i].stored_at + tiles[i].stored && tiles[i].start < page + PAGE &&
            page < tiles[i].start + tiles[i].length)
            return true;
    return false;
}

static uint64_t read_pages(const struct view *view, const struct tile *tiles, uint64_t count,
                           uint64_t damage)
{
    uint64_t failed = 0;
    uint8_t page[PAGE];

    for (uint64_t at = 0; at < view->size; at += PAGE) {
        uint64_t length = view->size - at < PAGE ? view->size - at : PAGE;

        if (touches(tiles, count, at, damage)) {
            CHECK_ERROR(pread(view->fd, page, PAGE, at), EIO);
            failed++;
            continue;
        }
        CHECK(pread(view->fd, page, PAGE, at) == (ssize_t)length, "%s: pread at 0x%llx: %m",
              view->what, (unsigned long long)at);
        compare(page, view->want + at, length, at, view->what);
    }
    return failed;
}

static void each_tile(void)
{
    struct tables tables = open_tables(data_path("tiny.lwc"));
    struct view view = open_arena("tiny");
    uint64_t count, damaged = 0, pages = 0;
    int fd = copy_container(data_path("tiny.lwc")), control = open_control();
    struct tile *tiles;

    close(view.fd);
    count = arena_tiles(&tables, &tiles);
    for (uint64_t i = 0; i < count; i++) {
        struct lwcmem_query base = query(control);
        uint64_t damage = tiles[i].stored_at + tiles[i].stored / 2, failed;

        if (!tiles[i].stored)
            continue;
        flip(fd, damage);
        /* anew each time: a decoded tile may rest in memory */
        view.fd = attach_path("./" COPY, LWCMEM_VIEW_ARENA, 0);
        failed = read_pages(&view, tiles, count, damage);
        CHECK(failed, "no page failed");
        CHECK(region_info(view.fd).tiles_failed, "tiles_failed is 0");
        close(view.fd);
        CHECK(counts_become(control, base.backings, base.regions, 20), "a region stays");
        flip(fd, damage);
        damaged++;
        pages += failed;
    }
    CHECK(damaged > 3, "only %llu tiles", (unsigned long long)damaged);
    test_comment("%llu tiles damaged one by one, %llu pages failed", (unsigned long long)damaged,
                 (unsigned long long)pages);
}

static const struct test_case cases[] = {
    {"each tile damaged in turn", each_tile, 100},
};

int main(void)
{
    return RUN_CASES(cases);
}
