/* SPDX-License-Identifier: BSD-3-Clause */
#include "stored_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_LEAST (LWC_TILE_MAX + READ_MARGIN)
#define READ_MOST ((2u << 20) + READ_MARGIN)

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

struct read_layout read_layout(unsigned int threads, uint64_t budget)
{
    uint64_t each = budget / 4 / threads, bytes = each / READ_DEPTH;
    struct read_layout layout;

    bytes -= bytes % RING_PAGE;
    layout.bytes = (uint32_t)(bytes < READ_LEAST  ? READ_LEAST
                              : bytes > READ_MOST ? READ_MOST
                                                  : bytes);
    layout.depth = (uint32_t)(each / layout.bytes > READ_DEPTH ? READ_DEPTH : each / layout.bytes);
    if (!layout.depth)
        layout.depth = 1;
    return layout;
}

/* A descriptor of the container for reads past the page cache, or -1 with errno. */
static int open_past(struct container *container)
{
    char path[40];
    void *page;
    ssize_t got;
    int fd, error;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", container_fd(container));
    fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
    page = fd < 0 ? NULL : aligned_alloc(RING_PAGE, RING_PAGE);
    if (!page)
        return fd;
    /* some file systems open it, and then refuse to read */
    got = pread(fd, page, RING_PAGE, 0);
    error = errno;
    free(page);
    if (got >= 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

int read_source_open(struct read_source *source, struct lwcmem_model *model,
                     struct failure *failure)
{
    const char *rate = secure_getenv("LWCMEM_TEST_READ_RATE");

    *source = (struct read_source){.model = model, .fd = container_fd(model->container), .own = -1};
    pthread_mutex_init(&source->lock, NULL);
    if (rate && (source->rate = 1e6 * strtod(rate, NULL)) <= 0)
        return fail(failure, "LWCMEM_TEST_READ_RATE is a number of MB/s");
    if (!model->limited)
        return 0;
    source->own = open_past(model->container);
    source->past = source->own >= 0;
    if (source->past)
        source->fd = source->own;
    else
        model_notice(model,
                     "%s: reading through the page cache (%s), which takes memory and time; have "
                     "the file where direct I/O works",
                     container_path(model->container), strerror(errno));
    return 0;
}

void read_source_close(struct read_source *source)
{
    if (!source->model)
        return;
    if (source->own >= 0)
        close(source->own);
    pthread_mutex_destroy(&source->lock);
}

/* The first reader says what is missing for all. */
static void note_uring(struct lwcmem_model *model, int error, const char *what)
{
    if (strstr(model->notice, what))
        return;
    model_notice(model, "%s: %s (%s), which is slower; %s", container_path(model->container), what,
                 strerror(error),
                 error == ENOMEM ? "raise the limit of locked memory, ulimit -l"
                                 : "allow io_uring: sysctl kernel.io_uring_disabled=0, and in the "
                                   "seccomp filter");
}

int reader_init(struct reader *reader, struct read_source *source, const struct read_layout *layout,
                uint8_t *memory, struct failure *failure)
{
    struct lwcmem_model *model = source->model;
    struct iovec buffers = {memory, (size_t)layout->depth * layout->bytes};
    int result;

    (void)failure;
    reader->source = source;
    reader->layout = *layout;
    reader->memory = memory;
    for (uint32_t i = 0; i < layout->depth; i++) {
        reader->reads[i].buffer = memory + (size_t)i * layout->bytes;
        reader->idle[reader->idle_count++] = &reader->reads[i];
    }
    result =
        model->reads == REGION_PREAD ? -EPERM : io_uring_queue_init(READ_DEPTH, &reader->uring, 0);
    reader->has_uring = result == 0;
    if (result < 0) {
        note_uring(model, -result, "reading without io_uring");
        return 0;
    }
    result = model->reads == REGION_READ ? -ENOMEM
                                         : io_uring_register_buffers(&reader->uring, &buffers, 1);
    reader->fixed = result == 0;
    if (result < 0)
        note_uring(model, -result, "reading without registered buffers");
    return 0;
}

void reader_free(struct reader *reader)
{
    if (reader->has_uring)
        io_uring_queue_exit(&reader->uring);
}

/* The entries of tiles from read->first on whose stored bytes fit into the buffer, and their place.
 */
static int choose_tiles(struct reader *reader, struct stored_read *read, struct failure *failure)
{
    struct container *container = reader->source->model->container;
    const struct task *task = &read->task;
    uint64_t start = UINT64_MAX, end = 0;

    read->tile_count = 0;
    while (read->tile_count < READ_TILES && read->first + read->tile_count < task->tiles) {
        struct lwc_tile *tile = &read->tiles[read->tile_count];
        uint64_t index = task->tile + read->first + read->tile_count, low, high;

        if (container_tile(container, task->object, index, tile, failure) < 0 ||
            container_resolve_copy(container, tile, lwc_tile_length(task->object, index), failure) <
                0)
            return -1;
        if (tile->stored) {
            low = tile->offset < start ? tile->offset : start;
            high = tile->offset + tile->stored > end ? tile->offset + tile->stored : end;
            if (high - low > reader->layout.bytes - READ_MARGIN)
                break;
            start = low;
            end = high;
        }
        read->tile_count++;
    }
    read->got = 0;
    read->offset = end ? start - start % RING_PAGE : 0;
    read->needed = end ? end - read->offset : 0;
    read->size = (read->needed + RING_PAGE - 1) / RING_PAGE * RING_PAGE;
    return 0;
}

/* For tests: when the read may be over. */
static void reserve(struct read_source *source, struct stored_read *read)
{
    double start = source->rate ? now() : 0;

    read->due = 0;
    if (!source->rate)
        return;
    pthread_mutex_lock(&source->lock);
    if (source->free_at < start)
        source->free_at = start;
    source->free_at += (double)read->size / source->rate;
    read->due = source->free_at;
    pthread_mutex_unlock(&source->lock);
}

static void wait_until(double due)
{
    struct timespec time = {(time_t)due, (long)((due - (double)(time_t)due) * 1e9)};

    if (due > 0)
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
            ;
}

static void queue(struct reader *reader, struct stored_read *read)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&reader->uring);
    uint8_t *out = read->buffer + read->got;
    uint32_t size = (uint32_t)(read->size - read->got);

    if (reader->fixed)
        io_uring_prep_read_fixed(entry, reader->source->fd, out, size, read->offset + read->got, 0);
    else
        io_uring_prep_read(entry, reader->source->fd, out, size, read->offset + read->got);
    io_uring_sqe_set_data(entry, read);
}

/* What does not reach the kernel now does in reader_wait. */
static void submit(struct reader *reader, struct stored_read *read)
{
    if (!read->size || !reader->has_uring) {
        reader->ready[reader->ready_count++] = read;
        return;
    }
    read->under_way = true;
    queue(reader, read);
    io_uring_submit(&reader->uring);
}

int reader_go_on(struct reader *reader, struct stored_read *read, struct failure *failure)
{
    read->first += read->tile_count;
    if (choose_tiles(reader, read, failure) < 0)
        return -1;
    reserve(reader->source, read);
    submit(reader, read);
    return 0;
}

int reader_begin(struct reader *reader, const struct task *task, struct failure *failure)
{
    struct stored_read *read = reader->idle[--reader->idle_count];

    read->task = *task;
    read->first = 0;
    read->tile_count = 0;
    if (reader_go_on(reader, read, failure) == 0)
        return 0;
    reader_release(reader, read);
    return -1;
}

void reader_release(struct reader *reader, struct stored_read *read)
{
    reader->idle[reader->idle_count++] = read;
}

/*
 * Take in what a read gave: bytes, or a negative errno value. True if it is
 * over, in *result; a file that ends is noticed by who looks for its tiles.
 */
static bool advance(struct reader *reader, struct stored_read *read, int got, int *result,
                    struct failure *failure)
{
    struct lwcmem_model *model = reader->source->model;

    *result = 0;
    if (got == -EINTR || got == -EAGAIN)
        return false;
    if (got < 0) {
        *result = fail_errno(failure, -got, "%s: cannot read", container_path(model->container));
        return true;
    }
    atomic_fetch_add(&model->bytes_stored, (unsigned int)got);
    if (reader->source->past)
        atomic_fetch_add(&model->bytes_past, (unsigned int)got);
    read->got += (unsigned int)got;
    if (!got || read->got >= read->needed)
        return true;
    /* direct reads go on at pages; a last part of a page is the end of the file */
    if (reader->source->past && read->got % RING_PAGE)
        return true;
    return false;
}

static struct stored_read *wait_for_pread(struct reader *reader, int *result,
                                          struct failure *failure)
{
    struct stored_read *read = reader->ready[--reader->ready_count];
    ssize_t got = 0;

    *result = 0;
    if (read->size)
        do
            got = pread(reader->source->fd, read->buffer + read->got, read->size - read->got,
                        (off_t)(read->offset + read->got));
        while (!advance(reader, read, got < 0 ? -errno : (int)got, result, failure));
    return read;
}

/* The io_uring itself has failed, which takes a defect here or in the kernel. */
static struct stored_read *give_up(struct reader *reader, int error, int *result,
                                   struct failure *failure)
{
    struct stored_read *read = reader->reads;

    while (!read->under_way)
        read++;
    *result = fail_errno(failure, error, "%s: io_uring",
                         container_path(reader->source->model->container));
    return read;
}

static struct stored_read *wait_for_uring(struct reader *reader, int *result,
                                          struct failure *failure)
{
    for (;;) {
        struct io_uring_cqe *entry;
        struct stored_read *read;
        int got;

        if (io_uring_peek_cqe(&reader->uring, &entry) < 0) {
            got = io_uring_submit_and_wait(&reader->uring, 1);
            if (got == -EAGAIN || got == -EBUSY || got == -ENOMEM)
                usleep(1000); /* no memory for requests until others end */
            else if (got < 0 && got != -EINTR)
                return give_up(reader, -got, result, failure);
            continue;
        }
        read = io_uring_cqe_get_data(entry);
        got = entry->res;
        io_uring_cqe_seen(&reader->uring, entry);
        if (advance(reader, read, got, result, failure))
            return read;
        queue(reader, read);
        io_uring_submit(&reader->uring);
    }
}

struct stored_read *reader_wait(struct reader *reader, int *result, struct failure *failure)
{
    struct stored_read *read = reader->ready_count ? wait_for_pread(reader, result, failure)
                                                   : wait_for_uring(reader, result, failure);

    read->under_way = false;
    wait_until(read->due);
    return read;
}
