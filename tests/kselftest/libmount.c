/* SPDX-License-Identifier: BSD-3-Clause */
#include "libmount.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void own_mounts(void)
{
    CHECK_OK(unshare(CLONE_NEWNS));
    CHECK_OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

void make_directory(const char *directory)
{
    if (mkdir(directory, 0755) && errno != EEXIST)
        test_fail("%s: %m", directory);
}

int try_mount_with(const char *container, const char *directory, const char *options)
{
    make_directory(directory);
    return mount(container, directory, "lwcmem", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                 options);
}

int try_mount(const char *container, const char *directory)
{
    return try_mount_with(container, directory, NULL);
}

void mount_at(const char *container, const char *directory)
{
    CHECK(!try_mount(container, directory), "mount of %s: %m", container);
}

void mount_container(const char *container)
{
    own_mounts();
    mount_at(container, "./mnt");
}

uint64_t walk_tree(const char *directory,
                   void (*visit)(const char *path, const char *name, const struct stat *stat))
{
    char *roots[] = {(char *)directory, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    uint64_t count = 0;
    FTSENT *entry;

    CHECK(walk, "%s: %m", directory);
    for (errno = 0; (entry = fts_read(walk)); errno = 0) {
        if (entry->fts_level == 0 || entry->fts_info == FTS_DP)
            continue;
        CHECK(entry->fts_info == FTS_D || entry->fts_info == FTS_F, "%s: %s", entry->fts_path,
              strerror(entry->fts_errno));
        count++;
        if (visit)
            visit(entry->fts_path, entry->fts_path + strlen(directory) + 1, entry->fts_statp);
    }
    CHECK(!errno, "%s: %m", directory);
    fts_close(walk);
    return count;
}

struct view mounted_file(const char *directory, const char *model, const char *name)
{
    char path[400];
    struct view view = {};
    struct stat stat;

    snprintf(view.what, sizeof(view.what), "mounted %s", name);
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    view.fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(view.fd >= 0, "%s: %m", path);
    CHECK_OK(fstat(view.fd, &stat));
    view.size = stat.st_size;
    view.want = map_expected(data_path("%s/%s", model, name), view.size);
    return view;
}

static const char *checked; /* model */

/* Of the original: kind, mode, size and content are those of what is mounted. */
static void check_original(const char *path, const char *name, const struct stat *original)
{
    char mounted[400];
    struct stat stat;
    struct view view;

    (void)path;
    snprintf(mounted, sizeof(mounted), "./mnt/%s", name);
    CHECK(!lstat(mounted, &stat), "%s: %m", mounted);
    CHECK(stat.st_mode == original->st_mode, "%s: mode 0%o, not 0%o", mounted, stat.st_mode,
          original->st_mode);
    if (S_ISDIR(stat.st_mode))
        return;
    CHECK(stat.st_size == original->st_size, "%s: size %lld", mounted, (long long)stat.st_size);
    CHECK(stat.st_blocks == (stat.st_size + 511) / 512, "%s: %lld blocks", mounted,
          (long long)stat.st_blocks);
    CHECK(stat.st_nlink == 1, "%s: %d links", mounted, (int)stat.st_nlink);
    view = mounted_file("./mnt", checked, name);
    check_read(&view, 1 << 20);
    make_cold(&view);
    check_mapped(&view);
    close(view.fd);
    if (view.size)
        munmap((void *)view.want, view.size);
}

void check_mounted(const char *model)
{
    uint64_t count;

    checked = model;
    count = walk_tree(data_path("%s", model), check_original);
    CHECK(count, "%s: nothing", model);
    CHECK(walk_tree("./mnt", NULL) == count, "%s: more is mounted than the %llu originals", model,
          (unsigned long long)count);
}

void walk_damaged(void (*visit)(const char *path))
{
    char *roots[] = {"./mnt", NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *entry;
    int count = 0;

    CHECK(walk, "./mnt: %m");
    while ((entry = fts_read(walk))) {
        CHECK(count++ < 20000, "no end at %s", entry->fts_path);
        CHECK(!entry->fts_errno || entry->fts_errno == EBADMSG || entry->fts_errno == EIO ||
                  entry->fts_errno == ENOENT || entry->fts_errno == ENOTDIR ||
                  entry->fts_errno == ELOOP,
              "%s: %s", entry->fts_path, strerror(entry->fts_errno));
        if (entry->fts_info == FTS_F)
            visit(entry->fts_path);
    }
    fts_close(walk);
}
