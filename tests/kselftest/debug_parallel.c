/* SPDX-License-Identifier: BSD-3-Clause */
/* Many at once: dying in the middle of a fault, unloading under users. See parallel.c, too. */
#include "libregion.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KILLS = 150, USERS = 6, RACE_SECONDS = 40 };

static void touch_for_ever(void *argument)
{
    const struct view *view = argument;
    struct random seed = {getpid()};
    const uint8_t *map = map_region(view->fd, view->size, MAP_SHARED);

    for (;;) {
        uint64_t at = random_below(&seed, view->size);

        CHECK(map[at] == view->want[at], "another byte at 0x%llx", (unsigned long long)at);
        if (random_below(&seed, 64) == 0)
            madvise((void *)map, view->size, MADV_PAGEOUT);
    }
}

static void killed_in_faults(void)
{
    struct view view = open_arena("odd");
    struct random seed = {17};
    int control = open_control();
    struct lwcmem_query base = query(control);

    for (int i = 0; i < KILLS; i++) {
        pid_t children[3];

        posix_fadvise(view.fd, 0, 0, POSIX_FADV_DONTNEED);
        for (int j = 0; j < 3; j++)
            children[j] = start_child(touch_for_ever, &view);
        usleep(random_below(&seed, 20000));
        for (int j = 0; j < 3; j++) {
            int status;

            kill(children[j], SIGKILL);
            status = wait_child(children[j], 60, "a killed process");
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status 0x%x", status);
        }
    }
    make_cold(&view);
    check_mapped(&view);
    CHECK(counts_become(control, base.backings, base.regions, 30), "regions or backings stay");
    test_comment("%d processes killed", 3 * KILLS);
}

static volatile int *shared; /* uses, loads */

/* Attaches whenever there is a module; all may be gone at any time before that. */
static void use(void *argument)
{
    struct view mine = *(const struct view *)argument;
    struct random seed = {getpid()};

    while (!shared[2]) {
        struct lwcmem_attach request = {.size = sizeof(request), .view = LWCMEM_VIEW_ARENA};
        int control = open(LWCMEM_DEVICE, O_RDWR | O_CLOEXEC);
        uint64_t start = now_ms();

        if (control < 0) {
            CHECK(errno == ENOENT || errno == ENODEV || errno == ENXIO, "open: %m");
            sleep_ms(1);
            continue;
        }
        request.fd = CHECK_OK(open(data_path("tiny.lwc"), O_RDONLY | O_CLOEXEC));
        mine.fd = CHECK_OK(ioctl(control, LWCMEM_IOC_ATTACH, &request));
        close(request.fd);
        close(control);
        look_around(&mine, &seed);
        close(mine.fd);
        __sync_fetch_and_add(&shared[0], 1);
        /* now and then nobody is there, however slow the guest */
        sleep_ms(random_below(&seed, 300 + USERS * (now_ms() - start)));
    }
}

static void unloaded_under_users(void)
{
    struct view view = open_arena("tiny");
    pid_t users[USERS];
    time_t end = time(NULL) + RACE_SECONDS;
    int error;

    shared = CHECK_OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    close(view.fd);
    for (int i = 0; i < USERS; i++)
        users[i] = start_child(use, &view);
    while (time(NULL) < end) {
        error = unload_module();
        CHECK(!error || error == EBUSY || error == EAGAIN, "unloading: %d", error);
        if (error) {
            sleep_ms(1);
            continue;
        }
        error = load_module("");
        CHECK(!error, "loading: %d", error);
        shared[1]++;
    }
    shared[2] = 1;
    for (int i = 0; i < USERS; i++)
        join_child(users[i], "a user");
    test_comment("%d uses, %d unloads", shared[0], shared[1]);
    CHECK(shared[0] > USERS && shared[1] > 1, "%d uses, %d unloads", shared[0], shared[1]);
}

static const struct test_case cases[] = {
    {"processes are killed in faults", killed_in_faults, 200},
    {"the module is unloaded under its users", unloaded_under_users, 200},
};

int main(void)
{
    return RUN_CASES(cases);
}
