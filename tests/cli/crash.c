/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LD_PRELOAD: something happens at the CRASH_AT-th call (from 1) that changes or syncs a regular
 * file or renames. CRASH says what:
 *   kill   SIGKILL instead of the call
 *   torn   a write puts only its first 1/32, then SIGKILL
 *   half   a write puts only its first half, then SIGKILL
 *   power  SIGKILL, and what was not synced is lost except in the superblocks, as a disk that
 *          reorders writes may do; at a normal exit, all that was not synced is lost
 *   full   the call fails with ENOSPC
 *   int    SIGINT before the call
 *   stop   SIGSTOP before the call
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUPERBLOCKS 8192
#define RECORDS 65536

struct record {
    int fd;
    off_t offset;
    size_t size;
    char *before; /* zeroes where the file ended */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct record records[RECORDS];
static size_t record_count;
static long calls;

static bool is(const char *mode)
{
    const char *set = getenv("CRASH");

    return set && strcmp(set, mode) == 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void forget(const struct record *record)
{
    close(record->fd);
    free(record->before);
}

static void lose_unsynced(bool superblocks_too)
{
    while (record_count) {
        const struct record *record = &records[--record_count];

        if (record->offset >= SUPERBLOCKS || superblocks_too)
            REAL(pwrite)(record->fd, record->before, record->size, record->offset);
        forget(record);
    }
}

static void die(void)
{
    if (is("power"))
        lose_unsynced(false);
    kill(getpid(), SIGKILL);
    pause();
}

__attribute__((destructor)) static void leave(void)
{
    if (is("power"))
        lose_unsynced(true);
}

static void remember(int fd, size_t size, off_t offset)
{
    struct record *record = &records[record_count];

    if (!is("power") || record_count == RECORDS)
        return;
    *record = (struct record){dup(fd), offset, size, calloc(1, size)};
    if (pread(fd, record->before, size, offset) >= 0)
        record_count++;
}

/* Count the call. True when it has to fail; data: of a write at offset, or NULL. */
static bool fails(int fd, const void *data, size_t size, off_t offset)
{
    const char *at = getenv("CRASH_AT");
    struct stat status;
    bool now;

    if (fd >= 0 && (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)))
        return false;
    pthread_mutex_lock(&lock);
    now = at && ++calls == atol(at);
    if (data && !now)
        remember(fd, size, offset);
    pthread_mutex_unlock(&lock);
    if (!now)
        return false;
    if (data && (is("torn") || is("half")))
        REAL(pwrite)(fd, data, size / (is("half") ? 2 : 32), offset);
    if (is("int"))
        raise(SIGINT);
    else if (is("stop"))
        raise(SIGSTOP);
    else if (!is("full"))
        die();
    errno = ENOSPC;
    return is("full");
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return fails(fd, data, size, offset) ? -1 : REAL(pwrite)(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size)
{
    return fails(fd, NULL, 0, 0) ? -1 : REAL(write)(fd, data, size);
}

int ftruncate(int fd, off_t size)
{
    return fails(fd, NULL, 0, 0) ? -1 : REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

static int synced(int result)
{
    while (result == 0 && record_count)
        forget(&records[--record_count]);
    return result;
}

int fdatasync(int fd)
{
    return fails(fd, NULL, 0, 0) ? -1 : synced(REAL(fdatasync)(fd));
}

int fsync(int fd)
{
    struct stat status;

    if (fails(fd, NULL, 0, 0))
        return -1;
    /* of a directory: not the file's bytes */
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? synced(REAL(fsync)(fd))
                                                              : REAL(fsync)(fd);
}

int rename(const char *from, const char *to)
{
    return fails(-1, NULL, 0, 0) ? -1 : REAL(rename)(from, to);
}
