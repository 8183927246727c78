/* SPDX-License-Identifier: BSD-3-Clause */
#include "libmount.h"

#include <errno.h>
#include <fts.h>
#include <sched.h>
#include <string.h>

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

int try_mount(const char *container, const char *directory)
{
    make_directory(directory);
    return mount(container, directory, "lwcmem", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                 NULL);
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
