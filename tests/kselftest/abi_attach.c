/* SPDX-License-Identifier: BSD-3-Clause */
/* ATTACH: each documented error by itself, and what it accepts. */
#include "libtables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int control, container;

static void set_up(void)
{
    control = open_control();
    container = CHECK_OK(open(data_path("odd.lwc"), O_RDONLY | O_CLOEXEC));
}

static struct lwcmem_attach good(void)
{
    return (struct lwcmem_attach){.size = sizeof(struct lwcmem_attach), .fd = container};
}

static int attach_request(struct lwcmem_attach request)
{
    return ioctl(control, LWCMEM_IOC_ATTACH, &request);
}

static int attach_fd(int fd)
{
    return attach(control, fd, LWCMEM_VIEW_ARENA, 0);
}

static void ebadf(void)
{
    int write_only, path_only, closed;

    set_up();
    write_only = CHECK_OK(open("write-only.lwc", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    path_only = CHECK_OK(open(data_path("odd.lwc"), O_PATH | O_CLOEXEC));
    closed = CHECK_OK(dup(container));
    close(closed);
    CHECK_ERROR(attach_fd(-1), EBADF);
    CHECK_ERROR(attach_fd(closed), EBADF);
    CHECK_ERROR(attach_fd(write_only), EBADF);
    CHECK_ERROR(attach_fd(path_only), EBADF);
}

static void einval_no_regular_file(void)
{
    int pipes[2], sockets[2];

    set_up();
    CHECK_OK(pipe2(pipes, O_CLOEXEC));
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
    CHECK_ERROR(attach_fd(pipes[0]), EINVAL);
    CHECK_ERROR(attach_fd(sockets[0]), EINVAL);
    CHECK_ERROR(attach_fd(CHECK_OK(open(".", O_RDONLY | O_CLOEXEC))), EINVAL);
    CHECK_ERROR(attach_fd(CHECK_OK(open("/dev/zero", O_RDONLY | O_CLOEXEC))), EINVAL);
    CHECK_ERROR(attach_fd(control), EINVAL);
}

static void einval_view(void)
{
    set_up();
    CHECK_ERROR(attach(control, container, 3, 0), EINVAL);
    CHECK_ERROR(attach(control, container, ~0u, 0), EINVAL);
}

static void einval_flags(void)
{
    set_up();
    for (int bit = 3; bit < 32; bit++) {
        struct lwcmem_attach request = good();

        if (LWCMEM_REQUIRE_VERITY >> bit & 1)
            continue;
        request.flags = LWCMEM_RESIDENT | 1u << bit;
        CHECK_ERROR(attach_request(request), EINVAL);
    }
}

static void einval_not_resident(void)
{
    struct lwcmem_attach request;

    set_up();
    request = good();
    request.view = LWCMEM_VIEW_PACKED;
    CHECK_ERROR(attach_request(request), EINVAL);
    request = good();
    request.flags = LWCMEM_INTERLEAVE;
    CHECK_ERROR(attach_request(request), EINVAL);
    request.flags = LWCMEM_REPLICATE;
    CHECK_ERROR(attach_request(request), EINVAL);
}

static void einval_two_placements(void)
{
    struct lwcmem_attach request;

    set_up();
    request = good();
    request.flags = LWCMEM_RESIDENT | LWCMEM_INTERLEAVE | LWCMEM_REPLICATE;
    CHECK_ERROR(attach_request(request), EINVAL);
}

static void einval_file_with_packed(void)
{
    struct lwcmem_attach request;

    set_up();
    request = good();
    request.view = LWCMEM_VIEW_PACKED;
    request.flags = LWCMEM_RESIDENT;
    request.file = 1;
    CHECK_ERROR(attach_request(request), EINVAL);
}

static void einval_reserved(void)
{
    struct lwcmem_attach request;

    set_up();
    request = good();
    request.reserved = 1;
    CHECK_ERROR(attach_request(request), EINVAL);
}

static void einval_file_with_arena(void)
{
    set_up();
    CHECK_ERROR(attach(control, container, LWCMEM_VIEW_ARENA, 1), EINVAL);
    CHECK_ERROR(attach(control, container, LWCMEM_VIEW_ARENA, ~0ull), EINVAL);
}

static void einval_file_beyond_table(void)
{
    struct file_entry files[VIEWS_MAX];
    int count = read_files("odd", files, VIEWS_MAX);

    set_up();
    CHECK_ERROR(attach(control, container, LWCMEM_VIEW_FILE, count), EINVAL);
    CHECK_ERROR(attach(control, container, LWCMEM_VIEW_FILE, 1ull << 32), EINVAL);
    CHECK_ERROR(attach(control, container, LWCMEM_VIEW_FILE, ~0ull), EINVAL);
}

static void einval_size(void)
{
    set_up();
    for (uint32_t size = 0; size < 8; size++) {
        struct lwcmem_attach request = good();

        request.size = size;
        CHECK_ERROR(attach_request(request), EINVAL);
    }
}

static void eisdir(void)
{
    struct file_entry files[VIEWS_MAX];
    int count = read_files("odd", files, VIEWS_MAX), seen = 0;

    set_up();
    for (int i = 0; i < count; i++) {
        if (!files[i].directory)
            continue;
        seen++;
        CHECK_ERROR(attach(control, container, LWCMEM_VIEW_FILE, files[i].index), EISDIR);
    }
    CHECK(seen, "the model has no directory");
}

static void eloop(void)
{
    int region;
    char path[40];

    set_up();
    region = CHECK_OK(attach_fd(container));
    CHECK_ERROR(attach_fd(region), ELOOP);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", region);
    CHECK_ERROR(attach_fd(CHECK_OK(open(path, O_RDONLY | O_CLOEXEC))), ELOOP);
}

static int file_with(const char *name, const void *data, size_t size)
{
    int fd = CHECK_OK(open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

    CHECK(write(fd, data, size) == (ssize_t)size, "%s: %m", name);
    return fd;
}

static void ebadmsg(void)
{
    static const uint8_t zeroes[3 * LWC_SUPERBLOCK_SIZE];

    set_up();
    CHECK_ERROR(attach_fd(file_with("empty", "", 0)), EBADMSG);
    CHECK_ERROR(attach_fd(file_with("one", "L", 1)), EBADMSG);
    CHECK_ERROR(attach_fd(file_with("magic", LWC_MAGIC, LWC_MAGIC_SIZE)), EBADMSG);
    CHECK_ERROR(attach_fd(file_with("zeroes", zeroes, sizeof(zeroes))), EBADMSG);
    CHECK_ERROR(attach_fd(CHECK_OK(open(data_path("odd/big.bin"), O_RDONLY))), EBADMSG);
}

/* A container in memory, for changes. */
static uint8_t *container_bytes(size_t *length)
{
    struct tables tables = open_tables(data_path("tiny.lwc"));
    uint8_t *bytes = malloc(tables.size);

    CHECK(bytes, "no memory");
    *length = tables.size;
    return memcpy(bytes, tables.data, tables.size);
}

static void ebadmsg_truncated(void)
{
    size_t size;
    uint8_t *bytes = container_bytes(&size);

    set_up();
    CHECK_ERROR(attach_fd(file_with("cut", bytes, size - 1)), EBADMSG);
    CHECK_ERROR(attach_fd(file_with("cut", bytes, LWC_DATA_START)), EBADMSG);
    CHECK_ERROR(attach_fd(file_with("cut", bytes, LWC_SUPERBLOCK_SIZE)), EBADMSG);
}

static void ebadmsg_superblock(void)
{
    static const int bytes_at[] = {8, 20, 30, 70, 104, 300, 4095};
    size_t size;
    uint8_t *bytes = container_bytes(&size);

    set_up();
    for (size_t i = 0; i < sizeof(bytes_at) / sizeof(int); i++) {
        bytes[bytes_at[i]] ^= 1;
        CHECK_ERROR(attach_fd(file_with("flipped", bytes, size)), EBADMSG);
        bytes[bytes_at[i]] ^= 1;
    }
}

static void eopnotsupp(void)
{
    size_t size;
    uint8_t *bytes = container_bytes(&size);
    struct lwc_superblock *sb = (void *)bytes;
    uint64_t incompat = sb->incompat;

    set_up();
    for (int bit = 0; bit < 64; bit++) {
        if (LWC_INCOMPAT_KNOWN >> bit & 1)
            continue;
        sb->incompat = incompat | 1ull << bit;
        sb->crc = crc32c(bytes + 16, LWC_SUPERBLOCK_SIZE - 16);
        CHECK_ERROR(attach_fd(file_with("feature", bytes, size)), EOPNOTSUPP);
    }
}

static void feature_logged(void)
{
    size_t size;
    uint8_t *bytes = container_bytes(&size);
    struct lwc_superblock *sb = (void *)bytes;
    int log;

    set_up();
    sb->incompat |= 1ull << 60;
    sb->crc = crc32c(bytes + 16, LWC_SUPERBLOCK_SIZE - 16);
    sleep_ms(6000); /* the rate limit of the log */
    log = open_log();
    CHECK_ERROR(attach_fd(file_with("feature.lwc", bytes, size)), EOPNOTSUPP);
    CHECK(log_has(log, "lwcmem", "feature.lwc", "0x1000000000000000", 5),
          "no line of the kernel log has the feature");
}

static void efbig_length(void)
{
    size_t size;
    uint8_t *bytes = container_bytes(&size);
    struct lwc_superblock *sb = (void *)bytes;

    set_up();
    sb->arena_size = 1ull << 63;
    sb->crc = crc32c(bytes + 16, LWC_SUPERBLOCK_SIZE - 16);
    CHECK_ERROR(attach_fd(file_with("long", bytes, size)), EFBIG);
}

/* A table of objects of as many entries, sparse. */
static int with_objects(uint64_t count)
{
    size_t size;
    uint8_t *bytes = container_bytes(&size);
    struct lwc_superblock *sb = (void *)bytes;
    struct lwc_table_ref *table = &sb->tables[LWC_TABLE_OBJECTS];
    uint64_t per_block = LWC_BLOCK_PAYLOAD / table->entry_size, end;
    int fd;

    table->offset = (size + LWC_BLOCK_SIZE - 1) / LWC_BLOCK_SIZE * LWC_BLOCK_SIZE;
    table->count = count;
    end = table->offset + (count + per_block - 1) / per_block * LWC_BLOCK_SIZE;
    sb->file_size = end;
    sb->crc = crc32c(bytes + 16, LWC_SUPERBLOCK_SIZE - 16);
    fd = file_with("parts", bytes, size);
    free(bytes);
    CHECK_OK(ftruncate(fd, end));
    return fd;
}

static void efbig_parts(void)
{
    set_up();
    CHECK_ERROR(attach_fd(with_objects(1u << 20)), EBADMSG);
    CHECK_ERROR(attach_fd(with_objects((1u << 20) + 1)), EFBIG);
}

static void second_slot(void)
{
    size_t size;
    uint8_t *bytes = container_bytes(&size);
    struct lwc_superblock *sb = (void *)bytes;
    struct lwcmem_info info;
    int region;

    set_up();
    memcpy(&sb[1], &sb[0], sizeof(*sb));
    sb[1].generation = 7;
    sb[1].crc = crc32c((uint8_t *)&sb[1] + 16, LWC_SUPERBLOCK_SIZE - 16);
    region = CHECK_OK(attach_fd(file_with("slots", bytes, size)));
    info = region_info(region);
    CHECK(info.generation == 7, "generation %llu instead of 7", info.generation);
    close(region);
    /* a torn write of the newer slot leaves the older model */
    sb[1].crc ^= 1;
    region = CHECK_OK(attach_fd(file_with("torn", bytes, size)));
    info = region_info(region);
    CHECK(info.generation == sb[0].generation, "generation %llu", info.generation);
}

static void efault(void)
{
    uint8_t *pages =
        CHECK_OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    struct lwcmem_attach request;

    set_up();
    request = good();
    munmap(pages + PAGE, PAGE);
    memcpy(pages + PAGE - 16, &request, 16);
    CHECK_ERROR(ioctl(control, LWCMEM_IOC_ATTACH, NULL), EFAULT);
    CHECK_ERROR(ioctl(control, LWCMEM_IOC_ATTACH, pages + PAGE - 16), EFAULT);
    CHECK_ERROR(ioctl(control, LWCMEM_IOC_ATTACH, pages + PAGE - 2), EFAULT);
}

static void emfile(void)
{
    struct rlimit limit;

    set_up();
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = 0;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    CHECK_ERROR(attach_fd(container), EMFILE);
    limit.rlim_cur = limit.rlim_max;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    CHECK_OK(attach_fd(container));
}

static void longer_struct(void)
{
    struct {
        struct lwcmem_attach known;
        uint8_t more[64];
    } request = {};

    set_up();
    request.known = good();
    request.known.size = sizeof(request);
    CHECK_OK(ioctl(control, LWCMEM_IOC_ATTACH, &request));
    request.more[63] = 1;
    CHECK_ERROR(ioctl(control, LWCMEM_IOC_ATTACH, &request), E2BIG);
    request.more[63] = 0;
    request.more[0] = 1;
    CHECK_ERROR(ioctl(control, LWCMEM_IOC_ATTACH, &request), E2BIG);
}

/* What is beyond the size is not looked at, also if it is not zero. */
static void shorter_struct(void)
{
    struct lwcmem_attach request;

    set_up();
    memset(&request, 0xff, sizeof(request));
    request.size = offsetof(struct lwcmem_attach, file);
    request.flags = 0;
    request.fd = container;
    request.view = LWCMEM_VIEW_ARENA;
    CHECK_OK(ioctl(control, LWCMEM_IOC_ATTACH, &request));
    request.size = offsetof(struct lwcmem_attach, bases);
    request.view = LWCMEM_VIEW_FILE;
    request.file = 1;
    CHECK_OK(ioctl(control, LWCMEM_IOC_ATTACH, &request));
}

static void failures_leave_nothing(void)
{
    struct lwcmem_query before, after;
    uint64_t files;

    set_up();
    before = query(control);
    files = open_files();
    for (int i = 0; i < 100; i++) {
        CHECK_ERROR(attach(control, container, 7, 0), EINVAL);
        CHECK_ERROR(attach(control, container, LWCMEM_VIEW_FILE, ~0ull), EINVAL);
        CHECK_ERROR(attach_fd(-1), EBADF);
    }
    CHECK(counts_become(control, before.backings, before.regions, 10),
          "counts of QUERY grew by failed calls");
    check_open_files(files, 50);
    after = query(control);
    CHECK(after.tiles_decoded == before.tiles_decoded, "failed calls decoded tiles");
}

static const struct test_case cases[] = {
    {"EBADF: descriptor that is not open for reading", ebadf, 0},
    {"EINVAL: not a regular file", einval_no_regular_file, 0},
    {"EINVAL: unknown view", einval_view, 0},
    {"EINVAL: unknown flag", einval_flags, 0},
    {"EINVAL: PACKED, INTERLEAVE or REPLICATE without RESIDENT", einval_not_resident, 0},
    {"EINVAL: INTERLEAVE and REPLICATE", einval_two_placements, 0},
    {"EINVAL: a file index with PACKED", einval_file_with_packed, 0},
    {"EINVAL: reserved fields", einval_reserved, 0},
    {"EINVAL: file index with ARENA", einval_file_with_arena, 0},
    {"EINVAL: file index beyond the table", einval_file_beyond_table, 0},
    {"EINVAL: size below 8", einval_size, 0},
    {"EISDIR: file is a directory", eisdir, 0},
    {"ELOOP: descriptor is a region", eloop, 0},
    {"EBADMSG: not a container", ebadmsg, 0},
    {"EBADMSG: truncated", ebadmsg_truncated, 0},
    {"EBADMSG: damaged superblock", ebadmsg_superblock, 0},
    {"EOPNOTSUPP: unknown features", eopnotsupp, 0},
    {"EOPNOTSUPP: the kernel log names the feature", feature_logged, 0},
    {"EFBIG: a view longer than a file can be", efbig_length, 0},
    {"EFBIG: a view of too many parts", efbig_parts, 0},
    {"the valid slot with the higher generation counts", second_slot, 0},
    {"EFAULT: bad pointers", efault, 0},
    {"EMFILE: no free descriptor", emfile, 0},
    {"a longer struct: zero tail accepted, other E2BIG", longer_struct, 0},
    {"a shorter struct: missing fields are zero", shorter_struct, 0},
    {"failed calls leave nothing behind", failures_leave_nothing, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
