/* SPDX-License-Identifier: BSD-3-Clause */
/* One memory cgroup, without swap. */
#ifndef LIBGROUP_H
#define LIBGROUP_H

#include "libtest.h"

/* Anew, with memory.max; skips the case where there is no memory controller. */
void make_group(uint64_t limit);
/* Waits until nobody is in it. */
void remove_group(void);
void join_group(void);
/* The number after key, or the first one, in a file of the group. */
uint64_t group_number(const char *file, const char *key);
/* Whether the group has so much of files. The kernel may take two seconds to sum it up. */
bool charged(uint64_t wanted);

#endif
