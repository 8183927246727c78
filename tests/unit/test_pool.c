/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the threads of a pool run, and that all of the work is done once. */
#include "engine/pool.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#define ITEMS 1000u

struct seen {
    atomic_uint items[ITEMS];
    cpu_set_t cpus[CPU_SETSIZE]; /* by worker */
};

static int look(void *context, unsigned int worker, uint64_t first, uint64_t count,
                struct failure *failure)
{
    struct seen *seen = context;

    (void)failure;
    for (uint64_t i = first; i < first + count; i++)
        atomic_fetch_add(&seen->items[i], 1);
    return sched_getaffinity(0, sizeof(seen->cpus[worker]), &seen->cpus[worker]);
}

/* Each item once; each worker that came to work has one CPU, that of no other. */
static void check_run(struct pool *pool, bool placed)
{
    struct seen *seen = calloc(1, sizeof(*seen));
    unsigned int workers = pool_workers(pool);
    struct failure failure;
    cpu_set_t all, shared;

    assert_non_null(seen);
    for (int round = 0; round < 50; round++)
        assert_int_equal(pool_run(pool, ITEMS, look, seen, &failure), 0);
    for (size_t i = 0; i < ITEMS; i++)
        assert_int_equal(seen->items[i], 50);
    CPU_ZERO(&all);
    for (unsigned int i = 0; i < workers && placed; i++) {
        if (CPU_COUNT(&seen->cpus[i]) == 0)
            continue;
        assert_int_equal(CPU_COUNT(&seen->cpus[i]), 1);
        CPU_AND(&shared, &seen->cpus[i], &all);
        assert_int_equal(CPU_COUNT(&shared), 0);
        CPU_OR(&all, &all, &seen->cpus[i]);
    }
    free(seen);
}

static struct pool *pool_of(unsigned int workers)
{
    struct failure failure;
    struct pool *pool = pool_new(workers, &failure);

    assert_non_null(pool);
    return pool;
}

/* A second pool of the same caller, which the first has placed, has all CPUs, too. */
static void test_two_pools(void **state)
{
    cpu_set_t before, after;
    unsigned int cpus;
    struct pool *first, *second;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    cpus = (unsigned int)CPU_COUNT(&before);
    first = pool_of(cpus);
    check_run(first, cpus > 1);
    second = pool_of(cpus);
    check_run(second, cpus > 1);
    check_run(first, cpus > 1);
    pool_free(first);
    check_run(second, cpus > 1);
    pool_free(second);
    assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
}

/* More threads than CPUs are left to the scheduler. */
static void test_more_threads(void **state)
{
    cpu_set_t before, after;
    struct pool *pool;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    for (unsigned int more = 1; more < 3; more++) {
        pool = pool_of((unsigned int)CPU_COUNT(&before) + more);
        check_run(pool, false);
        assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
        assert_true(CPU_EQUAL(&before, &after));
        pool_free(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_pools),
        cmocka_unit_test(test_more_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
