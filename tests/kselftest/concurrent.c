/* SPDX-License-Identifier: BSD-3-Clause */
/* Many readers at once: right bytes, and each tile decoded once. */
#include "libtables.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { READERS = 8, RACE_SECONDS = 4, ROUNDS = 60 };

/* Shared with the children. */
struct start {
    pthread_barrier_t barrier;
    int stop;
};

static struct start *make_start(int count)
{
    pthread_barrierattr_t attributes;
    struct start *start =
        CHECK_OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&start->barrier, &attributes, count);
    return start;
}

struct reader {
    struct view view;
    struct start *start;
    int number;
    void (*read)(struct reader *);
};

static void run_reader(void *argument)
{
    struct reader *reader = argument;

    pthread_barrier_wait(&reader->start->barrier);
    reader->read(reader);
}

static void *run_thread(void *argument)
{
    run_reader(argument);
    return NULL;
}

static void run_readers(struct reader *readers, int count, bool threads)
{
    pthread_t thread[READERS];
    pid_t child[READERS];

    for (int i = 0; i < count; i++) {
        if (threads)
            CHECK(!pthread_create(&thread[i], NULL, run_thread, &readers[i]), "pthread_create");
        else
            child[i] = start_child(run_reader, &readers[i]);
    }
    for (int i = 0; i < count; i++) {
        if (threads)
            pthread_join(thread[i], NULL);
        else
            join_child(child[i], "a reader");
    }
}

static struct view open_view(uint32_t view)
{
    struct file_entry file = largest_file("story");

    return view == LWCMEM_VIEW_ARENA ? open_arena("story") : open_file_view("story", &file);
}

static void make_readers(struct reader *readers, uint32_t view, void (*read)(struct reader *))
{
    struct start *start = make_start(READERS);

    for (int i = 0; i < READERS; i++)
        readers[i] =
            (struct reader){.view = open_view(view), .start = start, .number = i, .read = read};
}

static void read_sequential(struct reader *reader)
{
    check_read(&reader->view, 1 << 18);
}

static void read_mapped(struct reader *reader)
{
    check_mapped(&reader->view);
}

/* Each starts somewhere else, so that not all wait for the same tile. */
static void read_rotated(struct reader *reader)
{
    uint64_t at = reader->view.size / READERS * reader->number;

    check_pread(&reader->view, at, reader->view.size, 100000);
    check_pread(&reader->view, 0, at, 100000);
}

static uint64_t decoded(const struct view *view)
{
    return region_info(view->fd).tiles_decoded;
}

/*
 * Counts start with a new backing: one that lives on may hold decoded tiles from earlier.
 */
static void close_backing(int control, const struct lwcmem_query *base)
{
    CHECK(counts_become(control, base->backings, base->regions, 20), "a backing stays");
}

/* Tiles that one cold reader decodes; of the ARENA view it must be those of the tables. */
static uint64_t tiles_of_view(uint32_t kind)
{
    int control = open_control();
    struct lwcmem_query base = query(control);
    struct tables tables = open_tables(data_path("story.lwc"));
    struct view view = open_view(kind);
    struct tile *tiles;
    uint64_t single, count = arena_tiles(&tables, &tiles);

    check_read(&view, 1 << 18);
    single = decoded(&view);
    if (kind == LWCMEM_VIEW_ARENA)
        CHECK(single == count, "a single reader decodes %llu tiles, the tables have %llu",
              (unsigned long long)single, (unsigned long long)count);
    close(view.fd);
    close_backing(control, &base);
    close(control);
    return single;
}

static void decode_once(uint32_t kind, void (*read)(struct reader *), bool threads)
{
    struct reader readers[READERS];
    struct lwcmem_info info;
    uint64_t tiles = tiles_of_view(kind);

    make_readers(readers, kind, read);
    run_readers(readers, READERS, threads);
    info = region_info(readers[0].view.fd);
    test_comment("%llu tiles, %llu decoded by %d readers, %llu in flight at most",
                 (unsigned long long)tiles, info.tiles_decoded, READERS, info.tiles_in_flight_max);
    CHECK(info.tiles_decoded == tiles, "%llu tiles were decoded %llu times",
          (unsigned long long)tiles, info.tiles_decoded);
    CHECK(!info.tiles_in_flight, "%llu tiles still in flight", info.tiles_in_flight);
}

/* In each round each reader has another way. */
static void read_somehow(struct reader *reader, int round)
{
    const struct view *view = &reader->view;

    switch ((reader->number + round) % 4) {
    case 0:
        check_read(view, 1 << 16);
        break;
    case 1:
        check_mapped(view);
        break;
    case 2:
        read_rotated(reader);
        break;
    case 3: /* backwards */
        for (uint64_t at = view->size / 30000 + 1; at-- > 0;)
            check_pread(view, at * 30000,
                        at * 30000 + 30000 < view->size ? at * 30000 + 30000 : view->size, 30000);
    }
}

static void read_rounds(struct reader *reader)
{
    struct tables tables = open_tables(data_path("tiny.lwc"));
    pthread_barrier_t *barrier = &reader->start->barrier;
    int control = open_control(), wrong = 0;
    struct lwcmem_query base = query(control);
    struct tile *tiles;
    uint64_t count = arena_tiles(&tables, &tiles);

    for (int round = 0; round < ROUNDS; round++) {
        if (!reader->number)
            close_backing(control, &base);
        pthread_barrier_wait(barrier);
        reader->view.fd = attach_path(data_path("tiny.lwc"), LWCMEM_VIEW_ARENA, 0);
        pthread_barrier_wait(barrier);
        read_somehow(reader, round);
        pthread_barrier_wait(barrier);
        if (!reader->number)
            wrong += decoded(&reader->view) != count;
        close(reader->view.fd);
    }
    CHECK(!wrong, "in %d of %d rounds not each of %llu tiles was decoded once", wrong, ROUNDS,
          (unsigned long long)count);
}

static void once_again_and_again(void)
{
    struct reader reader = {.view = open_arena("tiny"), .read = read_rounds};
    struct reader readers[READERS];
    struct start *start = make_start(READERS);
    struct lwcmem_query base;
    int control = open_control();

    base = query(control);
    close(reader.view.fd);
    CHECK(counts_become(control, base.backings - 1, base.regions - 1, 20), "the backing stays");
    for (int i = 0; i < READERS; i++) {
        readers[i] = reader;
        readers[i].start = start;
        readers[i].number = i;
    }
    run_readers(readers, READERS, false);
}

static void single_reader(void)
{
    tiles_of_view(LWCMEM_VIEW_ARENA);
}

static void once_threads(void)
{
    decode_once(LWCMEM_VIEW_ARENA, read_sequential, true);
}

static void once_processes(void)
{
    decode_once(LWCMEM_VIEW_ARENA, read_sequential, false);
}

static void once_mapped(void)
{
    decode_once(LWCMEM_VIEW_ARENA, read_mapped, false);
}

static void once_rotated(void)
{
    decode_once(LWCMEM_VIEW_ARENA, read_rotated, false);
}

static void once_file(void)
{
    decode_once(LWCMEM_VIEW_FILE, read_sequential, false);
}

static void read_pages_random(struct reader *reader)
{
    const struct view *view = &reader->view;
    const uint8_t *map = map_region(view->fd, view->size, MAP_SHARED);
    struct random seed = {reader->number};

    for (int i = 0; i < 500; i++) {
        uint64_t at = random_below(&seed, view->size);
        uint64_t length = 1 + random_below(&seed, 3 * PAGE);

        if (length > view->size - at)
            length = view->size - at;
        compare(map + at, view->want + at, length, at, view->what);
    }
}

static void random_mapped(uint32_t kind)
{
    struct reader readers[READERS];

    make_readers(readers, kind, read_pages_random);
    make_cold(&readers[0].view);
    run_readers(readers, READERS, false);
}

static void random_mapped_arena(void)
{
    random_mapped(LWCMEM_VIEW_ARENA);
}

static void random_mapped_file(void)
{
    random_mapped(LWCMEM_VIEW_FILE);
}

static void stop_later(struct reader *reader)
{
    sleep_ms(RACE_SECONDS * 1000);
    __atomic_store_n(&reader->start->stop, 1, __ATOMIC_SEQ_CST);
}

static bool stopped(const struct reader *reader)
{
    return __atomic_load_n(&reader->start->stop, __ATOMIC_SEQ_CST);
}

static void race_advice(struct reader *reader)
{
    const struct view *view = &reader->view;
    uint8_t *map = (uint8_t *)map_region(view->fd, view->size, MAP_SHARED);
    struct random seed = {77};

    while (!stopped(reader)) {
        uint64_t at = random_below(&seed, view->size) / PAGE * PAGE;

        posix_fadvise(view->fd, at, view->size / 4, POSIX_FADV_DONTNEED);
        madvise(map + at, view->size - at, MADV_PAGEOUT);
        madvise(map, view->size, MADV_DONTNEED);
    }
}

static void race_pread(struct reader *reader)
{
    const struct view *view = &reader->view;
    struct random seed = {reader->number};

    while (!stopped(reader)) {
        uint64_t at = random_below(&seed, view->size), left = view->size - at;
        uint64_t length = random_below(&seed, 200000);

        check_range(view, at, left < length ? left : length);
    }
}

static void race_mapped(struct reader *reader)
{
    while (!stopped(reader)) {
        reader->number += READERS;
        read_pages_random(reader);
    }
}

static void race(uint32_t kind)
{
    struct reader readers[READERS];
    uint64_t before;

    make_readers(readers, kind, race_pread);
    readers[0].read = stop_later;
    readers[1].read = race_advice;
    readers[2].read = readers[3].read = race_mapped;
    before = decoded(&readers[0].view);
    run_readers(readers, READERS, false);
    test_comment("%llu tiles decoded", (unsigned long long)(decoded(&readers[0].view) - before));
    make_cold(&readers[0].view);
    check_read(&readers[0].view, 1 << 20);
}

static void race_arena(void)
{
    race(LWCMEM_VIEW_ARENA);
}

static void race_file(void)
{
    race(LWCMEM_VIEW_FILE);
}

/*
 * As many decoded tiles as the module keeps are asked for again right behind as
 * many new ones: the new ones must not wait for buffers of tiles that queue
 * behind them.
 */
static void decoded_behind_new(void)
{
    struct view view = open_arena("story");
    uint64_t tile = region_info(view.fd).tile_bytes;
    uint64_t kept = 2 * (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);

    if (kept < 16)
        kept = 16;
    CHECK(view.size >= 3 * kept * tile, "the model is too small");
    for (int round = 0; round < 10; round++) {
        make_cold(&view);
        CHECK(!posix_fadvise(view.fd, 0, 0, POSIX_FADV_RANDOM), "fadvise");
        for (uint64_t i = 2 * kept; i < 3 * kept; i++)
            check_range(&view, i * tile, PAGE);
        make_cold(&view);
        for (uint64_t i = kept; i < 3 * kept; i += kept / 2)
            CHECK(!posix_fadvise(view.fd, (off_t)(i * tile), (off_t)(kept / 2 * tile),
                                 POSIX_FADV_WILLNEED),
                  "fadvise");
        check_pread(&view, kept * tile, 3 * kept * tile, tile);
    }
}

static const struct test_case cases[] = {
    {"one cold reader decodes each tile once", single_reader, 0},
    {"eight threads decode each tile once", once_threads, 100},
    {"eight processes decode each tile once", once_processes, 100},
    {"eight mappings decode each tile once", once_mapped, 100},
    {"eight readers from different places decode each tile once", once_rotated, 100},
    {"eight readers of a FILE decode each tile once", once_file, 100},
    {"eight readers decode each tile once, again and again", once_again_and_again, 100},
    {"eight random readers of mappings, ARENA", random_mapped_arena, 100},
    {"eight random readers of mappings, FILE", random_mapped_file, 100},
    {"readers race with reclaim, ARENA", race_arena, 100},
    {"readers race with reclaim, FILE", race_file, 100},
    {"decoded tiles that are asked for behind new ones", decoded_behind_new, 60},
};

int main(void)
{
    return RUN_CASES(cases);
}
