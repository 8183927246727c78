/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A backing whose answers wait until the test lets them go: what must not wait for it does not,
 * what must overlap does, without any measuring of time.
 */
#include "libmount.h"
#include "libtables.h"
#include "libthrottle.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 40, READERS = 8, FAR = 16, TILE = 128 * 1024 };

static struct throttle *throttle;
static struct view view;
/* Far apart; each fills its pages alone. */
static struct tile a, b;

static struct view new_region(void)
{
    struct view region = view;

    region.fd = attach_path(throttle_path(), LWCMEM_VIEW_ARENA, 0);
    /* no readahead: only what a reader asks for is asked of the backing */
    CHECK(!posix_fadvise(region.fd, 0, 0, POSIX_FADV_RANDOM), "fadvise");
    return region;
}

static void start(void)
{
    struct tables tables = open_tables(data_path("story.lwc"));

    throttle = throttle_start(data_path("story.lwc"));
    a = lone_tile(&tables, 0);
    b = lone_tile(&tables, FAR);
    view.size = tables.sb->arena_size;
    view.want = map_expected(data_path("story.arena"), view.size);
    snprintf(view.what, sizeof(view.what), "throttled story ARENA");
    view = new_region();
}

/* Read what is before and after the two tiles, so that the tables of them are known. */
static void warm_tables(void)
{
    check_range(&view, a.start - PAGE, PAGE);
    check_range(&view, a.start + a.length, PAGE);
    check_range(&view, b.start - PAGE, PAGE);
    check_range(&view, b.start + b.length, PAGE);
    CHECK(!resident_pages(view.fd, a.start, a.length) &&
              !resident_pages(view.fd, b.start, b.length),
          "reading the neighbours brought the tiles");
}

static uint64_t middle(const struct tile *tile)
{
    return tile->stored_at + tile->stored / 2;
}

/* The inner bytes, which no read of a neighbour's stored bytes touches. */
static int hold_tile(const struct tile *tile)
{
    return throttle_hold(throttle, middle(tile), middle(tile) + 1);
}

static int hold_all(void)
{
    return throttle_hold(throttle, 0, ~0ull);
}

static void read_tile(void *tile)
{
    struct view region = new_region();

    check_range(&region, ((struct tile *)tile)->start, ((struct tile *)tile)->length);
}

static void map_tile(void *argument)
{
    const struct tile *tile = argument;
    struct view region = new_region();
    uint8_t *map = (uint8_t *)map_region(region.fd, region.size, MAP_SHARED);

    CHECK_OK(madvise(map, region.size, MADV_RANDOM));
    compare(map + tile->start, view.want + tile->start, tile->length, tile->start, view.what);
}

static void plain_read(void *argument)
{
    int fd = CHECK_OK(open(throttle_path(), O_RDONLY | O_CLOEXEC));
    char byte;

    (void)argument;
    CHECK(pread(fd, &byte, 1, 5000) == 1, "pread: %m");
}

/* The filesystem itself, without the module. */
static void rig(void)
{
    const uint8_t *want;
    uint8_t bytes[100];
    pid_t child;
    int hold, fd;

    throttle = throttle_start(data_path("tiny.lwc"));
    want = open_tables(data_path("tiny.lwc")).data;
    fd = CHECK_OK(open(throttle_path(), O_RDONLY | O_CLOEXEC));
    CHECK(pread(fd, bytes, 100, 4000) == 100, "pread: %m");
    compare(bytes, want + 4000, 100, 4000, "the throttled file");
    hold = throttle_hold(throttle, 5000, 5001);
    child = start_child(plain_read, NULL);
    throttle_wait(throttle, hold, 1, PATIENCE);
    CHECK(pread(fd, bytes, 100, 4000) == 100, "pread beside the held bytes: %m");
    CHECK(!waitpid(child, NULL, WNOHANG), "the held read ended");
    CHECK(throttle_requests(throttle, 5000) == 1, "%d requests", throttle_requests(throttle, 5000));
    throttle_release(throttle, hold);
    join_child(child, "the held reader");
    throttle_fault(throttle, FAULT_EIO, 0, 10);
    CHECK_ERROR(pread(fd, bytes, 1, 0), EIO);
    throttle_fault(throttle, FAULT_EMPTY, 0, 10);
    CHECK(!pread(fd, bytes, 1, 0), "an empty answer");
    throttle_fault(throttle, FAULT_NONE, 0, 0);
    CHECK(pread(fd, bytes, 100, 0) == 100, "pread: %m");
    compare(bytes, want, 100, 0, "the throttled file");
}

static void check_nowait(const struct tile *tile)
{
    static uint8_t buffer[PAGE];
    struct iovec vector = {buffer, PAGE};

    alarm(60);
    for (int i = 0; i < 3; i++)
        CHECK_ERROR(preadv2(view.fd, &vector, 1, tile->start, RWF_NOWAIT), EAGAIN);
    alarm(0);
}

static void check_warm_nowait(const struct tile *tile)
{
    static uint8_t buffer[PAGE];
    struct iovec vector = {buffer, PAGE};

    check_range(&view, tile->start, tile->length);
    CHECK(preadv2(view.fd, &vector, 1, tile->start, RWF_NOWAIT) == PAGE, "warm RWF_NOWAIT: %m");
    compare(buffer, view.want + tile->start, PAGE, tile->start, view.what);
}

static void nowait(void)
{
    int hold;

    start();
    warm_tables();
    hold = hold_tile(&a);
    check_nowait(&a);
    throttle_release(throttle, hold);
    check_warm_nowait(&a);
}

/* With readahead too, and although the tables of the tile are not known either. */
static void nowait_tables(void)
{
    int hold;

    start();
    CHECK(!posix_fadvise(view.fd, 0, 0, POSIX_FADV_NORMAL), "fadvise");
    hold = hold_all();
    check_nowait(&a);
    throttle_release(throttle, hold);
    check_warm_nowait(&a);
}

static void other_tile(void (*reader)(void *))
{
    pid_t child;
    int hold;

    start();
    warm_tables();
    hold = hold_tile(&a);
    child = start_child(reader, &a);
    throttle_wait(throttle, hold, 1, PATIENCE);
    CHECK(region_info(view.fd).tiles_in_flight, "tiles_in_flight is 0");
    join_child(start_child(reader, &b), "the reader of the other tile");
    CHECK(throttle_waiting(throttle, hold) && !waitpid(child, NULL, WNOHANG),
          "the held reader did not wait");
    throttle_release(throttle, hold);
    join_child(child, "the held reader");
    CHECK(!region_info(view.fd).tiles_in_flight, "tiles_in_flight stays");
}

static void other_tile_read(void)
{
    other_tile(read_tile);
}

static void other_tile_mapped(void)
{
    other_tile(map_tile);
}

static void overlap(void (*reader)(void *))
{
    pid_t first, second;
    int hold_a, hold_b;

    start();
    warm_tables();
    hold_a = hold_tile(&a);
    hold_b = hold_tile(&b);
    first = start_child(reader, &a);
    throttle_wait(throttle, hold_a, 1, PATIENCE);
    second = start_child(reader, &b);
    throttle_wait(throttle, hold_b, 1, PATIENCE);
    CHECK(throttle_waiting(throttle, hold_a) == 1, "the first read did not wait");
    CHECK(region_info(view.fd).tiles_in_flight_max >= 2, "tiles_in_flight_max %llu",
          region_info(view.fd).tiles_in_flight_max);
    /* the later one is answered first */
    throttle_release(throttle, hold_b);
    join_child(second, "the reader of tile b");
    throttle_release(throttle, hold_a);
    join_child(first, "the reader of tile a");
}

static void overlap_read(void)
{
    overlap(read_tile);
}

static void overlap_mapped(void)
{
    overlap(map_tile);
}

static void read_ahead(void *unused)
{
    struct view region = view;

    (void)unused;
    region.fd = attach_path(throttle_path(), LWCMEM_VIEW_ARENA, 0);
    check_pread(&region, a.start, a.start + 16 * a.length, 1 << 20);
}

/* What one reader needs is fetched side by side. */
static void one_reader(void)
{
    pid_t child;
    int hold;

    start();
    warm_tables();
    hold = throttle_hold(throttle, a.stored_at, ~0ull);
    child = start_child(read_ahead, NULL);
    throttle_wait(throttle, hold, 2, PATIENCE);
    throttle_release(throttle, hold);
    join_child(child, "the reader");
}

static void kill_waiting(pid_t child)
{
    int status;

    CHECK_OK(kill(child, SIGKILL));
    status = wait_child(child, PATIENCE, "a killed reader");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status 0x%x", status);
}

static void killed(void (*reader)(void *))
{
    pid_t child;
    int hold;

    start();
    warm_tables();
    hold = hold_tile(&a);
    child = start_child(reader, &a);
    throttle_wait(throttle, hold, 1, PATIENCE);
    kill_waiting(child);
    CHECK(throttle_waiting(throttle, hold) == 1, "the backing's read did not wait");
    throttle_release(throttle, hold);
    check_range(&view, a.start, a.length);
}

static void killed_read(void)
{
    killed(read_tile);
}

static void killed_mapped(void)
{
    killed(map_tile);
}

static void read_this_region(void *tile)
{
    check_range(&view, ((struct tile *)tile)->start, ((struct tile *)tile)->length);
}

static void killed_tables(void)
{
    pid_t child;
    int hold;

    start();
    hold = hold_all();
    child = start_child(read_this_region, &a);
    throttle_wait(throttle, hold, 1, PATIENCE);
    kill_waiting(child);
    throttle_release(throttle, hold);
    check_range(&view, a.start, a.length);
}

/* Asleep in the kernel after it has said that it is about to read. */
struct sleeper {
    pid_t pid;
    int *ready;
};

static bool sleeps(void *argument)
{
    const struct sleeper *sleeper = argument;
    char path[40], text[300] = "", *state;
    FILE *file;

    if (!__atomic_load_n(sleeper->ready, __ATOMIC_SEQ_CST))
        return false;
    snprintf(path, sizeof(path), "/proc/%d/stat", sleeper->pid);
    file = fopen(path, "re");
    if (!file || !fgets(text, sizeof(text), file))
        text[0] = 0;
    if (file)
        fclose(file);
    state = strrchr(text, ')');
    return state && (state[2] == 'D' || state[2] == 'S');
}

static int *readiness;

static void read_held(void *argument)
{
    struct view region = new_region();
    uint8_t *buffer = malloc(a.length);
    int number = *(int *)argument;

    CHECK(buffer, "no memory");
    __atomic_store_n(&readiness[number], 1, __ATOMIC_SEQ_CST);
    /* half of them ask for the end first: it is the same tile */
    CHECK(pread(region.fd, buffer, PAGE, a.start + (number % 2 ? a.length - PAGE : 0)) == PAGE,
          "pread: %m");
    check_range(&region, a.start, a.length);
}

static void eight_readers(void)
{
    pid_t children[READERS];
    uint64_t before;
    int hold, grown;

    start();
    warm_tables();
    readiness =
        CHECK_OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    before = region_info(view.fd).tiles_decoded;
    hold = hold_tile(&a);
    for (int i = 0; i < READERS; i++) {
        struct sleeper sleeper = {.ready = &readiness[i]};

        sleeper.pid = children[i] = start_child(read_held, &i);
        CHECK(wait_until(sleeps, &sleeper, PATIENCE), "reader %d does not wait", i);
    }
    throttle_wait(throttle, hold, 1, PATIENCE);
    throttle_release(throttle, hold);
    for (int i = 0; i < READERS; i++)
        join_child(children[i], "a reader");
    CHECK(throttle_requests(throttle, middle(&a)) == 1, "the stored bytes were read %d times",
          throttle_requests(throttle, middle(&a)));
    grown = region_info(view.fd).tiles_decoded - before;
    CHECK(grown == 1, "tiles_decoded grew by %d", grown);
}

/* EIO for its readers, the right bytes as soon as the backing answers again. */
static void check_recovers(enum throttle_fault fault, uint64_t from, uint64_t to)
{
    uint8_t byte;

    throttle_fault(throttle, fault, from, to);
    for (int i = 0; i < 2; i++) {
        CHECK_ERROR(pread(view.fd, &byte, 1, a.start), EIO);
        CHECK_ERROR(pread(view.fd, &byte, 1, a.start + a.length - 1), EIO);
    }
    throttle_fault(throttle, FAULT_NONE, 0, 0);
    check_range(&view, a.start, a.length);
    check_range(&view, b.start, b.length);
}

static void backing_fails(void)
{
    start();
    warm_tables();
    check_recovers(FAULT_EIO, middle(&a), middle(&a) + 1);
}

static void backing_ends(void)
{
    start();
    warm_tables();
    check_recovers(FAULT_EMPTY, middle(&a), middle(&a) + 1);
}

static void tables_fail(void)
{
    start();
    check_recovers(FAULT_EIO, 0, ~0ull);
}

static void touch_tile(void *argument)
{
    const struct tile *tile = argument;

    *(volatile const uint8_t *)(map_region(view.fd, view.size, MAP_SHARED) + tile->start);
}

static void backing_fails_mapped(void)
{
    int status;

    start();
    warm_tables();
    throttle_fault(throttle, FAULT_EIO, middle(&a), middle(&a) + 1);
    status = wait_child(start_child(touch_tile, &a), PATIENCE, "a reader of a mapping");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "status 0x%x", status);
    throttle_fault(throttle, FAULT_NONE, 0, 0);
    join_child(start_child(map_tile, &a), "a reader of a mapping after the recovery");
}

static void attach_fails(void)
{
    int control = open_control(), container;
    struct lwcmem_query base = query(control);

    start();
    close(view.fd);
    CHECK(counts_become(control, base.backings, base.regions, PATIENCE), "the region stays");
    container = CHECK_OK(open(throttle_path(), O_RDONLY | O_CLOEXEC));
    throttle_fault(throttle, FAULT_EIO, 0, LWC_DATA_START);
    CHECK_ERROR(attach(control, container, LWCMEM_VIEW_ARENA, 0), EIO);
    throttle_fault(throttle, FAULT_NONE, 0, 0);
    view.fd = CHECK_OK(attach(control, container, LWCMEM_VIEW_ARENA, 0));
    check_range(&view, a.start, a.length);
}

/* Not more than the tables and the superblock. */
static void attach_is_lazy(void)
{
    start();
    CHECK(!throttle_requests(throttle, middle(&a)) && !throttle_requests(throttle, middle(&b)),
          "attach read stored bytes of tiles");
    test_comment("attach made %d reads", throttle_all_requests(throttle));
}

static void close_while_held(void *hold)
{
    struct view region = view;

    region.fd = attach_path(throttle_path(), LWCMEM_VIEW_ARENA, 0);
    CHECK(!posix_fadvise(region.fd, (off_t)a.start, (off_t)a.length, POSIX_FADV_WILLNEED),
          "fadvise");
    throttle_wait(throttle, *(int *)hold, 1, PATIENCE);
    CHECK_OK(close(region.fd));
    /* of all filesystems: none may be locked by the closing */
    sync();
    region.fd = attach_path(throttle_path(), LWCMEM_VIEW_ARENA, 0);
    check_range(&region, b.start, b.length);
}

static void closing(void)
{
    int control = open_control(), hold;
    struct lwcmem_query base = query(control);
    pid_t child;

    start();
    close(view.fd);
    hold = hold_tile(&a);
    child = start_child(close_while_held, &hold);
    join_child(child, "who closes");
    CHECK(throttle_waiting(throttle, hold) == 1, "the backing's read did not wait");
    throttle_release(throttle, hold);
    CHECK(counts_become(control, base.backings, base.regions, PATIENCE), "the region stays");
}

static void unmount(void *unused)
{
    (void)unused;
    CHECK_OK(umount("./mnt"));
}

static bool unmounting(void *mount)
{
    struct stat stat;

    CHECK_OK(lstat("./mnt", &stat));
    return stat.st_dev != *(const dev_t *)mount;
}

static void attach_and_read(void *unused)
{
    struct view region = new_region();

    (void)unused;
    check_range(&region, b.start, b.length);
    close(region.fd);
}

/* umount waits for the backing; who attaches the same container does not wait with it. */
static void attach_beside_umount(void)
{
    int control = open_control(), hold, fd;
    struct lwcmem_query base = query(control);
    struct stat mount;
    pid_t unmounter;

    start();
    close(view.fd);
    mount_at(throttle_path(), "./mnt");
    CHECK_OK(lstat("./mnt", &mount));
    fd = CHECK_OK(open("./mnt/model.safetensors", O_RDONLY | O_CLOEXEC));
    hold = hold_tile(&a);
    for (uint64_t at = 0; at < view.size; at += TILE)
        CHECK(!posix_fadvise(fd, (off_t)at, TILE, POSIX_FADV_WILLNEED), "fadvise");
    throttle_wait(throttle, hold, 1, PATIENCE);
    CHECK_OK(close(fd));
    unmounter = start_child(unmount, NULL);
    CHECK(wait_until(unmounting, &mount.st_dev, PATIENCE), "umount does not begin");
    join_child(start_child(attach_and_read, NULL), "who attaches");
    CHECK(throttle_waiting(throttle, hold) == 1, "the backing's read did not wait");
    throttle_release(throttle, hold);
    join_child(unmounter, "umount");
    CHECK(counts_become(control, base.backings, base.regions, PATIENCE), "the mount stays");
}

static long slab_kib(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    long kib = -1;

    CHECK(file, "no /proc/meminfo");
    while (kib < 0 && fgets(line, sizeof(line), file))
        if (sscanf(line, "Slab: %ld", &kib) != 1)
            kib = -1;
    fclose(file);
    return kib;
}

/* 65536 tiles would wait for a backing that does not answer, with some hundred bytes each. */
static void bounded(void)
{
    enum { SIZE = 65536, STEP = 8192, BOUND_KIB = 8192 };
    long before, grown;
    int region, hold;
    char byte;

    throttle = throttle_start(data_path("specks.lwc"));
    region = attach_path(throttle_path(), LWCMEM_VIEW_ARENA, 0);
    hold = throttle_hold(throttle, LWC_DATA_START, LWC_DATA_START + 1);
    before = slab_kib();
    for (int at = 0; at < SIZE; at += STEP)
        CHECK(!posix_fadvise(region, at, STEP, POSIX_FADV_WILLNEED), "fadvise");
    throttle_wait(throttle, hold, 1, PATIENCE);
    grown = slab_kib() - before;
    test_comment("%ld KiB of slab", grown);
    CHECK(grown < BOUND_KIB, "%ld KiB of slab wait", grown);
    throttle_release(throttle, hold);
    CHECK(pread(region, &byte, 1, SIZE - 1) == 1 && byte == 0x5a, "another byte");
}

static const struct test_case cases[] = {
    {"the throttled filesystem", rig, 90},
    {"a cold RWF_NOWAIT read gives EAGAIN", nowait, 90},
    {"a cold RWF_NOWAIT read gives EAGAIN also without tables", nowait_tables, 90},
    {"a reader of another tile goes on", other_tile_read, 100},
    {"a reader of another tile goes on, mapped", other_tile_mapped, 100},
    {"readers of two tiles overlap", overlap_read, 100},
    {"readers of two tiles overlap, mapped", overlap_mapped, 100},
    {"one reader has several tiles in flight", one_reader, 100},
    {"a reader that waits can be killed", killed_read, 100},
    {"a reader that waits can be killed, mapped", killed_mapped, 100},
    {"a reader that waits for the tables can be killed", killed_tables, 100},
    {"eight readers of one tile: read once, decoded once", eight_readers, 100},
    {"the backing fails and recovers", backing_fails, 100},
    {"the backing fails and recovers, mapped", backing_fails_mapped, 100},
    {"the backing ends early and recovers", backing_ends, 100},
    {"the backing of the tables fails and recovers", tables_fail, 100},
    {"closing waits for nothing", closing, 100},
    {"attach beside an umount that waits", attach_beside_umount, 100},
    {"what waits for a slow backing is bounded", bounded, 100},
    {"attach fails with the backing", attach_fails, 100},
    {"attach reads no tile", attach_is_lazy, 90},
};

int main(void)
{
    return RUN_CASES(cases);
}
