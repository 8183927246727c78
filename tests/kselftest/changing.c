/* SPDX-License-Identifier: BSD-3-Clause */
/* A container that shrinks and grows while it is attached: right bytes, or EIO, or SIGBUS. */
#include "libregion.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 20, READERS = 3 };

static struct view view;
static uint8_t *bytes;
static uint64_t size;
static int container;

static void start(void)
{
    struct stat stat;
    int good = CHECK_OK(open(data_path("odd.lwc"), O_RDONLY | O_CLOEXEC));

    CHECK_OK(fstat(good, &stat));
    size = stat.st_size;
    bytes = CHECK_OK(mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, good, 0));
    container = CHECK_OK(open("changing.lwc", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    CHECK(write(container, bytes, size) == (ssize_t)size, "write: %m");
    view = open_arena("odd");
    close(view.fd);
    view.fd = attach_path("./changing.lwc", LWCMEM_VIEW_ARENA, 0);
}

static void restore(void)
{
    CHECK(pwrite(container, bytes, size, 0) == (ssize_t)size, "pwrite: %m");
    CHECK_OK(ftruncate(container, size));
}

/* Pages that failed. */
static int read_pages(void)
{
    uint8_t page[PAGE];
    int failed = 0;

    for (uint64_t at = 0; at < view.size; at += PAGE) {
        ssize_t n = pread(view.fd, page, PAGE, at);

        CHECK(n > 0 || (n < 0 && errno == EIO), "pread at 0x%llx gives %zd: %m",
              (unsigned long long)at, n);
        if (n > 0)
            compare(page, view.want + at, n, at, view.what);
        else
            failed++;
    }
    return failed;
}

/* Pages failed while it was changed, and all read again now that it is as it was. */
static void check_survived(int failed)
{
    CHECK(failed, "no page failed");
    test_comment("%d pages failed in %d rounds", failed, ROUNDS);
    make_cold(&view);
    check_read(&view, 1 << 20);
}

static void truncated(void)
{
    struct random seed = {7};
    int failed = 0;

    start();
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t length = random_below(&seed, size);

        /* without its tables, and with them: then it is tiles that cannot be read */
        if (i % 2)
            CHECK(!read_pages(), "pages fail in round %d", i);
        else
            drop_all_caches();
        posix_fadvise(view.fd, 0, 0, POSIX_FADV_DONTNEED);
        CHECK_OK(ftruncate(container, length));
        failed += read_pages();
        restore();
    }
    check_survived(failed);
}

static void grown(void)
{
    static const char more[PAGE] = "more";

    start();
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(pwrite(container, more, sizeof(more), size + i * 3 * PAGE) == (ssize_t)sizeof(more),
              "pwrite: %m");
        posix_fadvise(view.fd, 0, 0, POSIX_FADV_DONTNEED);
        CHECK(!read_pages(), "pages failed");
    }
}

static volatile int *stop;

static void reader(void *argument)
{
    (void)argument;
    while (!*stop) {
        posix_fadvise(view.fd, 0, 0, POSIX_FADV_DONTNEED);
        read_pages();
    }
}

/* Touches all pages; SIGBUS is an answer. */
static void toucher(void *argument)
{
    const uint8_t *map = map_region(view.fd, view.size, MAP_SHARED);

    (void)argument;
    compare(map, view.want, view.size, 0, view.what);
}

static bool more_failed(void *before)
{
    return region_info(view.fd).tiles_failed > *(uint64_t *)before;
}

/* Cut until somebody has noticed, or could have. */
static void cut_and_restore(struct random *seed)
{
    uint64_t failed = region_info(view.fd).tiles_failed;

    CHECK_OK(ftruncate(container, random_below(seed, size)));
    wait_until(more_failed, &failed, 1);
    sleep_ms(random_below(seed, 20));
    restore();
    sleep_ms(random_below(seed, 20));
}

static void racing(void)
{
    struct random seed = {9};
    pid_t readers[READERS];
    int buses = 0;

    start();
    stop = CHECK_OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    /* from now on the tables are there */
    CHECK(!read_pages(), "pages fail");
    for (int i = 0; i < READERS; i++)
        readers[i] = start_child(reader, NULL);
    for (int i = 0; i < ROUNDS / 2; i++) {
        pid_t mapped = start_child(toucher, NULL);
        int status;

        cut_and_restore(&seed);
        status = wait_child(mapped, 100, "a process that reads a mapping");
        CHECK(!status || (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS), "status 0x%x",
              status);
        buses += !!status;
    }
    *stop = 1;
    for (int i = 0; i < READERS; i++)
        join_child(readers[i], "a reader");
    CHECK(region_info(view.fd).tiles_failed, "no tile failed");
    test_comment("%d rounds, %d SIGBUS, %llu tiles failed", ROUNDS / 2, buses,
                 region_info(view.fd).tiles_failed);
    make_cold(&view);
    check_read(&view, 1 << 20);
    check_mapped(&view);
}

/* In place, with other bytes: what the crcs let through must be what was attached. */
static void scribbled(void)
{
    struct random seed = {13};
    int failed = 0;

    start();
    for (int i = 0; i < ROUNDS; i++) {
        for (int j = 0; j < 32; j++) {
            uint64_t value = random_next(&seed), at = LWC_DATA_START;

            at += random_below(&seed, size - LWC_DATA_START - sizeof(value));
            CHECK(pwrite(container, &value, sizeof(value), at) > 0, "pwrite: %m");
        }
        posix_fadvise(view.fd, 0, 0, POSIX_FADV_DONTNEED);
        failed += read_pages();
        restore();
    }
    check_survived(failed);
}

static const struct test_case cases[] = {
    {"truncated", truncated, 100},
    {"grown", grown, 100},
    {"scribbled over", scribbled, 100},
    {"truncated and restored under readers", racing, 100},
};

int main(void)
{
    return RUN_CASES(cases);
}
