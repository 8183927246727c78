/* SPDX-License-Identifier: BSD-3-Clause */
/* A region larger than its reader's memory.max is read whole, and all of it is accounted. */
#include "libregion.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup"
#define GROUP ROOT "/lwcmem-test"

struct reader {
    struct view view;
    bool mapped;
    int threads;
};

static void remove_group(void)
{
    for (int i = 0; i < 500 && rmdir(GROUP) && errno == EBUSY; i++)
        sleep_ms(20);
}

static void make_group(uint64_t limit)
{
    char text[40];

    if (access(ROOT "/cgroup.controllers", R_OK))
        test_skip("no cgroup2 at " ROOT);
    write_text(ROOT "/cgroup.subtree_control", "+memory");
    remove_group();
    CHECK(!mkdir(GROUP, 0755), GROUP ": %m");
    if (access(GROUP "/memory.max", W_OK)) {
        rmdir(GROUP);
        test_skip("no memory controller");
    }
    snprintf(text, sizeof(text), "%llu", (unsigned long long)limit);
    CHECK(write_text(GROUP "/memory.max", text), "memory.max: %m");
    /* without swap, so that nothing but the region's pages can go */
    write_text(GROUP "/memory.swap.max", "0");
}

static uint64_t group_number(const char *file, const char *key)
{
    char path[100];
    uint64_t value;

    snprintf(path, sizeof(path), GROUP "/%s", file);
    CHECK(read_number(path, key, &value), "%s: no %s", path, key ? key : "number");
    return value;
}

static bool files_reach(void *wanted)
{
    return group_number("memory.stat", "file") >= *(uint64_t *)wanted;
}

/* Whether the group has so much of files. The kernel may take two seconds to sum it up. */
static bool charged(uint64_t wanted)
{
    return wait_until(files_reach, &wanted, 6);
}

static void read_twice(void *argument)
{
    struct reader *reader = argument;

    CHECK(write_text(GROUP "/cgroup.procs", "0"), "cgroup.procs: %m");
    for (int i = 0; i < 2; i++) {
        if (reader->mapped)
            check_mapped(&reader->view);
        else
            check_read(&reader->view, 1 << 18);
    }
}

static void check_events(void)
{
    CHECK(!group_number("memory.events", "oom_kill"), "a process was killed");
    CHECK(!group_number("memory.events", "oom"), "the group ran out of memory");
    CHECK(group_number("memory.events", "max"), "the limit was never reached");
}

static void check_accounted(const struct view *view, uint64_t limit)
{
    uint64_t resident = resident_pages(view->fd, 0, view->size) * PAGE;
    uint64_t current = group_number("memory.current", NULL), slack = 1 << 20;
    /* counters of a group are exact to some pages a CPU */
    bool enough = charged(resident > slack ? resident - slack : 0);

    test_comment("%llu bytes of %llu resident, limit %llu, the group has %llu",
                 (unsigned long long)resident, (unsigned long long)view->size,
                 (unsigned long long)limit, (unsigned long long)current);
    CHECK(current <= limit, "memory.current %llu", (unsigned long long)current);
    /* pages that others were charged for would stay beyond the limit */
    CHECK(resident <= limit, "%llu bytes are resident", (unsigned long long)resident);
    CHECK(enough, "%llu bytes are resident, %llu are charged", (unsigned long long)resident,
          (unsigned long long)group_number("memory.stat", "file"));
}

static void read_limited(uint32_t kind, bool mapped, int readers, int percent)
{
    struct file_entry largest = largest_file("story");
    struct reader reader = {.mapped = mapped};
    pid_t children[4];
    uint64_t limit, before;

    reader.view =
        kind == LWCMEM_VIEW_ARENA ? open_arena("story") : open_file_view("story", &largest);
    limit = reader.view.size * percent / 100;
    if (limit < 6 << 20)
        test_skip("the model is too small");
    make_group(limit);
    make_cold(&reader.view);
    /* into the cache at the expense of this process, which has no limit */
    for (uint64_t at = 0; at < reader.view.size; at += PAGE)
        *(volatile const uint8_t *)(reader.view.want + at);
    before = region_info(reader.view.fd).tiles_decoded;
    for (int i = 0; i < readers; i++)
        children[i] = start_child(read_twice, &reader);
    for (int i = 0; i < readers; i++)
        join_child(children[i], "the reader in the group");
    check_events();
    check_accounted(&reader.view, limit);
    test_comment("%llu tiles decoded",
                 (unsigned long long)region_info(reader.view.fd).tiles_decoded - before);
    make_cold(&reader.view);
    remove_group();
}

static void read_arena(void)
{
    read_limited(LWCMEM_VIEW_ARENA, false, 1, 50);
}

static void map_arena(void)
{
    read_limited(LWCMEM_VIEW_ARENA, true, 1, 50);
}

static void read_file(void)
{
    read_limited(LWCMEM_VIEW_FILE, false, 1, 50);
}

static void map_file(void)
{
    read_limited(LWCMEM_VIEW_FILE, true, 1, 50);
}

static void read_quarter(void)
{
    read_limited(LWCMEM_VIEW_ARENA, false, 1, 25);
}

static void map_quarter(void)
{
    read_limited(LWCMEM_VIEW_ARENA, true, 1, 25);
}

static void map_three_quarters(void)
{
    read_limited(LWCMEM_VIEW_ARENA, true, 1, 75);
}

static void map_by_four(void)
{
    read_limited(LWCMEM_VIEW_ARENA, true, 4, 50);
}

static void first_touch(void)
{
    struct reader reader = {.view = open_arena("tiny")};

    make_group(64 << 20);
    make_cold(&reader.view);
    join_child(start_child(read_twice, &reader), "the reader in the group");
    CHECK(charged(reader.view.size / 2), "%llu bytes of %llu are charged",
          (unsigned long long)group_number("memory.stat", "file"),
          (unsigned long long)reader.view.size);
    make_cold(&reader.view);
    remove_group();
}

static const struct test_case cases[] = {
    {"the first to touch pays", first_touch, 0},
    {"ARENA by read", read_arena, 100},
    {"ARENA by mapping", map_arena, 100},
    {"FILE by read", read_file, 100},
    {"FILE by mapping", map_file, 100},
    {"ARENA by mapping, four processes", map_by_four, 100},
    {"ARENA by read, a quarter of its size", read_quarter, 100},
    {"ARENA by mapping, a quarter of its size", map_quarter, 100},
    {"ARENA by mapping, three quarters of its size", map_three_quarters, 100},
};

int main(void)
{
    return RUN_CASES(cases);
}
