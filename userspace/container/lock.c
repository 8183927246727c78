/* SPDX-License-Identifier: BSD-3-Clause */
#include "lock.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Another process has a lock that excludes ours: one that updates, or some that pack. */
static int locked_already(int fd, const char *path, int operation, struct failure *failure)
{
    if (operation == LOCK_EX && flock(fd, LOCK_SH | LOCK_NB) == 0)
        return fail(failure,
                    "%s: another process is packing a model that depends on it as it is now; try "
                    "again when it is done",
                    path);
    return fail(failure, "%s: another process is updating it; try again when it is done", path);
}

int lock_file(int fd, const char *path, int operation, struct failure *failure)
{
    struct stat opened, named;

    /* who only reads keeps what was opened, lock or not: it is for others to notice */
    if (flock(fd, operation | LOCK_NB) < 0 &&
        !(operation == LOCK_SH && (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS)))
        return errno == EWOULDBLOCK ? locked_already(fd, path, operation, failure)
                                    : fail_errno(failure, errno, "%s: cannot lock", path);
    if (fstat(fd, &opened) < 0 || stat(path, &named) < 0 || opened.st_dev != named.st_dev ||
        opened.st_ino != named.st_ino)
        return fail(failure, "%s: was replaced meanwhile; try again", path);
    return 0;
}
