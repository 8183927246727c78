/* SPDX-License-Identifier: BSD-3-Clause */
/* One damaged tile: errors on its pages, the right bytes everywhere else. */
#include "libregion.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct damage {
    char tensor[200];
    uint64_t tile, table_tile;
    struct view view;
    uint64_t first, end; /* bytes of pages that the tile shares */
};

static uint64_t number(const char *key)
{
    const char *path = data_path("story-bad.info");
    uint64_t value;

    CHECK(read_number(path, key, &value), "%s: no %s", path, key);
    return value;
}

static void read_tensor(char *tensor, size_t size)
{
    FILE *file = fopen(data_path("story-bad.info"), "re");

    CHECK(file && size >= 200 && fscanf(file, "tensor=%199[^\n]", tensor) == 1,
          "story-bad.info: no tensor");
    fclose(file);
}

static struct damage open_damage(uint32_t view)
{
    struct damage damage = {.tile = number("tile"), .table_tile = number("table_tile")};
    struct file_entry files[VIEWS_MAX];
    uint64_t start, end;

    read_tensor(damage.tensor, sizeof(damage.tensor));
    read_files("story", files, VIEWS_MAX);
    if (view == LWCMEM_VIEW_ARENA) {
        start = number("arena_start");
        end = number("arena_end");
        damage.view = open_arena("story");
    } else {
        start = number("file_start");
        end = number("file_end");
        damage.view = open_file_view("story", &files[number("file")]);
    }
    close(damage.view.fd);
    damage.view.fd = attach_path(data_path("story-bad.lwc"), view,
                                 view == LWCMEM_VIEW_FILE ? number("file") : 0);
    damage.first = start / PAGE * PAGE;
    damage.end = (end + PAGE - 1) / PAGE * PAGE;
    if (damage.end > damage.view.size)
        damage.end = damage.view.size;
    return damage;
}

/* The rate limit of the kernel log must not hide the line. */
static void logged(void)
{
    struct damage damage = open_damage(LWCMEM_VIEW_ARENA);
    char byte, tile[24];
    int log;

    snprintf(tile, sizeof(tile), "%llu", (unsigned long long)damage.tile);
    sleep_ms(7000);
    log = open_log();
    make_cold(&damage.view);
    CHECK_ERROR(pread(damage.view.fd, &byte, 1, damage.first), EIO);
    CHECK(log_has(log, "lwcmem", damage.tensor, tile, 10),
          "no line of the kernel log has lwcmem, %s and %s", damage.tensor, tile);
}

static void bad_pages_fail(const struct damage *damage)
{
    uint8_t page[PAGE];
    struct lwcmem_info before, after;
    struct lwcmem_query all_before, all_after;
    int control = open_control();

    make_cold(&damage->view);
    before = region_info(damage->view.fd);
    all_before = query(control);
    for (uint64_t at = damage->first; at < damage->end; at += PAGE)
        CHECK_ERROR(pread(damage->view.fd, page, 1, at), EIO);
    CHECK_ERROR(pread(damage->view.fd, page, 1, damage->end - 1), EIO);
    after = region_info(damage->view.fd);
    all_after = query(control);
    CHECK(after.tiles_failed > before.tiles_failed, "INFO tiles_failed does not grow");
    CHECK(all_after.tiles_failed > all_before.tiles_failed, "QUERY tiles_failed does not grow");
    test_comment("%llu reads failed, tiles_failed grew by %llu",
                 (unsigned long long)((damage->end - damage->first) / PAGE + 1),
                 after.tiles_failed - before.tiles_failed);
}

/* Reads from before the tile stop where it starts, and then fail. */
static void short_reads(const struct damage *damage)
{
    uint64_t lead = 3 * PAGE, at = damage->first - lead;
    size_t length = damage->end - at + 2 * PAGE;
    uint8_t *buffer = malloc(length);
    ssize_t n;

    CHECK(buffer, "no memory");
    make_cold(&damage->view);
    n = pread(damage->view.fd, buffer, length, at);
    CHECK(n == (ssize_t)lead, "a read from %llu bytes before the tile gives %zd",
          (unsigned long long)lead, n);
    compare(buffer, damage->view.want + at, n, at, damage->view.what);
    n = pread(damage->view.fd, buffer, length, at + 100);
    CHECK(n == (ssize_t)lead - 100, "a warm read gives %zd", n);
    CHECK_ERROR(pread(damage->view.fd, buffer, length, damage->first), EIO);
    free(buffer);
}

static void rest_is_right(const struct damage *damage)
{
    make_cold(&damage->view);
    check_pread(&damage->view, 0, damage->first, 1 << 20);
    check_pread(&damage->view, damage->end, damage->view.size, 1 << 20);
}

static void sequential(const struct damage *damage)
{
    uint8_t *buffer = malloc(1 << 16);
    uint64_t at = 0;
    ssize_t n;

    CHECK(buffer, "no memory");
    make_cold(&damage->view);
    while ((n = read(damage->view.fd, buffer, 1 << 16)) > 0) {
        compare(buffer, damage->view.want + at, n, at, damage->view.what);
        at += n;
    }
    CHECK(n < 0 && errno == EIO, "read at 0x%llx gives %zd: %m", (unsigned long long)at, n);
    CHECK(at == damage->first, "read stops at 0x%llx instead of 0x%llx", (unsigned long long)at,
          (unsigned long long)damage->first);
    free(buffer);
}

struct touch {
    const struct damage *damage;
    uint64_t at;
};

static void touch(void *argument)
{
    const struct touch *touch = argument;
    volatile const uint8_t *map =
        map_region(touch->damage->view.fd, touch->damage->view.size, MAP_SHARED);

    CHECK(map[touch->at] == touch->damage->view.want[touch->at], "another byte at 0x%llx",
          (unsigned long long)touch->at);
}

static void check_touch(const struct damage *damage, uint64_t at, bool good)
{
    struct touch argument = {damage, at};
    int status = wait_child(start_child(touch, &argument), 60, "a process that reads a mapping");

    if (good)
        CHECK(!status, "0x%llx, a good page: status 0x%x", (unsigned long long)at, status);
    else
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS,
              "0x%llx, a bad page: status 0x%x instead of SIGBUS", (unsigned long long)at, status);
}

static void mapped(const struct damage *damage)
{
    make_cold(&damage->view);
    check_touch(damage, damage->first, false);
    check_touch(damage, (damage->first + damage->end) / 2, false);
    check_touch(damage, damage->end - 1, false);
    check_touch(damage, damage->first - 1, true);
    check_touch(damage, damage->end, true);
    check_touch(damage, 0, true);
    check_touch(damage, damage->view.size - 1, true);
}

/* A system call that copies from the bad page sees EFAULT, not a signal or a hang. */
static void mapped_copied(const struct damage *damage)
{
    const uint8_t *map = map_region(damage->view.fd, damage->view.size, MAP_SHARED);
    int pipes[2];

    CHECK_OK(pipe2(pipes, O_CLOEXEC | O_NONBLOCK));
    CHECK_ERROR(write(pipes[1], map + damage->first, 100), EFAULT);
}

static void no_page_is_cached(const struct damage *damage)
{
    uint8_t byte;

    make_cold(&damage->view);
    CHECK_ERROR(pread(damage->view.fd, &byte, 1, damage->first), EIO);
    for (int i = 0; i < 3; i++)
        CHECK_ERROR(pread(damage->view.fd, &byte, 1, damage->end - 1), EIO);
    check_pread(&damage->view, damage->first - 4 * PAGE, damage->first, PAGE);
    check_pread(&damage->view, damage->end, damage->end + 4 * PAGE, PAGE);
}

#define BOTH(name)                                                                                 \
    static void arena_##name(void)                                                                 \
    {                                                                                              \
        struct damage damage = open_damage(LWCMEM_VIEW_ARENA);                                     \
                                                                                                   \
        name(&damage);                                                                             \
    }                                                                                              \
    static void file_##name(void)                                                                  \
    {                                                                                              \
        struct damage damage = open_damage(LWCMEM_VIEW_FILE);                                      \
                                                                                                   \
        name(&damage);                                                                             \
    }

BOTH(bad_pages_fail)
BOTH(short_reads)
BOTH(rest_is_right)
BOTH(sequential)
BOTH(mapped)
BOTH(mapped_copied)
BOTH(no_page_is_cached)

static void write_byte(int fd, uint8_t byte, uint64_t at)
{
    CHECK(pwrite(fd, &byte, 1, at) == 1 && !fsync(fd), "pwrite: %m");
}

/* The stored bytes are repaired in place: the region has not remembered that they were bad. */
static void repaired(void)
{
    struct damage damage = open_damage(LWCMEM_VIEW_ARENA);
    uint64_t at = number("flipped"), length = damage.end - damage.first;
    int good = CHECK_OK(open(data_path("story.lwc"), O_RDONLY | O_CLOEXEC));
    int bad = CHECK_OK(open(data_path("story-bad.lwc"), O_RDWR | O_CLOEXEC));
    uint8_t right, wrong, *buffer = malloc(length);
    ssize_t n;

    CHECK(pread(good, &right, 1, at) == 1 && pread(bad, &wrong, 1, at) == 1, "pread: %m");
    CHECK(buffer && right != wrong, "story-bad.lwc is not damaged");
    make_cold(&damage.view);
    CHECK_ERROR(pread(damage.view.fd, buffer, 1, damage.first), EIO);
    write_byte(bad, right, at);
    n = pread(damage.view.fd, buffer, length, damage.first);
    write_byte(bad, wrong, at);
    CHECK(n == (ssize_t)length, "after the repair pread gives %zd", n);
    compare(buffer, damage.view.want + damage.first, length, damage.first, damage.view.what);
}

#define CASES(text, name)                                                                          \
    {"ARENA: " text, arena_##name, 0},                                                             \
    {                                                                                              \
        "FILE: " text, file_##name, 0                                                              \
    }

static const struct test_case cases[] = {
    {"the kernel log names tensor and tile", logged, 0},
    CASES("all pages of the tile give EIO and count", bad_pages_fail),
    CASES("a short read, then EIO", short_reads),
    CASES("all other bytes are right", rest_is_right),
    CASES("a sequential reader stops at the tile", sequential),
    CASES("SIGBUS on a mapping", mapped),
    CASES("EFAULT for a system call that reads a mapping", mapped_copied),
    CASES("failed reads leave no page behind", no_page_is_cached),
    {"a repaired tile reads", repaired, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
