/* SPDX-License-Identifier: BSD-3-Clause */
/* On which NUMA nodes a container in RAM lies. */
#include "libresident.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HUGE_PAGES = 512 }; /* 4 KiB pages in a huge one */

static bool has_nodes(void)
{
    return !access("/sys/devices/system/node/node1", R_OK);
}

/* The CPU of the same number is the node's: tests/vm/check-qemu.sh. */
static void go_to_node(int node)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(node, &cpus);
    CHECK_OK(sched_setaffinity(0, sizeof(cpus), &cpus));
}

/* Pages of the mapping on each of two nodes. */
static void count_pages(const void *map, uint64_t pages[2])
{
    char line[1000], start[40];
    FILE *maps = fopen("/proc/self/numa_maps", "re");
    bool found = false;

    CHECK(maps, "numa_maps: %m");
    snprintf(start, sizeof(start), "%lx ", (unsigned long)map);
    while (!found && fgets(line, sizeof(line), maps))
        found = !strncmp(line, start, strlen(start));
    fclose(maps);
    CHECK(found, "numa_maps has no such mapping");
    for (int node = 0; node < 2; node++) {
        char key[8];
        const char *at;

        snprintf(key, sizeof(key), " N%d=", node);
        at = strstr(line, key);
        if (!at || sscanf(at + strlen(key), "%" SCNu64, &pages[node]) != 1)
            pages[node] = 0;
    }
}

/* Attach, compare all, and count; the mapping and the region stay. */
static struct view attach_and_count(uint32_t placement, uint64_t pages[2])
{
    struct view view;
    struct stat stat;
    const uint8_t *map;

    view.fd = try_attach(data_path("story.lwc"), LWCMEM_VIEW_PACKED, LWCMEM_RESIDENT | placement);
    CHECK(view.fd >= 0, "attach: %m");
    CHECK_OK(fstat(view.fd, &stat));
    view.size = stat.st_size;
    snprintf(view.what, sizeof(view.what), "story PACKED");
    view.want = map_expected(data_path("story.lwc"), view.size);
    map = map_region(view.fd, view.size, MAP_SHARED);
    compare(map, view.want, view.size, 0, view.what);
    pages[0] = pages[1] = 0;
    if (has_nodes())
        count_pages(map, pages);
    return view;
}

static void report(const char *what, const uint64_t pages[2])
{
    test_comment("%s: %llu pages on node 0, %llu on node 1", what, (unsigned long long)pages[0],
                 (unsigned long long)pages[1]);
}

static void interleaved(void)
{
    uint64_t pages[2];

    attach_and_count(LWCMEM_INTERLEAVE, pages);
    if (!has_nodes())
        test_skip("this machine has one node");
    report("interleaved", pages);
    CHECK(pages[0] + HUGE_PAGES * 3 / 2 > pages[1] && pages[1] + HUGE_PAGES * 3 / 2 > pages[0],
          "not spread");
}

static void local(void)
{
    uint64_t pages[2];

    if (!has_nodes())
        test_skip("this machine has one node");
    go_to_node(1);
    attach_and_count(0, pages);
    report("from node 1", pages);
    CHECK(!pages[0], "not where it was loaded");
}

static void attach_on_first(void *argument)
{
    uint64_t pages[2];

    (void)argument;
    go_to_node(0);
    attach_and_count(0, pages);
    report("replica of node 0", pages);
    CHECK(!pages[1], "not the copy of node 0");
}

/* The bytes of the arena, decoded where this process is. */
static void check_decoded(void)
{
    struct view arena = open_arena("story");

    make_cold(&arena);
    check_read(&arena, 1 << 20);
    close(arena.fd);
}

static void replicated(void)
{
    uint64_t pages[2], nodes = has_nodes() ? 2 : 1, held;
    struct view view;

    go_to_node(nodes - 1);
    view = attach_and_count(LWCMEM_REPLICATE, pages);
    held = (view.size + PAGE - 1) / PAGE * PAGE * nodes;
    CHECK(region_info(view.fd).bytes_resident == held, "%llu bytes are held",
          (unsigned long long)region_info(view.fd).bytes_resident);
    check_decoded();
    if (!has_nodes())
        test_skip("this machine has one node");
    report("replica of node 1", pages);
    CHECK(!pages[0], "not the copy of node 1");
    join_child(start_child(attach_on_first, NULL), "who attaches on node 0");
    close(try_attach(data_path("story.lwc"), LWCMEM_VIEW_ARENA, LWCMEM_RESIDENT));
    CHECK(region_info(view.fd).bytes_resident == held, "more is held");
}

static const struct test_case cases[] = {
    {"INTERLEAVE spreads it", interleaved, 0},
    {"without a flag it lies where it is loaded", local, 0},
    {"REPLICATE has a copy on each node", replicated, 100},
};

int main(void)
{
    return RUN_CASES(cases);
}
