/* SPDX-License-Identifier: BSD-3-Clause */
/* A region larger than its reader's memory.max is read whole, and all of it is accounted. */
#include "libgroup.h"
#include "libregion.h"

#include <stdio.h>

struct reader {
    struct view view;
    bool mapped;
    int threads;
};

static void read_twice(void *argument)
{
    struct reader *reader = argument;

    join_group();
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
