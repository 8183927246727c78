/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kmod backend: one thread reads the region into the ring. It owns
 * an io_uring, so that many tiles are decoded in the kernel at once and no
 * thread that multiplies waits there. The ring is registered buffers if the
 * limit of locked memory allows; without io_uring the thread uses pread. What can
 * be is read past the region's page cache: tiles are decoded right into the ring,
 * and each is wanted once in a pass.
 */
#include "ring.h"

#include <errno.h>
#include <inttypes.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DEPTH 64u /* reads in flight */
#define READ_BYTES (1u << 20)
#define PAGE 4096u
_Static_assert(READ_BYTES >= LWC_TILE_MAX, "a read is never longer than READ_BYTES");
/*
 * A registered buffer has at most 1 GiB. They overlap by the longest read, so
 * that each read lies in one of them.
 */
#define BUFFER_BYTES ((uint64_t)1 << 30)
#define BUFFER_STRIDE (BUFFER_BYTES - READ_BYTES)
#define BUFFERS_MAX 16384u /* of the kernel */

/* A task on its way. */
struct read {
    struct task task;
    uint64_t done;
    bool may_block;
    bool direct; /* the request on its way */
};

struct stream {
    struct fill_target target;
    pthread_t thread;
    bool started;
    bool has_uring;
    bool fixed; /* the ring is registered buffers */
    struct io_uring uring;
    struct read reads[DEPTH];
    struct read *idle[DEPTH];
    unsigned int idle_count;
};

/* The next bytes of a read that has not got all yet. */
static uint32_t next_size(const struct stream *stream, const struct read *read)
{
    uint64_t left = read->task.size - read->done;
    uint32_t limit = stream->target.model->read_limit;

    return limit && limit < left ? limit : (uint32_t)left;
}

/* How the next bytes are asked for. */
struct request {
    int fd;
    uint32_t size; /* may go beyond the task, to the end of a page */
};

static uint64_t next_offset(const struct read *read)
{
    const struct lwc_object *object = read->task.object;

    return object->arena_offset + read->task.tile * object->tile_bytes + read->done;
}

/* Does the task end where its tensor does? Then nobody's bytes are behind it in the page. */
static bool ends_tensor(const struct task *task)
{
    return task->tile + task->tiles == task->object->tile_count;
}

static struct request next_request(const struct stream *stream, const struct read *read)
{
    const struct lwcmem_model *model = stream->target.model;
    struct request request = {model->region, next_size(stream, read)};
    uint32_t align = model->direct_align, over;

    if (model->direct < 0 || PAGE % align || next_offset(read) % align)
        return request;
    over = request.size % align;
    if (over && (read->done + request.size < read->task.size || !ends_tensor(&read->task)))
        return request;
    request.fd = model->direct;
    request.size += over ? align - over : 0;
    return request;
}

/* The message of a read that gave a negative errno value, or 0: the end of the file. */
static void explain(const struct stream *stream, const struct read *read, int result,
                    struct failure *failure)
{
    struct container *container = stream->target.model->container;
    const struct lwc_object *object = read->task.object;
    uint64_t tile = read->task.tile + read->done / object->tile_bytes;
    const char *path = container_path(container);
    char name[LWC_NAME_MAX + 1];

    if (container_name(container, object->name_offset, object->name_length, name, failure) < 0)
        return;
    if (result == -EIO)
        fail(failure,
             "%s: %.500s: tile %" PRIu64 ": the kernel module cannot read or decode it; the kernel "
             "log says why; check the file with lwcmem verify",
             path, name, tile);
    else if (result < 0)
        fail(failure,
             "%s: %.500s: tile %" PRIu64 ": cannot read the region of the kernel module: %s; the "
             "backend fused does not need it",
             path, name, tile, strerror(-result));
    else
        fail(failure,
             "%s: %.500s: tile %" PRIu64 ": the region of the kernel module ends before it; load "
             "the lwcmem.ko of this version",
             path, name, tile);
}

/*
 * Take in what a read gave: bytes, or a negative errno value. True if it has to
 * go on; else the task is finished, well or badly.
 */
static bool advance(struct stream *stream, struct read *read, int result)
{
    struct ring *ring = stream->target.ring;
    struct failure failure;

    if (result == -EINTR)
        return true;
    if (result == -EAGAIN && !read->may_block) {
        read->may_block = true;
        return true;
    }
    if (result <= 0) {
        explain(stream, read, result, &failure);
        ring_finish(ring, &read->task, &failure);
        return false;
    }
    if ((uint64_t)result > read->task.size - read->done)
        result = (int)(read->task.size - read->done);
    read->done += (uint32_t)result;
    read->task.bytes_direct += read->direct ? (uint32_t)result : 0;
    if (read->done < read->task.size)
        return true;
    read->task.bytes_kernel = read->done;
    read->task.bytes_fixed = stream->fixed ? read->done : 0;
    ring_finish(ring, &read->task, NULL);
    return false;
}

static void *serve_pread(void *argument)
{
    struct stream *stream = argument;
    struct read read = {0};

    while (ring_take(stream->target.ring, true, &read.task)) {
        struct request request;
        ssize_t got;

        read.done = 0;
        read.may_block = true;
        do {
            request = next_request(stream, &read);
            read.direct = request.fd == stream->target.model->direct;
            got = pread(request.fd, read.task.out + read.done, request.size,
                        (off_t)next_offset(&read));
        } while (advance(stream, &read, got < 0 ? -errno : (int)got));
    }
    return NULL;
}

/* There is always a free entry: as many as there are reads. */
static void queue(struct stream *stream, struct read *read)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&stream->uring);
    uint8_t *out = read->task.out + read->done;
    struct request request = next_request(stream, read);

    read->direct = request.fd == stream->target.model->direct;
    if (stream->fixed)
        io_uring_prep_read_fixed(
            entry, request.fd, out, request.size, next_offset(read),
            (int)((uint64_t)(read->task.out - stream->target.memory) / BUFFER_STRIDE));
    else
        io_uring_prep_read(entry, request.fd, out, request.size, next_offset(read));
    if (read->may_block)
        io_uring_sqe_set_flags(entry, IOSQE_ASYNC);
    io_uring_sqe_set_data(entry, read);
}

static void reap(struct stream *stream)
{
    struct io_uring_cqe *entry;

    while (io_uring_peek_cqe(&stream->uring, &entry) == 0) {
        struct read *read = io_uring_cqe_get_data(entry);
        int result = entry->res;

        io_uring_cqe_seen(&stream->uring, entry);
        if (advance(stream, read, result))
            queue(stream, read);
        else
            stream->idle[stream->idle_count++] = read;
    }
}

/* A signal, or no memory for requests until others end: the entries stay queued. */
static bool passes(int result)
{
    if (result == -EAGAIN || result == -EBUSY || result == -ENOMEM)
        usleep(1000);
    else
        return result == -EINTR;
    return true;
}

/* The io_uring itself has failed, which takes a defect here or in the kernel. */
static void *give_up(struct stream *stream, int result)
{
    for (unsigned int i = 0; i < DEPTH; i++) {
        struct failure failure;

        if (!stream->reads[i].task.object)
            continue;
        explain(stream, &stream->reads[i], result, &failure);
        ring_finish(stream->target.ring, &stream->reads[i].task, &failure);
        break;
    }
    return NULL;
}

/*
 * Ends when the ring stops and no read is in flight: after that the kernel
 * does not write to the ring.
 */
static void *serve_uring(void *argument)
{
    struct stream *stream = argument;

    for (;;) {
        struct task task;
        int result;

        while (stream->idle_count &&
               ring_take(stream->target.ring, stream->idle_count == DEPTH, &task)) {
            struct read *read = stream->idle[--stream->idle_count];

            *read = (struct read){.task = task};
            queue(stream, read);
        }
        if (stream->idle_count == DEPTH)
            return NULL;
        result = io_uring_submit_and_wait(&stream->uring, 1);
        if (result < 0 && !passes(result))
            return give_up(stream, result);
        reap(stream);
    }
}

/* Say once that something is missing, what it costs, and how to get it. */
static void note(struct stream *stream, int error, const char *what, const char *advice)
{
    struct lwcmem_model *model = stream->target.model;

    model_notice(model, "%s: %s (%s), which is slower; %s", container_path(model->container), what,
                 strerror(error), advice);
}

static int register_ring(struct stream *stream)
{
    uint64_t size = stream->target.size, count = (size + BUFFER_STRIDE - 1) / BUFFER_STRIDE;
    struct iovec *buffers;
    int result;

    if (count > BUFFERS_MAX)
        return -E2BIG;
    buffers = calloc(count, sizeof(*buffers));
    if (!buffers)
        return -ENOMEM;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t left = size - i * BUFFER_STRIDE;

        buffers[i].iov_base = stream->target.memory + i * BUFFER_STRIDE;
        buffers[i].iov_len = left < BUFFER_BYTES ? left : BUFFER_BYTES;
    }
    result = io_uring_register_buffers(&stream->uring, buffers, (unsigned int)count);
    free(buffers);
    return result;
}

static void note_registration(struct stream *stream, int error)
{
    struct rlimit limit = {0};
    char advice[160];

    getrlimit(RLIMIT_MEMLOCK, &limit);
    snprintf(advice, sizeof(advice),
             "it takes %zu KiB of locked memory and the limit is %ju: raise it, ulimit -l",
             stream->target.size >> 10, (uintmax_t)limit.rlim_cur >> 10);
    note(stream, error, "reading without registered buffers", advice);
}

/* The best way to read that this process may use. */
static void choose(struct stream *stream)
{
    enum region_reads allowed = stream->target.model->reads;
    int result = allowed == REGION_PREAD ? -EPERM : io_uring_queue_init(DEPTH, &stream->uring, 0);

    if (result < 0) {
        note(stream, -result, "reading the region without io_uring",
             result == -ENOMEM
                 ? "raise the limit of locked memory, ulimit -l"
                 : "allow it: sysctl kernel.io_uring_disabled=0, and in the seccomp filter");
        return;
    }
    stream->has_uring = true;
    result = allowed == REGION_READ ? -ENOMEM : register_ring(stream);
    stream->fixed = result == 0;
    if (result < 0)
        note_registration(stream, -result);
}

static int start(const struct fill_target *target, void **state, struct failure *failure)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    int error;

    *state = stream;
    if (!stream)
        return fail(failure, "out of memory for the ring");
    stream->target = *target;
    for (unsigned int i = 0; i < DEPTH; i++)
        stream->idle[stream->idle_count++] = &stream->reads[i];
    choose(stream);
    error = pthread_create(&stream->thread, NULL, stream->has_uring ? serve_uring : serve_pread,
                           stream);
    if (error)
        return fail_errno(failure, error, "cannot start a thread that reads the region");
    stream->started = true;
    return 0;
}

static void stop(void *state)
{
    struct stream *stream = state;

    if (!stream)
        return;
    if (stream->started)
        pthread_join(stream->thread, NULL);
    if (stream->has_uring)
        io_uring_queue_exit(&stream->uring);
    free(stream);
}

static struct fill_share share(const struct lwcmem_model *model, uint64_t budget)
{
    (void)model, (void)budget;
    return (struct fill_share){.task_bytes = READ_BYTES};
}

const struct fill_ops fill_kmod = {
    .from_region = true, .share = share, .start = start, .stop = stop};
