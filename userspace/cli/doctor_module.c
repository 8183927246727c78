/* SPDX-License-Identifier: BSD-3-Clause */
/* What it takes to load the kernel module and to use it. */
#include "doctor.h"
#include "host.h"

#include "uapi/lwcmem.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool exists(const char *root, const char *path)
{
    char whole[HOST_PATH_MAX];

    host_path(whole, root, "%s", path);
    return access(whole, F_OK) == 0;
}

static bool module_loaded(const char *root)
{
    return exists(root, "/sys/module/lwcmem");
}

/* --- the module and its device --- */

void check_module(const char *root, struct finding *finding)
{
    char version[64] = "";
    uint64_t abi;

    if (!module_loaded(root)) {
        finding_set(finding, FINDING_MISSING,
                    "--backend kmod, regions and lwcmem stat do not work; all else does",
                    "make modules && insmod lwcmem.ko", "not loaded");
        return;
    }
    host_read(root, "/sys/module/lwcmem/version", version, sizeof(version));
    if (!host_number(root, "/sys/class/misc/lwcmem/abi", &abi))
        finding_set(finding, FINDING_MISSING, "it is older than this tool",
                    "rmmod lwcmem && insmod lwcmem.ko of this version",
                    "version %.40s, which does not tell its ABI", version);
    else if (abi != LWCMEM_ABI)
        finding_set(finding, FINDING_MISSING, "module and tool do not understand each other",
                    "rmmod lwcmem && insmod lwcmem.ko of this version",
                    "version %.40s with ABI %" PRIu64 "; this tool needs %d", version, abi,
                    LWCMEM_ABI);
    else
        finding_set(finding, FINDING_OK, "", "", "version %.40s, ABI %" PRIu64, version, abi);
}

static void group_name(char *text, size_t size, gid_t group)
{
    const struct group *entry = getgrgid(group);

    if (entry)
        snprintf(text, size, "%s", entry->gr_name);
    else
        snprintf(text, size, "%u", group);
}

void check_device(const char *root, struct finding *finding)
{
    const char *mend = module_loaded(root) ? "udevadm trigger, or mdev -s without udev"
                                           : "insmod lwcmem.ko makes it";
    char path[HOST_PATH_MAX], group[64];
    struct stat stat_;

    host_path(path, root, "%s", LWCMEM_DEVICE);
    if (stat(path, &stat_) < 0) {
        finding_set(finding, FINDING_MISSING, "regions are made through it", mend, "%s: %s",
                    LWCMEM_DEVICE, strerror(errno));
        return;
    }
    group_name(group, sizeof(group), stat_.st_gid);
    if (access(path, R_OK | W_OK) < 0)
        finding_set(finding, FINDING_MISSING, "it is for root and the members of its group",
                    "chgrp GROUP /dev/lwcmem && chmod 0660 /dev/lwcmem, GROUP one of yours (id)",
                    "no permission: mode 0%o, group %s", stat_.st_mode & 07777, group);
    else if (!S_ISCHR(stat_.st_mode))
        finding_set(finding, FINDING_MISSING, "something else has its name",
                    "rm /dev/lwcmem && udevadm trigger", "not a device");
    else if (stat_.st_mode & S_IRWXO)
        finding_set(finding, FINDING_WARNING, "whoever may use it can have the kernel read files",
                    "chmod 0660 /dev/lwcmem", "mode 0%o: for everybody", stat_.st_mode & 07777);
    else
        finding_set(finding, FINDING_OK, "", "", "mode 0%o, group %s", stat_.st_mode & 07777,
                    group);
}

void check_headers(const char *root, struct finding *finding)
{
    char release[128], path[256];

    host_read(root, "/proc/sys/kernel/osrelease", release, sizeof(release));
    snprintf(path, sizeof(path), "/lib/modules/%s/build/Makefile", release);
    if (exists(root, path))
        finding_set(finding, FINDING_OK, "", "", "of %s", release);
    else
        finding_set(finding, module_loaded(root) ? FINDING_WARNING : FINDING_MISSING,
                    "make modules and dkms build the module with them",
                    "apt install linux-headers-$(uname -r), or make modules KDIR=",
                    "none of %s in /lib/modules", release);
}

/* --- whether the kernel takes modules that are not signed --- */

static const char *const sign_means = "an unsigned lwcmem.ko is refused (Key was rejected)";
static const char *const sign_mend =
    "mokutil --import KEY.der, reboot, then /lib/modules/$(uname -r)/build/scripts/sign-file "
    "sha256 KEY.priv KEY.der lwcmem.ko";

/* What keeps unsigned modules out is no obstacle to one that is in. */
static void refuses_unsigned(const char *root, struct finding *finding, const char *found)
{
    if (module_loaded(root))
        finding_set(finding, FINDING_OK, "", "", "%s; the module is loaded", found);
    else
        finding_set(finding, FINDING_WARNING, sign_means, sign_mend, "%s", found);
}

void check_secure_boot(const char *root, struct finding *finding)
{
    char path[HOST_PATH_MAX];
    unsigned char variable[5] = {0};
    FILE *file;

    host_path(path, root,
              "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
    file = fopen(path, "re");
    if (!file) {
        if (exists(root, "/sys/firmware/efi"))
            finding_set(finding, FINDING_OK, "", "", "its variable is not there");
        else
            finding_set(finding, FINDING_OK, "", "", "not booted by EFI");
        return;
    }
    /* four bytes of attributes come first */
    if (fread(variable, 1, sizeof(variable), file) != sizeof(variable))
        finding_set(finding, FINDING_WARNING, "whether modules must be signed cannot be told",
                    "mokutil --sb-state", "its variable cannot be read");
    else if (variable[4])
        refuses_unsigned(root, finding, "on");
    else
        finding_set(finding, FINDING_OK, "", "", "off");
    fclose(file);
}

void check_lockdown(const char *root, struct finding *finding)
{
    char text[80], found[32];

    if (!host_read(root, "/sys/kernel/security/lockdown", text, sizeof(text)) ||
        strstr(text, "[none]")) {
        finding_set(finding, FINDING_OK, "", "", "none");
        return;
    }
    snprintf(found, sizeof(found), "%s",
             strstr(text, "[integrity]") ? "integrity" : "confidentiality");
    refuses_unsigned(root, finding, found);
}

void check_signing(const char *root, struct finding *finding)
{
    char text[8], sealed[8];

    if (host_read(root, "/proc/sys/kernel/modules_disabled", sealed, sizeof(sealed)) &&
        strcmp(sealed, "1") == 0 && !module_loaded(root)) {
        finding_set(finding, FINDING_MISSING, "no module can be loaded until the next boot",
                    "reboot, and load lwcmem before modules_disabled is set",
                    "kernel.modules_disabled is 1");
        return;
    }
    if (host_read(root, "/sys/module/module/parameters/sig_enforce", text, sizeof(text)) &&
        strcmp(text, "Y") == 0)
        refuses_unsigned(root, finding, "enforced");
    else
        finding_set(finding, FINDING_OK, "", "", "not enforced");
}

/* --- what a user of regions needs --- */

bool process_limit(const char *root, const char *name, unsigned long long *limit)
{
    char text[4096], value[128], *end;

    if (!host_read(root, "/proc/self/limits", text, sizeof(text)) ||
        !host_line(text, name, value, sizeof(value)))
        return false;
    *limit = strtoull(value, &end, 10);
    return end != value;
}

/* The capability that the limit does not bind. */
static bool may_lock(const char *root)
{
    char text[4096], value[64];

    host_read(root, "/proc/self/status", text, sizeof(text));
    host_line(text, "CapEff:", value, sizeof(value));
    return strtoull(value, NULL, 16) >> 14 & 1; /* CAP_IPC_LOCK */
}

void check_memlock(const char *root, struct finding *finding)
{
    const unsigned long long wanted = 1ull << 30;
    unsigned long long limit;

    if (!process_limit(root, "Max locked memory", &limit))
        finding_set(finding, FINDING_OK, "", "", "no limit");
    else if (may_lock(root))
        finding_set(finding, FINDING_OK, "", "", "%llu KiB, which does not bind this process",
                    limit >> 10);
    else if (limit >= wanted)
        finding_set(finding, FINDING_OK, "", "", "%llu KiB", limit >> 10);
    else
        finding_set(finding, FINDING_WARNING,
                    "the ring of --backend kmod, two layers of the model, is not registered with "
                    "io_uring where it is larger",
                    "ulimit -l unlimited as root; for good: memlock in "
                    "/etc/security/limits.conf, or LimitMEMLOCK= of the unit",
                    "%llu KiB", limit >> 10);
}

/* 0, or what keeps this process from making one. */
static int probe_io_uring(void)
{
    struct io_uring_params parameters = {0};
    long fd = syscall(__NR_io_uring_setup, 1, &parameters);

    if (fd < 0)
        return errno;
    close((int)fd);
    return 0;
}

/* The system call is tried on this machine only: a copy of files says nothing about it. */
void check_io_uring(const char *root, struct finding *finding)
{
    const char *means = "--backend kmod reads with pread, one tile after the other";
    uint64_t disabled = 0;
    int error;

    host_number(root, "/proc/sys/kernel/io_uring_disabled", &disabled);
    error = *root ? 0 : probe_io_uring();
    if (disabled == 2)
        finding_set(finding, FINDING_WARNING, means, "sysctl kernel.io_uring_disabled=0",
                    "kernel.io_uring_disabled is 2: for nobody");
    else if (disabled == 1 && error)
        finding_set(finding, FINDING_WARNING, means,
                    "sysctl kernel.io_uring_disabled=0, or be in kernel.io_uring_group",
                    "kernel.io_uring_disabled is 1: for a group only");
    else if (error == ENOSYS)
        finding_set(finding, FINDING_WARNING, means,
                    "a kernel with CONFIG_IO_URING; in a container a seccomp profile that allows "
                    "io_uring_setup, io_uring_enter and io_uring_register",
                    "the system call is not there");
    else if (error == EPERM || error == EACCES)
        finding_set(finding, FINDING_WARNING, means,
                    "a seccomp profile that allows io_uring_setup, io_uring_enter and "
                    "io_uring_register (docker run --security-opt seccomp=FILE)",
                    "refused by a filter: %s", strerror(error));
    else if (error)
        finding_set(finding, FINDING_WARNING, means, "raise the limit of locked memory, ulimit -l",
                    "%s", strerror(error));
    else
        finding_set(finding, FINDING_OK, "", "", disabled ? "allowed for this process" : "allowed");
}
