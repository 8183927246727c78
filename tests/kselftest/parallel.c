/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many processes attach and detach, mount and umount, the same containers and different ones, and
 * some are killed in the middle of it; nothing of that stays.
 */
#include "libmount.h"
#include "libresident.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES_MAX = 200, TURNS = 6, MODELS = 4, KILL_WITHIN_US = 60000 };

/* The last one has a base. */
static const char *const models[MODELS] = {"tiny", "odd", "aligned", "tuned"};
static struct view arenas[MODELS]; /* without descriptors */
static struct file_entry largest[MODELS];

struct member {
    int number;
    char directory[40];
};

static const char *container(int model)
{
    return data_path("%s.lwc", models[model]);
}

static void attach_and_detach(int model, struct random *seed)
{
    struct view view = arenas[model];
    const uint8_t *map;

    view.fd = attach_path(container(model), LWCMEM_VIEW_ARENA, 0);
    look_around(&view, seed);
    map = map_region(view.fd, view.size, MAP_SHARED);
    close(view.fd);
    compare(map, view.want, PAGE, 0, view.what);
    munmap((void *)map, view.size);
}

static void hold_and_let_go(int model, struct random *seed)
{
    struct view view = arenas[model];

    view.fd = attach_resident(container(model), LWCMEM_VIEW_ARENA);
    look_around(&view, seed);
    close(view.fd);
}

/* lazily: a file of it is open, and goes on being read */
static void mount_and_umount(const char *directory, int model, bool lazily, struct random *seed)
{
    struct view view;
    char base[300];

    snprintf(base, sizeof(base), "base=%s", data_path("base.lwc"));
    CHECK(!try_mount_with(container(model), directory, model == MODELS - 1 ? base : NULL),
          "mount of %s: %m", models[model]);
    view = mounted_file(directory, models[model], largest[model].name);
    look_around(&view, seed);
    if (!lazily)
        close(view.fd);
    CHECK(!umount2(directory, lazily ? MNT_DETACH : 0), "%s: umount: %m", directory);
    if (lazily) {
        look_around(&view, seed);
        close(view.fd);
    }
    munmap((void *)view.want, view.size);
}

/* One of four goes on until it is killed. */
static bool to_be_killed(const struct member *member)
{
    return member->number % 4 == 3;
}

static void take_turns(void *argument)
{
    const struct member *self = argument;
    struct random seed = {self->number};

    for (int i = 0; i < TURNS || to_be_killed(self); i++) {
        int model = random_below(&seed, MODELS), what = random_below(&seed, 6);

        if (what < 3)
            mount_and_umount(self->directory, model, what == 0, &seed);
        else if (what < 5)
            attach_and_detach(model, &seed);
        else
            hold_and_let_go(random_below(&seed, MODELS - 1), &seed);
    }
}

static void know_models(void)
{
    for (int i = 0; i < MODELS; i++) {
        arenas[i] = open_arena(models[i]);
        close(arenas[i].fd);
        largest[i] = largest_file(models[i]);
    }
}

/* The process ended well, or was killed; what it left mounted is taken away. */
static void end_member(const struct member *member, pid_t child)
{
    int status = wait_child(child, 200, "a process that attaches and mounts");

    CHECK(to_be_killed(member) ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL : !status,
          "process %d ends with status 0x%x", member->number, status);
    while (!umount2(member->directory, MNT_DETACH))
        ;
}

static void all_at_once(void)
{
    static struct member members[PROCESSES_MAX];
    int control = open_control(), count = in_debug(24, PROCESSES_MAX);
    struct lwcmem_query before = query(control);
    struct random seed = {5};
    pid_t children[PROCESSES_MAX];
    uint64_t files;

    own_mounts();
    know_models();
    CHECK(counts_become(control, before.backings, before.regions, 20), "regions stay");
    files = open_files();
    for (int i = 0; i < count; i++) {
        members[i].number = i;
        snprintf(members[i].directory, sizeof(members[i].directory), "./turn.%d", i);
        children[i] = start_child(take_turns, &members[i]);
    }
    for (int i = 3; i < count; i += 4) {
        usleep(random_below(&seed, KILL_WITHIN_US));
        kill(children[i], SIGKILL);
    }
    for (int i = 0; i < count; i++)
        end_member(&members[i], children[i]);
    CHECK(counts_become(control, before.backings, before.regions, 30),
          "%llu backings, %llu regions stay", query(control).backings - before.backings,
          query(control).regions - before.regions);
    check_open_files(files, count / 2);
    test_comment("%d processes, %d turns each, %d of them killed", count, TURNS, count / 4);
}

static const struct test_case cases[] = {
    {"attach and detach, mount and umount, all at once", all_at_once, 200},
    {"the module unloads after all that", check_unload, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
