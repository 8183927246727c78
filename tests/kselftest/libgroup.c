/* SPDX-License-Identifier: BSD-3-Clause */
#include "libgroup.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup"
#define GROUP ROOT "/lwcmem-test"

void remove_group(void)
{
    for (int i = 0; i < 500 && rmdir(GROUP) && errno == EBUSY; i++)
        sleep_ms(20);
}

void make_group(uint64_t limit)
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

uint64_t group_number(const char *file, const char *key)
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

bool charged(uint64_t wanted)
{
    return wait_until(files_reach, &wanted, 6);
}

void join_group(void)
{
    CHECK(write_text(GROUP "/cgroup.procs", "0"), "cgroup.procs: %m");
}
