/* SPDX-License-Identifier: BSD-3-Clause */
/* A mounted container: the original tree, in the page cache that regions of it have too. */
#include "libmount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const models[] = {"odd", "story", "tiny", "aligned"};

static void content(void)
{
    own_mounts();
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        mount_at(data_path("%s.lwc", models[i]), "./mnt");
        check_mounted(models[i]);
        CHECK_OK(umount("./mnt"));
    }
}

static void status(void)
{
    struct stat container, root, file, again;
    struct statfs statfs_;
    struct statx extended;

    CHECK_OK(stat(data_path("odd.lwc"), &container));
    mount_container(data_path("odd.lwc"));
    CHECK_OK(stat("./mnt", &root));
    CHECK_OK(stat("./mnt/sub/with space.txt", &file));
    CHECK(file.st_dev == root.st_dev && root.st_dev != container.st_dev, "st_dev");
    CHECK(file.st_uid == container.st_uid && file.st_gid == container.st_gid, "owner");
    CHECK(file.st_mtime == container.st_mtime && root.st_mtime == container.st_mtime, "times");
    CHECK_OK(statx(AT_FDCWD, "./mnt/big.bin", 0, STATX_DIOALIGN, &extended));
    CHECK(extended.stx_mask & STATX_DIOALIGN && extended.stx_dio_offset_align == 4096, "DIOALIGN");
    CHECK_OK(statfs("./mnt", &statfs_));
    CHECK(statfs_.f_type == LWCMEM_SUPER_MAGIC && statfs_.f_bsize == 4096 && statfs_.f_bfree == 0 &&
              statfs_.f_files == 9 && statfs_.f_namelen == 255,
          "statfs: %lx %ld %ld %ld", (long)statfs_.f_type, (long)statfs_.f_bsize,
          (long)statfs_.f_bfree, (long)statfs_.f_files);
    CHECK(statfs_.f_blocks == 5450875 / 4096, "%ld blocks", (long)statfs_.f_blocks);
    CHECK_OK(umount("./mnt"));
    drop_all_caches();
    mount_at(data_path("odd.lwc"), "./mnt");
    CHECK_OK(stat("./mnt/sub/with space.txt", &again));
    CHECK(again.st_ino == file.st_ino && again.st_mtime == file.st_mtime, "changed by a remount");
}

/* One of the two reads all; for the other it is there then. */
static void check_shared(const struct view *first, const struct view *second)
{
    uint64_t decoded;

    make_cold(first);
    check_read(first, 1 << 20);
    decoded = region_info(first->fd).tiles_decoded;
    CHECK(resident_pages(second->fd, 0, second->size) == (second->size + PAGE - 1) / PAGE,
          "%s: not resident", second->what);
    check_read(second, 1 << 20);
    check_mapped(second);
    CHECK(region_info(second->fd).tiles_decoded == decoded, "%s: decoded again", second->what);
}

static void one_page_cache(void)
{
    struct file_entry file = largest_file("odd");
    struct view region = open_file_view("odd", &file), mounted, other;
    struct stat a, b;
    char path[400];

    mount_container(data_path("odd.lwc"));
    mounted = mounted_file("./mnt", "odd", file.name);
    CHECK_OK(fstat(region.fd, &a));
    CHECK_OK(fstat(mounted.fd, &b));
    CHECK(a.st_dev == b.st_dev && a.st_ino == b.st_ino, "another inode");
    check_shared(&region, &mounted);
    check_shared(&mounted, &region);
    CHECK_OK(link(data_path("odd.lwc"), data_path("other-name.lwc")));
    mount_at(data_path("other-name.lwc"), "./second");
    CHECK_OK(unlink(data_path("other-name.lwc")));
    other = mounted;
    snprintf(path, sizeof(path), "./second/%s", file.name);
    other.fd = CHECK_OK(open(path, O_RDONLY | O_CLOEXEC));
    check_shared(&mounted, &other);
}

static void generations(void)
{
    int from = CHECK_OK(open(data_path("odd.lwc"), O_RDONLY | O_CLOEXEC));
    int to = CHECK_OK(open("copy.lwc", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    struct stat a, b;

    while (CHECK_OK(sendfile(to, from, NULL, 1 << 20)) > 0)
        ;
    mount_container("./copy.lwc");
    mount_at(data_path("odd.lwc"), "./second");
    CHECK_OK(stat("./mnt/config.json", &a));
    CHECK_OK(stat("./second/config.json", &b));
    CHECK(a.st_dev != b.st_dev, "a copy is taken for the original");
}

static void read_only(void)
{
    const char *file = "./mnt/sub/with space.txt";
    int fd;

    mount_container(data_path("odd.lwc"));
    CHECK_ERROR(open(file, O_RDWR), EROFS);
    CHECK_ERROR(open("./mnt/new", O_CREAT | O_WRONLY, 0600), EROFS);
    CHECK_ERROR(mkdir("./mnt/new", 0700), EROFS);
    CHECK_ERROR(unlink(file), EROFS);
    CHECK_ERROR(chmod(file, 0600), EROFS);
    CHECK_ERROR(rename(file, "./mnt/new"), EROFS);
    fd = CHECK_OK(open(file, O_RDONLY | O_CLOEXEC));
    CHECK_ERROR(mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0), EPERM, EACCES);
    CHECK_ERROR(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
    CHECK_ERROR(mount(NULL, "./mnt", NULL, MS_REMOUNT, NULL), EROFS);
    CHECK_OK(mount(NULL, "./mnt", NULL, MS_REMOUNT | MS_RDONLY, NULL));
    CHECK_OK(umount2("./mnt", MNT_DETACH));
    /* without any flag of the mount: a new superblock has them */
    CHECK_OK(mount(data_path("tiny.lwc"), "./mnt", "lwcmem", 0, NULL));
    CHECK_ERROR(mkdir("./mnt/new", 0700), EROFS);
    fd = CHECK_OK(open("./mnt/config.json", O_RDONLY | O_CLOEXEC));
    CHECK_ERROR(mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0), EPERM, EACCES);
    CHECK_OK(umount2("./mnt", MNT_DETACH));
    mount_at(data_path("odd.lwc"), "./mnt");
}

static void lifetime(void)
{
    struct file_entry file = largest_file("odd");
    int control = open_control();
    struct lwcmem_query base = query(control);
    struct view view;

    mount_container(data_path("odd.lwc"));
    view = mounted_file("./mnt", "odd", file.name);
    CHECK(query(control).regions == base.regions + 1, "an open file is not counted");
    CHECK_ERROR(umount("./mnt"), EBUSY);
    CHECK_OK(umount2("./mnt", MNT_DETACH));
    make_cold(&view);
    check_read(&view, 1 << 20);
    close(view.fd);
    CHECK(counts_become(control, base.backings, base.regions, 20), "%llu backings, %llu regions",
          query(control).backings, query(control).regions);
}

/* What readahead still decodes is nobody's use of the mount. */
static void umount_at_once(void)
{
    struct file_entry file = largest_file("story");
    char path[400];

    own_mounts();
    snprintf(path, sizeof(path), "./mnt/%s", file.name);
    for (int i = 0; i < 30; i++) {
        int fd;

        mount_at(data_path("story.lwc"), "./mnt");
        fd = CHECK_OK(open(path, O_RDONLY | O_CLOEXEC));
        CHECK(!posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), "fadvise");
        close(fd);
        CHECK(!umount("./mnt"), "umount number %d: %m", i);
    }
}

static void unloading(void)
{
    int error;

    mount_container(data_path("odd.lwc"));
    error = unload_module();
    CHECK(error == EBUSY || error == EAGAIN, "unloading: %s", strerror(error));
    CHECK_OK(umount("./mnt"));
    for (int i = 0; i < 100 && (error = unload_module()); i++)
        sleep_ms(100);
    CHECK(!error, "unloading with nothing mounted: %s", strerror(error));
    CHECK_ERROR(try_mount(data_path("odd.lwc"), "./mnt"), ENODEV);
    CHECK(!load_module(""), "loading");
    mount_at(data_path("odd.lwc"), "./mnt");
}

/* A mapping without a descriptor, of another process than the tool. */
static void mapped(void)
{
    const char *tool = getenv("LWCMEM");
    char command[400], line[400] = "", want[100];
    FILE *output;
    int fd;

    own_mounts();
    snprintf(command, sizeof(command), "%s attach %s mapped", tool, data_path("odd.lwc"));
    CHECK(!system(command), "%s", command);
    fd = CHECK_OK(open("/run/lwcmem/mapped/big.bin", O_RDONLY | O_CLOEXEC));
    map_region(fd, PAGE, MAP_SHARED);
    close(fd);
    snprintf(command, sizeof(command), "%s detach mapped 2>&1", tool);
    output = popen(command, "re");
    CHECK(output && fgets(line, sizeof(line), output) && WEXITSTATUS(pclose(output)) == 1,
          "detach: %s", line);
    snprintf(want, sizeof(want), "in use by %d (", getpid());
    CHECK(strstr(line, want), "detach does not say '%s': %s", want, line);
    CHECK_OK(umount2("/run/lwcmem/mapped", MNT_DETACH));
    CHECK_OK(rmdir("/run/lwcmem/mapped"));
}

static const struct test_case cases[] = {
    {"all models: tree, modes, sizes, bytes", content, 100},
    {"stat and statfs", status, 0},
    {"mounts and regions share one page cache", one_page_cache, 0},
    {"a copy of a container has its own", generations, 0},
    {"nothing can be written or executed", read_only, 0},
    {"umount: busy, lazy with an open file", lifetime, 0},
    {"umount while readahead decodes", umount_at_once, 60},
    {"unloading is refused with a mount", unloading, 0},
    {"detach says who maps a file", mapped, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
