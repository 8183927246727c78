/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers held in RAM: what the packed view shows, what decoding reads, when the copy goes. */
#include "libresident.h"
#include "libtables.h"
#include "libthrottle.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 40, HUGE = 2 << 20 };

static void check_packed(const char *model)
{
    struct view view = open_packed(model);
    char path[40];
    int direct;

    CHECK(region_info(view.fd).view == LWCMEM_VIEW_PACKED, "view of INFO");
    CHECK(region_info(view.fd).length == view.size, "length of INFO");
    check_mapped(&view);
    check_read(&view, 100003);
    check_range(&view, view.size - 5, 5);
    /* O_DIRECT changes nothing: it is memory already */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", view.fd);
    direct = CHECK_OK(open(path, O_RDONLY | O_DIRECT | O_CLOEXEC));
    close(view.fd);
    view.fd = direct;
    check_range(&view, 1, 9000);
    close(direct);
}

static void packed_bytes(void)
{
    check_packed("odd");
    check_packed("tiny");
    check_packed("story");
}

static bool has_huge_pages(void)
{
    return !access("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", R_OK);
}

static void huge_pages(void)
{
    struct view view = open_packed("story");
    const uint8_t *map = map_region(view.fd, view.size, MAP_SHARED);
    uint64_t huge;

    if (!has_huge_pages())
        test_skip("this kernel has no huge pages");
    compare(map, view.want, view.size, 0, view.what);
    huge = mapping_number(map, "FilePmdMapped");
    test_comment("%llu of %llu bytes are in huge pages", (unsigned long long)huge,
                 (unsigned long long)view.size);
    CHECK(!((uintptr_t)map % HUGE), "the mapping is at %p", (void *)map);
    CHECK(huge >= view.size / HUGE * HUGE, "only %llu bytes", (unsigned long long)huge);
}

static void held_once(void)
{
    int fd = CHECK_OK(open(data_path("story.lwc"), O_RDONLY | O_CLOEXEC));
    struct stat stat;

    CHECK_OK(fstat(fd, &stat));
    drop_all_caches();
    attach_resident(data_path("story.lwc"), LWCMEM_VIEW_ARENA);
    CHECK(!resident_pages(fd, 0, stat.st_size), "%llu pages are in the container's page cache",
          (unsigned long long)resident_pages(fd, 0, stat.st_size));
}

/* --- with a backing that counts and delays --- */

static struct throttle *throttle;
static struct view stream; /* of the backing, not asking for the copy */
static uint64_t size;      /* of the container */

static void start_with(const char *container)
{
    struct tables tables = open_tables(container);

    throttle = throttle_start(container);
    size = tables.size;
    stream.size = tables.sb->arena_size;
    stream.want = map_expected(data_path("story.arena"), stream.size);
    snprintf(stream.what, sizeof(stream.what), "throttled story ARENA");
    stream.fd = attach_path(throttle_path(), LWCMEM_VIEW_ARENA, 0);
}

static void start(void)
{
    start_with(data_path("story.lwc"));
}

static uint64_t rounded(void)
{
    return (size + PAGE - 1) / PAGE * PAGE;
}

static void decodes_from_memory(void)
{
    int resident, requests;

    start();
    CHECK(!region_info(stream.fd).bytes_resident, "something is held from the start");
    resident = attach_resident(throttle_path(), LWCMEM_VIEW_ARENA);
    CHECK(region_info(stream.fd).bytes_resident == rounded(), "%llu of %llu bytes are held",
          (unsigned long long)region_info(stream.fd).bytes_resident, (unsigned long long)rounded());
    requests = throttle_all_requests(throttle);
    throttle_fault(throttle, FAULT_EIO, 0, ~0ull);
    check_read(&stream, 1 << 20);
    check_mapped(&stream);
    CHECK(region_info(resident).tiles_decoded, "nothing was decoded");
    CHECK(throttle_all_requests(throttle) == requests, "the container was read");
}

static void goes_with_the_last(void)
{
    int first, second, requests;
    void *map;

    start();
    first = attach_resident(throttle_path(), LWCMEM_VIEW_ARENA);
    requests = throttle_all_requests(throttle);
    second = attach_resident(throttle_path(), LWCMEM_VIEW_PACKED);
    CHECK(throttle_requests(throttle, size / 2) == 1, "loaded twice");
    CHECK(region_info(second).bytes_resident == rounded(), "%llu bytes are held",
          (unsigned long long)region_info(second).bytes_resident);
    map = CHECK_OK(mmap(NULL, size, PROT_READ, MAP_SHARED, second, 0));
    close(first);
    close(second);
    sleep_ms(300);
    CHECK(region_info(stream.fd).bytes_resident == rounded(), "gone while it is mapped");
    munmap(map, size);
    CHECK(resident_becomes(stream.fd, 0), "%llu bytes stay",
          (unsigned long long)region_info(stream.fd).bytes_resident);
    make_cold(&stream);
    requests = throttle_all_requests(throttle);
    check_read(&stream, 1 << 20);
    CHECK(throttle_all_requests(throttle) > requests, "decoded from a copy that is gone");
    close(attach_resident(throttle_path(), LWCMEM_VIEW_ARENA));
    CHECK(throttle_requests(throttle, size / 2) >= 2, "not loaded again");
}

static void stays(void)
{
    struct view packed = stream;
    uint8_t *map;

    start();
    packed.fd = attach_resident(throttle_path(), LWCMEM_VIEW_PACKED);
    packed.want = map_expected(data_path("story.lwc"), size);
    packed.size = size;
    map = (uint8_t *)map_region(packed.fd, size, MAP_SHARED);
    compare(map, packed.want, size, 0, "packed");
    throttle_fault(throttle, FAULT_EIO, 0, ~0ull);
    madvise(map, size, MADV_PAGEOUT);
    madvise(map + PAGE, PAGE, MADV_PAGEOUT);
    munmap(map, size);
    posix_fadvise(packed.fd, 0, 0, POSIX_FADV_DONTNEED);
    drop_all_caches();
    CHECK(resident_pages(packed.fd, 0, size) == rounded() / PAGE, "%llu of %llu pages are left",
          (unsigned long long)resident_pages(packed.fd, 0, size),
          (unsigned long long)rounded() / PAGE);
    CHECK(region_info(packed.fd).bytes_resident == rounded(), "counts less");
    check_mapped(&packed);
}

static void load_in_child(void *argument)
{
    int region = try_attach(throttle_path(), LWCMEM_VIEW_PACKED, LWCMEM_RESIDENT);

    (void)argument;
    test_fail("attach ends with %d: %m", region);
}

static void kill_loader(pid_t child)
{
    int status;

    CHECK_OK(kill(child, SIGKILL));
    status = wait_child(child, PATIENCE, "a killed loader");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status 0x%x", status);
}

static bool partly_loaded(void *argument)
{
    uint64_t bytes = region_info(stream.fd).bytes_resident;

    (void)argument;
    return bytes && bytes < size;
}

static bool little_held(void *argument)
{
    (void)argument;
    return region_info(stream.fd).bytes_resident < HUGE;
}

static void killed_while_loading(void)
{
    char path[40];
    pid_t loader, waiter;
    uint64_t bytes, whole;
    int hold;

    start();
    CHECK(size > 2 * HUGE, "the model is too small");
    hold = throttle_hold(throttle, size - size / 4, ~0ull);
    loader = start_child(load_in_child, NULL);
    throttle_wait(throttle, hold, 1, PATIENCE);
    CHECK(wait_until(partly_loaded, NULL, PATIENCE), "no progress is shown");
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", stream.fd);
    CHECK(read_number(path, "lwcmem-bytes-resident", &bytes) && bytes && bytes < size &&
              read_number(path, "lwcmem-bytes-container", &whole) && whole == size,
          "fdinfo shows no progress");
    waiter = start_child(load_in_child, NULL);
    sleep_ms(100);
    kill_loader(waiter);
    kill_loader(loader);
    /* but for what is being read */
    CHECK(wait_until(little_held, NULL, PATIENCE), "%llu bytes stay",
          (unsigned long long)region_info(stream.fd).bytes_resident);
    throttle_release(throttle, hold);
    CHECK(resident_becomes(stream.fd, 0), "the rest stays");
    close(attach_resident(throttle_path(), LWCMEM_VIEW_PACKED));
}

static void loading_fails(void)
{
    start();
    throttle_fault(throttle, FAULT_EIO, size / 2, size / 2 + 1);
    CHECK_ERROR(try_attach(throttle_path(), LWCMEM_VIEW_ARENA, LWCMEM_RESIDENT), EIO);
    CHECK(resident_becomes(stream.fd, 0), "a part is held");
    throttle_fault(throttle, FAULT_EMPTY, size / 2, size / 2 + 1);
    CHECK_ERROR(try_attach(throttle_path(), LWCMEM_VIEW_PACKED, LWCMEM_RESIDENT), EIO);
    throttle_fault(throttle, FAULT_NONE, 0, 0);
    check_read(&stream, 1 << 20);
    close(attach_resident(throttle_path(), LWCMEM_VIEW_ARENA));
}

/* --- files of its own --- */

static void write_file(const char *name, const void *data, size_t length)
{
    int fd = CHECK_OK(open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

    CHECK(write(fd, data, length) == (ssize_t)length, "%s: %m", name);
    close(fd);
}

/* The next generation of the slot, in the file's other slot. */
static void write_next(const char *name, struct lwc_superblock slot, bool first)
{
    int fd = CHECK_OK(open(name, O_RDWR | O_CLOEXEC));

    slot.generation++;
    slot.crc = 0;
    slot.crc = crc32c((uint8_t *)&slot + offsetof(struct lwc_superblock, generation),
                      sizeof(slot) - offsetof(struct lwc_superblock, generation));
    CHECK(pwrite(fd, &slot, sizeof(slot), first ? 0 : LWC_SUPERBLOCK_SIZE) == sizeof(slot),
          "%s: %m", name);
    close(fd);
}

static void check_hidden(void *argument)
{
    const struct tables *tables = argument;
    struct lwc_superblock slots[2];
    bool second = tables->sb != (const void *)tables->data;
    int fd = attach_resident(throttle_path(), LWCMEM_VIEW_PACKED);
    static const struct lwc_superblock never;

    CHECK(pread(fd, slots, sizeof(slots), 0) == sizeof(slots), "pread: %m");
    CHECK(!memcmp(&slots[second], tables->sb, sizeof(never)), "the generation's own slot changed");
    CHECK(!memcmp(&slots[!second], &never, sizeof(never)), "the newer slot shows");
}

static void newer_generation(void)
{
    struct tables tables = open_tables(data_path("story.lwc"));
    bool second = tables.sb != (const void *)tables.data;
    pid_t child;
    int choosing, loading;

    CHECK(!second, "the model has been updated");
    write_file("own.lwc", tables.data, tables.size);
    start_with("own.lwc");
    /* the update comes when the superblock is chosen and nothing is loaded yet */
    choosing = throttle_hold(throttle, LWC_SUPERBLOCK_SIZE, LWC_SUPERBLOCK_SIZE + 1);
    child = start_child(check_hidden, &tables);
    throttle_wait(throttle, choosing, 1, PATIENCE);
    loading = throttle_hold(throttle, 0, 1);
    throttle_release(throttle, choosing);
    throttle_wait(throttle, loading, 1, PATIENCE);
    write_next("own.lwc", *tables.sb, second);
    throttle_release(throttle, loading);
    join_child(child, "the loader");
    CHECK(region_info(attach_path(throttle_path(), LWCMEM_VIEW_ARENA, 0)).generation ==
              region_info(stream.fd).generation + 1,
          "the new generation does not attach");
}

/* What a crashed update left behind the end of a generation does not show in its last page. */
static void ragged_end(void)
{
    static uint8_t junk[5000];
    static const uint8_t zeroes[PAGE];
    struct tables tables = open_tables(data_path("tiny.lwc"));
    struct lwc_superblock slot = *tables.sb;
    struct view view = {.what = "ragged.lwc", .size = tables.size + 100};
    const uint8_t *map;
    int file;

    write_file("ragged.lwc", tables.data, tables.size);
    file = CHECK_OK(open("ragged.lwc", O_WRONLY | O_APPEND | O_CLOEXEC));
    memset(junk, 0xee, sizeof(junk));
    CHECK(write(file, junk, sizeof(junk)) == sizeof(junk), "ragged.lwc: %m");
    close(file);
    slot.file_size = view.size;
    write_next("ragged.lwc", slot, tables.sb != (const void *)tables.data);
    view.want = open_tables("ragged.lwc").data;
    view.fd = attach_resident("ragged.lwc", LWCMEM_VIEW_PACKED);
    check_mapped(&view);
    check_read(&view, 100003);
    map = map_region(view.fd, view.size, MAP_SHARED);
    compare(map + view.size, zeroes, -view.size % PAGE, view.size, "behind the end");
}

static void larger_than_memory(void)
{
    struct tables tables = open_tables(data_path("tiny.lwc"));
    struct lwc_superblock slot = *tables.sb;
    struct view cached = open_arena("story");
    uint64_t pages;
    int region;

    check_read(&cached, 1 << 20);
    pages = resident_pages(cached.fd, 0, cached.size);
    write_file("large.lwc", tables.data, tables.size);
    slot.file_size = 1ull << 40;
    write_next("large.lwc", slot, tables.sb != (const void *)tables.data);
    CHECK_OK(truncate("large.lwc", 1ll << 40));
    region = attach_path("large.lwc", LWCMEM_VIEW_ARENA, 0);
    CHECK_ERROR(try_attach("large.lwc", LWCMEM_VIEW_ARENA, LWCMEM_RESIDENT), ENOMEM);
    CHECK(!region_info(region).bytes_resident, "a part is held");
    CHECK(resident_pages(cached.fd, 0, cached.size) == pages,
          "what others have cached was driven out");
    unlink("large.lwc");
}

static void bad_tile(void)
{
    int region = attach_resident(data_path("story-bad.lwc"), LWCMEM_VIEW_ARENA);
    uint64_t start, end;
    char byte;

    CHECK(read_number(data_path("story-bad.info"), "arena_start", &start) &&
              read_number(data_path("story-bad.info"), "arena_end", &end),
          "story-bad.info");
    CHECK_ERROR(pread(region, &byte, 1, (start + end) / 2), EIO);
    CHECK(pread(region, &byte, 1, start ? 0 : end + PAGE) == 1, "others do not read: %m");
}

static const struct test_case cases[] = {
    {"the packed view is the container", packed_bytes, 0},
    {"the packed view has huge pages", huge_pages, 0},
    {"it is held once", held_once, 0},
    {"tiles are decoded from the copy", decodes_from_memory, 100},
    {"the copy goes with the last who asked for it", goes_with_the_last, 100},
    {"the copy stays, whatever is advised or dropped", stays, 100},
    {"SIGKILL while loading", killed_while_loading, 100},
    {"reading fails while loading", loading_fails, 100},
    {"a newer generation does not show", newer_generation, 100},
    {"a container whose last page is not full", ragged_end, 0},
    {"ENOMEM: larger than the machine's memory", larger_than_memory, 0},
    {"a damaged tile is found at decode", bad_tile, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
