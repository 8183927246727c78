/* SPDX-License-Identifier: BSD-3-Clause */
/* io_uring on regions with O_DIRECT, at several depths and by several threads; who goes away first.
 */
#include "libtables.h"
#include "libthrottle.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, LONGEST = 1 << 18, PATIENCE = 40 };

/* One ring and its memory: a slot of LONGEST for each read in flight. */
struct reader {
    const struct view *view;
    struct io_uring ring;
    uint8_t *memory;
    size_t size;
    int depth, reads;
    bool fixed;
    struct random seed;
    struct {
        uint64_t offset, length;
    } slots[DEPTH_MAX];
};

static void open_reader(struct reader *reader, int map_flags)
{
    struct iovec vector;
    int error;

    reader->size = (size_t)reader->depth * LONGEST;
    reader->memory = mmap(NULL, reader->size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | map_flags, -1, 0);
    if (reader->memory == MAP_FAILED && map_flags)
        test_skip("no huge pages: %m");
    CHECK(reader->memory != MAP_FAILED, "mmap: %m");
    error = io_uring_queue_init(reader->depth, &reader->ring, 0);
    CHECK(!error, "io_uring_queue_init: %s", strerror(-error));
    vector = (struct iovec){reader->memory, reader->size};
    error = reader->fixed ? io_uring_register_buffers(&reader->ring, &vector, 1) : 0;
    CHECK(!error, "io_uring_register_buffers: %s", strerror(-error));
}

static void close_reader(struct reader *reader)
{
    io_uring_queue_exit(&reader->ring);
    munmap(reader->memory, reader->size);
}

static void prepare(struct reader *reader, int slot, uint64_t offset, uint64_t length)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&reader->ring);
    uint8_t *to = reader->memory + (size_t)slot * LONGEST;

    CHECK(sqe, "no sqe");
    if (reader->fixed)
        io_uring_prep_read_fixed(sqe, reader->view->fd, to, length, offset, 0);
    else
        io_uring_prep_read(sqe, reader->view->fd, to, length, offset);
    io_uring_sqe_set_data64(sqe, slot);
    reader->slots[slot].offset = offset;
    reader->slots[slot].length = length;
}

static void prepare_random(struct reader *reader, int slot)
{
    uint64_t pages = (reader->view->size + PAGE - 1) / PAGE;

    prepare(reader, slot, random_below(&reader->seed, pages) * PAGE,
            (1 + random_below(&reader->seed, LONGEST / PAGE)) * PAGE);
}

/* Reads are never short but at the end. The slot. */
static int complete(struct reader *reader, const struct io_uring_cqe *cqe)
{
    int slot = io_uring_cqe_get_data64(cqe);
    uint64_t offset = reader->slots[slot].offset, want = reader->slots[slot].length;

    if (want > reader->view->size - offset)
        want = reader->view->size - offset;
    CHECK(cqe->res == (int)want, "%s: a read of %llu at 0x%llx gives %d instead of %llu",
          reader->view->what, (unsigned long long)reader->slots[slot].length,
          (unsigned long long)offset, cqe->res, (unsigned long long)want);
    compare(reader->memory + (size_t)slot * LONGEST, reader->view->want + offset, want, offset,
            reader->view->what);
    return slot;
}

static void *run_reader(void *argument)
{
    struct reader *reader = argument;
    int submitted = 0, completed = 0;
    struct io_uring_cqe *cqe;

    for (; submitted < reader->depth; submitted++)
        prepare_random(reader, submitted);
    while (completed < reader->reads) {
        CHECK(io_uring_submit_and_wait(&reader->ring, 1) >= 0, "io_uring_submit_and_wait");
        while (completed < reader->reads && !io_uring_peek_cqe(&reader->ring, &cqe)) {
            int slot = complete(reader, cqe);

            io_uring_cqe_seen(&reader->ring, cqe);
            completed++;
            if (submitted++ < reader->reads)
                prepare_random(reader, slot);
        }
    }
    return NULL;
}

static void read_models(bool fixed, int map_flags)
{
    static const char *const models[] = {"odd", "story", "tiny", "aligned"};
    static const int depths[] = {1, 7, 64};

    for (int i = 0; i < 4; i++) {
        struct file_entry file = largest_file(models[i]);
        struct view views[2] = {open_arena(models[i]), open_file_view(models[i], &file)};

        for (int j = 0; j < 6; j++) {
            struct reader reader = {.view = &views[j % 2],
                                    .depth = depths[j / 2],
                                    .reads = depths[j / 2] + 16,
                                    .fixed = fixed,
                                    .seed = {j}};

            if (!reader.view->size)
                continue;
            make_cold(reader.view);
            set_direct(reader.view->fd);
            open_reader(&reader, map_flags);
            run_reader(&reader);
            close_reader(&reader);
            CHECK(!resident_pages(reader.view->fd, 0, reader.view->size),
                  "%s: pages are in the page cache", reader.view->what);
        }
    }
}

static void read_plain(void)
{
    read_models(false, 0);
}

static void read_fixed(void)
{
    read_models(true, 0);
}

static void read_fixed_huge(void)
{
    read_models(true, MAP_HUGETLB);
}

/* All that fills huge pages in whole tiles is decoded where it is wanted. */
static void straight(void)
{
    struct tables tables = open_tables(data_path("story.lwc"));
    struct tile tile = lone_tile(&tables, 0);
    struct view view = open_arena("story");
    struct reader reader = {.view = &view, .depth = 8, .fixed = true};
    struct lwcmem_info before, after;
    struct io_uring_cqe *cqe;

    set_direct(view.fd);
    open_reader(&reader, MAP_HUGETLB);
    before = region_info(view.fd);
    prepare(&reader, 0, tile.start, tile.length);
    CHECK(io_uring_submit_and_wait(&reader.ring, 1) == 1, "io_uring_submit_and_wait");
    CHECK(!io_uring_peek_cqe(&reader.ring, &cqe), "no completion");
    complete(&reader, cqe);
    after = region_info(view.fd);
    CHECK(after.tiles_decoded == before.tiles_decoded + 1, "%llu tiles were decoded",
          after.tiles_decoded - before.tiles_decoded);
    CHECK(after.tiles_straight == before.tiles_straight + 1, "the tile was not decoded straight");
    close_reader(&reader);
}

static void threads(void)
{
    enum { THREADS = 4 };
    struct view view = open_arena("story");
    struct reader readers[THREADS];
    pthread_t threads[THREADS];

    set_direct(view.fd);
    for (int i = 0; i < THREADS; i++) {
        readers[i] =
            (struct reader){.view = &view, .depth = 16, .reads = 150, .fixed = i % 2, .seed = {i}};
        open_reader(&readers[i], 0);
        CHECK(!pthread_create(&threads[i], NULL, run_reader, &readers[i]), "pthread_create");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        close_reader(&readers[i]);
    }
}

static volatile bool stop_scribbling;

enum { SCRIBBLED = 64 }; /* every so manyth byte */

static void *scribble(void *argument)
{
    struct reader *reader = argument;
    struct random seed = {9};

    while (!stop_scribbling)
        reader->memory[random_below(&seed, reader->size / SCRIBBLED) * SCRIBBLED] ^= 0x55;
    return NULL;
}

/* All bytes that nobody else writes to. */
static void compare_others(const struct reader *reader, int slot, int length)
{
    const uint8_t *got = reader->memory + (size_t)slot * LONGEST;
    uint64_t offset = reader->slots[slot].offset;

    for (int i = 0; i < length; i++)
        CHECK(i % SCRIBBLED == 0 || got[i] == reader->view->want[offset + i],
              "%s: another byte at 0x%llx", reader->view->what, (unsigned long long)offset + i);
}

static bool has_huge_pages(size_t size)
{
    void *map =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

    return map != MAP_FAILED && !munmap(map, size);
}

static void read_tile(struct reader *reader, int slot, const struct tile *tile)
{
    struct io_uring_cqe *cqe;

    prepare(reader, slot, tile->start, (tile->length + PAGE - 1) / PAGE * PAGE);
    CHECK(io_uring_submit_and_wait(&reader->ring, 1) == 1, "submit");
    CHECK(!io_uring_peek_cqe(&reader->ring, &cqe), "no completion");
    CHECK(cqe->res > 0, "a read gives %d", cqe->res);
    compare_others(reader, slot, cqe->res);
    io_uring_cqe_seen(&reader->ring, cqe);
}

static void read_scribbled(const char *model)
{
    struct tables tables = open_tables(data_path("%s.lwc", model));
    struct view view = open_arena(model);
    struct reader reader = {.view = &view, .depth = 8, .fixed = true};
    struct lwcmem_info before = region_info(view.fd), after;
    bool huge = has_huge_pages(reader.depth * LONGEST);
    struct tile *tiles;
    uint64_t count = arena_tiles(&tables, &tiles);
    pthread_t thread;

    set_direct(view.fd);
    /* in huge pages tiles are decoded right there */
    open_reader(&reader, huge ? MAP_HUGETLB : 0);
    stop_scribbling = false;
    CHECK(!pthread_create(&thread, NULL, scribble, &reader), "pthread_create");
    for (uint64_t i = 0; i < 2 * count; i++)
        if (tiles[i % count].start % PAGE == 0)
            read_tile(&reader, i % reader.depth, &tiles[i % count]);
    stop_scribbling = true;
    pthread_join(thread, NULL);
    after = region_info(view.fd);
    CHECK(after.tiles_failed == before.tiles_failed, "tiles failed");
    CHECK(!huge || after.tiles_straight > before.tiles_straight, "no tile was decoded there");
    close_reader(&reader);
    check_read(&view, 1 << 20);
    free(tiles);
}

/* Who writes to the memory meanwhile spoils those bytes, and nothing else. */
static void scribbled(void)
{
    read_scribbled("odd");
    read_scribbled("tiny");
    read_scribbled("base");
}

/* --- a backing that answers when told to --- */

static struct throttle *throttle;
static struct view slow;
static struct tile tile;

static void start_slow(void)
{
    struct tables tables = open_tables(data_path("story.lwc"));

    throttle = throttle_start(data_path("story.lwc"));
    tile = lone_tile(&tables, 0);
    slow.size = tables.sb->arena_size;
    slow.want = map_expected(data_path("story.arena"), slow.size);
    snprintf(slow.what, sizeof(slow.what), "throttled story ARENA");
    slow.fd = attach_path(throttle_path(), LWCMEM_VIEW_ARENA, 0);
    set_direct(slow.fd);
}

static void submit_returns(bool fixed)
{
    struct reader reader = {.view = &slow, .depth = 2, .fixed = fixed};
    struct __kernel_timespec time = {.tv_sec = PATIENCE};
    struct io_uring_cqe *cqe;
    int hold;

    start_slow();
    open_reader(&reader, 0);
    hold = throttle_hold(throttle, 0, ~0ull);
    prepare(&reader, 0, tile.start, tile.length);
    alarm(60);
    CHECK(io_uring_submit(&reader.ring) == 1, "io_uring_submit");
    alarm(0);
    throttle_wait(throttle, hold, 1, PATIENCE);
    CHECK(io_uring_peek_cqe(&reader.ring, &cqe), "a held read gives %d", cqe->res);
    throttle_release(throttle, hold);
    CHECK(!io_uring_wait_cqe_timeout(&reader.ring, &cqe, &time), "no completion");
    complete(&reader, cqe);
    close_reader(&reader);
}

static void submit_read(void)
{
    submit_returns(false);
}

static void submit_fixed(void)
{
    submit_returns(true);
}

static void read_held(void *argument)
{
    (void)argument;
    check_range(&slow, tile.start, tile.length);
}

/* A process that waits in pread can be killed, though the backing does not answer. */
static void killed_waiting(void)
{
    pid_t child;
    int hold, status;

    start_slow();
    hold = throttle_hold(throttle, 0, ~0ull);
    child = start_child(read_held, NULL);
    throttle_wait(throttle, hold, 1, PATIENCE);
    kill(child, SIGKILL);
    status = wait_child(child, 20, "a killed reader");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status 0x%x", status);
    throttle_release(throttle, hold);
    check_range(&slow, tile.start, tile.length);
}

/* The pages of a file are written back, and clean, before the read puts its bytes into them. */
static void written_back(void)
{
    struct reader reader = {.view = &slow, .depth = 1, .size = LONGEST};
    struct __kernel_timespec time = {.tv_sec = PATIENCE};
    int hold, file = CHECK_OK(open("kept", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    struct io_uring_cqe *cqe;
    uint8_t *back = malloc(LONGEST);

    start_slow();
    CHECK_OK(ftruncate(file, LONGEST));
    reader.memory = CHECK_OK(mmap(NULL, LONGEST, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    CHECK(back && !io_uring_queue_init(1, &reader.ring, 0), "io_uring_queue_init");
    hold = throttle_hold(throttle, 0, ~0ull);
    prepare(&reader, 0, tile.start, tile.length);
    CHECK(io_uring_submit(&reader.ring) == 1, "io_uring_submit");
    throttle_wait(throttle, hold, 1, PATIENCE);
    CHECK_OK(msync(reader.memory, LONGEST, MS_SYNC));
    throttle_release(throttle, hold);
    CHECK(!io_uring_wait_cqe_timeout(&reader.ring, &cqe, &time), "no completion");
    complete(&reader, cqe);
    close_reader(&reader);
    CHECK_OK(fsync(file));
    CHECK_OK(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED));
    CHECK(pread(file, back, tile.length, 0) == (ssize_t)tile.length, "pread: %m");
    compare(back, slow.want + tile.start, tile.length, 0, "the file");
}

/* --- who goes first --- */

enum end { CLOSE_RING, CLOSE_REGION, UNREGISTER, UNMAP, KILLED, ENDS };

struct round {
    enum end end;
    bool fixed;
    int number;
};

static void child_round(void *argument)
{
    const struct round *round = argument;
    struct view view = open_arena("story");
    struct reader reader = {
        .view = &view, .depth = 16, .fixed = round->fixed, .seed = {round->number}};

    set_direct(view.fd);
    open_reader(&reader, 0);
    for (int i = 0; i < reader.depth; i++)
        prepare_random(&reader, i);
    CHECK(io_uring_submit(&reader.ring) == reader.depth, "io_uring_submit");
    if (round->end == CLOSE_REGION)
        close(view.fd);
    if (round->end == UNMAP)
        munmap(reader.memory, reader.size);
    if (round->end == UNREGISTER && round->fixed)
        CHECK(!io_uring_unregister_buffers(&reader.ring), "io_uring_unregister_buffers");
    if (round->end == KILLED)
        kill(getpid(), SIGKILL);
    if (round->number % 2)
        io_uring_queue_exit(&reader.ring);
}

static void ends(void)
{
    int control = open_control();
    struct lwcmem_query base = query(control);

    for (int i = 0; i < 8 * ENDS; i++) {
        struct round round = {i % ENDS, i / ENDS % 2, i / ENDS};
        int status = wait_child(start_child(child_round, &round), 100, "a process with a ring");

        if (round.end == KILLED)
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status 0x%x", status);
        else
            CHECK(!status, "end %d: status 0x%x", round.end, status);
    }
    CHECK(counts_become(control, base.backings, base.regions, 60),
          "%llu backings and %llu regions stay", query(control).backings - base.backings,
          query(control).regions - base.regions);
}

static const struct test_case cases[] = {
    {"READ", read_plain, 200},
    {"READ_FIXED", read_fixed, 200},
    {"READ_FIXED into huge pages", read_fixed_huge, 200},
    {"a tile is decoded straight into a huge page", straight, 0},
    {"four threads with rings of their own", threads, 100},
    {"somebody writes to the memory meanwhile", scribbled, 100},
    {"READ is submitted while the backing is held", submit_read, 100},
    {"READ_FIXED is submitted while the backing is held", submit_fixed, 100},
    {"a waiting reader is killed", killed_waiting, 100},
    {"a file's pages are written back while the read waits", written_back, 100},
    {"ring, region, buffers, process: any goes first", ends, 200},
    {"the module unloads after all that", check_unload, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
