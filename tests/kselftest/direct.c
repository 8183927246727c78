/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads of regions with O_DIRECT: the right bytes, past the page cache, and what they refuse. */
#include "libresident.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

static struct view direct_arena(const char *model)
{
    struct view view = open_arena(model);

    set_direct(view.fd);
    return view;
}

static void each_view(void (*check)(struct view *))
{
    static const char *const models[] = {"odd", "story", "tiny", "aligned"};

    for (int i = 0; i < 4; i++) {
        struct view views[VIEWS_MAX];
        int count = open_views(models[i], views);

        for (int j = 0; j < count; j++) {
            make_cold(&views[j]);
            set_direct(views[j].fd);
            check(&views[j]);
            close(views[j].fd);
        }
    }
}

static void no_page(const struct view *view)
{
    uint64_t pages = resident_pages(view->fd, 0, view->size);

    CHECK(!pages, "%s: %llu pages are in the page cache", view->what, (unsigned long long)pages);
}

static void whole(struct view *view)
{
    check_read(view, CHUNK);
    check_read(view, 9 * PAGE);
    no_page(view);
}

static void contents(void)
{
    each_view(whole);
}

/* At any page, of any number of pages, to any address. */
static void some(struct view *view)
{
    enum { COUNT = 300, LONGEST = 100 };
    uint8_t *buffer = malloc(LONGEST * PAGE + 64);
    uint64_t pages = view->size / PAGE + 2;
    struct random seed = {7};

    CHECK(buffer, "no memory");
    for (int i = 0; i < COUNT; i++) {
        uint64_t at = random_below(&seed, pages) * PAGE;
        uint64_t length = random_below(&seed, i % 4 ? 8 : LONGEST) * PAGE;
        uint64_t left = at < view->size ? view->size - at : 0;
        uint64_t want = left < length ? left : length;
        uint8_t *to = buffer + random_below(&seed, 64);
        ssize_t n = pread(view->fd, to, length, at);

        CHECK(n == (ssize_t)want, "%s: pread of %llu at 0x%llx gives %zd instead of %llu: %m",
              view->what, (unsigned long long)length, (unsigned long long)at, n,
              (unsigned long long)want);
        compare(to, view->want + (want ? at : 0), want, at, view->what);
    }
    no_page(view);
    free(buffer);
}

static void random_reads(void)
{
    each_view(some);
}

static void scattered(void)
{
    struct view view = direct_arena("story");
    uint8_t *buffer = malloc(CHUNK);
    uint64_t start = 5 * PAGE;
    struct iovec parts[3] = {{buffer + 70000, 5001}, {buffer, 70000}, {buffer + 75001, 0}};

    CHECK(buffer && view.size > start + CHUNK, "story is too small");
    parts[2].iov_len = 64 * PAGE - 75001;
    CHECK(preadv(view.fd, parts, 3, start) == 64 * PAGE, "preadv: %m");
    compare(buffer + 70000, view.want + start, 5001, start, view.what);
    compare(buffer, view.want + start + 5001, 70000, start + 5001, view.what);
    compare(buffer + 75001, view.want + start + 75001, parts[2].iov_len, start + 75001, view.what);
}

static void reopened(void)
{
    struct view view = open_arena("odd");
    char path[40];
    int fd;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", view.fd);
    fd = CHECK_OK(open(path, O_RDONLY | O_CLOEXEC | O_DIRECT));
    CHECK(!(fcntl(view.fd, F_GETFL) & O_DIRECT), "the first descriptor has O_DIRECT, too");
    close(view.fd);
    view.fd = fd;
    make_cold(&view);
    check_read(&view, CHUNK);
    no_page(&view);
}

static void misaligned(void)
{
    struct view view = direct_arena("odd");
    static const uint64_t bad[] = {1, 512, 2048, PAGE - 1, PAGE + 1};
    uint8_t *buffer = malloc(4 * PAGE);

    CHECK(buffer, "no memory");
    CHECK(region_info(view.fd).direct_align == PAGE, "direct_align %u",
          region_info(view.fd).direct_align);
    for (int i = 0; i < 5; i++) {
        CHECK_ERROR(pread(view.fd, buffer, PAGE, bad[i]), EINVAL);
        CHECK_ERROR(pread(view.fd, buffer, bad[i], 0), EINVAL);
    }
    CHECK(!pread(view.fd, buffer, 0, PAGE), "a read of nothing: %m");
    CHECK(!pread(view.fd, buffer, PAGE, view.size), "at the end: %m");
    CHECK(!pread(view.fd, buffer, 5, view.size + 3), "behind the end: %m");
    CHECK_ERROR(preadv2(view.fd, &(struct iovec){buffer, PAGE}, 1, 0, RWF_NOWAIT), EAGAIN);
    CHECK_OK(fcntl(view.fd, F_SETFL, 0));
    CHECK(pread(view.fd, buffer, 5, 3) == 5, "without O_DIRECT: %m");
}

static struct statx alignment(int fd)
{
    struct statx stat;

    CHECK_OK(statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN | STATX_SIZE, &stat));
    CHECK(stat.stx_mask & STATX_DIOALIGN, "statx does not know it");
    return stat;
}

static void announced(void)
{
    struct view view = direct_arena("odd");
    struct statx arena = alignment(view.fd), packed;

    CHECK(arena.stx_dio_offset_align == region_info(view.fd).direct_align, "offsets: %u",
          arena.stx_dio_offset_align);
    CHECK(arena.stx_dio_mem_align == 1, "memory: %u", arena.stx_dio_mem_align);
    CHECK(arena.stx_size == view.size, "statx has another size");
    packed = alignment(attach_resident(data_path("tiny.lwc"), LWCMEM_VIEW_PACKED));
    CHECK(!packed.stx_dio_offset_align && !packed.stx_dio_mem_align, "of what is in RAM: %u",
          packed.stx_dio_offset_align);
}

static void bad_memory(void)
{
    struct view view = direct_arena("story");
    uint8_t *pages =
        CHECK_OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

    CHECK_OK(munmap(pages + PAGE, PAGE));
    CHECK_OK(mprotect(pages + 3 * PAGE, PAGE, PROT_READ));
    CHECK_ERROR(pread(view.fd, pages, 2 * PAGE, 0), EFAULT);
    CHECK_ERROR(pread(view.fd, pages + 2 * PAGE, 2 * PAGE, 0), EFAULT);
    CHECK_ERROR(pread(view.fd, pages + PAGE, PAGE, 0), EFAULT);
    CHECK(pread(view.fd, pages + 2 * PAGE, PAGE, PAGE) == PAGE, "good memory: %m");
    compare(pages + 2 * PAGE, view.want + PAGE, PAGE, PAGE, view.what);
}

/* Pages that many mappings share get the bytes as others would write them. */
static void to_a_file(void)
{
    struct view view = direct_arena("tiny");
    int fd = CHECK_OK(open("copy", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    uint64_t length = view.size / PAGE * PAGE;
    uint8_t *map, *back = malloc(length);

    CHECK_OK(ftruncate(fd, length));
    map = CHECK_OK(mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    CHECK(pread(view.fd, map, length, 0) == (ssize_t)length, "pread: %m");
    CHECK_OK(munmap(map, length));
    CHECK_OK(fsync(fd));
    CHECK_OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    CHECK(back && pread(fd, back, length, 0) == (ssize_t)length, "pread of the copy: %m");
    compare(back, view.want, length, 0, "the copy");
    unlink("copy");
}

static void agrees(void)
{
    struct view view = open_arena("story"), direct = direct_arena("story");

    make_cold(&view);
    check_read(&view, CHUNK);
    check_read(&direct, CHUNK);
    check_mapped(&direct);
}

static void counted(void)
{
    struct view view = direct_arena("story");
    struct lwcmem_info before = region_info(view.fd), after;

    check_read(&view, CHUNK);
    after = region_info(view.fd);
    CHECK(after.bytes_read - before.bytes_read == view.size, "bytes_read grows by %llu",
          after.bytes_read - before.bytes_read);
    CHECK(after.tiles_decoded > before.tiles_decoded, "tiles_decoded does not grow");
    CHECK(after.bytes_decoded - before.bytes_decoded >= view.size * 9 / 10,
          "bytes_decoded grows by %llu", after.bytes_decoded - before.bytes_decoded);
    test_comment("%llu tiles, %llu of them straight", after.tiles_decoded - before.tiles_decoded,
                 after.tiles_straight - before.tiles_straight);
}

/* A tile that is read page by page is not decoded for each of them. */
static void page_by_page(void)
{
    struct view view = direct_arena("story");
    struct lwcmem_info before = region_info(view.fd);
    uint64_t tiles;

    check_pread(&view, 0, 256 * PAGE, PAGE);
    tiles = region_info(view.fd).tiles_decoded - before.tiles_decoded;
    CHECK(tiles >= 4 && tiles <= 40, "%llu tiles were decoded for 1 MiB",
          (unsigned long long)tiles);
}

static void damaged(void)
{
    const char *path = data_path("story-bad.info");
    struct view view = open_arena("story");
    uint64_t start, end, lead = 3 * PAGE, left;
    uint8_t *buffer = malloc(CHUNK);
    ssize_t n;

    CHECK(read_number(path, "arena_start", &start) && read_number(path, "arena_end", &end), "%s",
          path);
    close(view.fd);
    view.fd = attach_path(data_path("story-bad.lwc"), LWCMEM_VIEW_ARENA, 0);
    set_direct(view.fd);
    CHECK(buffer && start > 64 * PAGE, "the tile is at 0x%llx", (unsigned long long)start);
    for (uint64_t at = start / PAGE * PAGE; at < end; at += PAGE)
        if (at >= start)
            CHECK_ERROR(pread(view.fd, buffer, PAGE, at), EIO);
    start = (start + PAGE - 1) / PAGE * PAGE;
    CHECK_ERROR(pread(view.fd, buffer, CHUNK, start), EIO);
    for (; lead <= 64 * PAGE; lead += 61 * PAGE) {
        uint64_t at = start - lead;

        n = pread(view.fd, buffer, CHUNK, at);
        left = lead;
        CHECK(n > (ssize_t)(left - PAGE) && n <= (ssize_t)left,
              "a read from %llu bytes before the tile gives %zd", (unsigned long long)lead, n);
        compare(buffer, view.want + at, n, at, view.what);
    }
    end = (end + PAGE - 1) / PAGE * PAGE;
    check_pread(&view, end, view.size / PAGE * PAGE, CHUNK);
}

static void piped(void)
{
    struct view view = direct_arena("odd");
    uint8_t *buffer = malloc(CHUNK);
    int pipes[2];
    off_t at = 0;
    ssize_t n;

    CHECK_OK(pipe2(pipes, O_CLOEXEC | O_NONBLOCK));
    while ((n = CHECK_OK(splice(view.fd, &at, pipes[1], NULL, 50000, 0))) > 0) {
        CHECK(read(pipes[0], buffer, CHUNK) == n, "read of %zd: %m", n);
        compare(buffer, view.want + at - n, n, at - n, view.what);
    }
    CHECK((uint64_t)at == view.size, "splice ends at 0x%llx", (unsigned long long)at);
}

/* Stored bytes are not cached beside what was decoded from them; blocks of tables may be. */
static void container_not_cached(struct view *view, int container)
{
    uint64_t size = lseek(container, 0, SEEK_END), pages;

    fsync(container);
    posix_fadvise(container, 0, 0, POSIX_FADV_DONTNEED);
    drop_all_caches();
    CHECK(!resident_pages(container, 0, size), "the container stays in the cache");
    check_read(view, CHUNK);
    pages = resident_pages(container, 0, size);
    test_comment("%llu of %llu pages of the container are cached", (unsigned long long)pages,
                 (unsigned long long)(size / PAGE));
    CHECK(pages <= 40, "%llu pages of the container are cached", (unsigned long long)pages);
}

static void stored_not_cached(void)
{
    int container = CHECK_OK(open(data_path("story.lwc"), O_RDONLY | O_CLOEXEC));
    struct view view = open_arena("story");

    make_cold(&view);
    container_not_cached(&view, container);
    make_cold(&view);
    set_direct(view.fd);
    container_not_cached(&view, container);
}

/* On a filesystem without direct I/O. */
static void stored_on_tmpfs(void)
{
    int from = CHECK_OK(open(data_path("tiny.lwc"), O_RDONLY | O_CLOEXEC));
    int to = CHECK_OK(open("/tmp/direct.lwc", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    struct view view = open_arena("tiny");

    while (sendfile(to, from, NULL, CHUNK) > 0)
        ;
    view.fd = attach_path("/tmp/direct.lwc", LWCMEM_VIEW_ARENA, 0);
    unlink("/tmp/direct.lwc");
    check_read(&view, CHUNK);
    set_direct(view.fd);
    check_read(&view, CHUNK);
}

static const struct test_case cases[] = {
    {"all bytes of all views", contents, 250},
    {"random pages to random addresses", random_reads, 250},
    {"several pieces of memory", scattered, 0},
    {"opened with O_DIRECT through /proc", reopened, 0},
    {"misaligned reads are EINVAL", misaligned, 0},
    {"statx says what must be aligned", announced, 0},
    {"memory that cannot be written to", bad_memory, 0},
    {"into a mapping of a file", to_a_file, 0},
    {"the page cache has the same bytes", agrees, 0},
    {"direct reads count", counted, 0},
    {"page by page", page_by_page, 0},
    {"a damaged tile", damaged, 100},
    {"splice", piped, 0},
    {"the container is not cached", stored_not_cached, 100},
    {"a container on tmpfs", stored_on_tmpfs, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
