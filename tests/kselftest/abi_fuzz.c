/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random calls on the device, on regions, and with wrong descriptors as containers. The kernel must
 * survive; what a call may answer is checked where it is known, and bytes of regions always.
 * LWCMEM_SEED=N repeats a run: the seed is printed.
 */
#include "libregion.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { ROUND = 20000, REGIONS = 6, WRONG = 12 };

static struct random seed;
static struct view regions[REGIONS];
static int control, containers[2], wrong[WRONG], sink, pipes[2];
static uint8_t *memory, *edge, *readonly; /* edge: what follows cannot be accessed */
static uint64_t attached, refused, reads;

static uint64_t pick(uint64_t limit)
{
    return random_below(&seed, limit);
}

/* A number as callers get them wrong: small, near a power of two, near an end, or anything. */
static uint64_t odd_number(uint64_t near)
{
    switch (pick(6)) {
    case 0:
        return pick(16);
    case 1:
        return (1ull << pick(64)) - 2 + pick(4);
    case 2:
        return near - 2 + pick(4);
    case 3:
        return 0ull - pick(4);
    case 4:
        return pick(near + 1);
    default:
        return random_next(&seed);
    }
}

static int open_wrong(int i)
{
    switch (i) {
    case 0:
        return pipes[0];
    case 1:
        return pipes[1];
    case 2:
        return CHECK_OK(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    case 3:
        return CHECK_OK(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    case 4:
        return CHECK_OK(open("/dev/null", O_RDWR | O_CLOEXEC));
    case 5:
        return CHECK_OK(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    case 6:
        return CHECK_OK(epoll_create1(EPOLL_CLOEXEC));
    case 7:
        return CHECK_OK(open(data_path("tiny.lwc"), O_PATH | O_CLOEXEC));
    case 8:
        return CHECK_OK(open("written", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    case 9:
        return CHECK_OK(open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
    case 10:
        return control;
    default:
        return CHECK_OK(memfd_create("empty", MFD_CLOEXEC));
    }
}

static void open_all(void)
{
    static const char *const models[] = {"tiny", "odd"};

    control = open_control();
    CHECK_OK(pipe2(pipes, O_CLOEXEC | O_NONBLOCK));
    sink = CHECK_OK(memfd_create("sink", MFD_CLOEXEC));
    for (int i = 0; i < 2; i++)
        containers[i] = CHECK_OK(open(data_path("%s.lwc", models[i]), O_RDONLY | O_CLOEXEC));
    for (int i = 0; i < REGIONS; i++) {
        struct file_entry file = largest_file(models[i % 2]);

        regions[i] = i / 2 % 2 ? open_file_view(models[i % 2], &file) : open_arena(models[i % 2]);
    }
    for (int i = 0; i < WRONG; i++)
        wrong[i] = open_wrong(i);
    memory =
        CHECK_OK(mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    edge = memory + 8 * PAGE;
    CHECK_OK(mprotect(edge, PAGE, PROT_NONE));
    readonly = edge + PAGE;
    CHECK_OK(mprotect(readonly, PAGE, PROT_READ));
}

static struct view *any_region(void)
{
    return &regions[pick(REGIONS)];
}

static int any_descriptor(void)
{
    switch (pick(8)) {
    case 0:
        return wrong[pick(WRONG)];
    case 1:
        return (int)odd_number(64);
    case 2:
        return any_region()->fd;
    default:
        return containers[pick(2)];
    }
}

/* A place for a struct of so many bytes; good: all of it can be read and written. */
static uint8_t *place(size_t size, bool *good)
{
    *good = false;
    switch (pick(12)) {
    case 0:
        return NULL;
    case 1:
        return (uint8_t *)odd_number(1ull << 47);
    case 2:
        return edge - pick(size + 1) - (size ? 0 : 1);
    case 3:
        return edge;
    case 4:
        return readonly + pick(64);
    case 5:
        return (uint8_t *)(~0ull - pick(2 * PAGE));
    default:
        *good = true;
        return pick(2) ? memory + pick(64) : edge - size;
    }
}

static uint32_t any_size(uint32_t known)
{
    switch (pick(6)) {
    case 0:
        return pick(2 * known);
    case 1:
        return odd_number(PAGE);
    default:
        return known;
    }
}

static void fill(uint8_t *to, size_t size, bool noise)
{
    for (size_t i = 0; i < size; i++)
        to[i] = noise && pick(8) == 0 ? random_next(&seed) : 0;
}

/* Encoded sizes do not matter to the module; types and numbers do. */
static unsigned int resize_command(unsigned int command)
{
    if (pick(2))
        return command;
    return (command & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT)) | pick(_IOC_SIZEMASK + 1)
                                                                << _IOC_SIZESHIFT;
}

static bool one_of(int error, const int *errors)
{
    for (; *errors; errors++)
        if (error == *errors)
            return true;
    return false;
}

static const int attach_errors[] = {EBADF,  EINVAL, EBADMSG, EOPNOTSUPP, EISDIR,  ELOOP,
                                    EFAULT, E2BIG,  EFBIG,   ENOLINK,    ENODATA, 0};

/* What ATTACH of a struct of the known size must answer; 0: success, -1: not foreseen. */
static int foreseen(const struct lwcmem_attach *attach)
{
    if (attach->flags >> 31 || attach->reserved)
        return EINVAL;
    if (attach->flags || attach->bases || attach->base_count)
        return -1;
    if (attach->view > LWCMEM_VIEW_FILE || (attach->view == LWCMEM_VIEW_ARENA && attach->file))
        return EINVAL;
    for (int i = 0; i < REGIONS; i++)
        if (attach->fd == regions[i].fd)
            return ELOOP;
    if (attach->fd < 0)
        return EBADF;
    if (attach->fd != containers[0] && attach->fd != containers[1])
        return -1;
    return attach->view == LWCMEM_VIEW_ARENA ? 0 : attach->file > 1000 ? EINVAL : -1;
}

static void check_attached(int fd)
{
    struct stat stat;
    uint8_t bytes[64];

    CHECK_OK(fstat(fd, &stat));
    CHECK(S_ISREG(stat.st_mode), "mode 0%o", stat.st_mode);
    CHECK(pread(fd, bytes, sizeof(bytes), 0) >= 0, "pread of a new region: %m");
    close(fd);
    attached++;
}

static void call_attach(void)
{
    struct lwcmem_attach attach = {.size = any_size(sizeof(attach)), .fd = any_descriptor()};
    size_t size = attach.size < 8 ? 8 : attach.size > 2 * PAGE ? 2 * PAGE : attach.size;
    int want, fd;
    bool good;
    uint8_t *to = place(size, &good);

    if (pick(4) == 0)
        attach.flags = odd_number(1);
    if (pick(3) == 0)
        attach.view = odd_number(2);
    if (pick(3) == 0)
        attach.file = odd_number(4);
    if (pick(8) == 0)
        attach.bases = odd_number(1ull << 47);
    if (pick(8) == 0)
        attach.base_count = odd_number(2);
    if (pick(8) == 0)
        attach.reserved = odd_number(1);
    if (good) {
        fill(to, size, pick(4) == 0);
        memcpy(to, &attach, size < sizeof(attach) ? size : sizeof(attach));
    }
    fd = ioctl(control, resize_command(LWCMEM_IOC_ATTACH), to);
    want = good && attach.size == sizeof(attach) ? foreseen(&attach) : -1;
    CHECK(want < 0 || (want ? fd < 0 && errno == want : fd >= 0),
          "ATTACH flags %x fd %d view %u file %llx reserved %x gives %d %m instead of %s",
          attach.flags, attach.fd, attach.view, (unsigned long long)attach.file, attach.reserved,
          fd, strerror(want));
    if (fd >= 0) {
        check_attached(fd);
        return;
    }
    CHECK(one_of(errno, attach_errors), "ATTACH: %m");
    refused++;
}

/* QUERY, or INFO of a region: what is behind the caller's size must stay as it was. */
static void call_struct(int fd, unsigned int command, uint32_t known)
{
    static const int errors[] = {EFAULT, EINVAL, E2BIG, 0};
    uint32_t size = any_size(known), room = size < 8 ? 8 : size > 2 * PAGE ? 2 * PAGE : size;
    bool good, guarded;
    uint8_t *to = place(room, &good);
    int result;

    guarded = good && to + room + 8 <= edge;
    if (good) {
        fill(to, room, pick(3) == 0);
        memcpy(to, &size, sizeof(size));
    }
    if (guarded)
        memset(to + room, 0x5a, 8);
    result = ioctl(fd, resize_command(command), to);
    CHECK(!result || one_of(errno, errors), "command %x, size %u: %d %m", command, size, result);
    if (good && size == known)
        CHECK(!result, "command %x: %m", command);
    if (good && size < 8)
        CHECK(result && errno == EINVAL, "command %x takes size %u", command, size);
    if (guarded)
        CHECK(to[room] == 0x5a && !memcmp(to + room, to + room + 1, 7),
              "command %x, size %u: written behind it", command, size);
}

/* Any number of any type, but not those that would act on the guest's disk or this terminal. */
static void call_unknown(void)
{
    unsigned int command =
        pick(3) ? random_next(&seed) : _IOC(pick(4), LWCMEM_IOC_MAGIC, pick(256), pick(1 << 14));
    bool good;
    uint8_t *to = place(4096, &good);
    int fd = pick(2) ? control : any_region()->fd;

    if (_IOC_TYPE(command) == LWCMEM_IOC_MAGIC && _IOC_NR(command) >= 0x40 &&
        _IOC_NR(command) < 0x48)
        return;
    CHECK(ioctl(fd, command, to) <= 0 || _IOC_TYPE(command) != LWCMEM_IOC_MAGIC,
          "unknown command %x gives success", command);
}

static void check_bytes(const struct view *view, uint64_t at, const uint8_t *got, ssize_t n)
{
    CHECK(at < view->size && (uint64_t)n <= view->size - at, "%zd bytes at 0x%llx of %llu", n,
          (unsigned long long)at, (unsigned long long)view->size);
    compare(got, view->want + at, n, at, view->what);
    reads++;
}

static void call_read(void)
{
    static uint8_t buffer[8 * PAGE];
    struct view *view = any_region();
    uint64_t at = odd_number(view->size);
    size_t length = pick(sizeof(buffer) + 1);
    struct iovec vectors[2] = {{buffer, length / 2}, {buffer + length / 2, length - length / 2}};
    uint8_t *to = buffer;
    bool good = true;
    ssize_t n;

    if (pick(4) == 0)
        to = place(length, &good);
    switch (pick(3)) {
    case 0:
        n = pread(view->fd, to, good && to == buffer ? length : pick(4 * PAGE), at);
        break;
    case 1:
        n = preadv2(view->fd, vectors, 2, at, pick(2) ? 0 : (int)odd_number(32));
        /* a position of -1 is that of the descriptor */
        good = at != ~0ull;
        to = buffer;
        break;
    default:
        lseek(view->fd, at, SEEK_SET);
        at = lseek(view->fd, 0, SEEK_CUR);
        n = read(view->fd, buffer, length);
        to = buffer;
        good = true;
    }
    if (n > 0 && good)
        check_bytes(view, at, to, n);
}

static void call_seek(void)
{
    struct view *view = any_region();
    off_t at = lseek(view->fd, odd_number(view->size), pick(6));

    CHECK(at >= -1, "lseek gives %lld", (long long)at);
}

/* A mapping of any sort; its bytes are looked at by a system call, which SIGBUS does not end. */
static void call_map(void)
{
    struct view *view = any_region();
    uint64_t offset = odd_number(view->size), length = odd_number(view->size);
    int protection = pick(4) ? PROT_READ : pick(8);
    int flags = pick(3) ? (pick(2) ? MAP_SHARED : MAP_PRIVATE) : (int)(pick(1 << 20) & ~MAP_FIXED);
    uint8_t *map;

    if (pick(4))
        offset = offset % (view->size + 1) / PAGE * PAGE;
    if (pick(2))
        length = 1 + length % (view->size + 4 * PAGE);
    if (length > 1 << 26)
        flags &= ~(MAP_POPULATE | MAP_LOCKED);
    map = mmap(NULL, length, protection, flags & ~0x100000 /* MAP_FIXED_NOREPLACE */, view->fd,
               offset);
    if (map == MAP_FAILED)
        return;
    CHECK(!(protection & PROT_WRITE) || (flags & MAP_TYPE) == MAP_PRIVATE || flags & MAP_ANONYMOUS,
          "a shared writable mapping");
    if (protection & PROT_READ && !(flags & MAP_ANONYMOUS)) {
        uint64_t at = pick(length), have = length - at < 4096 ? length - at : 4096;
        ssize_t n = pwrite(sink, map + at, have, 0);
        uint8_t bytes[4096];

        if (n > 0 && offset + at < view->size) {
            uint64_t real = view->size - offset - at;

            CHECK(pread(sink, bytes, n, 0) == n, "pread: %m");
            compare(bytes, view->want + offset + at, (uint64_t)n < real ? (uint64_t)n : real,
                    offset + at, view->what);
            reads++;
        }
    }
    madvise(map, length, pick(26));
    mprotect(map, length, pick(8));
    msync(map, length, pick(8));
    munmap(map, length);
}

/* What must not be possible on a region, with odd arguments. */
static void call_write(void)
{
    struct view *view = any_region();
    uint64_t a = odd_number(view->size), b = odd_number(view->size);
    uint8_t bytes[16] = {};
    struct timespec times[2] = {};
    long done = -1;

    switch (pick(10)) {
    case 0:
        done = fallocate(view->fd, odd_number(64), a, b);
        break;
    case 1:
        done = ftruncate(view->fd, a);
        break;
    case 2:
        done = pwrite(view->fd, bytes, 1 + pick(16), a);
        break;
    case 3:
        done = write(view->fd, bytes, 1 + pick(16));
        break;
    case 4:
        done = fchmod(view->fd, 0600 + pick(64));
        break;
    case 5:
        done = fsetxattr(view->fd, "user.x", bytes, pick(16), 0);
        break;
    case 6:
        done = copy_file_range(containers[0], NULL, view->fd, NULL, 1 + pick(1 << 20), 0);
        break;
    case 7:
        futimens(view->fd, times);
        return;
    case 8:
        done = sendfile(view->fd, containers[0], NULL, 1 + pick(1 << 20));
        break;
    default:
        done = fcntl(view->fd, F_ADD_SEALS, (int)pick(16));
    }
    CHECK(done < 0, "a region was changed");
}

static void call_other(void)
{
    struct view *view = any_region();
    uint64_t a = odd_number(view->size), b = odd_number(view->size);
    off_t from = a >> 1;
    struct pollfd poller = {view->fd, pick(64), 0};
    struct statfs status;
    char text[256];
    int copy, fd = pick(4) ? view->fd : control;

    switch (pick(12)) {
    case 0:
        posix_fadvise(fd, a, b, pick(8));
        break;
    case 1:
        readahead(fd, a, pick(1 << 20));
        break;
    case 2:
        splice(fd, &from, pipes[1], NULL, pick(1 << 16), SPLICE_F_NONBLOCK);
        while (read(pipes[0], text, sizeof(text)) > 0)
            ;
        break;
    case 3:
        if (sendfile(sink, fd, &from, pick(1 << 18)) > 0)
            CHECK_OK(ftruncate(sink, 0));
        CHECK_OK(lseek(sink, 0, SEEK_SET));
        break;
    case 4:
        fcntl(fd, F_SETFL, (int)pick(1 << 22) & ~O_ASYNC);
        fcntl(fd, F_SETFL, 0);
        break;
    case 5:
        flock(fd, (int)pick(16) | LOCK_NB);
        break;
    case 6:
        poll(&poller, 1, 0);
        break;
    case 7:
        fstatfs(fd, &status);
        fgetxattr(fd, "security.selinux", text, pick(sizeof(text)));
        break;
    case 8:
        copy = dup(fd);
        close(copy);
        break;
    case 9:
        snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
        copy = open(text, (int)pick(1 << 22) & ~(O_CREAT | O_TRUNC | O_ASYNC));
        if (copy >= 0)
            close(copy);
        break;
    case 10:
        snprintf(text, sizeof(text), "/proc/self/fdinfo/%d", fd);
        copy = CHECK_OK(open(text, O_RDONLY | O_CLOEXEC));
        CHECK(read(copy, text, sizeof(text)) > 0, "fdinfo: %m");
        close(copy);
        break;
    default:
        fsync(fd);
        sync_file_range(fd, a, b, pick(8));
    }
}

static void one_call(void)
{
    switch (pick(10)) {
    case 0:
    case 1:
        call_attach();
        break;
    case 2:
        call_struct(control, LWCMEM_IOC_QUERY, sizeof(struct lwcmem_query));
        break;
    case 3:
        call_struct(any_region()->fd, LWCMEM_IOC_INFO, sizeof(struct lwcmem_info));
        break;
    case 4:
        call_unknown();
        break;
    case 5:
        call_read();
        break;
    case 6:
        call_seek();
        break;
    case 7:
        call_map();
        break;
    case 8:
        call_write();
        break;
    default:
        call_other();
    }
}

static void fuzz(void *argument)
{
    seed.state = *(const uint64_t *)argument;
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    open_all();
    for (int i = 0; i < ROUND; i++)
        one_call();
    CHECK(attached > ROUND / 200 && refused > ROUND / 100 && reads > ROUND / 50,
          "%llu attached, %llu refused, %llu reads", (unsigned long long)attached,
          (unsigned long long)refused, (unsigned long long)reads);
    for (int i = 0; i < REGIONS; i++)
        check_pread(&regions[i], 0, regions[i].size, 1 << 18);
}

static void calls(void)
{
    control = open_control();
    run_seeds(control, fuzz, in_debug(1, 60));
    test_comment("%ld calls", in_debug(1, 60) * ROUND);
}

static const struct test_case cases[] = {
    {"random calls", calls, 150},
};

int main(void)
{
    return RUN_CASES(cases);
}
