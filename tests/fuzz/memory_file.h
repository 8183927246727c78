/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file in memory for code that reads one by a descriptor: linked with --wrap (see run.sh), so
 * that a run costs no system call. Bytes behind the content, up to the size, do not exist: reading
 * them is an error of the device.
 */
#ifndef FUZZ_MEMORY_FILE_H
#define FUZZ_MEMORY_FILE_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#define MEMORY_FILE_PATH "a file in memory"
#define MEMORY_FILE_FD 987654

static const uint8_t *memory_file_data;
static size_t memory_file_length; /* bytes that there are */
static uint64_t memory_file_size; /* as fstat says */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_close(int fd);
int __wrap_close(int fd);
int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
ssize_t __real_pread(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset);

int __wrap_open(const char *path, int flags, ...)
{
    return strcmp(path, MEMORY_FILE_PATH) == 0 ? MEMORY_FILE_FD : __real_open(path, flags, 0600);
}

int __wrap_close(int fd)
{
    return fd == MEMORY_FILE_FD ? 0 : __real_close(fd);
}

int __wrap_fstat(int fd, struct stat *status)
{
    if (fd != MEMORY_FILE_FD)
        return __real_fstat(fd, status);
    memset(status, 0, sizeof(*status));
    status->st_mode = S_IFREG | 0644;
    status->st_size = (off_t)memory_file_size;
    return 0;
}

ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset)
{
    if (fd != MEMORY_FILE_FD)
        return __real_pread(fd, data, size, offset);
    if (offset < 0) {
        errno = EINVAL;
        return -1;
    }
    if ((uint64_t)offset >= memory_file_size)
        return 0;
    if ((uint64_t)offset >= memory_file_length) {
        errno = EIO;
        return -1;
    }
    if (size > memory_file_length - (size_t)offset)
        size = memory_file_length - (size_t)offset;
    memcpy(data, memory_file_data + offset, size);
    return (ssize_t)size;
}

#endif
