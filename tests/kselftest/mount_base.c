/* SPDX-License-Identifier: BSD-3-Clause */
/* mount -o base=PATH: containers that depend on a base, and each way to get that wrong. */
#include "libmount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

/* mount(2) of tuned.lwc at ./mnt. */
static int with_base(const char *base)
{
    char options[600];

    snprintf(options, sizeof(options), "base=%s", base);
    return try_mount_with(data_path("tuned.lwc"), "./mnt", options);
}

static void copy(const char *model, const char *name)
{
    int from = CHECK_OK(open(data_path("%s", model), O_RDONLY | O_CLOEXEC));
    int to = CHECK_OK(open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

    while (CHECK_OK(sendfile(to, from, NULL, 1 << 20)) > 0)
        ;
    close(from);
    close(to);
}

static void content(void)
{
    own_mounts();
    CHECK_OK(with_base(data_path("base.lwc")));
    check_mounted("tuned");
    CHECK_OK(umount("./mnt"));
    CHECK_OK(try_mount_with(data_path("close.lwc"), "./mnt", "base=/data/tiny.lwc"));
    check_mounted("close");
}

/* The same two files, by ATTACH and by mount: one page cache. */
static void shared(void)
{
    struct file_entry file = largest_file("tuned");
    struct view region = open_file_view("tuned", &file), mounted;
    struct stat a, b;
    uint64_t decoded;

    own_mounts();
    CHECK_OK(with_base(data_path("base.lwc")));
    mounted = mounted_file("./mnt", "tuned", file.name);
    CHECK_OK(fstat(region.fd, &a));
    CHECK_OK(fstat(mounted.fd, &b));
    CHECK(a.st_dev == b.st_dev && a.st_ino == b.st_ino, "another inode");
    make_cold(&region);
    check_read(&region, 1 << 20);
    decoded = region_info(region.fd).tiles_decoded;
    check_read(&mounted, 1 << 20);
    CHECK(decoded && region_info(mounted.fd).tiles_decoded == decoded, "decoded again");
    copy("base.lwc", "./another.lwc");
    CHECK_OK(umount2("./mnt", MNT_DETACH));
    CHECK_OK(with_base("./another.lwc"));
    CHECK_OK(stat("./mnt", &b));
    CHECK(a.st_dev != b.st_dev, "another base, the same superblock");
}

static void enolink(void)
{
    int log = open_log();

    own_mounts();
    CHECK_ERROR(try_mount(data_path("tuned.lwc"), "./mnt"), ENOLINK);
    CHECK(log_has(log, "tuned.lwc", "which the option base= gives", NULL, 5),
          "the log does not say it");
    CHECK_OK(with_base(data_path("base.lwc")));
    CHECK_ERROR(try_mount(data_path("tuned.lwc"), "./second"), ENOLINK);
}

static void no_file(void)
{
    own_mounts();
    CHECK_ERROR(with_base("./nothing.lwc"), ENOENT);
    CHECK_ERROR(with_base(""), EINVAL);
    CHECK_ERROR(try_mount_with(data_path("tuned.lwc"), "./mnt", "base"), EINVAL);
    CHECK_ERROR(with_base("."), EINVAL);
    CHECK_ERROR(with_base("/dev/null"), EINVAL);
    CHECK_OK(mkfifo("./fifo", 0600));
    CHECK_ERROR(with_base("./fifo"), EINVAL);
    CHECK_ERROR(with_base(data_path("odd.files")), EBADMSG);
}

static void estale(void)
{
    int log = open_log();

    own_mounts();
    CHECK_ERROR(with_base(data_path("odd.lwc")), ESTALE);
    CHECK(log_has(log, "base ", "odd.lwc", "another base", 5), "the log does not name the base");
    CHECK_ERROR(with_base(data_path("patched.lwc")), ESTALE);
}

static void emlink(void)
{
    own_mounts();
    CHECK_ERROR(with_base(data_path("close.lwc")), EMLINK);
    CHECK_ERROR(with_base(data_path("tuned.lwc")), EMLINK);
}

static void eloop(void)
{
    int region = attach_path(data_path("odd.lwc"), LWCMEM_VIEW_ARENA, 0);
    char path[60];

    mount_container(data_path("odd.lwc"));
    snprintf(path, sizeof(path), "base=/proc/self/fd/%d", region);
    CHECK_ERROR(try_mount_with(data_path("tuned.lwc"), "./second", path), ELOOP);
    CHECK_ERROR(try_mount_with(data_path("tuned.lwc"), "./second", "base=./mnt/config.json"),
                ELOOP);
}

static void einval(void)
{
    char twice[300];

    own_mounts();
    snprintf(twice, sizeof(twice), "base=%s,base=/data/base.lwc", data_path("base.lwc"));
    CHECK_ERROR(try_mount_with(data_path("tuned.lwc"), "./mnt", twice), EINVAL);
    CHECK_ERROR(try_mount_with(data_path("odd.lwc"), "./mnt", "base=/data/base.lwc"), EINVAL);
}

/* fsconfig(2) and a mounted descriptor: a path with a comma in it. */
static void fsconfig_mount(const char *container, const char *base)
{
    enum { SET_STRING = 1, CREATE = 6, MOVE_EMPTY_PATH = 4 };
    int context = CHECK_OK(syscall(SYS_fsopen, "lwcmem", 1 /* FSOPEN_CLOEXEC */)), mounted;

    make_directory("./mnt");
    CHECK_OK(syscall(SYS_fsconfig, context, SET_STRING, "source", container, 0));
    CHECK_OK(syscall(SYS_fsconfig, context, SET_STRING, "base", base, 0));
    CHECK_OK(syscall(SYS_fsconfig, context, CREATE, NULL, NULL, 0));
    mounted = CHECK_OK(syscall(SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, 0));
    CHECK_OK(syscall(SYS_move_mount, mounted, "", AT_FDCWD, "./mnt", MOVE_EMPTY_PATH));
    close(mounted);
    close(context);
}

static bool mounts_show(const char *text)
{
    FILE *mounts = fopen("/proc/mounts", "re");
    char line[1000];
    bool found = false;

    CHECK(mounts, "/proc/mounts: %m");
    while (!found && fgets(line, sizeof(line), mounts))
        found = strstr(line, " lwcmem ") && strstr(line, text);
    fclose(mounts);
    return found;
}

static void shown(void)
{
    own_mounts();
    CHECK_OK(with_base(data_path("base.lwc")));
    CHECK(mounts_show(",base=/data/base.lwc "), "/proc/mounts does not show the base");
    CHECK_OK(umount("./mnt"));
    copy("base.lwc", "./a, b.lwc");
    fsconfig_mount(data_path("tuned.lwc"), "./a, b.lwc");
    CHECK(mounts_show("/a\\054\\040b.lwc "), "/proc/mounts does not escape the base");
    CHECK_OK(umount("./mnt"));
    CHECK_OK(try_mount(data_path("odd.lwc"), "./mnt"));
    CHECK(!mounts_show("base="), "/proc/mounts shows a base that there is not");
}

static int remount(const char *options)
{
    return mount(NULL, "./mnt", NULL, MS_REMOUNT | MS_RDONLY, options);
}

static void remounted(void)
{
    own_mounts();
    CHECK_OK(with_base(data_path("base.lwc")));
    CHECK_OK(remount(NULL));
    CHECK_OK(remount("base=/data/base.lwc"));
    CHECK_ERROR(remount("base=/data/odd.lwc"), EINVAL);
    CHECK_ERROR(remount("base=/data/nothing.lwc"), ENOENT);
    check_mounted("tuned");
    CHECK_OK(umount("./mnt"));
    CHECK_OK(try_mount(data_path("odd.lwc"), "./mnt"));
    CHECK_ERROR(remount("base=/data/base.lwc"), EINVAL);
}

/* Container and base may go while they are mounted; failed mounts hold none of them. */
static void lifetime(void)
{
    enum { TURNS = 200 };
    int control = open_control();
    struct lwcmem_query before = query(control);
    uint64_t files;

    own_mounts();
    copy("tuned.lwc", "./tuned.lwc");
    copy("base.lwc", "./base.lwc");
    CHECK_OK(try_mount_with("./tuned.lwc", "./mnt", "base=./base.lwc"));
    CHECK_OK(unlink("./tuned.lwc"));
    CHECK_OK(unlink("./base.lwc"));
    check_mounted("tuned");
    CHECK_OK(umount("./mnt"));
    CHECK(counts_become(control, before.backings, before.regions, 20), "a backing stays");
    files = open_files();
    for (int i = 0; i < TURNS; i++) {
        CHECK_ERROR(with_base(data_path("odd.lwc")), ESTALE);
        CHECK_ERROR(with_base("./nothing.lwc"), ENOENT);
    }
    check_open_files(files, TURNS / 4);
}

static const struct test_case cases[] = {
    {"a mount with a base is the model", content, 100},
    {"mount and ATTACH share one page cache, another base does not", shared, 0},
    {"ENOLINK: no base", enolink, 0},
    {"a base that is no container", no_file, 0},
    {"ESTALE: another base, another generation", estale, 0},
    {"EMLINK: a base that has a base", emlink, 0},
    {"ELOOP: a base that is a region or in a mount", eloop, 0},
    {"EINVAL: two bases, a base of what has none", einval, 0},
    {"/proc/mounts shows the base", shown, 0},
    {"a remount keeps the base", remounted, 0},
    {"files of a mount may go, those of a failed one are let go", lifetime, 60},
};

int main(void)
{
    return RUN_CASES(cases);
}
