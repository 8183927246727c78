/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Containers with wrong fields under right checksums: tests/golden's mistakes, and golden
 * containers that are changed here (as the fuzzer of userspace does it). Each is attached, and
 * mounted and listed, and read, up to a bound; no answer but bytes, EIO, or a refusal.
 * LWCMEM_SEED=N repeats a run.
 */
#include "libmount.h"
#include "tests/fuzz/container_changes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TEMPLATES_MAX = 64, INPUT = 160, FILES_EACH = 3, ROUND = 150 };
/* Read of each view, and of each file of a mount, which is a view too: at its start and its end. */
#define READ_MAX (512 * 1024ull)
#define READ_DEBUG (64 * 1024ull)
#define READ_MOUNTED (32 * 1024ull)

static struct image images[TEMPLATES_MAX];
static int image_count, control, sink;
static struct random seed;
static struct {
    uint64_t attached, refused, mounted, mounts_refused, whole, failing;
} counts;

/* A page by read and by mapping: the same bytes, or an error for both. False for an error. */
static bool read_page(int fd, uint64_t at, uint64_t size, const uint8_t *map, const char *what)
{
    uint8_t page[PAGE], mapped[PAGE];
    uint64_t want = size - at < PAGE ? size - at : PAGE;
    ssize_t n = pread(fd, page, PAGE, at);

    CHECK(n == (ssize_t)want || (n < 0 && errno == EIO), "%s: pread at 0x%llx gives %zd: %m", what,
          (unsigned long long)at, n);
    if (!map)
        return n > 0;
    if (n < 0) {
        CHECK_ERROR(pwrite(sink, map + at, want, 0), EFAULT);
        return false;
    }
    CHECK(pwrite(sink, map + at, want, 0) == n && pread(sink, mapped, want, 0) == n,
          "%s: mapped at 0x%llx: %m", what, (unsigned long long)at);
    compare(mapped, page, n, at, what);
    return true;
}

static void read_view(int fd, uint64_t most, const char *what)
{
    const uint8_t *map = NULL;
    bool whole = true;
    struct stat stat;
    uint64_t size;

    CHECK_OK(fstat(fd, &stat));
    size = stat.st_size;
    CHECK(stat.st_size >= 0, "%s: size %lld", what, (long long)stat.st_size);
    /* by mapping only some, because it costs more */
    if (size && size <= most && random_below(&seed, 4) == 0)
        map = map_region(fd, size, MAP_SHARED);
    for (uint64_t at = 0; at < size; at += PAGE) {
        if (at >= most && size - at > most)
            at = (size - most) / PAGE * PAGE;
        whole &= read_page(fd, at, size, map, what);
    }
    if (map)
        munmap((void *)map, size);
    counts.whole += whole;
    counts.failing += !whole;
}

/* The arena, or a file. */
static void try_view(int container, int i, const char *what)
{
    int fd = i < 0 ? attach(control, container, LWCMEM_VIEW_ARENA, 0)
                   : attach(control, container, LWCMEM_VIEW_FILE, i);

    if (fd < 0) {
        CHECK(errno == EBADMSG || errno == EOPNOTSUPP || errno == EIO || errno == ENOLINK ||
                  errno == EFBIG || (i >= 0 && (errno == EINVAL || errno == EISDIR)),
              "%s: attach: %m", what);
        counts.refused++;
        return;
    }
    counts.attached++;
    read_view(fd, in_debug(READ_MAX, READ_DEBUG), what);
    close(fd);
}

static const char *mounted_what;

static void read_mounted(const char *path)
{
    char what[600];
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    snprintf(what, sizeof(what), "%s: %s", mounted_what, path);
    if (fd < 0) {
        CHECK(errno == EBADMSG || errno == EIO || errno == ENOENT || errno == EFBIG, "%s: %m",
              what);
        return;
    }
    read_view(fd, READ_MOUNTED, what);
    close(fd);
}

static void try_mounted(int container, const char *what)
{
    char path[40];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", container);
    if (try_mount(path, "./mnt")) {
        CHECK(errno == EBADMSG || errno == EOPNOTSUPP || errno == EIO || errno == ENOLINK ||
                  errno == EFBIG,
              "%s: mount: %m", what);
        counts.mounts_refused++;
        return;
    }
    counts.mounted++;
    mounted_what = what;
    walk_damaged(read_mounted);
    CHECK(!umount("./mnt"), "%s: umount: %m", what);
}

/* All views of it; a mount, which takes long, of one of three. */
static void try_all(int container, const char *what)
{
    for (int i = -1; i < FILES_EACH; i++)
        try_view(container, i, what);
    if (random_below(&seed, 3) == 0)
        try_mounted(container, what);
}

/* Where there are 10^5 of them, one view of each, or a mount. */
static void try_one(int container, const char *what)
{
    int which = (int)random_below(&seed, FILES_EACH + 2) - 1;

    if (which < FILES_EACH)
        try_view(container, which, what);
    else
        try_mounted(container, what);
}

static void report(long files)
{
    test_comment("%ld files: %llu views refused, %llu attached; %llu mounts refused, %llu mounted; "
                 "%llu files or arenas read whole, %llu with EIO",
                 files, (unsigned long long)counts.refused, (unsigned long long)counts.attached,
                 (unsigned long long)counts.mounts_refused, (unsigned long long)counts.mounted,
                 (unsigned long long)counts.whole, (unsigned long long)counts.failing);
}

static int is_container(const struct dirent *entry)
{
    return !!strstr(entry->d_name, ".lwc");
}

static void start(void)
{
    own_mounts();
    control = open_control();
    sink = CHECK_OK(memfd_create("sink", MFD_CLOEXEC));
}

static void mistakes(void)
{
    struct dirent **names;
    int count = scandir(data_path("mistakes"), &names, is_container, alphasort);

    start();
    CHECK(count > 20, "%d mistakes", count);
    for (int i = 0; i < count; i++) {
        int fd = CHECK_OK(open(data_path("mistakes/%s", names[i]->d_name), O_RDONLY | O_CLOEXEC));

        try_all(fd, names[i]->d_name);
        close(fd);
    }
    report(count);
    CHECK(counts.refused + counts.failing >= (uint64_t)count, "some went unnoticed");
}

static void load(struct image *image, const char *path)
{
    const struct lwc_superblock *slots;
    int fd = CHECK_OK(open(path, O_RDONLY | O_CLOEXEC));
    struct stat stat;
    unsigned int slot;

    CHECK_OK(fstat(fd, &stat));
    image->size = stat.st_size;
    image->data = CHECK_OK(mmap(NULL, image->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    close(fd);
    slots = (const void *)image->data;
    slot = slots[1].generation > slots[0].generation;
    image->superblock = slots[slot];
    /* bases are not given */
    announce(image, slot, query(control).incompat & ~LWC_INCOMPAT_DELTA);
}

static void load_all(void)
{
    struct dirent **names;
    int count = scandir(data_path("golden"), &names, is_container, alphasort);
    size_t largest = 0;

    CHECK(count > 0 && count <= TEMPLATES_MAX, "%d golden containers", count);
    for (int i = 0; i < count; i++) {
        load(&images[i], data_path("golden/%s", names[i]->d_name));
        largest = images[i].size > largest ? images[i].size : largest;
    }
    image_count = count;
    copy = malloc(largest);
    CHECK(copy, "no memory");
}

static void one_mutant(void)
{
    const struct image *image = &images[random_below(&seed, image_count)];
    uint8_t input[INPUT];
    size_t size = random_below(&seed, 8) ? random_below(&seed, 40) : random_below(&seed, INPUT);
    int fd = CHECK_OK(memfd_create("mutant", MFD_CLOEXEC));
    uint64_t mark = seed.state;
    char what[60];

    for (size_t i = 0; i < size; i++)
        input[i] = random_next(&seed);
    apply(image, input, size);
    CHECK(write(fd, copy, copy_length) == (ssize_t)copy_length, "write: %m");
    CHECK_OK(ftruncate(fd, copy_size));
    snprintf(what, sizeof(what), "golden %d, state 0x%llx", (int)(image - images),
             (unsigned long long)mark);
    if (in_debug(0, 1))
        try_one(fd, what);
    else
        try_all(fd, what);
    close(fd);
}

static void round_of(void *argument)
{
    seed.state = *(const uint64_t *)argument;
    start();
    load_all();
    for (int i = 0; i < ROUND; i++)
        one_mutant();
    report(ROUND);
    CHECK(counts.mounted > ROUND / 50 && counts.mounts_refused + counts.mounted > ROUND / 20 &&
              counts.refused > ROUND / 8 && counts.whole > ROUND / 20 && counts.failing,
          "the changes are too mild or too harsh");
}

static void mutants(void)
{
    control = open_control();
    run_seeds(control, round_of, in_debug(1, 700));
    test_comment("%ld files", in_debug(1, 700) * ROUND);
}

static const struct test_case cases[] = {
    {"the mistakes of tests/golden", mistakes, 100},
    {"changed golden containers", mutants, 150},
};

int main(void)
{
    return RUN_CASES(cases);
}
