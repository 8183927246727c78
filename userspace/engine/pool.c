/* SPDX-License-Identifier: BSD-3-Clause */
#include "pool.h"
#include "kernels/kernels.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t started;
    pthread_cond_t finished;
    pthread_t *threads;
    unsigned int workers;
    unsigned int next_worker;
    unsigned int running;
    uint64_t round;
    bool stop;
    pool_work *work;
    void *context;
    struct failure *failure;
    int result;
};

static void run_part(struct pool *pool, unsigned int worker)
{
    uint32_t mxcsr = kernels_enter();
    struct failure failure;
    int result = pool->work(pool->context, worker, pool->workers, &failure);

    kernels_leave(mxcsr);
    if (result == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    if (pool->result == 0)
        *pool->failure = failure;
    pool->result = -1;
    pthread_mutex_unlock(&pool->lock);
}

static void *serve(void *argument)
{
    struct pool *pool = argument;
    uint64_t round = 0;
    unsigned int worker;

    pthread_mutex_lock(&pool->lock);
    worker = ++pool->next_worker;
    for (;;) {
        while (!pool->stop && pool->round == round)
            pthread_cond_wait(&pool->started, &pool->lock);
        if (pool->stop)
            break;
        round = pool->round;
        pthread_mutex_unlock(&pool->lock);
        run_part(pool, worker);
        pthread_mutex_lock(&pool->lock);
        if (--pool->running == 0)
            pthread_cond_signal(&pool->finished);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct pool *pool_new(unsigned int workers, struct failure *failure)
{
    struct pool *pool = calloc(1, sizeof(*pool));

    if (pool)
        pool->threads = calloc(workers, sizeof(*pool->threads));
    if (!pool || !pool->threads) {
        free(pool);
        fail(failure, "out of memory for %u threads; use a smaller -j", workers);
        return NULL;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->started, NULL);
    pthread_cond_init(&pool->finished, NULL);
    for (pool->workers = 1; pool->workers < workers; pool->workers++) {
        int error = pthread_create(&pool->threads[pool->workers], NULL, serve, pool);

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
    for (unsigned int i = 1; i < pool->workers; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->started);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool);
}

unsigned int pool_workers(const struct pool *pool)
{
    return pool->workers;
}

int pool_run(struct pool *pool, pool_work *work, void *context, struct failure *failure)
{
    pthread_mutex_lock(&pool->lock);
    pool->work = work;
    pool->context = context;
    pool->failure = failure;
    pool->result = 0;
    pool->running = pool->workers - 1;
    pool->round++;
    pthread_cond_broadcast(&pool->started);
    pthread_mutex_unlock(&pool->lock);
    run_part(pool, 0);
    pthread_mutex_lock(&pool->lock);
    while (pool->running)
        pthread_cond_wait(&pool->finished, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    return pool->result;
}

void pool_part(uint64_t count, uint32_t grain, unsigned int worker, unsigned int workers,
               uint64_t *first, uint64_t *part)
{
    uint64_t steps = count / grain + (count % grain != 0);
    uint64_t begin = steps * worker / workers * grain, end = steps * (worker + 1) / workers * grain;

    *first = begin < count ? begin : count;
    *part = (end < count ? end : count) - *first;
}
