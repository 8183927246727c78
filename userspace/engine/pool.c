/* SPDX-License-Identifier: BSD-3-Clause */
#include "pool.h"
#include "kernels/kernels.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* Looks at what is awaited before a thread sleeps: some 50 microseconds. */
#define SPINS 3000
/* The same where other threads have work for the CPU meanwhile. */
#define SPINS_SHARED 300

/* Items of a worker that nobody has taken: the first in the upper half, the end in the lower. */
struct share {
    _Alignas(64) atomic_ullong range;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t started;
    pthread_cond_t finished;
    pthread_t *threads;
    struct share *shares;
    unsigned int workers;
    unsigned int next_worker;
    atomic_uint spins;
    unsigned int asleep; /* waiting for started */
    bool stop;
    bool placed;
    pool_work *work;
    void *context;
    struct failure *failure;
    atomic_int result;
    _Alignas(64) atomic_ullong round;
    _Alignas(64) atomic_uint running;
};

/* A thread that pools have placed, and the CPUs that it had before the first of them. */
static _Thread_local struct {
    unsigned int pools;
    int cpu;
    cpu_set_t before;
} caller;

static uint64_t range_of(uint64_t first, uint64_t end)
{
    return first << 32 | end;
}

/* Some of one's own items from their start: a quarter of what is left. */
static bool take_own(struct share *share, uint64_t *first, uint64_t *count)
{
    unsigned long long range = atomic_load(&share->range);

    for (;;) {
        uint64_t end = range & UINT32_MAX;

        *first = range >> 32;
        if (*first == end)
            return false;
        *count = (end - *first + 3) / 4;
        if (atomic_compare_exchange_weak(&share->range, &range, range_of(*first + *count, end)))
            return true;
    }
}

/* The later half of another's items becomes one's own. */
static bool steal(struct share *from, struct share *own)
{
    unsigned long long range = atomic_load(&from->range);

    for (;;) {
        uint64_t first = range >> 32, end = range & UINT32_MAX, kept = (end - first) / 2;

        if (first == end)
            return false;
        if (atomic_compare_exchange_weak(&from->range, &range, range_of(first, first + kept))) {
            atomic_store(&own->range, range_of(first + kept, end));
            return true;
        }
    }
}

static bool take(struct pool *pool, unsigned int worker, uint64_t *first, uint64_t *count)
{
    while (!take_own(&pool->shares[worker], first, count)) {
        unsigned int other = 1;

        while (other < pool->workers &&
               !steal(&pool->shares[(worker + other) % pool->workers], &pool->shares[worker]))
            other++;
        if (other == pool->workers)
            return false;
    }
    return true;
}

static void run_part(struct pool *pool, unsigned int worker)
{
    uint32_t mxcsr = kernels_enter();
    struct failure failure;
    uint64_t first, count;

    while (atomic_load_explicit(&pool->result, memory_order_relaxed) == 0 &&
           take(pool, worker, &first, &count)) {
        if (pool->work(pool->context, worker, first, count, &failure) == 0)
            continue;
        pthread_mutex_lock(&pool->lock);
        if (pool->result == 0)
            *pool->failure = failure;
        pool->result = -1;
        pthread_mutex_unlock(&pool->lock);
    }
    kernels_leave(mxcsr);
}

/* False: the pool ends. */
static bool await_round(struct pool *pool, uint64_t seen)
{
    unsigned int spins = atomic_load_explicit(&pool->spins, memory_order_relaxed);
    bool stop;

    for (unsigned int i = 0; i < spins; i++) {
        if (atomic_load_explicit(&pool->round, memory_order_acquire) != seen)
            return true;
        __builtin_ia32_pause();
    }
    pthread_mutex_lock(&pool->lock);
    pool->asleep++;
    while (!pool->stop && atomic_load(&pool->round) == seen)
        pthread_cond_wait(&pool->started, &pool->lock);
    pool->asleep--;
    stop = pool->stop;
    pthread_mutex_unlock(&pool->lock);
    return !stop;
}

static void *serve(void *argument)
{
    struct pool *pool = argument;
    uint64_t round = 0;
    unsigned int worker;

    pthread_mutex_lock(&pool->lock);
    worker = ++pool->next_worker;
    pthread_mutex_unlock(&pool->lock);
    while (await_round(pool, round)) {
        round++;
        run_part(pool, worker);
        if (atomic_fetch_sub(&pool->running, 1) > 1)
            continue;
        pthread_mutex_lock(&pool->lock);
        pthread_cond_signal(&pool->finished);
        pthread_mutex_unlock(&pool->lock);
    }
    return NULL;
}

static void pin(pthread_t thread, int cpu)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    /* where it is not allowed, threads run all the same */
    (void)pthread_setaffinity_np(thread, sizeof(one), &one);
}

/* The CPUs of the calling thread, whatever pools have made of them. */
static bool allowed_cpus(cpu_set_t *allowed)
{
    if (!caller.pools)
        return sched_getaffinity(0, sizeof(*allowed), allowed) == 0;
    *allowed = caller.before;
    return true;
}

/*
 * Where there is a CPU for each thread, each has its own, the caller the one
 * that it is on: otherwise who is woken often comes to who wakes it, and two
 * take turns on one CPU. At the first run, for threads that the caller starts
 * before do not inherit it. A second pool of the caller takes the same CPUs.
 */
static void place_threads(struct pool *pool)
{
    int own = caller.pools ? caller.cpu : sched_getcpu(), cpu = 0;
    cpu_set_t allowed;

    if (own < 0 || !allowed_cpus(&allowed) || (unsigned int)CPU_COUNT(&allowed) != pool->workers ||
        pool->workers == 1)
        return;
    for (unsigned int i = 1; i < pool->workers; i++, cpu++) {
        while (cpu < CPU_SETSIZE - 1 && (!CPU_ISSET(cpu, &allowed) || cpu == own))
            cpu++;
        pin(pool->threads[i], cpu);
    }
    if (!caller.pools++) {
        caller.before = allowed;
        caller.cpu = own;
        pin(pthread_self(), own);
    }
    pool->placed = true;
}

/* A thread of the pool, on the CPUs that the caller had before it was placed. */
static int start_thread(struct pool *pool, const cpu_set_t *allowed)
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);

    if (error)
        return error;
    error = allowed ? pthread_attr_setaffinity_np(&attributes, sizeof(*allowed), allowed) : 0;
    if (!error)
        error = pthread_create(&pool->threads[pool->workers], &attributes, serve, pool);
    pthread_attr_destroy(&attributes);
    return error;
}

struct pool *pool_new(unsigned int workers, struct failure *failure)
{
    struct pool *pool = aligned_alloc(64, (sizeof(*pool) + 63) & ~(size_t)63);
    cpu_set_t allowed;
    bool known = allowed_cpus(&allowed);
    unsigned int cpus = known ? (unsigned int)CPU_COUNT(&allowed) : 0;

    if (pool) {
        *pool = (struct pool){.threads = calloc(workers, sizeof(*pool->threads)),
                              .shares = aligned_alloc(64, workers * sizeof(*pool->shares))};
        pthread_mutex_init(&pool->lock, NULL);
        pthread_cond_init(&pool->started, NULL);
        pthread_cond_init(&pool->finished, NULL);
        pool->workers = 1;
    }
    if (!pool || !pool->threads || !pool->shares) {
        pool_free(pool);
        fail(failure, "out of memory for %u threads; use a smaller -j", workers);
        return NULL;
    }
    pool->spins = workers <= cpus ? SPINS : 0;
    for (; pool->workers < workers; pool->workers++) {
        int error = start_thread(pool, known ? &allowed : NULL);

        if (error) {
            fail_errno(failure, error, "cannot start %u threads; use a smaller -j", workers);
            pool_free(pool);
            return NULL;
        }
    }
    return pool;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->started);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned int i = 1; pool->threads && i < pool->workers; i++)
        pthread_join(pool->threads[i], NULL);
    if (pool->placed && !--caller.pools)
        (void)sched_setaffinity(0, sizeof(caller.before), &caller.before);
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->started);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool->shares);
    free(pool);
}

void pool_share_cpus(struct pool *pool)
{
    if (pool->spins > SPINS_SHARED)
        pool->spins = SPINS_SHARED;
}

unsigned int pool_workers(const struct pool *pool)
{
    return pool->workers;
}

static void await_workers(struct pool *pool)
{
    unsigned int spins = atomic_load_explicit(&pool->spins, memory_order_relaxed);

    for (unsigned int i = 0; i < spins; i++) {
        if (atomic_load_explicit(&pool->running, memory_order_acquire) == 0)
            return;
        __builtin_ia32_pause();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->running))
        pthread_cond_wait(&pool->finished, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

int pool_run(struct pool *pool, uint64_t items, pool_work *work, void *context,
             struct failure *failure)
{
    if (items > UINT32_MAX)
        return fail(failure, "too much work for one run");
    if (!pool->round)
        place_threads(pool);
    for (unsigned int i = 0; i < pool->workers; i++)
        atomic_store_explicit(&pool->shares[i].range,
                              range_of(items * i / pool->workers, items * (i + 1) / pool->workers),
                              memory_order_relaxed);
    pool->work = work;
    pool->context = context;
    pool->failure = failure;
    pool->result = 0;
    atomic_store(&pool->running, pool->workers - 1);
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add_explicit(&pool->round, 1, memory_order_release);
    if (pool->asleep)
        pthread_cond_broadcast(&pool->started);
    pthread_mutex_unlock(&pool->lock);
    run_part(pool, 0);
    await_workers(pool);
    return pool->result;
}
