/* SPDX-License-Identifier: BSD-3-Clause */
/* Trees that are unusual, wide, deep or lies, and tables that change under a mount. */
#include "libmount.h"
#include "libtables.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* order.lwc, sorted; a '/' at the end is a directory. */
static const char *const order[] = {
    "a/", "a-b/", "a-b/c", "a.txt",  "a/b/",    "a/b-c",  "a/b/c", "a/b0",   "a/\xc3\xbf", "a0",
    "b/", "b!",   "b/a/",  "b/a/a/", "b/a/a/a", "b/a/a0", "b/b",   "secret", "\xc3\xbf",
};
#define ORDER_COUNT (sizeof(order) / sizeof(order[0]))

static int expected_index(const char *name, bool directory)
{
    for (size_t i = 0; i < ORDER_COUNT; i++) {
        size_t length = strlen(order[i]);

        if (order[i][length - 1] == '/'
                ? directory && strlen(name) == length - 1 && !memcmp(name, order[i], length - 1)
                : !directory && !strcmp(name, order[i]))
            return (int)i;
    }
    test_fail("%s is not in the container", name);
}

static void check_listed(const char *path, const char *name, const struct stat *stat)
{
    int index = expected_index(name, S_ISDIR(stat->st_mode)), fd;
    char bytes[64] = "";

    if (S_ISDIR(stat->st_mode))
        return;
    fd = CHECK_OK(open(path, O_RDONLY | O_CLOEXEC));
    CHECK(read(fd, bytes, sizeof(bytes)) == index && strspn(bytes, "x") == (size_t)index,
          "%s: not %d times x", name, index);
    close(fd);
}

static void sorted(void)
{
    mount_container(data_path("trees/order.lwc"));
    CHECK(walk_tree("./mnt", check_listed) == ORDER_COUNT, "some names are not listed");
    for (size_t i = 0; i < ORDER_COUNT; i++) {
        char path[100];

        snprintf(path, sizeof(path), "./mnt/%s", order[i]);
        CHECK(!access(path, F_OK), "%s: %m", path);
        strcat(path, "x");
        CHECK_ERROR(access(path, F_OK), ENOENT);
    }
    CHECK_ERROR(access("./mnt/a.txt/x", F_OK), ENOTDIR);
}

static void as_nobody(void *error)
{
    CHECK_OK(setresgid(65534, 65534, 65534));
    CHECK_OK(setresuid(65534, 65534, 65534));
    CHECK(!access("./mnt/a.txt", R_OK), "a.txt: %m");
    CHECK((access("./mnt/secret", R_OK) ? errno : 0) == *(int *)error, "secret: %m");
}

/* Files belong to the owner of the container. */
static void owners(void)
{
    const char *container = data_path("trees/order.lwc");
    int error = EACCES;

    CHECK_OK(chmod(".", 0755));
    mount_container(container);
    join_child(start_child(as_nobody, &error), "another user");
    CHECK_OK(umount("./mnt"));
    CHECK_OK(chown(container, 65534, 65534));
    mount_at(container, "./mnt");
    error = 0;
    join_child(start_child(as_nobody, &error), "the owner");
    CHECK_OK(chown(container, 0, 0));
}

#define WIDE 100000

static void check_wide(DIR *directory, int first)
{
    for (int i = first; i < WIDE; i++) {
        struct dirent *entry = readdir(directory);

        CHECK(entry && entry->d_type == DT_REG && atoi(entry->d_name) == i &&
                  strlen(entry->d_name) == 5,
              "%s comes at %d", entry ? entry->d_name : "nothing", i);
    }
    CHECK(!readdir(directory), "more than all");
}

static void wide(void)
{
    struct random random = {3};
    DIR *directory;
    long places[WIDE / 1000];

    mount_container(data_path("trees/wide.lwc"));
    directory = opendir("./mnt/w");
    CHECK(directory && readdir(directory) && readdir(directory), "./mnt/w: %m");
    for (int i = 0; i < WIDE; i++) {
        if (i % 1000 == 0)
            places[i / 1000] = telldir(directory);
        CHECK(readdir(directory), "the end at %d", i);
    }
    seekdir(directory, places[0]);
    check_wide(directory, 0);
    for (int i = 0; i < 20; i++) {
        int place = random_below(&random, WIDE / 1000);

        seekdir(directory, places[place]);
        CHECK(atoi(readdir(directory)->d_name) == place * 1000, "seekdir to %d", place * 1000);
    }
    seekdir(directory, places[98]);
    check_wide(directory, 98000);
    closedir(directory);
    for (int i = 0; i < 300; i++) {
        char path[60];

        snprintf(path, sizeof(path), "./mnt/w/%05d", (int)random_below(&random, WIDE));
        CHECK(!access(path, F_OK), "%s: %m", path);
        path[9] = '-';
        CHECK_ERROR(access(path, F_OK), ENOENT);
    }
}

static void deep(void)
{
    int fd, levels = 0;

    mount_container(data_path("trees/deep.lwc"));
    fd = CHECK_OK(open("./mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (;; levels++) {
        DIR *directory = fdopendir(dup(fd));
        struct dirent *entry;
        int names = 0, next;

        CHECK(directory, "level %d: %m", levels);
        while ((entry = readdir(directory)))
            names += !strcmp(entry->d_name, "d");
        closedir(directory);
        next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(names == (next >= 0), "level %d: %d names", levels, names);
        if (next < 0)
            break;
        close(fd);
        fd = next;
    }
    CHECK(errno == ENOENT && levels == 2048, "%d levels: %m", levels);
}

/* --- lies --- */

static const char *originals;
static int failing; /* pages */

/* Bytes that can be read must be those of the model's file of that name, if it has one. */
static void check_bytes(const char *path)
{
    char original[600];
    int fd = open(path, O_RDONLY | O_CLOEXEC), other;
    uint8_t got[PAGE], want[PAGE];

    snprintf(original, sizeof(original), "%s/%s", originals, path + strlen("./mnt/"));
    other = open(original, O_RDONLY | O_CLOEXEC);

    CHECK(fd >= 0 || errno == EBADMSG || errno == EIO || errno == ENOENT, "%s: %m", path);
    for (uint64_t at = 0; fd >= 0; at += PAGE) {
        ssize_t n = pread(fd, got, PAGE, at);

        CHECK(n >= 0 || errno == EIO, "%s: %m", path);
        failing += n < 0;
        if (n == 0)
            break;
        if (n > 0 && other >= 0 && pread(other, want, PAGE, at) == n)
            compare(got, want, n, at, path);
    }
    close(fd);
    close(other);
}

static int refused, mounted;

/* A container that has NAME.base.lwc beside it is mounted with that. */
static void mount_lie(const char *container)
{
    char base[700];
    int length = snprintf(base, sizeof(base), "base=%s", container);
    bool based;

    snprintf(base + length - strlen(".lwc"), 20, ".base.lwc");
    based = !access(base + strlen("base="), R_OK);
    if (try_mount_with(container, "./mnt", based ? base : NULL)) {
        CHECK(errno == EBADMSG || errno == EOPNOTSUPP || errno == EIO ||
                  (based && (errno == ESTALE || errno == EINVAL)),
              "%s: mount: %m", container);
        refused++;
        return;
    }
    mounted++;
    walk_damaged(check_bytes);
    CHECK(!umount("./mnt"), "%s: umount: %m", container);
}

static int is_container(const struct dirent *entry)
{
    return strstr(entry->d_name, ".lwc") && !strstr(entry->d_name, ".base.lwc");
}

/* model: what must be there, or a directory that is none where lies may have changed that. */
static void mount_lies(const char *directory, const char *model)
{
    struct dirent **names;
    int count = scandir(data_path("%s", directory), &names, is_container, alphasort);

    CHECK(count > 0, "%s: no containers", directory);
    own_mounts();
    originals = model;
    for (int i = 0; i < count; i++)
        mount_lie(data_path("%s/%s", directory, names[i]->d_name));
    test_comment("%d refused, %d mounted", refused, mounted);
    CHECK(refused && mounted, "all or none was refused");
}

static void lies(void)
{
    mount_lies("hostile", "/data/tiny");
}

static void flips(void)
{
    mount_lies("flips", "/data/tiny");
}

static void lies_delta(void)
{
    mount_lies("hostile-delta", "/nowhere");
    CHECK(failing > 20, "only %d pages of lies about tiles fail", failing);
}

static void no_trees(void)
{
    struct dirent **names;
    int count = scandir(data_path("trees"), &names, is_container, alphasort), seen = 0;

    own_mounts();
    for (int i = 0; i < count; i++) {
        if (strncmp(names[i]->d_name, "bad-", 4))
            continue;
        seen++;
        CHECK(try_mount(data_path("trees/%s", names[i]->d_name), "./mnt") && errno == EBADMSG,
              "%s: mount: %m", names[i]->d_name);
    }
    CHECK(seen >= 14, "%d containers", seen);
}

/* --- tables that change --- */

struct copy {
    uint8_t *bytes;
    struct lwc_superblock *sb;
};

/* A private copy of order.lwc at path, mapped, with room behind it. */
static struct copy open_copy(const char *path, uint64_t room)
{
    struct tables tables = open_tables(data_path("trees/order.lwc"));
    int fd = CHECK_OK(open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    struct copy copy;

    CHECK(write(fd, tables.data, tables.size) == (ssize_t)tables.size, "%s: %m", path);
    CHECK_OK(ftruncate(fd, tables.size + room));
    copy.bytes = CHECK_OK(
        mmap(NULL, tables.size + room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0));
    copy.sb = (struct lwc_superblock *)copy.bytes;
    close(fd);
    return copy;
}

static void shuffle(struct copy *copy, const struct lwc_block *good, struct random *random)
{
    struct lwc_block *block =
        (struct lwc_block *)(copy->bytes + copy->sb->tables[LWC_TABLE_FILES].offset);
    struct lwc_file *files = (struct lwc_file *)block->payload;

    *block = *good;
    for (int i = random_below(random, 12); i >= 0; i--) {
        struct lwc_file *a = &files[random_below(random, ORDER_COUNT)], b = *a;
        struct lwc_file *other = &files[random_below(random, ORDER_COUNT)];

        *a = *other;
        if (random_below(random, 4))
            *other = b;
        if (!random_below(random, 6))
            a->name_length = 1 + random_below(random, 8);
    }
    block->crc = crc32c((uint8_t *)block + 4, sizeof(*block) - 4);
}

/* The mount is checked when it is made; what it shows afterwards may be wrong, but ends. */
static void changing(void)
{
    struct copy copy = open_copy("./changing.lwc", 0);
    struct lwc_block good =
        *(struct lwc_block *)(copy.bytes + copy.sb->tables[LWC_TABLE_FILES].offset);
    struct random random = {9};

    mount_container("./changing.lwc");
    originals = "/nowhere";
    for (int i = 0; i < 150; i++) {
        shuffle(&copy, &good, &random);
        drop_all_caches();
        walk_damaged(check_bytes);
    }
}

static void too_many(void)
{
    struct copy copy = open_copy("./many.lwc", 80 << 20);
    struct lwc_table_ref *files = &copy.sb->tables[LWC_TABLE_FILES];

    own_mounts();
    files->offset = copy.sb->file_size;
    copy.sb->file_size += 80 << 20;
    files->count = (1 << 20) + 1;
    copy.sb->crc = crc32c((uint8_t *)copy.sb + 16, sizeof(*copy.sb) - 16);
    CHECK_ERROR(try_mount("./many.lwc", "./mnt"), EFBIG);
    files->count--;
    copy.sb->crc = crc32c((uint8_t *)copy.sb + 16, sizeof(*copy.sb) - 16);
    CHECK_ERROR(try_mount("./many.lwc", "./mnt"), EBADMSG);
}

static const struct test_case cases[] = {
    {"names in an order that is not that of a walk", sorted, 0},
    {"files belong to the owner of the container", owners, 0},
    {"100000 files in a directory: readdir, seekdir, lookup", wide, 100},
    {"2048 directories in each other", deep, 60},
    {"tables of files that are no tree are refused", no_trees, 0},
    {"lies with right crcs", lies, 100},
    {"truncations and bit flips", flips, 100},
    {"lies of what has a base, and of bases", lies_delta, 100},
    {"FILES changes under a mount", changing, 100},
    {"more files than a mount reads give EFBIG", too_many, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
