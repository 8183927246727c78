/* SPDX-License-Identifier: BSD-3-Clause */
#define FUSE_USE_VERSION 34
#include "libthrottle.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY "throttled"
#define NAME "model.lwc"

enum { HOLDS = 8, LOG = 16384, PENDING = 1024, FILE_INODE = 2 };

struct range {
    uint64_t start, end;
};

/* Shared by test and server. The test writes holds and faults, the server the rest. */
struct throttle {
    struct {
        struct range range;
        int active, waiting;
    } holds[HOLDS];
    struct range fault_range;
    int fault;
    int logged;
    struct range log[LOG];
    int wake;
    pid_t server;
};

static struct throttle *shared;

/* Of the server only. */
static struct {
    int container;
    uint64_t size;
    struct pending {
        fuse_req_t request;
        struct range range;
    } pending[PENDING];
    int count;
} server;

static int load(int *value)
{
    return __atomic_load_n(value, __ATOMIC_SEQ_CST);
}

static void store(int *value, int to)
{
    __atomic_store_n(value, to, __ATOMIC_SEQ_CST);
}

static bool overlap(const struct range *a, const struct range *b)
{
    return a->start < b->end && b->start < a->end;
}

static bool held(const struct range *range)
{
    for (int i = 0; i < HOLDS; i++)
        if (load(&shared->holds[i].active) && overlap(&shared->holds[i].range, range))
            return true;
    return false;
}

static void count_waiting(void)
{
    for (int i = 0; i < HOLDS; i++) {
        int waiting = 0;

        for (int j = 0; j < server.count; j++)
            waiting += overlap(&shared->holds[i].range, &server.pending[j].range);
        store(&shared->holds[i].waiting, load(&shared->holds[i].active) ? waiting : 0);
    }
}

static void answer(fuse_req_t request, const struct range *range)
{
    int fault = load(&shared->fault);
    size_t length = range->end - range->start;
    char *buffer;
    ssize_t n;

    if (fault && overlap(&shared->fault_range, range)) {
        if (fault == FAULT_EIO)
            fuse_reply_err(request, EIO);
        else
            fuse_reply_buf(request, NULL, 0);
        return;
    }
    buffer = malloc(length + 1);
    n = buffer ? pread(server.container, buffer, length, range->start) : -1;
    if (n < 0)
        fuse_reply_err(request, EIO);
    else
        fuse_reply_buf(request, buffer, n);
    free(buffer);
}

static void answer_released(void)
{
    int kept = 0;

    for (int i = 0; i < server.count; i++) {
        struct pending *pending = &server.pending[i];

        if (held(&pending->range))
            server.pending[kept++] = *pending;
        else
            answer(pending->request, &pending->range);
    }
    server.count = kept;
    count_waiting();
}

static void serve_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                       struct fuse_file_info *info)
{
    struct range range = {offset, offset + size};
    int logged = load(&shared->logged);

    (void)inode, (void)info;
    if (logged < LOG) {
        shared->log[logged] = range;
        store(&shared->logged, logged + 1);
    }
    if (!held(&range) || server.count == PENDING) {
        answer(request, &range);
        return;
    }
    server.pending[server.count++] = (struct pending){request, range};
    count_waiting();
}

static struct stat attributes(fuse_ino_t inode)
{
    struct stat stat = {.st_ino = inode, .st_nlink = 1, .st_mode = S_IFDIR | 0755};

    if (inode == FILE_INODE) {
        stat.st_mode = S_IFREG | 0644;
        stat.st_size = server.size;
    }
    return stat;
}

static void serve_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param entry = {
        .ino = FILE_INODE, .attr_timeout = 3600, .entry_timeout = 3600};

    if (parent != FUSE_ROOT_ID || strcmp(name, NAME)) {
        fuse_reply_err(request, ENOENT);
        return;
    }
    entry.attr = attributes(FILE_INODE);
    fuse_reply_entry(request, &entry);
}

static void serve_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
    struct stat stat = attributes(inode);

    (void)info;
    fuse_reply_attr(request, &stat, 3600);
}

static void serve_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
    if (inode != FILE_INODE) {
        fuse_reply_err(request, EISDIR);
        return;
    }
    info->direct_io = 1;
    fuse_reply_open(request, info);
}

static void serve(int device)
{
    static const struct fuse_lowlevel_ops operations = {
        .lookup = serve_lookup, .getattr = serve_getattr, .open = serve_open, .read = serve_read};
    char *arguments[] = {"throttle", NULL}, path[40];
    struct fuse_args args = FUSE_ARGS_INIT(1, arguments);
    struct fuse_session *session = fuse_session_new(&args, &operations, sizeof(operations), NULL);
    struct fuse_buf buffer = {};
    struct pollfd polled[2] = {{device, POLLIN, 0}, {shared->wake, POLLIN, 0}};
    uint64_t woken;

    snprintf(path, sizeof(path), "/dev/fd/%d", device);
    if (!session || fuse_session_mount(session, path))
        _exit(1);
    while (!fuse_session_exited(session)) {
        if (poll(polled, 2, -1) < 0)
            continue;
        if (polled[1].revents && read(shared->wake, &woken, sizeof(woken)) > 0)
            answer_released();
        if (!polled[0].revents)
            continue;
        if (fuse_session_receive_buf(session, &buffer) > 0)
            fuse_session_process_buf(session, &buffer);
    }
    _exit(0);
}

/* Reads that wait go on with an error, so that nothing that ends has to wait for them. */
static void stop_server(void)
{
    kill(shared->server, SIGKILL);
    umount2(DIRECTORY, MNT_DETACH);
}

static int mount_here(void)
{
    int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    char options[100];

    if (device < 0)
        test_skip("no FUSE: /dev/fuse: %s", strerror(errno));
    CHECK_OK(unshare(CLONE_NEWNS));
    CHECK_OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    CHECK(!mkdir(DIRECTORY, 0755) || errno == EEXIST, DIRECTORY ": %m");
    snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
             device);
    CHECK(!mount("throttle", DIRECTORY, "fuse", MS_NOSUID | MS_NODEV, options), "mount: %m");
    return device;
}

struct throttle *throttle_start(const char *container)
{
    int device = mount_here();
    struct stat stat;
    pid_t child;

    shared = CHECK_OK(
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    shared->wake = CHECK_OK(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    server.container = CHECK_OK(open(container, O_RDONLY | O_CLOEXEC));
    CHECK_OK(fstat(server.container, &stat));
    server.size = stat.st_size;
    child = CHECK_OK(fork());
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(device);
    }
    shared->server = child;
    /* only the server's end counts: its death ends the filesystem */
    close(device);
    close(server.container);
    test_at_end(stop_server);
    return shared;
}

const char *throttle_path(void)
{
    return DIRECTORY "/" NAME;
}

static void wake_server(struct throttle *throttle)
{
    uint64_t one = 1;

    CHECK(write(throttle->wake, &one, sizeof(one)) == sizeof(one), "eventfd: %m");
}

int throttle_hold(struct throttle *throttle, uint64_t start, uint64_t end)
{
    for (int i = 0; i < HOLDS; i++) {
        if (load(&throttle->holds[i].active))
            continue;
        throttle->holds[i].range = (struct range){start, end};
        store(&throttle->holds[i].waiting, 0);
        store(&throttle->holds[i].active, 1);
        return i;
    }
    test_fail("too many holds");
}

void throttle_release(struct throttle *throttle, int hold)
{
    store(&throttle->holds[hold].active, 0);
    wake_server(throttle);
}

int throttle_waiting(struct throttle *throttle, int hold)
{
    return load(&throttle->holds[hold].waiting);
}

struct wait {
    struct throttle *throttle;
    int hold, count;
};

static bool enough_wait(void *argument)
{
    struct wait *wait = argument;

    return throttle_waiting(wait->throttle, wait->hold) >= wait->count;
}

void throttle_wait(struct throttle *throttle, int hold, int count, int seconds)
{
    struct wait wait = {throttle, hold, count};

    CHECK(wait_until(enough_wait, &wait, seconds),
          "%d reads of the held bytes reached the backing instead of %d",
          throttle_waiting(throttle, hold), count);
}

void throttle_fault(struct throttle *throttle, enum throttle_fault fault, uint64_t start,
                    uint64_t end)
{
    store(&throttle->fault, FAULT_NONE);
    throttle->fault_range = (struct range){start, end};
    store(&throttle->fault, fault);
}

int throttle_requests(struct throttle *throttle, uint64_t at)
{
    int logged = load(&throttle->logged), count = 0;
    struct range byte = {at, at + 1};

    CHECK(logged < LOG, "too many requests");
    for (int i = 0; i < logged; i++)
        count += overlap(&throttle->log[i], &byte);
    return count;
}

int throttle_all_requests(struct throttle *throttle)
{
    return load(&throttle->logged);
}
