/* SPDX-License-Identifier: BSD-3-Clause */
/* A region is a regular read-only file, and nothing makes it writable or executable. */
#include "libregion.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void flags(void)
{
    struct view view = open_arena("tiny");
    int descriptor = CHECK_OK(fcntl(view.fd, F_GETFD)), status = CHECK_OK(fcntl(view.fd, F_GETFL));

    CHECK(descriptor & FD_CLOEXEC, "not O_CLOEXEC");
    CHECK((status & O_ACCMODE) == O_RDONLY, "flags 0%o", status);
}

static void status(void)
{
    struct view view = open_arena("tiny");
    struct stat stat;

    CHECK_OK(fstat(view.fd, &stat));
    CHECK(S_ISREG(stat.st_mode), "mode 0%o: not a regular file", stat.st_mode);
    CHECK(!(stat.st_mode & 07333) && stat.st_mode & 0400, "mode 0%o: not read-only", stat.st_mode);
    CHECK((uint64_t)stat.st_size == region_info(view.fd).length, "st_size %lld",
          (long long)stat.st_size);
}

static void writes(void)
{
    struct view view = open_arena("tiny");
    char byte = 0;
    struct iovec vector = {&byte, 1};

    CHECK_ERROR(write(view.fd, &byte, 1), EBADF);
    CHECK_ERROR(pwrite(view.fd, &byte, 1, 0), EBADF);
    CHECK_ERROR(pwritev2(view.fd, &vector, 1, 0, 0), EBADF);
    CHECK_ERROR(ftruncate(view.fd, 0), EINVAL, EBADF, EROFS);
    CHECK_ERROR(fallocate(view.fd, 0, 0, 4096), EBADF);
    check_read(&view, 65536);
}

static void reopens(void)
{
    struct view view = open_arena("tiny");
    char path[40];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", view.fd);
    CHECK_ERROR(open(path, O_RDWR), EROFS, EACCES, EPERM);
    CHECK_ERROR(open(path, O_WRONLY), EROFS, EACCES, EPERM);
    CHECK_ERROR(open(path, O_RDONLY | O_TRUNC), EROFS, EACCES, EPERM);
    CHECK_ERROR(truncate(path, 0), EROFS, EACCES, EPERM);
    check_read(&view, 65536);
}

static void shared_writable(void)
{
    struct view view = open_arena("tiny");
    void *map;

    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, view.fd, 0), EACCES);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, view.fd, 0), EACCES);
    map = CHECK_OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, view.fd, 0));
    CHECK_ERROR(mprotect(map, PAGE, PROT_READ | PROT_WRITE), EACCES);
}

static void executable(void)
{
    struct view view = open_arena("tiny");
    void *map;

    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, view.fd, 0), EPERM, EACCES);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, view.fd, 0), EPERM, EACCES);
    map = CHECK_OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, view.fd, 0));
    CHECK_ERROR(mprotect(map, PAGE, PROT_READ | PROT_EXEC), EPERM, EACCES);
}

static void executed(void)
{
    struct view view = open_arena("tiny");
    char *const none[] = {NULL};
    char path[40];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", view.fd);
    CHECK_ERROR(execve(path, none, none), EACCES);
}

static const struct test_case cases[] = {
    {"the descriptor is O_RDONLY and O_CLOEXEC", flags, 0},
    {"fstat: regular, read-only, as long as INFO says", status, 0},
    {"writes, ftruncate and fallocate are refused", writes, 0},
    {"opening it again for writing is refused", reopens, 0},
    {"shared writable mappings are refused", shared_writable, 0},
    {"executable mappings are refused", executable, 0},
    {"executing it is refused", executed, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
