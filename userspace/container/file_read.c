/* SPDX-License-Identifier: BSD-3-Clause */
#include "file_read.h"

#include <errno.h>
#include <unistd.h>

int file_read(int fd, void *data, size_t size, uint64_t offset)
{
    uint8_t *at = data;

    while (size) {
        ssize_t got = pread(fd, at, size, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? errno : ENODATA;
        at += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    return 0;
}
