/* SPDX-License-Identifier: BSD-3-Clause */
/* Who pays for a container in RAM, and that any number of processes share one copy. */
#include "libgroup.h"
#include "libresident.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENGINES = 8 };

struct shared {
    pthread_barrier_t all;
    uint64_t proportional[ENGINES], private[ENGINES], resident[ENGINES];
};

static struct shared *share(void)
{
    struct shared *shared = CHECK_OK(
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pthread_barrierattr_t attributes;

    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    CHECK(!pthread_barrier_init(&shared->all, &attributes, ENGINES + 1), "barrier");
    return shared;
}

struct engine {
    struct shared *shared;
    int number;
};

/* Attaches by itself, touches all, and says what it has when all have done so. */
static void run_engine(void *argument)
{
    const struct engine *engine = argument;
    struct shared *shared = engine->shared;
    struct view view;
    const uint8_t *map;

    join_group();
    view = open_packed("story");
    map = map_region(view.fd, view.size, MAP_SHARED);
    for (uint64_t at = 0; at < view.size; at += PAGE)
        (void)*(volatile const uint8_t *)(map + at);
    pthread_barrier_wait(&shared->all);
    shared->resident[engine->number] = mapping_number(map, "Rss");
    shared->proportional[engine->number] = mapping_number(map, "Pss");
    shared->private[engine->number] =
        mapping_number(map, "Private_Clean") + mapping_number(map, "Private_Dirty");
    pthread_barrier_wait(&shared->all);
    /* meanwhile the group is looked at */
    pthread_barrier_wait(&shared->all);
    compare(map, view.want, view.size, 0, view.what);
}

static uint64_t sum(const uint64_t *values)
{
    uint64_t total = 0;

    for (int i = 0; i < ENGINES; i++)
        total += values[i];
    return total;
}

static bool files_at_most(void *bytes)
{
    return group_number("memory.stat", "file") <= *(uint64_t *)bytes;
}

static void check_sums(const struct shared *shared, uint64_t size)
{
    uint64_t limit = size + size / 20, proportional = sum(shared->proportional);
    bool charged_enough = charged(size), charged_once = wait_until(files_at_most, &limit, 6);

    test_comment("%d processes, container of %llu bytes: Rss %llu, Pss %llu, private %llu", ENGINES,
                 (unsigned long long)size, (unsigned long long)sum(shared->resident),
                 (unsigned long long)proportional, (unsigned long long)sum(shared->private));
    test_comment("the group: file %llu, anon %llu, kernel %llu",
                 (unsigned long long)group_number("memory.stat", "file"),
                 (unsigned long long)group_number("memory.stat", "anon"),
                 (unsigned long long)group_number("memory.stat", "kernel"));
    CHECK(sum(shared->resident) >= ENGINES * size, "not all of it is mapped");
    CHECK(proportional <= limit, "Pss is %llu", (unsigned long long)proportional);
    CHECK(!sum(shared->private), "%llu bytes are private",
          (unsigned long long)sum(shared->private));
    CHECK(charged_enough, "the group is not charged");
    CHECK(charged_once, "the group has more than 1.05 times the container");
}

static void eight_engines(void)
{
    struct shared *shared = share();
    struct engine engines[ENGINES];
    pid_t children[ENGINES];
    struct stat stat;

    CHECK_OK(lstat(data_path("story.lwc"), &stat));
    make_group(512 << 20);
    /* so that the group would be charged for a copy in the container's own page cache */
    drop_all_caches();
    for (int i = 0; i < ENGINES; i++) {
        engines[i] = (struct engine){shared, i};
        children[i] = start_child(run_engine, &engines[i]);
    }
    pthread_barrier_wait(&shared->all);
    pthread_barrier_wait(&shared->all);
    check_sums(shared, stat.st_size);
    pthread_barrier_wait(&shared->all);
    for (int i = 0; i < ENGINES; i++)
        join_child(children[i], "an engine");
    remove_group();
}

static void attach_in_group(void *argument)
{
    join_group();
    CHECK_ERROR(try_attach(data_path("story.lwc"), LWCMEM_VIEW_ARENA, LWCMEM_RESIDENT), ENOMEM);
    (void)argument;
}

static void group_too_small(void)
{
    int region = attach_path(data_path("story.lwc"), LWCMEM_VIEW_ARENA, 0);
    struct stat stat;

    CHECK_OK(lstat(data_path("story.lwc"), &stat));
    make_group(stat.st_size / 2);
    join_child(start_child(attach_in_group, NULL), "the one in the group");
    CHECK(!group_number("memory.events", "oom_kill"), "a process was killed");
    CHECK(resident_becomes(region, 0), "a part is held");
    close(attach_resident(data_path("story.lwc"), LWCMEM_VIEW_ARENA));
    remove_group();
}

static bool unevictable_reaches(void *bytes)
{
    return group_number("memory.stat", "unevictable") >= *(uint64_t *)bytes;
}

/* With a limit that the copy just fits into: what is read on the way must not be in its way. */
static void attach_and_check(void *argument)
{
    struct view view;
    uint64_t wanted;

    (void)argument;
    join_group();
    view = open_packed("story");
    CHECK(charged(view.size), "%llu bytes of %llu are charged",
          (unsigned long long)group_number("memory.stat", "file"), (unsigned long long)view.size);
    /* the last small pages of each CPU are put on their lists later */
    wanted = view.size - (1 << 18);
    CHECK(wait_until(unevictable_reaches, &wanted, 6), "%llu bytes are unevictable",
          (unsigned long long)group_number("memory.stat", "unevictable"));
}

static void loader_pays(void)
{
    struct stat stat;

    CHECK_OK(lstat(data_path("story.lwc"), &stat));
    make_group(stat.st_size + (4 << 20));
    drop_all_caches();
    join_child(start_child(attach_and_check, NULL), "the loader");
    remove_group();
}

static const struct test_case cases[] = {
    {"eight processes share one copy", eight_engines, 100},
    {"who loads it pays, and it just fits", loader_pays, 0},
    {"ENOMEM: it does not fit into the group", group_too_small, 100},
};

int main(void)
{
    return RUN_CASES(cases);
}
