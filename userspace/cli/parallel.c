/* SPDX-License-Identifier: BSD-3-Clause */
#include "parallel.h"
#include "cli.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct parallel {
    pthread_mutex_t lock;
    pthread_cond_t turned;
    parallel_task *task;
    void *context;
    struct failure *failure;
    uint64_t next; /* task to start */
    uint64_t count;
    uint64_t turn; /* task that may go on */
    unsigned int workers;
    int result;
};

static void stop(struct parallel *parallel, const struct failure *failure)
{
    pthread_mutex_lock(&parallel->lock);
    if (parallel->result == 0) {
        parallel->result = -1;
        *parallel->failure = *failure;
    }
    pthread_cond_broadcast(&parallel->turned);
    pthread_mutex_unlock(&parallel->lock);
}

/* False when there is nothing left to start. */
static int take(struct parallel *parallel, uint64_t *index)
{
    int some;

    pthread_mutex_lock(&parallel->lock);
    some = parallel->result == 0 && parallel->next < parallel->count;
    if (some)
        *index = parallel->next++;
    pthread_mutex_unlock(&parallel->lock);
    return some;
}

static void *work(void *argument)
{
    struct parallel *parallel = argument;
    struct failure failure = {""};
    unsigned int worker;
    uint64_t index;

    pthread_mutex_lock(&parallel->lock);
    worker = parallel->workers++;
    pthread_mutex_unlock(&parallel->lock);
    while (take(parallel, &index)) {
        if (cli_check_interrupt(&failure) < 0 ||
            parallel->task(parallel, parallel->context, worker, index, &failure) < 0) {
            stop(parallel, &failure);
            break;
        }
    }
    return NULL;
}

int parallel_run(unsigned int threads, uint64_t count, parallel_task *task, void *context,
                 struct failure *failure)
{
    struct parallel parallel = {
        .task = task, .context = context, .failure = failure, .count = count};
    pthread_t *ids = calloc(threads, sizeof(*ids));
    unsigned int started = 0;

    if (!ids)
        return fail(failure, "out of memory for %u threads; use a smaller -j", threads);
    pthread_mutex_init(&parallel.lock, NULL);
    pthread_cond_init(&parallel.turned, NULL);
    while (started < threads) {
        int error = pthread_create(&ids[started], NULL, work, &parallel);

        if (error) {
            struct failure cause;

            fail_errno(&cause, error, "cannot start %u threads; use a smaller -j", threads);
            stop(&parallel, &cause);
            break;
        }
        started++;
    }
    for (unsigned int i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    pthread_cond_destroy(&parallel.turned);
    pthread_mutex_destroy(&parallel.lock);
    free(ids);
    return parallel.result;
}

int parallel_turn(struct parallel *parallel, uint64_t index)
{
    int result;

    pthread_mutex_lock(&parallel->lock);
    while (parallel->result == 0 && parallel->turn != index)
        pthread_cond_wait(&parallel->turned, &parallel->lock);
    result = parallel->result;
    pthread_mutex_unlock(&parallel->lock);
    return result;
}

void parallel_turn_done(struct parallel *parallel)
{
    pthread_mutex_lock(&parallel->lock);
    parallel->turn++;
    pthread_cond_broadcast(&parallel->turned);
    pthread_mutex_unlock(&parallel->lock);
}
