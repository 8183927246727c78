/* SPDX-License-Identifier: BSD-3-Clause */
/* io_uring READ and READ_FIXED, 32 at a time, at random places of a cold region. */
#include "libregion.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { DEPTH = 32, LONGEST = 65536, READS = 400 };

struct reads {
    const struct view *view;
    struct io_uring ring;
    uint8_t *buffers;
    bool fixed;
    unsigned int flags;
    struct random seed;
    struct {
        uint64_t offset, length;
    } slots[DEPTH];
};

static void submit(struct reads *reads, unsigned int slot)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&reads->ring);
    uint8_t *buffer = reads->buffers + slot * LONGEST;
    uint64_t offset = random_below(&reads->seed, reads->view->size);
    unsigned int length = 1 + random_below(&reads->seed, LONGEST);

    CHECK(sqe, "no sqe");
    if (reads->fixed)
        io_uring_prep_read_fixed(sqe, reads->view->fd, buffer, length, offset, 0);
    else
        io_uring_prep_read(sqe, reads->view->fd, buffer, length, offset);
    io_uring_sqe_set_flags(sqe, reads->flags);
    io_uring_sqe_set_data64(sqe, slot);
    reads->slots[slot].offset = offset;
    reads->slots[slot].length = length;
}

/*
 * The kernel may complete a read short where it would have to block once more; what came must be
 * right, and something must have come.
 */
static void complete(struct reads *reads, const struct io_uring_cqe *cqe)
{
    unsigned int slot = io_uring_cqe_get_data64(cqe);
    uint64_t offset = reads->slots[slot].offset, length = reads->slots[slot].length;
    uint64_t left = reads->view->size - offset;

    CHECK(cqe->res > 0 && (uint64_t)cqe->res <= (left < length ? left : length),
          "%s: read of %llu at 0x%llx gives %d", reads->view->what, (unsigned long long)length,
          (unsigned long long)offset, cqe->res);
    compare(reads->buffers + slot * LONGEST, reads->view->want + offset, cqe->res, offset,
            reads->view->what);
}

static int pass(struct reads *reads)
{
    int submitted = 0, completed = 0, whole = 0;
    struct io_uring_cqe *cqe;

    for (; submitted < DEPTH; submitted++)
        submit(reads, submitted);
    while (completed < READS) {
        unsigned int slot;

        CHECK(io_uring_submit_and_wait(&reads->ring, 1) >= 0, "io_uring_submit_and_wait");
        while (completed < READS && !io_uring_peek_cqe(&reads->ring, &cqe)) {
            complete(reads, cqe);
            slot = io_uring_cqe_get_data64(cqe);
            whole += (uint64_t)cqe->res == reads->slots[slot].length;
            io_uring_cqe_seen(&reads->ring, cqe);
            completed++;
            if (submitted < READS) {
                submit(reads, slot);
                submitted++;
            }
        }
    }
    return whole;
}

static void run_on(const struct view *view, bool fixed, unsigned int flags, int map_flags)
{
    struct reads reads = {.view = view, .fixed = fixed, .flags = flags, .seed = {5}};
    size_t size = DEPTH * LONGEST;
    struct iovec buffer;
    int error, whole;

    if (!view->size)
        return;
    reads.buffers =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | map_flags, -1, 0);
    if (reads.buffers == MAP_FAILED && map_flags)
        test_skip("no huge pages: %s", strerror(errno));
    CHECK(reads.buffers != MAP_FAILED, "mmap: %m");
    error = io_uring_queue_init(DEPTH, &reads.ring, 0);
    CHECK(!error, "io_uring_queue_init: %s", strerror(-error));
    buffer = (struct iovec){reads.buffers, size};
    error = fixed ? io_uring_register_buffers(&reads.ring, &buffer, 1) : 0;
    CHECK(!error, "io_uring_register_buffers: %s", strerror(-error));
    make_cold(view);
    whole = pass(&reads);
    test_comment("%s: %d reads, %d of full length", view->what, READS, whole);
    /* now that all of it is in the page cache, or soon will be */
    pass(&reads);
    io_uring_queue_exit(&reads.ring);
    munmap(reads.buffers, size);
}

static void run(bool fixed, unsigned int flags, int map_flags)
{
    static const char *const models[] = {"odd", "story"};

    for (int i = 0; i < 2; i++) {
        struct view arena = open_arena(models[i]);
        struct file_entry file = largest_file(models[i]);
        struct view of_file = open_file_view(models[i], &file);

        run_on(&arena, fixed, flags, map_flags);
        run_on(&of_file, fixed, flags, map_flags);
    }
}

static void read_plain(void)
{
    run(false, 0, 0);
}

static void read_async(void)
{
    run(false, IOSQE_ASYNC, 0);
}

static void read_fixed(void)
{
    run(true, 0, 0);
}

static void read_fixed_async(void)
{
    run(true, IOSQE_ASYNC, 0);
}

static void read_fixed_huge(void)
{
    run(true, 0, MAP_HUGETLB);
}

static const struct test_case cases[] = {
    {"READ", read_plain, 100},
    {"READ with IOSQE_ASYNC", read_async, 100},
    {"READ_FIXED", read_fixed, 100},
    {"READ_FIXED with IOSQE_ASYNC", read_fixed_async, 100},
    {"READ_FIXED into huge pages", read_fixed_huge, 100},
};

int main(void)
{
    return RUN_CASES(cases);
}
