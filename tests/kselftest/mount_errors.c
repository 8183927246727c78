/* SPDX-License-Identifier: BSD-3-Clause */
/* What mount refuses, each with its error. */
#include "libmount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void sources(void)
{
    int log = open_log();

    own_mounts();
    CHECK_ERROR(try_mount("./nothing.lwc", "./mnt"), ENOENT);
    CHECK_ERROR(try_mount("", "./mnt"), ENOENT, EINVAL);
    CHECK_ERROR(try_mount(".", "./mnt"), EINVAL);
    CHECK_ERROR(try_mount("/dev/null", "./mnt"), EINVAL);
    CHECK_OK(mkfifo("./fifo", 0600));
    CHECK_ERROR(try_mount("./fifo", "./mnt"), EINVAL);
    CHECK_ERROR(try_mount(data_path("odd.files"), "./mnt"), EBADMSG);
    CHECK(log_has(log, "odd.files", "not an .lwc container", NULL, 5), "the log does not say it");
    CHECK_ERROR(try_mount(data_path("hostile/unknown-feature.lwc"), "./mnt"), EOPNOTSUPP);
    CHECK(log_has(log, "unknown-feature.lwc", "feature", NULL, 5), "the log does not say it");
    mount_at(data_path("odd.lwc"), "./mnt");
}

static void no_source(void)
{
    int fd = CHECK_OK(syscall(SYS_fsopen, "lwcmem", 1 /* FSOPEN_CLOEXEC */));

    CHECK_ERROR(syscall(SYS_fsconfig, fd, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0), EINVAL);
}

static void options(void)
{
    own_mounts();
    make_directory("./mnt");
    CHECK_ERROR(mount(data_path("odd.lwc"), "./mnt", "lwcmem", MS_RDONLY, "bogus=1"), EINVAL);
    CHECK_ERROR(mount(data_path("odd.lwc"), "./mnt", "lwcmem", MS_RDONLY, "bogus"), EINVAL);
    CHECK_ERROR(mount(data_path("odd.lwc"), "./mnt", "lwcmem", MS_RDONLY, "source=x"), EINVAL);
    CHECK_OK(mount(data_path("odd.lwc"), "./mnt", "lwcmem", MS_RDONLY, "ro"));
    CHECK_ERROR(mount(NULL, "./mnt", NULL, MS_REMOUNT | MS_RDONLY, "bogus"), EINVAL);
}

static void eloop(void)
{
    int region = attach_path(data_path("odd.lwc"), LWCMEM_VIEW_ARENA, 0), mounted;
    char path[60];

    mount_container(data_path("odd.lwc"));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", region);
    CHECK_ERROR(try_mount(path, "./second"), ELOOP);
    CHECK_ERROR(try_mount("./mnt/config.json", "./second"), ELOOP);
    mounted = CHECK_OK(open("./mnt/config.json", O_RDONLY | O_CLOEXEC));
    CHECK_ERROR(attach(open_control(), mounted, LWCMEM_VIEW_ARENA, 0), ELOOP);
}

static void become_nobody(void)
{
    CHECK_OK(setresgid(65534, 65534, 65534));
    CHECK_OK(setresuid(65534, 65534, 65534));
    CHECK_OK(prctl(PR_SET_DUMPABLE, 1)); /* so that /proc/self may be written */
}

static void nobody(void)
{
    own_mounts();
    make_directory("./mnt");
    CHECK_OK(chmod(".", 0755));
    become_nobody();
    CHECK_ERROR(mount(data_path("odd.lwc"), "./mnt", "lwcmem", MS_RDONLY, NULL), EPERM);
}

/* A namespace's root may mount what its kernel lets it, such as tmpfs: not this. */
static void namespace_root(void)
{
    make_directory("./mnt");
    CHECK_OK(chmod(".", 0755));
    become_nobody();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
        test_skip("no user namespaces: %m");
    CHECK_OK(mount("none", "./mnt", "tmpfs", 0, NULL));
    CHECK_ERROR(mount(data_path("odd.lwc"), "./mnt", "lwcmem", MS_RDONLY, NULL), EPERM);
}

static const struct test_case cases[] = {
    {"sources that are no containers", sources, 0},
    {"EINVAL without a source", no_source, 0},
    {"EINVAL: unknown options", options, 0},
    {"ELOOP: a region or a mounted file as the container", eloop, 0},
    {"EPERM for other users", nobody, 0},
    {"EPERM for the root of a user namespace", namespace_root, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
