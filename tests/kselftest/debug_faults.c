/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Allocations and reads of the disk fail now and then, in the process that asks and in the kernel's
 * workers that serve it: each call works, or fails with ENOMEM or EIO; what it gives is right; and
 * all is well again afterwards. How many failed is counted, because none proves nothing.
 */
#include "libregion.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEBUGFS "/sys/kernel/debug/"
#define LENGTH (256 * 1024ull)
/* So many faults in one round at most: a page fault that finds no memory is tried for ever. */
enum { ROUNDS = 120, TIMES = 40, DEPTH = 8 };

static const char *knob; /* directory in DEBUGFS */
static struct view view;
static const char *container;
static uint64_t hits;
static volatile struct {
    int worked, failed;
} * outcomes;

static void set(const char *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void set(const char *file, const char *format, ...)
{
    char path[200], text[40];
    va_list arguments;

    snprintf(path, sizeof(path), DEBUGFS "%s/%s", knob, file);
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    CHECK(write_text(path, text), "%s: %m", path);
}

static void arm(int probability)
{
    set("times", "%d", TIMES);
    set("probability", "%d", probability);
}

/* The kernel counts down how many may still fail. */
static void disarm(void)
{
    char path[200];
    uint64_t left;

    set("probability", "0");
    snprintf(path, sizeof(path), DEBUGFS "%s/times", knob);
    CHECK(read_number(path, NULL, &left) && left <= TIMES, "%s", path);
    hits += TIMES - left;
}

/* No run may leave it on for the next test. */
static void disarm_at_end(void)
{
    char path[200];

    snprintf(path, sizeof(path), DEBUGFS "%s/probability", knob);
    write_text(path, "0");
}

/* While things fail, opening a file may fail, too: it is open before. */
static void fail_me(bool yes)
{
    static int fd = -1;

    if (fd < 0)
        fd = CHECK_OK(open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC));
    CHECK(pwrite(fd, yes ? "1" : "0", 1, 0) == 1, "make-it-fail: %m");
}

/* All workers that no CPU owns: any may decode. */
static void fail_workers(bool yes)
{
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    char path[300], name[32];

    while (processes && (entry = readdir(processes))) {
        int fd;
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' ||
            (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
            continue;
        n = read(fd, name, sizeof(name) - 1);
        close(fd);
        if (n <= 0 || strncmp(name, "kworker/u", 9))
            continue;
        snprintf(path, sizeof(path), "/proc/%s/make-it-fail", entry->d_name);
        write_text(path, yes ? "1" : "0");
    }
    if (processes)
        closedir(processes);
}

static void start(const char *directory, const char *path)
{
    char file[200];

    knob = directory;
    snprintf(file, sizeof(file), DEBUGFS "%s/probability", knob);
    CHECK(!access(file, W_OK), "%s: %m: a debug kernel must have it", file);
    test_at_end(disarm_at_end);
    set("probability", "0");
    set("interval", "1");
    set("space", "0");
    set("verbose", "0");
    container = path;
    outcomes =
        CHECK_OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    view = open_arena("story");
    close(view.fd);
    for (uint64_t at = 0; at < view.size; at += PAGE)
        *(volatile const uint8_t *)(view.want + at);
}

static void start_allocations(const char *directory)
{
    start(directory, data_path("story.lwc"));
    set("ignore-gfp-wait", "N");
    set("task-filter", "Y");
}

static void failing(int error, const char *what)
{
    CHECK(error == ENOMEM || error == EIO, "%s: %s", what, strerror(error));
    outcomes->failed++;
}

/* --- what is done while things fail; in a process of its own --- */

static void op_attach(int round)
{
    int control = open_control(), fd = CHECK_OK(open(container, O_RDONLY | O_CLOEXEC)), region;
    int error;

    (void)round;
    for (int i = 0; i < 3; i++) {
        fail_me(true);
        region = attach(control, fd, LWCMEM_VIEW_ARENA, 0);
        error = errno;
        fail_me(false);
        if (region < 0) {
            failing(error, "ATTACH");
            continue;
        }
        outcomes->worked++;
        close(region);
    }
}

static void op_read(int round)
{
    static uint8_t buffer[LENGTH];
    struct random seed = {round};
    uint64_t at = random_below(&seed, view.size - LENGTH);
    int error;
    ssize_t n;

    memset(buffer, 1, sizeof(buffer));
    fail_me(true);
    n = pread(view.fd, buffer, LENGTH, at);
    error = errno;
    fail_me(false);
    if (n < 0) {
        failing(error, "pread");
        return;
    }
    CHECK(n > 0, "pread gives 0");
    compare(buffer, view.want + at, n, at, view.what);
    outcomes->worked++;
}

/* SIGBUS is how a fault fails. */
static void op_fault(int round)
{
    struct random seed = {round};
    uint64_t at = random_below(&seed, view.size - LENGTH) / PAGE * PAGE;
    const uint8_t *map = map_region(view.fd, view.size, MAP_SHARED);

    fail_me(true);
    for (uint64_t i = 0; i < LENGTH; i += PAGE)
        if (map[at + i] != view.want[at + i])
            test_fail("another byte at 0x%llx", (unsigned long long)(at + i));
    fail_me(false);
    outcomes->worked++;
}

static void op_uring(int round)
{
    static uint8_t buffers[DEPTH][LENGTH / DEPTH];
    struct random seed = {round};
    struct io_uring ring;
    struct io_uring_cqe *cqe;
    uint64_t at[DEPTH];
    int submitted, error = io_uring_queue_init(DEPTH, &ring, 0);

    CHECK(!error, "io_uring_queue_init: %s", strerror(-error));
    memset(buffers, 1, sizeof(buffers));
    for (int i = 0; i < DEPTH; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

        at[i] = random_below(&seed, view.size - LENGTH);
        io_uring_prep_read(sqe, view.fd, buffers[i], sizeof(buffers[i]), at[i]);
        io_uring_sqe_set_flags(sqe, i % 2 ? IOSQE_ASYNC : 0);
        io_uring_sqe_set_data64(sqe, i);
    }
    fail_me(true);
    submitted = io_uring_submit(&ring);
    fail_me(false);
    if (submitted < 0) {
        CHECK(submitted == -ENOMEM || submitted == -EAGAIN, "submit: %s", strerror(-submitted));
        outcomes->failed++;
        submitted = 0;
    }
    for (int i = 0; i < submitted; i++) {
        uint64_t which;

        CHECK(!io_uring_wait_cqe(&ring, &cqe), "io_uring_wait_cqe");
        which = io_uring_cqe_get_data64(cqe);
        if (cqe->res == -ECANCELED) {
            /* the ring found no memory for a worker */
            outcomes->failed++;
        } else if (cqe->res < 0) {
            failing(-cqe->res, "a read of the ring");
        } else {
            CHECK(cqe->res, "a read of the ring gives 0");
            compare(buffers[which], view.want + at[which], cqe->res, at[which], view.what);
            outcomes->worked++;
        }
        io_uring_cqe_seen(&ring, cqe);
    }
    io_uring_queue_exit(&ring);
}

/* The stored bytes, so that they are read from the disk. */
static void forget_stored(void)
{
    int fd = CHECK_OK(open(container, O_RDONLY | O_CLOEXEC));

    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

struct round {
    void (*op)(int);
    int number;
};

static void in_child(void *argument)
{
    const struct round *round = argument;

    /* the child's end must not turn it off for the others' */
    test_at_end(NULL);
    round->op(round->number);
}

/* Rare faults get far, frequent ones hit all of the ways back. */
static void rounds(void (*op)(int), bool workers)
{
    static const int probabilities[] = {1, 3, 10, 30, 100};

    for (int i = 0; i < ROUNDS; i++) {
        struct round round = {op, i};
        pid_t child;
        int status;

        /* a new region now and then: the tables are read again, too */
        if (i % 8 == 0) {
            if (i)
                close(view.fd);
            view.fd = attach_path(container, LWCMEM_VIEW_ARENA, 0);
        }
        posix_fadvise(view.fd, 0, 0, POSIX_FADV_DONTNEED);
        forget_stored();
        if (i % 4 == 0)
            drop_all_caches();
        if (workers)
            fail_workers(true);
        arm(probabilities[i % 5]);
        child = start_child(in_child, &round);
        status = wait_child(child, 60, "a process with faults");
        disarm();
        if (workers)
            fail_workers(false);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS && op == op_fault)
            outcomes->failed++;
        else
            CHECK(!status, "round %d: status 0x%x", i, status);
    }
    test_comment("%s: %llu hits; %d calls worked, %d failed", knob, (unsigned long long)hits,
                 outcomes->worked, outcomes->failed);
    CHECK(hits, "%s never hit", knob);
    CHECK(outcomes->worked, "nothing worked");
    make_cold(&view);
    check_read(&view, 1 << 20);
}

#define ALLOCATIONS(name)                                                                          \
    static void slab_##name(void)                                                                  \
    {                                                                                              \
        start_allocations("failslab");                                                             \
        rounds(op_##name, false);                                                                  \
    }                                                                                              \
    static void pages_##name(void)                                                                 \
    {                                                                                              \
        start_allocations("fail_page_alloc");                                                      \
        set("min-order", "0");                                                                     \
        set("ignore-gfp-highmem", "N");                                                            \
        rounds(op_##name, false);                                                                  \
    }                                                                                              \
    static void slab_workers_##name(void)                                                          \
    {                                                                                              \
        start_allocations("failslab");                                                             \
        rounds(op_##name, true);                                                                   \
    }                                                                                              \
    static void pages_workers_##name(void)                                                         \
    {                                                                                              \
        start_allocations("fail_page_alloc");                                                      \
        set("min-order", "0");                                                                     \
        set("ignore-gfp-highmem", "N");                                                            \
        rounds(op_##name, true);                                                                   \
    }                                                                                              \
    static void requests_##name(void)                                                              \
    {                                                                                              \
        start_requests();                                                                          \
        rounds(op_##name, false);                                                                  \
    }

#define MOUNT "/run/reads"

/* Requests fail in whoever sends them: by device, which here holds nothing but the container. */
static void start_requests(void)
{
    char command[300];

    umount2(MOUNT, MNT_DETACH);
    mkdir(MOUNT, 0700);
    snprintf(command, sizeof(command),
             "losetup -d /dev/loop0 2> /dev/null; losetup -r /dev/loop0 %s && "
             "mount -t ext4 -o ro /dev/loop0 " MOUNT,
             data_path("reads.img"));
    CHECK(!system(command), "%s", command);
    start("fail_make_request", MOUNT "/story.lwc");
    set("task-filter", "N");
    CHECK(write_text("/sys/block/loop0/make-it-fail", "1"), "make-it-fail of loop0: %m");
}

ALLOCATIONS(attach)
ALLOCATIONS(read)
ALLOCATIONS(fault)
ALLOCATIONS(uring)

#define CASES(text, name)                                                                          \
    {"failslab: " text, slab_##name, 100}, {"fail_page_alloc: " text, pages_##name, 100},          \
        {"failslab, workers too: " text, slab_workers_##name, 100},                                \
        {"fail_page_alloc, workers too: " text, pages_workers_##name, 100},                        \
    {                                                                                              \
        "fail_make_request: " text, requests_##name, 100                                           \
    }

static const struct test_case cases[] = {
    CASES("ATTACH", attach),
    CASES("pread", read),
    CASES("page faults", fault),
    CASES("io_uring", uring),
};

int main(void)
{
    return RUN_CASES(cases);
}
