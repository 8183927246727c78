/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads in flight while the ring, the region or the process goes away. */
#include "libregion.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEPTH = 16, LENGTH = 65536, ROUNDS = 25 };

enum end { CLOSE_RING, CLOSE_REGION, CLOSE_BOTH, UNMAP_BUFFERS, KILLED, ENDS };

static struct view region;

static int submit_reads(struct io_uring *ring, int fd, uint8_t *buffers, unsigned int flags,
                        int round)
{
    struct random seed = {round};
    int error = io_uring_queue_init(DEPTH, ring, 0);

    CHECK(!error, "io_uring_queue_init: %s", strerror(-error));
    for (int i = 0; i < DEPTH; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

        io_uring_prep_read(sqe, fd, buffers + i * LENGTH, LENGTH,
                           random_below(&seed, region.size - LENGTH));
        io_uring_sqe_set_flags(sqe, flags);
    }
    return io_uring_submit(ring);
}

static void make_region_cold(void)
{
    posix_fadvise(region.fd, 0, 0, POSIX_FADV_DONTNEED);
}

struct round {
    enum end end;
    unsigned int flags;
    int number;
};

static void child_round(void *argument)
{
    const struct round *round = argument;
    int fd = attach_path(data_path("story.lwc"), LWCMEM_VIEW_ARENA, 0);
    uint8_t *buffers = CHECK_OK(
        mmap(NULL, DEPTH * LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    struct io_uring ring;

    close(region.fd);
    CHECK(submit_reads(&ring, fd, buffers, round->flags, round->number) == DEPTH, "submit");
    if (round->end == CLOSE_REGION || round->end == CLOSE_BOTH)
        close(fd);
    if (round->end == CLOSE_RING || round->end == CLOSE_BOTH)
        io_uring_queue_exit(&ring);
    if (round->end == UNMAP_BUFFERS)
        munmap(buffers, DEPTH * LENGTH);
    if (round->end == KILLED)
        kill(getpid(), SIGKILL);
}

static void run_rounds(enum end end)
{
    int control = open_control();
    struct lwcmem_query base = query(control);

    for (int i = 0; i < ROUNDS; i++) {
        struct round round = {end, i % 2 ? IOSQE_ASYNC : 0, i};
        int status;

        region = open_arena("story");
        munmap((void *)region.want, region.size);
        make_region_cold();
        status = wait_child(start_child(child_round, &round), 120, "a process with a ring");
        if (end == KILLED)
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status 0x%x", status);
        else
            CHECK(!status, "status 0x%x", status);
        close(region.fd);
    }
    CHECK(counts_become(control, base.backings, base.regions, 60),
          "%llu backings and %llu regions stay", query(control).backings - base.backings,
          query(control).regions - base.regions);
}

static void close_ring(void)
{
    run_rounds(CLOSE_RING);
}

static void close_region(void)
{
    run_rounds(CLOSE_REGION);
}

static void close_both(void)
{
    run_rounds(CLOSE_BOTH);
}

static void unmap_buffers(void)
{
    run_rounds(UNMAP_BUFFERS);
}

static void killed(void)
{
    run_rounds(KILLED);
}

/* The region is closed, the reads that hold it still give the right bytes. */
static void reads_complete(void)
{
    struct view view = open_arena("story");
    uint8_t *buffers = malloc(DEPTH * LENGTH);
    struct random seed = {3};
    struct io_uring ring;
    struct io_uring_cqe *cqe;

    CHECK(buffers, "no memory");
    region = view;
    make_cold(&view);
    CHECK(submit_reads(&ring, view.fd, buffers, 0, 3) == DEPTH, "submit");
    close(view.fd);
    for (int i = 0; i < DEPTH; i++) {
        CHECK(!io_uring_wait_cqe(&ring, &cqe), "io_uring_wait_cqe");
        CHECK(cqe->res == LENGTH, "a read gives %d", cqe->res);
        io_uring_cqe_seen(&ring, cqe);
    }
    for (int i = 0; i < DEPTH; i++) {
        uint64_t at = random_below(&seed, view.size - LENGTH);

        compare(buffers + i * LENGTH, view.want + at, LENGTH, at, view.what);
    }
    io_uring_queue_exit(&ring);
}

/* A registered descriptor keeps the region, and the module, until the ring goes. */
static void registered(void)
{
    struct view view = open_arena("tiny");
    uint8_t *buffer = malloc(LENGTH);
    struct io_uring ring;
    struct io_uring_sqe *sqe;
    struct io_uring_cqe *cqe;
    int error;

    CHECK(buffer && !io_uring_queue_init(4, &ring, 0), "io_uring_queue_init");
    CHECK(!io_uring_register_files(&ring, &view.fd, 1), "io_uring_register_files");
    close(view.fd);
    sleep_ms(200);
    error = unload_module();
    CHECK(error == EBUSY || error == EAGAIN, "unloading with a registered region: %s",
          strerror(error));
    sqe = io_uring_get_sqe(&ring);
    io_uring_prep_read(sqe, 0, buffer, LENGTH, 0);
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    CHECK(io_uring_submit(&ring) == 1 && !io_uring_wait_cqe(&ring, &cqe), "read");
    CHECK(cqe->res == LENGTH, "the read gives %d", cqe->res);
    compare(buffer, view.want, LENGTH, 0, view.what);
    io_uring_queue_exit(&ring);
}

static const struct test_case cases[] = {
    {"the ring is closed", close_ring, 100},
    {"the region is closed", close_region, 100},
    {"both are closed", close_both, 100},
    {"the buffers are unmapped", unmap_buffers, 100},
    {"the process is killed", killed, 100},
    {"reads of a closed region complete", reads_complete, 0},
    {"a registered region", registered, 0},
    {"the module unloads after all that", check_unload, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
