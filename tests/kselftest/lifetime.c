/* SPDX-License-Identifier: BSD-3-Clause */
/* A region holds all that it needs, and the module stays as long as anything needs it. */
#include "libregion.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

static struct lwcmem_query counts_now(void)
{
    int control = open_control();
    struct lwcmem_query counts = query(control);

    close(control);
    return counts;
}

static void check_counts(const struct lwcmem_query *base)
{
    int control = open_control();

    CHECK(counts_become(control, base->backings, base->regions, 20),
          "backings and regions do not return to %llu and %llu: %llu and %llu", base->backings,
          base->regions, query(control).backings, query(control).regions);
    close(control);
}

static void check_cold(const struct view *view)
{
    make_cold(view);
    check_read(view, 1 << 20);
    check_mapped(view);
}

static void survives_close(void)
{
    /* open_arena closes the control and the .lwc descriptor */
    struct view view = open_arena("odd");

    check_cold(&view);
}

static void copy_container(const char *name)
{
    int from = CHECK_OK(open(data_path("odd.lwc"), O_RDONLY | O_CLOEXEC));
    int to = CHECK_OK(open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

    while (CHECK_OK(sendfile(to, from, NULL, 1 << 20)) > 0)
        ;
    close(from);
    close(to);
}

static void survives_unlink(void)
{
    struct view view = open_arena("odd");

    close(view.fd);
    copy_container("gone.lwc");
    view.fd = attach_path("gone.lwc", LWCMEM_VIEW_ARENA, 0);
    CHECK_OK(unlink("gone.lwc"));
    drop_all_caches();
    check_cold(&view);
}

static void duplicates(void)
{
    struct lwcmem_query base = counts_now();
    struct view view = open_arena("odd");
    int other = CHECK_OK(dup(view.fd));

    close(view.fd);
    view.fd = other;
    check_cold(&view);
    close(view.fd);
    check_counts(&base);
}

static void child_reads(void *argument)
{
    check_cold(argument);
}

static void survives_fork(void)
{
    struct lwcmem_query base = counts_now();
    struct view view = open_arena("odd");
    pid_t child = start_child(child_reads, &view);

    close(view.fd);
    join_child(child, "the child");
    check_counts(&base);
}

static void send_descriptor(int socket, int fd)
{
    char byte = 0, control[CMSG_SPACE(sizeof(int))] = {};
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
    CHECK(sendmsg(socket, &message, 0) == 1, "sendmsg: %m");
}

static int receive_descriptor(int socket)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header;
    int fd;

    CHECK(recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1, "recvmsg: %m");
    header = CMSG_FIRSTHDR(&message);
    CHECK(header, "no descriptor came");
    memcpy(&fd, CMSG_DATA(header), sizeof(int));
    return fd;
}

static void child_sends(void *argument)
{
    send_descriptor(*(int *)argument, attach_path(data_path("odd.lwc"), LWCMEM_VIEW_ARENA, 0));
}

static void passed_on(void)
{
    struct lwcmem_query base = counts_now();
    struct view view = open_arena("odd");
    int sockets[2];

    close(view.fd);
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
    join_child(start_child(child_sends, &sockets[1]), "the sender");
    check_counts(
        &(struct lwcmem_query){.backings = base.backings + 1, .regions = base.regions + 1});
    view.fd = receive_descriptor(sockets[0]);
    check_cold(&view);
    close(view.fd);
    check_counts(&base);
}

static void mapping_survives_close(void)
{
    struct lwcmem_query base = counts_now();
    struct view view = open_arena("odd");
    uint8_t *map = (uint8_t *)map_region(view.fd, view.size, MAP_SHARED);

    close(view.fd);
    compare(map, view.want, view.size, 0, view.what);
    CHECK_OK(madvise(map, view.size, MADV_PAGEOUT));
    compare(map, view.want, view.size, 0, "after MADV_PAGEOUT");
    CHECK_OK(munmap(map, view.size));
    check_counts(&base);
}

static void many(void)
{
    struct lwcmem_query base = counts_now();
    int regions[200];

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 200; i++)
            regions[i] = attach_path(data_path(i % 3 ? "odd.lwc" : "tiny.lwc"), i % 2, 0);
        for (int i = 0; i < 200; i++)
            close(regions[i]);
    }
    check_counts(&base);
}

/* The last close of a region and the next attach of its container meet again and again. */
static void attach_in_turns(void *argument)
{
    struct view *view = argument;

    for (int i = 0; i < 200; i++) {
        struct view again = *view;

        again.fd = attach_path(data_path("tiny.lwc"), LWCMEM_VIEW_ARENA, 0);
        check_range(&again, (i * PAGE) % (view->size - PAGE), PAGE);
        close(again.fd);
    }
}

static void attach_races(void)
{
    struct lwcmem_query base = counts_now();
    struct view view = open_arena("tiny");
    pid_t children[4];

    close(view.fd);
    for (int i = 0; i < 4; i++)
        children[i] = start_child(attach_in_turns, &view);
    for (int i = 0; i < 4; i++)
        join_child(children[i], "a process that attaches");
    check_counts(&base);
}

static void check_refused(const char *what)
{
    int error = unload_module();

    CHECK(error == EBUSY || error == EAGAIN, "unloading with %s: %s", what, strerror(error));
    CHECK(module_loaded(), "the module is gone in spite of %s", what);
}

static bool unloads(void *error)
{
    *(int *)error = unload_module();
    return !*(int *)error;
}

/* Closing may not be complete at once. */
static void unload_and_reload(void)
{
    int error = 0;

    CHECK(wait_until(unloads, &error, 20), "unloading with all closed: %s", strerror(error));
    CHECK(!module_loaded() && access(LWCMEM_DEVICE, F_OK), "something is left of the module");
    error = load_module("");
    CHECK(!error, "loading again: %s", strerror(error));
}

static void unload_control(void)
{
    int control = open_control();

    check_refused("the control descriptor open");
    query(control);
    close(control);
    unload_and_reload();
}

static void unload_region(void)
{
    struct view view = open_arena("odd");

    check_refused("a region open");
    check_cold(&view);
    close(view.fd);
    unload_and_reload();
}

static void unload_reopened(void)
{
    struct view view = open_arena("odd");
    char path[40];
    int first = view.fd;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", first);
    view.fd = CHECK_OK(open(path, O_RDONLY | O_CLOEXEC));
    close(first);
    check_refused("a region open that was opened through /proc");
    check_cold(&view);
    close(view.fd);
    unload_and_reload();
}

static void unload_mapping(void)
{
    struct view view = open_arena("odd");
    const uint8_t *map = map_region(view.fd, view.size, MAP_SHARED);

    close(view.fd);
    sleep_ms(200);
    check_refused("only a mapping of a region");
    compare(map, view.want, view.size, 0, view.what);
    check_refused("only a touched mapping of a region");
    munmap((void *)map, view.size);
    unload_and_reload();
}

static void unload_in_flight(void)
{
    struct view view = open_arena("odd");
    int sockets[2];

    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
    send_descriptor(sockets[0], view.fd);
    close(view.fd);
    sleep_ms(200);
    check_refused("a region in a message on its way");
    view.fd = receive_descriptor(sockets[1]);
    check_cold(&view);
    close(view.fd);
    unload_and_reload();
}

/* Readahead that nobody waits for is still at work when the region is closed. */
static void unload_after_readahead(void)
{
    for (int i = 0; i < 5; i++) {
        struct view view = open_arena("story");

        make_cold(&view);
        CHECK(!posix_fadvise(view.fd, 0, 0, POSIX_FADV_WILLNEED), "fadvise");
        close(view.fd);
        unload_and_reload();
    }
}

static void works_after_reload(void)
{
    struct view view;

    unload_and_reload();
    view = open_arena("story");
    check_cold(&view);
}

static const struct test_case cases[] = {
    {"control and container may be closed", survives_close, 0},
    {"the container may be unlinked", survives_unlink, 0},
    {"dup", duplicates, 0},
    {"fork", survives_fork, 0},
    {"SCM_RIGHTS from a process that ended", passed_on, 0},
    {"a mapping outlives its descriptor", mapping_survives_close, 0},
    {"counts after 600 attaches", many, 0},
    {"attach races with the last close", attach_races, 0},
    {"unloading is refused with the control open", unload_control, 0},
    {"unloading is refused with a region open", unload_region, 0},
    {"unloading is refused with a region opened through /proc", unload_reopened, 0},
    {"unloading is refused with a mapping", unload_mapping, 0},
    {"unloading is refused with a region in a socket", unload_in_flight, 0},
    {"unloading waits for readahead", unload_after_readahead, 0},
    {"a reloaded module works", works_after_reload, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
