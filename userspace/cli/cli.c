/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli.h"
#include "container/reader.h"
#include "engine/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void note_signal(int number)
{
    interrupted = number;
}

void cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART | SA_RESETHAND};

    /* A second signal kills: somebody means it. */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

bool cli_interrupted(void)
{
    return interrupted;
}

bool cli_forget_interrupt(void)
{
    if (interrupted != SIGINT)
        return false;
    interrupted = 0;
    cli_catch_signals();
    return true;
}

static sigset_t noted_signals(void)
{
    sigset_t noted;

    sigemptyset(&noted);
    sigaddset(&noted, SIGINT);
    sigaddset(&noted, SIGTERM);
    sigaddset(&noted, SIGHUP);
    return noted;
}

void cli_hold_signals(bool hold)
{
    sigset_t noted = noted_signals();

    pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &noted, NULL);
}

int cli_wait_readable(int fd)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    sigset_t noted = noted_signals(), before;
    int ready = 0;

    /* a signal between the question and the wait would be lost */
    pthread_sigmask(SIG_BLOCK, &noted, &before);
    while (!interrupted && (ready == 0 || (ready < 0 && errno == EINTR)))
        ready = ppoll(&waiting, 1, NULL, &before);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !interrupted;
}

int cli_check_interrupt(struct failure *failure)
{
    return interrupted ? fail(failure, "interrupted; nothing was written") : 0;
}

int cli_failed(const struct failure *failure)
{
    fprintf(stderr, "lwcmem: %s\n", failure->text);
    return EXIT_FAILED;
}

void cli_note_base(const char *path, const char *base)
{
    struct failure ignored;
    struct container *container = base ? container_open(path, &ignored) : NULL;

    if (base && (!container || !container_count(container, LWC_TABLE_DEPS)))
        fprintf(stderr, "lwcmem: %s: needs no base; %s is not used\n", path, base);
    container_close(container);
}

int cli_usage(const struct command *command, const char *problem)
{
    if (problem)
        fprintf(stderr, "lwcmem %s: %s\n", command->name, problem);
    fprintf(stderr, "usage: lwcmem %s %s\n", command->name, command->usage);
    return EXIT_USAGE;
}

int cli_help(const struct command *command)
{
    printf("usage: lwcmem %s %s\n\n%s\n\n%s", command->name, command->usage, command->summary,
           command->help);
    return EXIT_DONE;
}

unsigned int cli_threads(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);

    return *text && !*end && value >= 1 && value <= 1024 ? (unsigned int)value : 0;
}

unsigned int cli_default_threads(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    return (unsigned int)CPU_COUNT(&set);
}

static struct {
    pthread_mutex_t lock;
    const char *label;
    const char *unit;
    bool shown;
    uint64_t total;
    uint64_t done;
    double start;
    double last;
} progress = {.lock = PTHREAD_MUTEX_INITIALIZER};

void progress_start(const char *label, uint64_t total_bytes)
{
    progress_start_units(label, NULL, total_bytes);
}

void progress_start_units(const char *label, const char *unit, uint64_t total)
{
    progress.label = label;
    progress.unit = unit;
    progress.shown = isatty(STDERR_FILENO);
    progress.total = total;
    progress.done = 0;
    progress.start = progress.last = seconds_now();
}

static void show_progress(double now)
{
    double elapsed = now - progress.start;
    double rate = elapsed > 0 ? (double)progress.done / elapsed : 0;
    double left = rate > 0 ? (double)(progress.total - progress.done) / rate : 0;

    fprintf(stderr, "\r%s %5.1f %%  %.*f %s/s  %.0f s left \033[K", progress.label,
            progress.total ? 100.0 * (double)progress.done / (double)progress.total : 100.0,
            progress.unit ? 0 : 2, progress.unit ? rate : rate / 1e9,
            progress.unit ? progress.unit : "GB", left);
}

void progress_add(uint64_t bytes)
{
    double now;

    if (!progress.shown)
        return;
    pthread_mutex_lock(&progress.lock);
    progress.done += bytes;
    if (progress.done > progress.total)
        progress.done = progress.total;
    now = seconds_now();
    if (now - progress.last >= 0.2) {
        progress.last = now;
        show_progress(now);
    }
    pthread_mutex_unlock(&progress.lock);
}

void progress_end(void)
{
    if (progress.shown)
        fprintf(stderr, "\r\033[K");
    progress.shown = false;
}
