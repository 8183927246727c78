/* SPDX-License-Identifier: BSD-3-Clause */
/* io_uring on a backing that answers when the test says so: submitting never waits for it. */
#include "libtables.h"
#include "libthrottle.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 40, TILES = 3, SPACE = LWC_TILE_MAX };

static struct throttle *throttle;
static struct view view;
static struct tile tiles[TILES];
static struct io_uring ring;
static uint8_t *buffers;

static void open_ring(void)
{
    struct iovec vector;

    buffers = CHECK_OK(
        mmap(NULL, TILES * SPACE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(!io_uring_queue_init(8, &ring, 0), "io_uring_queue_init");
    vector = (struct iovec){buffers, TILES * SPACE};
    CHECK(!io_uring_register_buffers(&ring, &vector, 1), "io_uring_register_buffers");
}

static void start(void)
{
    struct tables tables = open_tables(data_path("story.lwc"));

    throttle = throttle_start(data_path("story.lwc"));
    for (int i = 0; i < TILES; i++)
        tiles[i] = lone_tile(&tables, i * 8);
    view.size = tables.sb->arena_size;
    view.want = map_expected(data_path("story.arena"), view.size);
    snprintf(view.what, sizeof(view.what), "throttled story ARENA");
    view.fd = attach_path(throttle_path(), LWCMEM_VIEW_ARENA, 0);
    CHECK(!posix_fadvise(view.fd, 0, 0, POSIX_FADV_RANDOM), "fadvise");
    open_ring();
}

static void prepare(int i, bool fixed)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    uint8_t *buffer = buffers + i * SPACE;

    if (fixed)
        io_uring_prep_read_fixed(sqe, view.fd, buffer, tiles[i].length, tiles[i].start, 0);
    else
        io_uring_prep_read(sqe, view.fd, buffer, tiles[i].length, tiles[i].start);
    io_uring_sqe_set_data64(sqe, i);
}

static void submit(void)
{
    /* if it waited for the backing, nothing would ever end it but this */
    alarm(60);
    CHECK(io_uring_submit(&ring) == TILES, "io_uring_submit");
    alarm(0);
}

static void submit_all(bool fixed)
{
    for (int i = 0; i < TILES; i++)
        prepare(i, fixed);
    submit();
}

static struct io_uring_cqe *next_completion(void)
{
    struct __kernel_timespec time = {.tv_sec = PATIENCE};
    struct io_uring_cqe *cqe;
    int error = io_uring_wait_cqe_timeout(&ring, &cqe, &time);

    CHECK(!error, "no completion: %s", strerror(-error));
    return cqe;
}

static void check_completion(void)
{
    struct io_uring_cqe *cqe = next_completion();
    int i = io_uring_cqe_get_data64(cqe);

    CHECK(cqe->res == (int)tiles[i].length, "tile %d gives %d", i, cqe->res);
    compare(buffers + i * SPACE, view.want + tiles[i].start, cqe->res, tiles[i].start, view.what);
    io_uring_cqe_seen(&ring, cqe);
}

static void check_none_complete(void)
{
    struct io_uring_cqe *cqe;

    CHECK(io_uring_peek_cqe(&ring, &cqe), "a held read gives %d", cqe->res);
}

static uint64_t middle(const struct tile *tile)
{
    return tile->stored_at + tile->stored / 2;
}

static void submit_returns(bool fixed)
{
    int hold;

    start();
    hold = throttle_hold(throttle, 0, ~0ull);
    submit_all(fixed);
    throttle_wait(throttle, hold, 1, PATIENCE);
    check_none_complete();
    throttle_release(throttle, hold);
    for (int i = 0; i < TILES; i++)
        check_completion();
}

static void submit_read(void)
{
    submit_returns(false);
}

static void submit_fixed(void)
{
    submit_returns(true);
}

static void warm_tables(void)
{
    for (int i = 0; i < TILES; i++) {
        check_range(&view, tiles[i].start - PAGE, PAGE);
        check_range(&view, tiles[i].start + tiles[i].length, PAGE);
    }
}

/* All reads of one ring are with the backing before any is answered; each completes by itself. */
static void in_flight(void)
{
    int holds[TILES];

    start();
    warm_tables();
    for (int i = 0; i < TILES; i++)
        holds[i] = throttle_hold(throttle, middle(&tiles[i]), middle(&tiles[i]) + 1);
    submit_all(false);
    for (int i = 0; i < TILES; i++)
        throttle_wait(throttle, holds[i], 1, PATIENCE);
    check_none_complete();
    for (int i = TILES - 1; i >= 0; i--) {
        struct io_uring_cqe *cqe;

        throttle_release(throttle, holds[i]);
        cqe = next_completion();
        CHECK((int)io_uring_cqe_get_data64(cqe) == i, "another read completes");
        check_completion();
    }
}

static void backing_fails(void)
{
    struct io_uring_cqe *cqe;

    start();
    warm_tables();
    throttle_fault(throttle, FAULT_EIO, middle(&tiles[0]), middle(&tiles[0]) + 1);
    submit_all(false);
    for (int i = 0; i < TILES; i++) {
        cqe = next_completion();
        if (io_uring_cqe_get_data64(cqe)) {
            check_completion();
            continue;
        }
        CHECK(cqe->res == -EIO, "the failing read gives %d", cqe->res);
        io_uring_cqe_seen(&ring, cqe);
    }
    throttle_fault(throttle, FAULT_NONE, 0, 0);
    submit_all(true);
    for (int i = 0; i < TILES; i++)
        check_completion();
}

static void submit_and_end(void *argument)
{
    (void)argument;
    /* a ring of its own: one from before the fork would live on in the other process */
    CHECK(!io_uring_queue_init(8, &ring, 0), "io_uring_queue_init");
    submit_all(false);
    kill(getpid(), SIGKILL);
}

/* The process ends although its reads wait for the backing, and nothing is lost by that. */
static void killed(void)
{
    int hold, status;

    start();
    warm_tables();
    hold = throttle_hold(throttle, middle(&tiles[0]), middle(&tiles[0]) + 1);
    status = wait_child(start_child(submit_and_end, NULL), PATIENCE, "the killed process");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status 0x%x", status);
    throttle_release(throttle, hold);
    check_range(&view, tiles[0].start, tiles[0].length);
}

/* --- who goes first, while the backing does not answer --- */

enum action { EXIT_RING, UNREGISTER, CLOSE_REGION, UNMAP, ACTIONS };

static volatile int *told; /* to end */

struct ending {
    enum action order[ACTIONS];
    bool direct, fixed, async;
};

/* Unregistering waits for the reads that use the buffers. */
static void act(enum action action, bool *ring_open)
{
    switch (action) {
    case EXIT_RING:
        io_uring_queue_exit(&ring);
        *ring_open = false;
        break;
    case UNREGISTER:
        if (*ring_open)
            CHECK(!io_uring_unregister_buffers(&ring), "io_uring_unregister_buffers");
        break;
    case CLOSE_REGION:
        close(view.fd);
        break;
    default:
        munmap(buffers, TILES * SPACE);
    }
}

static void end_in_order(void *argument)
{
    const struct ending *ending = argument;
    bool ring_open = true;

    view.fd = attach_path(throttle_path(), LWCMEM_VIEW_ARENA, 0);
    CHECK(!posix_fadvise(view.fd, 0, 0, POSIX_FADV_RANDOM), "fadvise");
    if (ending->direct)
        set_direct(view.fd);
    open_ring();
    for (int i = 0; i < TILES; i++) {
        prepare(i, ending->fixed);
        if (ending->async)
            ring.sq.sqes[i].flags |= IOSQE_ASYNC;
    }
    submit();
    /* a read that has not begun is cancelled, and the backing never hears of it */
    while (!*told)
        sleep_ms(1);
    for (int i = 0; i < ACTIONS; i++)
        act(ending->order[i], &ring_open);
}

static void choose(struct ending *ending, struct random *seed)
{
    for (int i = 0; i < ACTIONS; i++)
        ending->order[i] = i;
    for (int i = ACTIONS - 1; i > 0; i--) {
        int other = random_below(seed, i + 1);
        enum action action = ending->order[i];

        ending->order[i] = ending->order[other];
        ending->order[other] = action;
    }
    ending->direct = random_below(seed, 2);
    ending->fixed = random_below(seed, 2);
    ending->async = random_below(seed, 2);
}

/* Killed, it ends while the backing is held; else when that answers. */
static void one_ending(const struct ending *ending, bool killed, struct random *seed)
{
    int hold = throttle_hold(throttle, middle(&tiles[0]), middle(&tiles[0]) + 1), status;
    char what[100];
    pid_t child;

    snprintf(what, sizeof(what), "order %d%d%d%d, direct %d, fixed %d, async %d, killed %d",
             ending->order[0], ending->order[1], ending->order[2], ending->order[3], ending->direct,
             ending->fixed, ending->async, killed);
    *told = 0;
    child = start_child(end_in_order, (void *)ending);
    throttle_wait(throttle, hold, 1, PATIENCE);
    *told = 1;
    usleep(random_below(seed, 30000));
    if (killed)
        kill(child, SIGKILL);
    else
        throttle_release(throttle, hold);
    status = wait_child(child, PATIENCE, what);
    CHECK(!status || (killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL),
          "%s: status 0x%x", what, status);
    if (killed)
        throttle_release(throttle, hold);
}

static void any_order(void)
{
    int control = open_control(), rounds = in_debug(24, 400);
    struct random seed = {3};
    uint64_t files;

    start();
    close(view.fd);
    io_uring_queue_exit(&ring);
    munmap(buffers, TILES * SPACE);
    CHECK(counts_become(control, 0, 0, PATIENCE), "regions stay from before");
    files = open_files();
    told = CHECK_OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    for (int i = 0; i < rounds; i++) {
        struct ending ending;

        choose(&ending, &seed);
        one_ending(&ending, i % 2, &seed);
        /* the next one must find nothing decoded */
        CHECK(counts_become(control, 0, 0, PATIENCE), "round %d: %llu backings, %llu regions stay",
              i, query(control).backings, query(control).regions);
    }
    check_open_files(files, rounds / 2);
    view.fd = attach_path(throttle_path(), LWCMEM_VIEW_ARENA, 0);
    check_range(&view, tiles[0].start, tiles[0].length);
    test_comment("%d processes, half of them killed", rounds);
}

static const struct test_case cases[] = {
    {"READ: submitting does not wait", submit_read, 100},
    {"READ_FIXED: submitting does not wait", submit_fixed, 100},
    {"reads of one ring overlap and complete one by one", in_flight, 100},
    {"the backing fails for one of them", backing_fails, 100},
    {"a process ends with reads in flight", killed, 100},
    {"ring, buffers, region, process: any goes first while the backing is held", any_order, 200},
    {"the module unloads after all that", check_unload, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
