/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers that depend on a base: each documented error by itself, and what they hold. */
#include "libtables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int control, tuned, base;

static int open_data(const char *name)
{
    return CHECK_OK(open(data_path("%s", name), O_RDONLY | O_CLOEXEC));
}

static void set_up(void)
{
    control = open_control();
    tuned = open_data("tuned.lwc");
    base = open_data("base.lwc");
}

static int with_base(int fd)
{
    return attach_based(control, tuned, fd, LWCMEM_VIEW_ARENA, 0);
}

static int with_bases(const void *bases, uint32_t count)
{
    struct lwcmem_attach request = {
        .size = sizeof(request), .fd = tuned, .bases = (uintptr_t)bases, .base_count = count};

    return ioctl(control, LWCMEM_IOC_ATTACH, &request);
}

static int copy_of(const char *model, const char *name)
{
    int from = open_data(model), fd = CHECK_OK(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));

    while (CHECK_OK(sendfile(fd, from, NULL, 1 << 20)) > 0)
        ;
    close(from);
    return fd;
}

/* The next line of the log must not be lost to the rate limit. */
static int fresh_log(void)
{
    sleep_ms(6000);
    return open_log();
}

static void uuid_text(const uint8_t *uuid, char text[37])
{
    for (int i = 0; i < 16; i++)
        text += sprintf(text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

static void content(void)
{
    static const char *const models[] = {"tuned", "close"};
    struct view views[VIEWS_MAX];

    for (int m = 0; m < 2; m++) {
        int count = open_views(models[m], views);

        for (int i = 0; i < count; i++) {
            make_cold(&views[i]);
            check_read(&views[i], 1 << 20);
            make_cold(&views[i]);
            check_mapped(&views[i]);
            CHECK(!region_info(views[i].fd).tiles_failed, "%s: tiles failed", views[i].what);
        }
    }
}

/* From the end, so that readahead does not help: each tile by itself. */
static void backwards(void)
{
    struct view view = open_arena("tuned");

    make_cold(&view);
    for (uint64_t at = (view.size - 1) / PAGE * PAGE; at; at -= PAGE)
        check_range(&view, at, view.size - at < PAGE ? view.size - at : PAGE);
}

static void announced(void)
{
    CHECK(query(open_control()).incompat & LWC_INCOMPAT_DELTA, "QUERY does not have DELTA");
}

static void enolink(void)
{
    struct tables tables = open_tables(data_path("base.lwc"));
    char uuid[37];
    int log;

    set_up();
    uuid_text(tables.sb->uuid, uuid);
    log = fresh_log();
    CHECK_ERROR(with_base(-1), ENOLINK);
    CHECK(log_has(log, "lwcmem", "tuned.lwc", uuid, 5), "no line of the kernel log has %s", uuid);
}

/* The page cache of regions with a base is not a way around giving it. */
static void enolink_although_attached(void)
{
    set_up();
    CHECK_OK(with_base(base));
    CHECK_ERROR(with_base(-1), ENOLINK);
}

static void einval_too_many(void)
{
    int bases[] = {base, base}, other;

    set_up();
    bases[0] = bases[1] = base;
    CHECK_ERROR(with_bases(bases, 2), EINVAL);
    CHECK_ERROR(with_bases(bases, ~0u), EINVAL);
    CHECK_ERROR(with_bases(bases, 0), EINVAL);
    other = open_data("odd.lwc");
    CHECK_ERROR(attach_based(control, other, base, LWCMEM_VIEW_ARENA, 0), EINVAL);
}

static void efault(void)
{
    uint8_t *pages =
        CHECK_OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

    set_up();
    CHECK_OK(munmap(pages + PAGE, PAGE));
    CHECK_ERROR(with_bases(NULL, 1), EFAULT);
    CHECK_ERROR(with_bases(pages + PAGE, 1), EFAULT);
    CHECK_ERROR(with_bases(pages + PAGE - 2, 1), EFAULT);
    memcpy(pages + PAGE - 4, &base, 4);
    CHECK_OK(with_bases(pages + PAGE - 4, 1));
}

static void ebadf(void)
{
    int closed, none = -1;

    set_up();
    closed = CHECK_OK(dup(base));
    close(closed);
    CHECK_ERROR(with_bases(&none, 1), EBADF);
    CHECK_ERROR(with_base(closed), EBADF);
    CHECK_ERROR(with_base(CHECK_OK(open("write-only", O_WRONLY | O_CREAT, 0600))), EBADF);
    CHECK_ERROR(with_base(CHECK_OK(open(data_path("base.lwc"), O_PATH))), EBADF);
}

static void einval_no_regular_file(void)
{
    int sockets[2];

    set_up();
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
    CHECK_ERROR(with_base(sockets[0]), EINVAL);
    CHECK_ERROR(with_base(CHECK_OK(open(".", O_RDONLY))), EINVAL);
}

static void eloop(void)
{
    set_up();
    CHECK_ERROR(with_base(CHECK_OK(with_base(base))), ELOOP);
}

static void ebadmsg(void)
{
    int fd;

    set_up();
    CHECK_ERROR(with_base(open_data("odd/big.bin")), EBADMSG);
    fd = copy_of("base.lwc", "cut.lwc");
    CHECK_OK(ftruncate(fd, lseek(fd, 0, SEEK_END) - 1));
    CHECK_ERROR(with_base(fd), EBADMSG);
}

/* Where the sha256 of the last object of base.lwc is. */
static uint64_t last_hash(const struct tables *tables)
{
    uint64_t objects = table_count(tables, LWC_TABLE_OBJECTS);
    const uint8_t *last = table_entry(tables, LWC_TABLE_OBJECTS, objects - 1);

    return last - tables->data + offsetof(struct lwc_object, sha256);
}

/* The objects, whose hashes are compared: a bit of one, the crc of its block as it was. */
static void ebadmsg_objects(void)
{
    struct tables tables = open_tables(data_path("base.lwc"));
    uint64_t at = last_hash(&tables);
    int fd = copy_of("base.lwc", "flipped.lwc");
    uint8_t byte = tables.data[at] ^ 1;

    set_up();
    CHECK(pwrite(fd, &byte, 1, at) == 1, "pwrite: %m");
    CHECK_ERROR(with_base(fd), EBADMSG);
}

/* A table's block of a copy after a change of byte at, its crc made right again. */
static void change_block(int fd, uint64_t block_at, size_t at, uint8_t flip)
{
    uint8_t block[LWC_BLOCK_SIZE];
    uint32_t crc;

    CHECK(pread(fd, block, sizeof(block), block_at) == sizeof(block), "pread: %m");
    block[at] ^= flip;
    crc = crc32c(block + 4, sizeof(block) - 4);
    memcpy(block, &crc, sizeof(crc));
    CHECK(pwrite(fd, block, sizeof(block), block_at) == sizeof(block), "pwrite: %m");
}

/* The right uuid, but the sha256 of an object is another one. */
static void estale_hash(void)
{
    struct tables tables = open_tables(data_path("base.lwc"));
    uint64_t at = last_hash(&tables);
    int fd = copy_of("base.lwc", "hash.lwc");

    set_up();
    CHECK_OK(with_base(fd));
    change_block(fd, at / LWC_BLOCK_SIZE * LWC_BLOCK_SIZE, at % LWC_BLOCK_SIZE, 1);
    CHECK_ERROR(with_base(fd), ESTALE);
}

static void estale(void)
{
    struct tables wanted = open_tables(data_path("base.lwc")),
                  found = open_tables(data_path("odd.lwc"));
    char wanted_text[37], found_text[37];
    int log;

    set_up();
    uuid_text(wanted.sb->uuid, wanted_text);
    uuid_text(found.sb->uuid, found_text);
    log = fresh_log();
    CHECK_ERROR(with_base(open_data("odd.lwc")), ESTALE);
    CHECK(log_has(log, "tuned.lwc", wanted_text, found_text, 5),
          "no line of the kernel log has %s and %s", wanted_text, found_text);
    CHECK_ERROR(with_base(open_data("patched.lwc")), ESTALE);
}

static void emlink(void)
{
    set_up();
    CHECK_ERROR(with_base(open_data("close.lwc")), EMLINK);
    CHECK_ERROR(with_base(tuned), EMLINK);
}

static void eopnotsupp(void)
{
    uint8_t slot[LWC_SUPERBLOCK_SIZE];
    struct lwc_superblock *sb = (void *)slot;
    int fd = copy_of("base.lwc", "feature.lwc");

    set_up();
    CHECK(pread(fd, slot, sizeof(slot), 0) == sizeof(slot), "pread: %m");
    sb->incompat |= 1ull << 61;
    sb->crc = crc32c(slot + 16, sizeof(slot) - 16);
    CHECK(pwrite(fd, slot, sizeof(slot), 0) == sizeof(slot), "pwrite: %m");
    CHECK_ERROR(with_base(fd), EOPNOTSUPP);
}

/* One page cache for each pair of files. */
static void shared(void)
{
    struct lwcmem_query before;
    int first, other;
    uint64_t decoded;
    char byte;

    set_up();
    before = query(control);
    first = CHECK_OK(with_base(base));
    CHECK(pread(first, &byte, 1, 0) == 1, "pread: %m");
    decoded = region_info(first).tiles_decoded;
    CHECK(decoded, "no tile was decoded");
    CHECK_OK(with_base(open_data("base.lwc")));
    CHECK(query(control).backings == before.backings + 1, "two backings of the same two files");
    other = CHECK_OK(with_base(copy_of("base.lwc", "copy.lwc")));
    CHECK(query(control).backings == before.backings + 2, "another base, the same backing");
    CHECK(!region_info(other).tiles_decoded, "a new backing has decoded tiles");
}

/* Bytes of the ARENA view that come from tile ref of the base, as a map of pages. */
static uint8_t *pages_of(uint64_t ref, uint64_t size)
{
    struct tables tables = open_tables(data_path("tuned.lwc"));
    uint8_t *pages = calloc(size / PAGE + 1, 1);

    CHECK(pages, "no memory");
    for (uint64_t i = 0; i < table_count(&tables, LWC_TABLE_OBJECTS); i++) {
        const struct lwc_object *object = table_entry(&tables, LWC_TABLE_OBJECTS, i);

        for (uint64_t t = 0; object->arena_offset != LWC_NO_ARENA && t < object->tile_count; t++) {
            const struct lwc_tile *tile =
                table_entry(&tables, LWC_TABLE_TILES, object->tile_first + t);
            uint64_t start = object->arena_offset + t * object->tile_bytes, end;

            if (tile->chain[0] == LWC_CODEC_COPY)
                tile = table_entry(&tables, LWC_TABLE_TILES, tile->ref);
            if (tile->chain[0] != LWC_CODEC_DELTA || tile->ref != ref)
                continue;
            end = object->arena_offset + object->decoded_size;
            if (end > start + object->tile_bytes)
                end = start + object->tile_bytes;
            memset(pages + start / PAGE, 1, (end - 1) / PAGE - start / PAGE + 1);
        }
    }
    return pages;
}

/* The tile of base.lwc in which damaged.lwc differs. */
static uint64_t damaged_tile(void)
{
    struct tables good = open_tables(data_path("base.lwc")),
                  bad = open_tables(data_path("damaged.lwc"));

    for (uint64_t i = 0; i < table_count(&good, LWC_TABLE_TILES); i++) {
        const struct lwc_tile *tile = table_entry(&good, LWC_TABLE_TILES, i);

        if (tile->chain[0] != LWC_CODEC_COPY &&
            memcmp(good.data + tile->offset, bad.data + tile->offset, tile->stored))
            return i;
    }
    test_fail("damaged.lwc is not damaged");
}

static void damaged(void)
{
    struct view view = open_arena("tuned");
    uint8_t *bad = pages_of(damaged_tile(), view.size);
    uint64_t failed = 0;
    int log;

    set_up();
    log = fresh_log();
    view.fd = CHECK_OK(with_base(open_data("damaged.lwc")));
    for (uint64_t at = 0; at < view.size; at += PAGE) {
        uint8_t byte;

        if (!bad[at / PAGE]) {
            check_range(&view, at, view.size - at < PAGE ? view.size - at : PAGE);
            continue;
        }
        CHECK_ERROR(pread(view.fd, &byte, 1, at), EIO);
        failed++;
    }
    CHECK(failed, "no tile of tuned.lwc has to do with the damaged one");
    CHECK(region_info(view.fd).tiles_failed, "tiles_failed does not count");
    CHECK(log_has(log, "tuned.lwc: tensor F16.few", "damaged.lwc", "base", 5),
          "no line of the kernel log names the tensor and both containers");
    test_comment("%llu pages of %llu", (unsigned long long)failed,
                 (unsigned long long)view.size / PAGE);
}

static void run_tool(const char *arguments)
{
    char command[600];
    const char *tool = getenv("LWCMEM");

    snprintf(command, sizeof(command), "%s %s > tool.log 2>&1", tool ? tool : "/bin/lwcmem",
             arguments);
    CHECK(!system(command), "%s fails", command);
}

/* Nothing that becomes of the base afterwards changes a region. */
static void base_changes(void)
{
    struct view view = open_arena("tuned");
    char arguments[300];
    int fd;

    set_up();
    close(copy_of("base.lwc", "moving.lwc"));
    fd = CHECK_OK(open("moving.lwc", O_RDONLY | O_CLOEXEC));
    view.fd = CHECK_OK(with_base(fd));
    snprintf(arguments, sizeof(arguments), "patch moving.lwc %s", data_path("tuned"));
    run_tool(arguments);
    CHECK_ERROR(with_base(fd), ESTALE);
    drop_all_caches();
    check_read(&view, 1 << 20);
    make_cold(&view);
    close(copy_of("odd.lwc", "moving.lwc.new"));
    CHECK_OK(rename("moving.lwc.new", "moving.lwc"));
    close(fd);
    drop_all_caches();
    check_mapped(&view);
}

static void lifetime(void)
{
    struct lwcmem_query before;
    struct view view = open_arena("tuned");
    uint64_t files;
    int error;

    set_up();
    close(view.fd);
    CHECK(counts_become(control, 0, 0, 20), "others use the module");
    before = query(control);
    files = open_files();
    for (int i = 0; i < 100; i++) {
        CHECK_ERROR(with_base(-1), ENOLINK);
        CHECK_ERROR(with_base(tuned), EMLINK);
        CHECK_ERROR(attach_based(control, tuned, base, LWCMEM_VIEW_FILE, ~0ull), EINVAL);
    }
    CHECK(counts_become(control, before.backings, before.regions, 10),
          "failed calls leave something behind");
    check_open_files(files, 50);
    view.fd = CHECK_OK(with_base(base));
    close(base);
    close(tuned);
    close(control);
    error = unload_module();
    CHECK(error == EAGAIN || error == EBUSY, "unloaded under a region: %s", strerror(error));
    drop_all_caches();
    check_read(&view, 1 << 20);
    close(view.fd);
    for (int i = 0; i < 100 && (error = unload_module()); i++)
        sleep_ms(100);
    CHECK(!error, "unloading: %s", strerror(error));
    error = load_module("");
    CHECK(!error, "loading: %s", strerror(error));
}

static const struct test_case cases[] = {
    {"all views hold the model", content, 100},
    {"tile by tile from the end", backwards, 0},
    {"QUERY announces DELTA", announced, 0},
    {"ENOLINK: no base, and the kernel log has its uuid", enolink, 0},
    {"ENOLINK: no base, although it is attached with one", enolink_although_attached, 0},
    {"EINVAL: more bases than the container has", einval_too_many, 0},
    {"EFAULT: bad pointer to bases", efault, 0},
    {"EBADF: a base that is not open for reading", ebadf, 0},
    {"EINVAL: a base that is no regular file", einval_no_regular_file, 0},
    {"ELOOP: a base that is a region", eloop, 0},
    {"EBADMSG: a base that is no container, or cut off", ebadmsg, 0},
    {"EBADMSG: a base with a damaged table of objects", ebadmsg_objects, 0},
    {"ESTALE: another container, another generation; both uuids in the log", estale, 0},
    {"ESTALE: the right uuid, but other contents", estale_hash, 0},
    {"EMLINK: a base that has a base", emlink, 0},
    {"EOPNOTSUPP: a base with an unknown feature", eopnotsupp, 0},
    {"one page cache for each pair of files", shared, 0},
    {"a damaged tile of the base: EIO for what needs it, and a line that names both", damaged, 0},
    {"the base is updated and replaced", base_changes, 0},
    {"the module stays as long as a region, and goes afterwards", lifetime, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
