/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"
#include "team.h"
#include "cli/cli.h"
#include "engine/clock.h"
#include "kernels/kernels.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MIN_ROUNDS = 7, MAX_ROUNDS = 61, QUICK_ROUNDS = 3, SPINS = 1 << 14 };
#define RACE_SECONDS 2.5 /* rounds go on for so long, within their limits */

struct member {
    struct bench_team *team;
    struct bench_worker worker;
    struct failure failure;
    pthread_t thread;
    int cpu;
    int result;
};

struct bench_team {
    struct member *members;
    unsigned int workers;
    unsigned int started; /* threads to join, worker 0 counted */
    pthread_mutex_t lock;
    pthread_cond_t posted;
    unsigned int round;
    bool stop;
    bench_pass *pass;
    void *context;
    /* the barrier that passes start and end at */
    atomic_uint arrived;
    atomic_uint phase;
    cpu_set_t before; /* affinity of the caller */
};

/* Spinning, so that all leave together; a CPU that others need is given up in between. */
static void meet(struct bench_team *team)
{
    unsigned int phase = atomic_load_explicit(&team->phase, memory_order_acquire);

    if (atomic_fetch_add(&team->arrived, 1) + 1 == team->workers) {
        atomic_store(&team->arrived, 0);
        atomic_fetch_add(&team->phase, 1);
        return;
    }
    for (unsigned int spins = 0; atomic_load_explicit(&team->phase, memory_order_acquire) == phase;
         spins++) {
        if (spins >= SPINS)
            sched_yield();
        else
            __builtin_ia32_pause();
    }
}

static void run_part(struct member *member, double *seconds)
{
    struct bench_team *team = member->team;
    double start;

    meet(team);
    start = seconds_now();
    member->result = team->pass(team->context, &member->worker, &member->failure);
    meet(team);
    if (seconds)
        *seconds = seconds_now() - start;
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    /* a CPU that was taken away meanwhile: then the measurement is only less steady */
    sched_setaffinity(0, sizeof(set), &set);
}

static void *serve(void *argument)
{
    struct member *member = argument;
    struct bench_team *team = member->team;
    unsigned int round = 0;

    pin(member->cpu);
    kernels_enter();
    for (;;) {
        pthread_mutex_lock(&team->lock);
        while (!team->stop && team->round == round)
            pthread_cond_wait(&team->posted, &team->lock);
        round = team->round;
        if (team->stop)
            break;
        pthread_mutex_unlock(&team->lock);
        run_part(member, NULL);
    }
    pthread_mutex_unlock(&team->lock);
    return NULL;
}

static int prepare_members(struct bench_team *team, struct failure *failure)
{
    unsigned int worker = 0;

    if (sched_getaffinity(0, sizeof(team->before), &team->before) < 0 ||
        (unsigned int)CPU_COUNT(&team->before) < team->workers)
        return fail(failure, "%u threads need a CPU each; use a smaller -j", team->workers);
    for (int cpu = 0; cpu < CPU_SETSIZE && worker < team->workers; cpu++) {
        struct member *member = &team->members[worker];

        if (!CPU_ISSET(cpu, &team->before))
            continue;
        member->team = team;
        member->cpu = cpu;
        if (bench_worker_init(&member->worker, worker++, team->workers, failure) < 0)
            return -1;
    }
    return 0;
}

struct bench_team *bench_team_new(unsigned int workers, struct failure *failure)
{
    struct bench_team *team = calloc(1, sizeof(*team));

    if (team)
        team->members = calloc(workers, sizeof(*team->members));
    if (!team || !team->members) {
        free(team);
        fail(failure, "out of memory for %u threads", workers);
        return NULL;
    }
    team->workers = workers;
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->posted, NULL);
    if (prepare_members(team, failure) < 0) {
        bench_team_free(team);
        return NULL;
    }
    for (team->started = 1; team->started < workers; team->started++) {
        struct member *member = &team->members[team->started];
        int error = pthread_create(&member->thread, NULL, serve, member);

        if (error) {
            fail_errno(failure, error, "cannot start %u threads; use a smaller -j", workers);
            bench_team_free(team);
            return NULL;
        }
    }
    pin(team->members[0].cpu);
    return team;
}

void bench_team_free(struct bench_team *team)
{
    if (!team)
        return;
    pthread_mutex_lock(&team->lock);
    team->stop = true;
    pthread_cond_broadcast(&team->posted);
    pthread_mutex_unlock(&team->lock);
    for (unsigned int i = 1; i < team->started; i++)
        pthread_join(team->members[i].thread, NULL);
    if (team->started)
        sched_setaffinity(0, sizeof(team->before), &team->before);
    for (unsigned int i = 0; i < team->workers; i++)
        bench_worker_free(&team->members[i].worker);
    pthread_cond_destroy(&team->posted);
    pthread_mutex_destroy(&team->lock);
    free(team->members);
    free(team);
}

unsigned int bench_team_workers(const struct bench_team *team)
{
    return team->workers;
}

int bench_team_run(struct bench_team *team, bench_pass *pass, void *context, double *seconds,
                   struct failure *failure)
{
    uint32_t mxcsr = kernels_enter();

    pthread_mutex_lock(&team->lock);
    team->pass = pass;
    team->context = context;
    team->round++;
    pthread_cond_broadcast(&team->posted);
    pthread_mutex_unlock(&team->lock);
    run_part(&team->members[0], seconds);
    kernels_leave(mxcsr);
    for (unsigned int i = 0; i < team->workers; i++)
        if (team->members[i].result < 0) {
            *failure = team->members[i].failure;
            return -1;
        }
    return 0;
}

/* One pass of each; times: a row of MAX_ROUNDS for each entrant, NULL to warm up. */
static int race_round(struct bench_team *team, struct bench_entrant *entrants, size_t count,
                      double (*times)[MAX_ROUNDS], size_t round, struct failure *failure)
{
    for (size_t i = 0; i < count; i++) {
        /* another one first in each round: nobody always follows the same one */
        size_t entrant = (i + round) % count;
        double seconds;

        if (cli_interrupted())
            return fail(failure, "interrupted");
        if (bench_team_run(team, entrants[entrant].pass, entrants[entrant].context, &seconds,
                           failure) < 0)
            return -1;
        if (times)
            times[entrant][round] = seconds;
    }
    return 0;
}

int bench_race(struct bench_team *team, struct bench_entrant *entrants, size_t count, bool quick,
               struct failure *failure)
{
    double(*times)[MAX_ROUNDS] = calloc(count, sizeof(*times));
    size_t rounds = 0;
    double start;
    int result;

    if (!times)
        return fail(failure, "out of memory for the times");
    result = race_round(team, entrants, count, NULL, 0, failure);
    start = seconds_now();
    while (result == 0 && rounds < (quick ? QUICK_ROUNDS : MAX_ROUNDS) &&
           (rounds < (quick ? QUICK_ROUNDS : MIN_ROUNDS) || seconds_now() - start < RACE_SECONDS))
        result = race_round(team, entrants, count, times, rounds++, failure);
    for (size_t i = 0; i < count && result == 0; i++)
        entrants[i].seconds = bench_median(times[i], rounds);
    free(times);
    return result;
}

double bench_rate(const struct bench_entrant *entrant)
{
    return entrant->bytes / entrant->seconds / 1e9;
}
