/* SPDX-License-Identifier: BSD-3-Clause */
/* Every way to read a region gives exactly the bytes of the model, in every view. */
#include "libregion.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

static void each_view(const char *model, void (*check)(struct view *))
{
    struct view views[VIEWS_MAX];
    int count = open_views(model, views);

    for (int i = 0; i < count; i++)
        check(&views[i]);
}

/* A case for each of the models. */
#define BOTH(name)                                                                                 \
    static void odd_##name(void)                                                                   \
    {                                                                                              \
        each_view("odd", name);                                                                    \
    }                                                                                              \
    static void story_##name(void)                                                                 \
    {                                                                                              \
        each_view("story", name);                                                                  \
    }

static void read_cold(struct view *view)
{
    make_cold(view);
    check_read(view, 1 << 20);
    check_read(view, 40000);
}

static void mapped_shared(struct view *view)
{
    make_cold(view);
    check_mapped(view);
}

static void mapped_private(struct view *view)
{
    uint64_t middle = view->size / 2;
    uint8_t *map;

    if (!view->size)
        return;
    make_cold(view);
    map = CHECK_OK(mmap(NULL, view->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, view->fd, 0));
    compare(map, view->want, view->size, 0, view->what);
    map[0] ^= 0xff;
    map[middle] ^= 0xff;
    map[view->size - 1] ^= 0xff;
    check_read(view, 1 << 20);
    check_mapped(view);
    munmap(map, view->size);
}

/* What a mapping shows beyond the end, up to the page's end, is zero. */
static void mapped_tail(struct view *view)
{
    uint64_t end = (view->size + PAGE - 1) / PAGE * PAGE;
    const uint8_t *map;

    if (!view->size)
        return;
    map = map_region(view->fd, view->size, MAP_SHARED);
    for (uint64_t at = view->size; at < end; at++)
        CHECK(!map[at], "%s: 0x%02x beyond the end", view->what, map[at]);
    munmap((void *)map, view->size);
}

static void check_one_pread(const struct view *view, uint8_t *buffer, uint64_t at, uint64_t length)
{
    uint64_t want = at >= view->size ? 0 : view->size - at < length ? view->size - at : length;
    ssize_t n = pread(view->fd, buffer, length, at);

    CHECK(n == (ssize_t)want, "%s: pread of %llu at 0x%llx gives %zd instead of %llu", view->what,
          (unsigned long long)length, (unsigned long long)at, n, (unsigned long long)want);
    compare(buffer, view->want + (want ? at : 0), want, at, view->what);
}

static void pread_random(struct view *view)
{
    enum { COUNT = 2000, LONGEST = 300000 };
    static const uint64_t borders[] = {110592, 122880, 131072, 4096};
    uint8_t *buffer = malloc(LONGEST + 1);
    struct random seed = {2};
    /* the small files have few different offsets */
    int count = view->size > 1 << 20 ? COUNT : COUNT / 10;

    CHECK(buffer, "no memory");
    make_cold(view);
    for (int i = 0; i < count; i++) {
        uint64_t at = random_below(&seed, view->size + 5000);
        uint64_t length = random_below(&seed, i % 20 ? 9000 : LONGEST);

        if (i % 4 == 1) {
            uint64_t border = borders[random_below(&seed, 4)];

            at = at / border * border;
            at -= at > 70 ? random_below(&seed, 70) : 0;
        }
        check_one_pread(view, buffer, at, i % 50 ? length : 0);
    }
    check_one_pread(view, buffer, view->size, 1);
    check_one_pread(view, buffer, view->size + PAGE, PAGE);
    check_one_pread(view, buffer, 1ull << 62, PAGE);
    free(buffer);
}

static void seeks(struct view *view)
{
    char byte;

    CHECK(lseek(view->fd, 0, SEEK_END) == (off_t)view->size, "%s: SEEK_END", view->what);
    CHECK(!read(view->fd, &byte, 1), "%s: read at the end", view->what);
    if (!view->size)
        return;
    CHECK(lseek(view->fd, -1, SEEK_END) == (off_t)view->size - 1, "%s: SEEK_END - 1", view->what);
    CHECK(read(view->fd, &byte, 1) == 1 && (uint8_t)byte == view->want[view->size - 1],
          "%s: last byte", view->what);
    CHECK_ERROR(lseek(view->fd, -1, SEEK_SET), EINVAL);
}

/* Moves into a pipe whatever fits, and compares what comes out of it. */
static void through_pipe(struct view *view, ssize_t (*move)(int, int, off_t *))
{
    uint8_t *buffer = malloc(65536);
    int pipes[2];
    off_t at = 0;
    ssize_t n;

    CHECK(buffer, "no memory");
    CHECK_OK(pipe2(pipes, O_CLOEXEC | O_NONBLOCK));
    make_cold(view);
    while ((uint64_t)at < view->size) {
        uint64_t start = at;

        CHECK(move(view->fd, pipes[1], &at) > 0, "%s: nothing moved at 0x%llx: %m", view->what,
              (unsigned long long)start);
        while (start < (uint64_t)at) {
            n = CHECK_OK(read(pipes[0], buffer, 65536));
            CHECK(start + n <= (uint64_t)at, "%s: more came than was moved", view->what);
            compare(buffer, view->want + start, n, start, view->what);
            start += n;
        }
    }
    CHECK(!move(view->fd, pipes[1], &at), "%s: moves more than its size", view->what);
    close(pipes[0]);
    close(pipes[1]);
    free(buffer);
}

static ssize_t move_splice(int from, int to, off_t *at)
{
    return splice(from, at, to, NULL, 50000, 0);
}

static ssize_t move_sendfile(int from, int to, off_t *at)
{
    return sendfile(to, from, at, 50000);
}

static void spliced(struct view *view)
{
    through_pipe(view, move_splice);
}

static void sent(struct view *view)
{
    through_pipe(view, move_sendfile);
}

static void copied(struct view *view)
{
    struct view copy = *view;
    off_t at = 0;

    copy.fd = CHECK_OK(open("copy", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    while ((uint64_t)at < view->size)
        CHECK(sendfile(copy.fd, view->fd, &at, 1 << 20) > 0, "%s: sendfile: %m", view->what);
    check_read(&copy, 1 << 20);
    close(copy.fd);
    unlink("copy");
}

static void reopened(struct view *view)
{
    struct view again = *view;
    char path[40];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", view->fd);
    again.fd = CHECK_OK(open(path, O_RDONLY | O_CLOEXEC));
    close(view->fd);
    make_cold(&again);
    check_read(&again, 1 << 20);
    check_mapped(&again);
}

BOTH(read_cold)
BOTH(mapped_shared)
BOTH(mapped_private)
BOTH(mapped_tail)
BOTH(pread_random)
BOTH(seeks)
BOTH(spliced)
BOTH(sent)
BOTH(copied)
BOTH(reopened)

static void shared_cache(void)
{
    struct view first = open_arena("story"), second = open_arena("story");
    uint64_t pages = (first.size + PAGE - 1) / PAGE, decoded, resident;

    make_cold(&first);
    check_read(&first, 1 << 20);
    decoded = region_info(first.fd).tiles_decoded;
    resident = resident_pages(second.fd, 0, second.size);
    CHECK(resident == pages, "%llu of %llu pages are resident", (unsigned long long)resident,
          (unsigned long long)pages);
    check_read(&second, 1 << 20);
    check_mapped(&second);
    CHECK(region_info(second.fd).tiles_decoded == decoded, "the second region decoded tiles");
}

/* The same container through another descriptor and name is the same backing. */
static void shared_by_inode(void)
{
    struct view first = open_arena("tiny"), second = first;
    uint64_t decoded;

    unlink(data_path("tiny-link.lwc"));
    CHECK_OK(link(data_path("tiny.lwc"), data_path("tiny-link.lwc")));
    second.fd = attach_path(data_path("tiny-link.lwc"), LWCMEM_VIEW_ARENA, 0);
    unlink(data_path("tiny-link.lwc"));
    make_cold(&first);
    check_read(&first, 1 << 20);
    decoded = region_info(first.fd).tiles_decoded;
    check_read(&second, 1 << 20);
    CHECK(region_info(second.fd).tiles_decoded == decoded, "the second region decoded tiles");
}

/* An equal copy is another file: it must not be taken for the first one. */
static void copy_is_another(void)
{
    struct view view = open_arena("tiny"), other = view;
    int from = CHECK_OK(open(data_path("tiny.lwc"), O_RDONLY | O_CLOEXEC));
    int to = CHECK_OK(open("tiny-copy.lwc", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    int control = open_control();
    uint64_t decoded;

    while (sendfile(to, from, NULL, 1 << 20) > 0)
        ;
    other.fd = CHECK_OK(attach(control, to, LWCMEM_VIEW_ARENA, 0));
    check_read(&view, 1 << 20);
    decoded = region_info(other.fd).tiles_decoded;
    check_read(&other, 1 << 20);
    CHECK(region_info(other.fd).tiles_decoded > decoded, "the copy was not decoded");
}

#define CASES(text, name)                                                                          \
    {"odd: " text, odd_##name, 100},                                                               \
    {                                                                                              \
        "story: " text, story_##name, 400                                                          \
    }

static const struct test_case cases[] = {
    CASES("cold read", read_cold),
    CASES("shared mapping", mapped_shared),
    CASES("private mapping, written to", mapped_private),
    CASES("mapping beyond the end", mapped_tail),
    CASES("pread at random offsets", pread_random),
    CASES("lseek", seeks),
    CASES("splice to a pipe", spliced),
    CASES("sendfile to a pipe", sent),
    CASES("sendfile to a file", copied),
    CASES("opened again through /proc", reopened),
    {"two regions share the page cache", shared_cache, 0},
    {"a hard link is the same container", shared_by_inode, 0},
    {"a copy is another container", copy_is_another, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
