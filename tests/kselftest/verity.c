/* SPDX-License-Identifier: BSD-3-Clause */
/* LWCMEM_REQUIRE_VERITY: what it refuses, and what the filesystem then notices. */
#include "libtables.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <unistd.h>

static void copy(const char *model, const char *name)
{
    int from = CHECK_OK(open(data_path("%s", model), O_RDONLY | O_CLOEXEC));
    int to = CHECK_OK(open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

    while (CHECK_OK(sendfile(to, from, NULL, 1 << 20)) > 0)
        ;
    CHECK_OK(fsync(to));
    close(from);
    close(to);
}

/* Open for reading, as a file of fs-verity from now on. */
static int enable(const char *name)
{
    struct fsverity_enable_arg argument = {
        .version = 1, .hash_algorithm = FS_VERITY_HASH_ALG_SHA256, .block_size = 4096};
    int fd = CHECK_OK(open(name, O_RDONLY | O_CLOEXEC));

    if (ioctl(fd, FS_IOC_ENABLE_VERITY, &argument) == 0)
        return fd;
    if (errno == ENOTTY || errno == EOPNOTSUPP)
        test_skip("no fs-verity here: %s", strerror(errno));
    test_fail("%s: FS_IOC_ENABLE_VERITY: %m", name);
}

static int protected(const char *model, const char *name)
{
    copy(model, name);
    return enable(name);
}

static int attach_protected(int container, int base)
{
    struct lwcmem_attach request = {
        .size = sizeof(request), .flags = LWCMEM_REQUIRE_VERITY, .fd = container};

    if (base >= 0) {
        request.bases = (uintptr_t)&base;
        request.base_count = 1;
    }
    return ioctl(open_control(), LWCMEM_IOC_ATTACH, &request);
}

static int plain(const char *name)
{
    return CHECK_OK(open(data_path("%s", name), O_RDONLY | O_CLOEXEC));
}

static void enodata(void)
{
    int tuned = protected("tuned.lwc", "tuned.lwc"), base = protected("base.lwc", "base.lwc");

    CHECK_ERROR(attach_protected(plain("tiny.lwc"), -1), ENODATA);
    CHECK_ERROR(attach_protected(plain("tuned.lwc"), base), ENODATA);
    CHECK_ERROR(attach_protected(tuned, plain("base.lwc")), ENODATA);
    CHECK_OK(attach_protected(tuned, base));
}

static void content(void)
{
    struct view view = open_arena("tuned");

    view.fd = CHECK_OK(
        attach_protected(protected("tuned.lwc", "content.lwc"), protected("base.lwc", "of.lwc")));
    drop_all_caches();
    check_read(&view, 1 << 20);
}

/* What was read before the filesystem checked it does not count. */
static void separate(void)
{
    struct lwcmem_query before;
    int control = open_control(), early, late;
    char byte;

    copy("tiny.lwc", "late.lwc");
    early = attach_path("./late.lwc", LWCMEM_VIEW_ARENA, 0);
    CHECK(pread(early, &byte, 1, 0) == 1, "pread: %m");
    before = query(control);
    late = CHECK_OK(attach_protected(enable("late.lwc"), -1));
    CHECK(query(control).backings == before.backings + 1, "the backings are the same");
    CHECK(!region_info(late).tiles_decoded, "tiles that were decoded before count");
}

static void device_of_data(char device[100])
{
    char line[300], directory[100];
    FILE *mounts = fopen("/proc/mounts", "re");
    bool found = false;

    CHECK(mounts, "/proc/mounts: %m");
    while (!found && fgets(line, sizeof(line), mounts))
        found = sscanf(line, "%99s %99s", device, directory) == 2 && !strcmp(directory, "/data");
    fclose(mounts);
    if (!found)
        test_skip("/data is not a filesystem of its own");
}

/* Flip a bit of the file on the disk, below the filesystem. */
static void tamper(int fd, uint64_t at)
{
    char device[100];
    uint8_t byte;
    int block = at / 4096, disk;
    uint64_t place;

    device_of_data(device);
    CHECK_OK(ioctl(fd, FIBMAP, &block));
    CHECK(block, "the block has no place on the disk");
    place = (uint64_t)block * 4096 + at % 4096;
    disk = CHECK_OK(open(device, O_RDWR | O_CLOEXEC));
    CHECK(pread(disk, &byte, 1, place) == 1, "pread: %m");
    byte ^= 1;
    CHECK(pwrite(disk, &byte, 1, place) == 1 && !fsync(disk), "pwrite: %m");
    close(disk);
}

static void tampered(void)
{
    struct tables tables = open_tables(data_path("aligned.lwc"));
    struct tile tile = lone_tile(&tables, 0);
    struct view view = open_arena("aligned");
    int fd = protected("aligned.lwc", "tampered.lwc"), log;
    uint8_t byte;

    close(view.fd);
    view.fd = CHECK_OK(attach_protected(fd, -1));
    tamper(fd, tile.stored_at + tile.stored / 2);
    drop_all_caches();
    sleep_ms(6000); /* the rate limit of the log */
    log = open_log();
    CHECK_ERROR(pread(view.fd, &byte, 1, tile.start), EIO);
    CHECK(log_has(log, "tampered.lwc", "cannot read its stored bytes", "-5", 5),
          "it was not the filesystem that noticed");
    check_range(&view, tile.start - PAGE, PAGE);
    check_range(&view, tile.start + tile.length, PAGE);
}

static void tool(void)
{
    union {
        struct fsverity_digest measured;
        uint8_t room[sizeof(struct fsverity_digest) + 32];
    } digest = {.measured = {.digest_size = 32}};
    char command[400], hex[65];
    const char *lwcmem = getenv("LWCMEM");
    int fd = protected("tiny.lwc", "shown.lwc");

    CHECK_OK(ioctl(fd, FS_IOC_MEASURE_VERITY, &digest));
    for (int i = 0; i < 32; i++)
        sprintf(hex + 2 * i, "%02x", digest.measured.digest[i]);
    lwcmem = lwcmem ? lwcmem : "/bin/lwcmem";
    snprintf(command, sizeof(command), "%s info shown.lwc | grep -q 'fs-verity *sha256:%s'", lwcmem,
             hex);
    CHECK(!system(command), "info does not show %s", hex);
    snprintf(command, sizeof(command),
             "%s info --json shown.lwc | grep -q '\"verity\": \"sha256:%s\"'", lwcmem, hex);
    CHECK(!system(command), "info --json does not show %s", hex);
    snprintf(command, sizeof(command), "%s verify shown.lwc | grep -q 'fs-verity sha256:%s'",
             lwcmem, hex);
    CHECK(!system(command), "verify does not show %s", hex);
    snprintf(command, sizeof(command), "%s info %s | grep -q verity", lwcmem,
             data_path("tiny.lwc"));
    CHECK(system(command), "info shows a digest of a plain file");
}

static const struct test_case cases[] = {
    {"ENODATA: container or base is not a file of fs-verity", enodata, 0},
    {"a container and its base with fs-verity", content, 0},
    {"what was read before does not count", separate, 0},
    {"EIO: the disk does not hold what was measured", tampered, 0},
    {"info and verify print the digest", tool, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
