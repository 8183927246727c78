/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers that lie: refused by ATTACH or by reading, or they hold what they must. */
#include "libregion.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    int refused, failing, right;
} counts;

/* Whether all bytes can be read. Page by page: a bad one hides no other. */
static bool read_all(const struct view *view)
{
    uint8_t page[PAGE];
    bool complete = true;

    for (uint64_t at = 0; at < view->size; at += PAGE) {
        ssize_t n = pread(view->fd, page, PAGE, at);

        if (n < 0) {
            CHECK(errno == EIO, "%s: pread at 0x%llx: %m", view->what, (unsigned long long)at);
            complete = false;
            continue;
        }
        CHECK((uint64_t)n == (view->size - at < PAGE ? view->size - at : PAGE),
              "%s: pread at 0x%llx gives %zd", view->what, (unsigned long long)at, n);
        if (view->want)
            compare(page, view->want + at, n, at, view->what);
    }
    return complete;
}

/* Also through a mapping, in a process that may die by SIGBUS but not otherwise. */
static void touch_all(void *argument)
{
    struct view *view = argument;
    volatile const uint8_t *map = map_region(view->fd, view->size, MAP_SHARED);
    uint8_t sum = 0;

    for (uint64_t at = 0; at < view->size; at += PAGE)
        sum += map[at];
    (void)sum;
}

static void check_touch(struct view *view, bool complete)
{
    int status;

    if (!view->size)
        return;
    status = wait_child(start_child(touch_all, view), 60, view->what);
    if (complete)
        CHECK(!status, "%s: mapped, status 0x%x", view->what, status);
    else
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "%s: mapped, status 0x%x",
              view->what, status);
}

/* expected: a file, or NULL where a lie may have changed what the container holds. */
static void check_view(const char *container, uint32_t kind, const struct file_entry *file,
                       const char *expected)
{
    struct view view = {};
    int control = open_control(), fd = CHECK_OK(open(container, O_RDONLY | O_CLOEXEC));
    int base = open_base(container);
    struct stat stat;
    bool complete;

    snprintf(view.what, sizeof(view.what), "%s view %u file %d", strrchr(container, '/') + 1, kind,
             file ? (int)file->index : 0);
    view.fd = attach_based(control, fd, base, kind, file ? file->index : 0);
    if (view.fd < 0)
        CHECK(errno == EBADMSG || errno == EOPNOTSUPP || errno == EFBIG ||
                  (base >= 0 && (errno == ESTALE || errno == EINVAL)),
              "%s: attach: %m", view.what);
    close(fd);
    close(control);
    if (base >= 0)
        close(base);
    if (view.fd < 0) {
        counts.refused++;
        return;
    }
    CHECK_OK(fstat(view.fd, &stat));
    view.size = stat.st_size;
    view.want = expected ? map_expected(expected, view.size) : NULL;
    complete = read_all(&view);
    check_touch(&view, complete);
    counts.failing += !complete;
    counts.right += complete;
    if (view.want && view.size)
        munmap((void *)view.want, view.size);
    close(view.fd);
}

static int is_container(const struct dirent *entry)
{
    return strstr(entry->d_name, ".lwc") && !strstr(entry->d_name, ".base.lwc");
}

/* model: what the ARENA view must hold, or NULL. */
static void check_all(const char *directory, uint32_t kind, const char *model)
{
    struct file_entry files[VIEWS_MAX];
    struct dirent **names;
    int file_count = read_files("tiny", files, VIEWS_MAX);
    int count = scandir(data_path("%s", directory), &names, is_container, alphasort);

    CHECK(count > 0, "%s: no containers", data_path("%s", directory));
    for (int i = 0; i < count; i++) {
        char container[600];

        snprintf(container, sizeof(container), "%s",
                 data_path("%s/%s", directory, names[i]->d_name));
        if (kind == LWCMEM_VIEW_ARENA)
            check_view(container, kind, NULL, model ? data_path("%s.arena", model) : NULL);
        for (int j = 0; kind == LWCMEM_VIEW_FILE && j < file_count; j++)
            if (!files[j].directory)
                check_view(container, kind, &files[j], data_path("tiny/%s", files[j].name));
    }
    test_comment("%d containers: %d views refused, %d with EIO, %d all right", count,
                 counts.refused, counts.failing, counts.right);
    CHECK(counts.refused, "none was refused");
}

static void lies_arena(void)
{
    check_all("hostile", LWCMEM_VIEW_ARENA, "tiny");
}

static void lies_file(void)
{
    check_all("hostile", LWCMEM_VIEW_FILE, NULL);
}

/* Crcs are right: another tile of the base, or another difference, gives other bytes. */
static void lies_delta(void)
{
    check_all("hostile-delta", LWCMEM_VIEW_ARENA, NULL);
    CHECK(counts.failing > 20, "only %d lies about tiles are noticed", counts.failing);
}

static void flips_arena(void)
{
    check_all("flips", LWCMEM_VIEW_ARENA, "tiny");
}

static void flips_file(void)
{
    check_all("flips", LWCMEM_VIEW_FILE, NULL);
}

static void features(void)
{
    int control = open_control(), fd = CHECK_OK(open(data_path("hostile/unknown-feature.lwc"), 0));

    CHECK_ERROR(attach(control, fd, LWCMEM_VIEW_ARENA, 0), EOPNOTSUPP);
}

/* Damage that is noticed by the crc of a block alone. */
static void flipped_blocks(void)
{
    struct stat stat;
    int good = CHECK_OK(open(data_path("tiny.lwc"), O_RDONLY | O_CLOEXEC)), fd;
    uint8_t *bytes;

    CHECK_OK(fstat(good, &stat));
    bytes = CHECK_OK(mmap(NULL, stat.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, good, 0));
    for (int i = 0; i < LWC_TABLES; i++) {
        const struct lwc_table_ref *table = &((struct lwc_superblock *)bytes)->tables[i];

        if (!table->count)
            continue;
        bytes[table->offset + 40] ^= 4;
        fd = CHECK_OK(open("./flipped.lwc", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        CHECK(write(fd, bytes, stat.st_size) == stat.st_size, "flipped.lwc: %m");
        close(fd);
        bytes[table->offset + 40] ^= 4;
        check_view("./flipped.lwc", LWCMEM_VIEW_ARENA, NULL, data_path("tiny.arena"));
    }
    test_comment("%d refused, %d with EIO, %d all right", counts.refused, counts.failing,
                 counts.right);
    CHECK(counts.refused + counts.failing >= 2, "damaged OBJECTS or TILES went unnoticed");
}

static const struct test_case cases[] = {
    {"lies with right crcs, ARENA", lies_arena, 100},
    {"lies with right crcs, FILE", lies_file, 100},
    {"lies of what has a base, and of bases", lies_delta, 100},
    {"truncations and bit flips, ARENA", flips_arena, 100},
    {"truncations and bit flips, FILE", flips_file, 100},
    {"an unknown feature gives EOPNOTSUPP", features, 0},
    {"one bit flipped in a block of each table", flipped_blocks, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
