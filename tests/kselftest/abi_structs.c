/* SPDX-License-Identifier: BSD-3-Clause */
/* QUERY and INFO: sizes of structs, values, unknown commands; the device node. */
#include "libtables.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void query_values(void)
{
    int control = open_control();
    struct lwcmem_query now = query(control);

    CHECK(now.abi == LWCMEM_ABI, "abi %u", now.abi);
    CHECK(now.incompat == LWC_INCOMPAT_KNOWN, "incompat 0x%llx", now.incompat);
    CHECK(now.tile_max == LWC_TILE_MAX, "tile_max %u", now.tile_max);
    CHECK(now.isa, "no isa");
    test_comment("decoder isa 0x%x, %llu tiles decoded, %llu failed", now.isa, now.tiles_decoded,
                 now.tiles_failed);
}

static void query_counts(void)
{
    int control = open_control(), first, second, other;
    struct lwcmem_query before = query(control), now;

    first = attach_path(data_path("tiny.lwc"), LWCMEM_VIEW_ARENA, 0);
    second = attach_path(data_path("tiny.lwc"), LWCMEM_VIEW_FILE, 0);
    other = attach_path(data_path("odd.lwc"), LWCMEM_VIEW_ARENA, 0);
    now = query(control);
    CHECK(now.regions == before.regions + 3, "regions %llu, then %llu", before.regions,
          now.regions);
    CHECK(now.backings == before.backings + 2, "backings %llu, then %llu", before.backings,
          now.backings);
    close(first);
    CHECK(counts_become(control, before.backings + 2, before.regions + 2, 10),
          "counts after one of two regions of a container is closed");
    close(second);
    close(other);
    CHECK(counts_become(control, before.backings, before.regions, 10),
          "counts after all are closed");
}

static void query_totals(void)
{
    int control = open_control();
    struct lwcmem_query before, after;
    struct view view = open_arena("tiny");

    make_cold(&view);
    before = query(control);
    check_read(&view, 65536);
    after = query(control);
    CHECK(after.tiles_decoded > before.tiles_decoded, "tiles_decoded does not grow");
    CHECK(after.bytes_decoded > before.bytes_decoded, "bytes_decoded does not grow");
    CHECK(after.tiles_failed == before.tiles_failed, "tiles_failed grows");
}

static void info_values(void)
{
    struct tables tables = open_tables(data_path("tiny.lwc"));
    struct view view = open_arena("tiny");
    struct file_entry file = largest_file("tiny");
    struct view of_file = open_file_view("tiny", &file);
    struct lwcmem_info info = region_info(view.fd);

    CHECK(info.view == LWCMEM_VIEW_ARENA && !info.file, "view %u, file %llu", info.view, info.file);
    CHECK(info.length == tables.sb->arena_size, "length %llu", info.length);
    CHECK(info.generation == tables.sb->generation, "generation %llu", info.generation);
    CHECK(!memcmp(info.uuid, tables.sb->uuid, 16), "another uuid than the container's");
    CHECK(info.tile_bytes && info.tile_bytes <= LWC_TILE_MAX, "tile_bytes %u", info.tile_bytes);
    CHECK(info.isa, "no isa");
    info = region_info(of_file.fd);
    CHECK(info.view == LWCMEM_VIEW_FILE && info.file == file.index, "view %u, file %llu", info.view,
          info.file);
    CHECK(info.length == file.size, "length %llu", info.length);
}

static void info_counts(void)
{
    struct view view = open_arena("tiny");
    struct lwcmem_info before, after;

    make_cold(&view);
    before = region_info(view.fd);
    check_read(&view, 65536);
    after = region_info(view.fd);
    CHECK(after.tiles_decoded > before.tiles_decoded, "tiles_decoded");
    CHECK(after.bytes_decoded > before.bytes_decoded, "bytes_decoded");
    CHECK(after.bytes_stored_read > before.bytes_stored_read, "bytes_stored_read");
    CHECK(after.bytes_read == before.bytes_read + view.size, "bytes_read grows by %llu",
          after.bytes_read - before.bytes_read);
    CHECK(after.tiles_in_flight_max > 0, "tiles_in_flight_max");
    CHECK(after.tiles_failed == before.tiles_failed, "tiles_failed");
}

static void check_sizes(int fd, unsigned long command, size_t known)
{
    uint8_t bytes[512], full[512];
    uint32_t size;

    for (size = 0; size < 8; size++) {
        memset(bytes, 0, sizeof(bytes));
        memcpy(bytes, &size, 4);
        CHECK_ERROR(ioctl(fd, command, bytes), EINVAL);
    }
    memset(full, 0, sizeof(full));
    memcpy(full, &known, 4);
    CHECK_OK(ioctl(fd, command, full));
    for (size = 8; size <= known; size += 4) {
        memset(bytes, 0xa5, sizeof(bytes));
        memset(bytes + 4, 0, size - 4);
        memcpy(bytes, &size, 4);
        CHECK_OK(ioctl(fd, command, bytes));
        CHECK(!memcmp(bytes + 4, full + 4, 4), "size %u: another second field", size);
        for (size_t i = size; i < sizeof(bytes); i++)
            CHECK(bytes[i] == 0xa5, "size %u: byte %zu was written", size, i);
    }
    memset(bytes, 0, sizeof(bytes));
    size = sizeof(bytes);
    memcpy(bytes, &size, 4);
    CHECK_OK(ioctl(fd, command, bytes));
    for (size_t i = known; i < sizeof(bytes); i++)
        CHECK(!bytes[i], "byte %zu of the unknown tail was written", i);
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, &size, 4);
    bytes[known] = 1;
    CHECK_ERROR(ioctl(fd, command, bytes), E2BIG);
    bytes[known] = 0;
    bytes[sizeof(bytes) - 1] = 1;
    CHECK_ERROR(ioctl(fd, command, bytes), E2BIG);
}

static void query_sizes(void)
{
    check_sizes(open_control(), LWCMEM_IOC_QUERY, sizeof(struct lwcmem_query));
}

static void info_sizes(void)
{
    struct view view = open_arena("tiny");

    check_sizes(view.fd, LWCMEM_IOC_INFO, sizeof(struct lwcmem_info));
}

static void check_faults(int fd, unsigned long command, uint32_t size)
{
    uint8_t *pages =
        CHECK_OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

    CHECK_ERROR(ioctl(fd, command, NULL), EFAULT);
    memcpy(pages, &size, 4);
    CHECK_OK(mprotect(pages, PAGE, PROT_READ));
    CHECK_ERROR(ioctl(fd, command, pages), EFAULT);
    CHECK_OK(mprotect(pages, PAGE, PROT_READ | PROT_WRITE));
    munmap(pages + PAGE, PAGE);
    memcpy(pages + PAGE - 8, &size, 4);
    CHECK_ERROR(ioctl(fd, command, pages + PAGE - 8), EFAULT);
    CHECK_ERROR(ioctl(fd, command, pages + PAGE - 2), EFAULT);
}

static void efault(void)
{
    struct view view = open_arena("tiny");

    check_faults(open_control(), LWCMEM_IOC_QUERY, sizeof(struct lwcmem_query));
    check_faults(view.fd, LWCMEM_IOC_INFO, sizeof(struct lwcmem_info));
}

static void enotty(void)
{
    struct view view = open_arena("tiny");
    int control = open_control();
    uint8_t argument[512] = {64};
    const unsigned long unknown[] = {_IOWR(LWCMEM_IOC_MAGIC, 0x7f, struct lwcmem_query),
                                     _IO(LWCMEM_IOC_MAGIC, 0x40), _IO(LWCMEM_IOC_MAGIC, 0),
                                     0x5401 /* TCGETS */};

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        CHECK_ERROR(ioctl(control, unknown[i], argument), ENOTTY);
        CHECK_ERROR(ioctl(view.fd, unknown[i], argument), ENOTTY);
    }
    CHECK_ERROR(ioctl(control, LWCMEM_IOC_INFO, argument), ENOTTY);
    CHECK_ERROR(ioctl(view.fd, LWCMEM_IOC_QUERY, argument), ENOTTY);
    CHECK_ERROR(ioctl(view.fd, LWCMEM_IOC_ATTACH, argument), ENOTTY);
}

static void device_mode(void)
{
    struct stat stat_;

    CHECK_OK(stat(LWCMEM_DEVICE, &stat_));
    CHECK(S_ISCHR(stat_.st_mode), "not a character device");
    CHECK((stat_.st_mode & 07777) == 0660, "mode %o", stat_.st_mode & 07777);
    CHECK(!stat_.st_uid, "owner %u", stat_.st_uid);
}

static void other_user(void *unused)
{
    (void)unused;
    CHECK_OK(setgroups(0, NULL));
    CHECK_OK(setresgid(65534, 65534, 65534));
    CHECK_OK(setresuid(65534, 65534, 65534));
    CHECK_ERROR(open(LWCMEM_DEVICE, O_RDWR), EACCES);
    CHECK_ERROR(open(LWCMEM_DEVICE, O_RDONLY), EACCES);
}

static void device_other_user(void)
{
    join_child(start_child(other_user, NULL), "the other user's process");
}

static const struct test_case cases[] = {
    {"QUERY says what the module can", query_values, 0},
    {"QUERY counts backings and regions", query_counts, 0},
    {"QUERY sums what is decoded", query_totals, 0},
    {"INFO says what the region is", info_values, 0},
    {"INFO counts what is read", info_counts, 0},
    {"QUERY: shorter and longer structs, EINVAL, E2BIG", query_sizes, 0},
    {"INFO: shorter and longer structs, EINVAL, E2BIG", info_sizes, 0},
    {"QUERY and INFO: EFAULT", efault, 0},
    {"ENOTTY: unknown commands on both descriptors", enotty, 0},
    {"the device has mode 0660", device_mode, 0},
    {"another user cannot open the device", device_other_user, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
