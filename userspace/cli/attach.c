/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem attach and detach: a mount of a container at /run/lwcmem/NAME, and its end. */
#include "cli.h"
#include "users.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE "/run/lwcmem"
#define PLACE_MODE 0755
#define LOCK PLACE "/.lock" /* no NAME begins with a dot; others must not be able to hold it */

/* Where NAME is, or will be, while others of these commands wait. */
struct point {
    int lock;
    char *path; /* of the mount */
};

/* A name is one component and not hidden. */
static bool name_ok(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/') && strlen(name) <= NAME_MAX;
}

static int fail_place(int error, const char *path, struct failure *failure)
{
    if (error == EACCES || error == EPERM)
        return fail(failure, "%s: only root may attach and detach; use sudo", path);
    return fail_errno(failure, error, "%s", path);
}

static int open_point(struct point *point, const char *name, struct failure *failure)
{
    *point = (struct point){.lock = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    if (point->lock < 0 || flock(point->lock, LOCK_EX) < 0)
        return fail_place(errno, LOCK, failure);
    if (asprintf(&point->path, "%s/%s", PLACE, name) < 0) {
        point->path = NULL;
        return fail(failure, "out of memory");
    }
    return 0;
}

static void close_point(struct point *point)
{
    free(point->path);
    if (point->lock >= 0)
        close(point->lock);
}

/* Is something mounted there? A directory is on another device than the one it is in, then. */
static bool is_mounted(const struct point *point)
{
    struct stat place, stat_;

    return stat(PLACE, &place) == 0 && lstat(point->path, &stat_) == 0 && S_ISDIR(stat_.st_mode) &&
           stat_.st_dev != place.st_dev;
}

/* --- attach --- */

/* What is wrong with the base, or with the two together. False: it is something else. */
static bool explain_base(const char *container, const char *base, int error,
                         struct failure *failure)
{
    switch (error) {
    case ESTALE:
        fail(failure, "%s: is not the base of %s, or another generation of it", base, container);
        return true;
    case EMLINK:
        fail(failure, "%s: depends on a base itself, so it is none", base);
        return true;
    case EBADMSG:
        fail(failure,
             "%s or its base %s: not an .lwc container, or its tables are damaged; lwcmem verify "
             "says which",
             container, base);
        return true;
    case EINVAL:
        fail(failure,
             "%s: depends on no base, then leave --base out; or one of the two is no regular file",
             container);
        return true;
    case ELOOP:
        fail(failure,
             "%s or its base %s: lies in an attached container, or on too many stacked "
             "filesystems; copy it to a disk",
             container, base);
        return true;
    default:
        return false;
    }
}

static int explain_mount(const char *container, const char *base, int error,
                         struct failure *failure)
{
    if (base && explain_base(container, base, error, failure))
        return -1;
    switch (error) {
    case ENODEV:
        return fail(failure, "%s: the kernel has no lwcmem; load the module: insmod lwcmem.ko",
                    container);
    case EPERM:
        return fail(failure, "%s: only root (CAP_SYS_ADMIN) may attach; use sudo", container);
    case EBADMSG:
        return fail(failure,
                    "%s: not an .lwc container, or its tables are damaged; lwcmem verify says "
                    "which",
                    container);
    case EINVAL:
        return fail(failure, "%s: not a regular file; give a container, an .lwc file", container);
    case ENOLINK:
        return fail(failure,
                    "%s: depends on a base; give it with --base (lwcmem info %s has its uuid)",
                    container, container);
    case EOPNOTSUPP:
        return fail(failure, "%s: needs what this module does not decode; lwcmem unpack reads it",
                    container);
    case ELOOP:
        return fail(failure,
                    "%s: lies in an attached container, or on too many stacked filesystems; copy "
                    "it to a disk",
                    container);
    case EFBIG:
        return fail(failure, "%s: has more files than the module shows; lwcmem unpack reads it",
                    container);
    default:
        return fail_errno(failure, error, "%s: cannot be attached", container);
    }
}

/* By descriptor, because a comma in a path would end the option. */
static int mount_with(const struct point *point, const char *container, int base)
{
    char option[40];

    snprintf(option, sizeof(option), "base=/proc/self/fd/%d", base);
    return mount(container, point->path, "lwcmem", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                 base < 0 ? NULL : option);
}

static int mount_point(const struct point *point, const char *container, const char *base,
                       struct failure *failure)
{
    int error, fd = -1;

    if (is_mounted(point))
        return fail(failure, "%s: is in use already; choose another name or detach it first",
                    point->path);
    if (base && (fd = open(base, O_RDONLY | O_NONBLOCK | O_CLOEXEC)) < 0)
        return fail_errno(failure, errno, "%s: cannot be read", base);
    if (mkdir(point->path, PLACE_MODE) < 0 && errno != EEXIST) {
        error = errno;
        close(fd);
        return fail_place(error, point->path, failure);
    }
    error = mount_with(point, container, fd) == 0 ? 0 : errno;
    close(fd);
    if (!error)
        return 0;
    rmdir(point->path);
    return explain_mount(container, base, error, failure);
}

/* base: NULL if none is given. */
static int attach(const char *container, const char *base, const char *name,
                  struct failure *failure)
{
    char *absolute = realpath(container, NULL); /* what /proc/mounts will say */
    struct point point;
    int result;

    if (!absolute)
        return fail_errno(failure, errno, "%s: cannot be attached", container);
    if (mkdir(PLACE, PLACE_MODE) < 0 && errno != EEXIST) {
        result = fail_place(errno, PLACE, failure);
        free(absolute);
        return result;
    }
    result = open_point(&point, name, failure);
    if (result == 0)
        result = mount_point(&point, absolute, base, failure);
    if (result == 0)
        printf("%s\n", point.path);
    close_point(&point);
    free(absolute);
    return result;
}

/* --- detach --- */

static int explain_busy(const char *path, struct failure *failure)
{
    char users[400];

    users_of(path, users, sizeof(users));
    return fail(failure, "%s: in use by %s; end that, or take it away when that ends: umount -l %s",
                path, *users ? users : "processes that cannot be seen from here", path);
}

static int unmount_point(const struct point *point, struct failure *failure)
{
    if (!is_mounted(point))
        return fail(failure, "%s: nothing is attached by this name", point->path);
    if (umount2(point->path, UMOUNT_NOFOLLOW) < 0) {
        if (errno == EBUSY)
            return explain_busy(point->path, failure);
        if (errno == EPERM)
            return fail(failure, "%s: only root (CAP_SYS_ADMIN) may detach; use sudo", point->path);
        return fail_errno(failure, errno, "%s: cannot be detached", point->path);
    }
    if (rmdir(point->path) < 0)
        return fail_errno(failure, errno, "%s: is detached, but cannot be removed", point->path);
    return 0;
}

static int detach(const char *name, struct failure *failure)
{
    struct point point;
    int result;

    if (access(PLACE, F_OK) < 0 && errno == ENOENT)
        return fail(failure, "%s/%s: nothing is attached by this name", PLACE, name);
    result = open_point(&point, name, failure);
    if (result == 0)
        result = unmount_point(&point, failure);
    close_point(&point);
    return result;
}

/* --- commands --- */

static const char *const name_rule = "NAME is one component of a path that does not begin with a "
                                     "dot";

/* -1: go on. base: of a command that has the option, else NULL. */
static int parse(const struct command *command, int argc, char **argv, const char **base, int count,
                 const char *problem)
{
    static const struct option names[] = {
        {"help", no_argument, NULL, 'h'},
        {"base", required_argument, NULL, 'b'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        if (option == 'h')
            return cli_help(command);
        if (option != 'b' || !base)
            return cli_usage(command, option == 'b' ? "there is no --base here" : NULL);
        *base = optarg;
    }
    if (argc - optind != count)
        return cli_usage(command, problem);
    return name_ok(argv[argc - 1]) ? -1 : cli_usage(command, name_rule);
}

static int run_attach(int argc, char **argv)
{
    const char *base = NULL;
    int code = parse(&command_attach, argc, argv, &base, 2, "give a container and a name");
    struct failure failure;

    if (code >= 0)
        return code;
    return attach(argv[optind], base, argv[optind + 1], &failure) < 0 ? cli_failed(&failure)
                                                                      : EXIT_DONE;
}

static int run_detach(int argc, char **argv)
{
    int code = parse(&command_detach, argc, argv, NULL, 1, "give one name");
    struct failure failure;

    if (code >= 0)
        return code;
    return detach(argv[optind], &failure) < 0 ? cli_failed(&failure) : EXIT_DONE;
}

const struct command command_attach = {
    .name = "attach",
    .usage = "OUT.lwc NAME [--base BASE.lwc]",
    .summary = "show the original directory of a container at " PLACE "/NAME",
    .help =
        "OUT.lwc           the container; it is mounted read-only by the kernel module (root "
        "only)\n"
        "NAME              one component of a path that does not begin with a dot\n"
        "--base BASE.lwc   the container that OUT.lwc was packed against, if it was\n"
        "\n"
        "Prints the path. Any program can read the files there: they are decoded when they are\n"
        "read, into pages that all processes share. lwcmem detach NAME ends it.\n",
    .run = run_attach,
};

const struct command command_detach = {
    .name = "detach",
    .usage = "NAME",
    .summary = "end what attach has begun",
    .help = "NAME      as given to attach; refused while something in " PLACE "/NAME is in use\n",
    .run = run_detach,
};
