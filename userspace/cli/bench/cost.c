/* SPDX-License-Identifier: BSD-3-Clause */
#include "cost.h"
#include "report.h"
#include "cli/cli.h"
#include "cli/host.h"
#include "engine/clock.h"

#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TURNS = 5 };
#define TURN_SECONDS 0.2

/* Seconds of a thread of the kernel that works for others; 0 of all other processes. */
static double worker_seconds(const char *pid)
{
    char path[64], line[512], *name, *end;
    unsigned long long user, system;
    uint64_t ran;
    double seconds = 0;

    snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
    name = host_read("", path, line, sizeof(line)) ? strchr(line, '(') : NULL;
    end = name ? strrchr(name, ')') : NULL;
    if (!end || (strncmp(name, "(kworker/", 9) != 0 && strncmp(name, "(kswapd", 7) != 0))
        return 0;
    if (sscanf(end, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) == 2)
        seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    snprintf(path, sizeof(path), "/proc/%.16s/schedstat", pid); /* not every kernel has it */
    return host_number("", path, &ran) ? 1e-9 * (double)ran : seconds;
}

/* Each by itself, as one that ends takes its figure with it. */
struct worker {
    long pid;
    double seconds;
};

struct sample {
    double seconds, own, disk;
    struct worker *workers;
    size_t count;
};

static int add_worker(struct sample *sample, struct worker worker, struct failure *failure)
{
    if (sample->count % 64 == 0) {
        struct worker *grown =
            realloc(sample->workers, (sample->count + 64) * sizeof(*sample->workers));

        if (!grown)
            return fail(failure, "out of memory for the kernel's threads");
        sample->workers = grown;
    }
    sample->workers[sample->count++] = worker;
    return 0;
}

static int read_workers(struct sample *sample, struct failure *failure)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    int result = 0;

    while (result == 0 && proc && (entry = readdir(proc))) {
        double seconds =
            isdigit((unsigned char)entry->d_name[0]) ? worker_seconds(entry->d_name) : 0;

        if (seconds > 0)
            result = add_worker(sample, (struct worker){atol(entry->d_name), seconds}, failure);
    }
    if (proc)
        closedir(proc);
    return result;
}

/* What one did that has ended since is lost. */
static double workers_between(const struct sample *start, const struct sample *end)
{
    double seconds = 0;

    for (size_t i = 0; i < end->count; i++) {
        double before = 0;

        /* one that ran for less than it had is another one with the same number */
        for (size_t j = 0; j < start->count; j++)
            if (start->workers[j].pid == end->workers[i].pid &&
                start->workers[j].seconds <= end->workers[i].seconds)
                before = start->workers[j].seconds;
        seconds += end->workers[i].seconds - before;
    }
    return seconds;
}

static double disk_bytes(void)
{
    char text[16384];

    host_read("", "/proc/vmstat", text, sizeof(text));
    return 1024.0 * (double)host_line_number(text, "pgpgin");
}

static double own_seconds(void)
{
    struct timespec own;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
    return (double)own.tv_sec + 1e-9 * (double)own.tv_nsec;
}

/* The clocks last here and first at the end, that they have no sampling in them. */
static int sample_start(struct sample *sample, struct failure *failure)
{
    sample->disk = disk_bytes();
    if (read_workers(sample, failure) < 0)
        return -1;
    sample->own = own_seconds();
    sample->seconds = seconds_now();
    return 0;
}

static int sample_end(struct sample *sample, struct failure *failure)
{
    sample->seconds = seconds_now();
    sample->own = own_seconds();
    if (read_workers(sample, failure) < 0)
        return -1;
    sample->disk = disk_bytes();
    return 0;
}

/* The figures of each way, a turn each. */
struct turns {
    double gb_per_s[TURNS], cpu_s_per_gb[TURNS], disk_per_byte[TURNS];
};

struct cost {
    double seconds, cpu, disk, bytes;
};

static int add_pass(struct bench_way *way, struct cost *sum, struct failure *failure)
{
    struct sample start = {0}, end = {0};
    int result = -1;

    if (sample_start(&start, failure) == 0 && way->pass(way->context, &sum->bytes, failure) == 0 &&
        sample_end(&end, failure) == 0) {
        sum->seconds += end.seconds - start.seconds;
        sum->cpu += end.own - start.own + workers_between(&start, &end);
        sum->disk += end.disk - start.disk;
        result = 0;
    }
    free(start.workers);
    free(end.workers);
    return result;
}

static int take_turn(struct bench_way *way, struct turns *turns, size_t turn, bool quick,
                     struct failure *failure)
{
    struct cost sum = {0};

    bench_progress(way->name);
    do {
        if (cli_check_interrupt(failure) < 0 ||
            (way->before && way->before(way->context, failure) < 0) ||
            add_pass(way, &sum, failure) < 0)
            return -1;
    } while (!quick && sum.seconds < TURN_SECONDS);
    if (!(sum.bytes > 0))
        return fail(failure, "%s: there is nothing to read", way->name);
    turns->gb_per_s[turn] = sum.bytes / sum.seconds / 1e9;
    turns->cpu_s_per_gb[turn] = sum.cpu / sum.bytes * 1e9;
    turns->disk_per_byte[turn] = sum.disk / sum.bytes;
    return 0;
}

int bench_cost_race(struct bench_way *ways, size_t count, bool quick, struct failure *failure)
{
    struct turns *turns = calloc(count, sizeof(*turns));
    size_t rounds = quick ? 1 : TURNS;
    int result = 0;

    if (!turns)
        return fail(failure, "out of memory for the times");
    /* The first round warms up, and is written over. Each round begins with the next way;
       but for that a way comes after the same one, as it may need what that left in a cache. */
    for (size_t round = 0; round <= rounds && result == 0; round++) {
        for (size_t i = 0; i < count && round == 1; i++)
            if (ways[i].begin)
                ways[i].begin(ways[i].context);
        for (size_t i = 0; i < count && result == 0; i++) {
            size_t way = (i + round) % count;

            result = take_turn(&ways[way], &turns[way], round ? round - 1 : 0, quick, failure);
        }
    }
    for (size_t i = 0; i < count && result == 0; i++) {
        ways[i].gb_per_s = bench_median(turns[i].gb_per_s, rounds);
        ways[i].cpu_s_per_gb = bench_median(turns[i].cpu_s_per_gb, rounds);
        ways[i].disk_per_byte = bench_median(turns[i].disk_per_byte, rounds);
    }
    free(turns);
    return result;
}

static void add_parts(json_t *row, const struct bench_way *way)
{
    json_t *parts =
        json_pack("{s:f, s:f, s:f, s:f}", "tiles_straight", way->straight, "read_s_per_gb",
                  way->read, "decode_s_per_gb", way->decode, "copy_s_per_gb", way->copy);

    json_object_update_new(row, parts);
}

static json_t *way_json(const struct bench_way *ways, size_t i)
{
    const struct bench_way *way = &ways[i], *baseline = &ways[way->baseline];
    double ratio = way->gb_per_s / baseline->gb_per_s;
    json_t *row;

    if (!isfinite(ratio) || ratio <= 0)
        return NULL;
    row = json_pack("{s:s, s:f, s:f, s:f, s:s, s:f, s:f, s:f}", "name", way->name, "gb_per_s",
                    way->gb_per_s, "baseline", baseline->gb_per_s, "ratio", ratio, "baseline_name",
                    baseline->name, "cpu_s_per_gb", way->cpu_s_per_gb, "baseline_cpu_s_per_gb",
                    baseline->cpu_s_per_gb, "disk_bytes_per_byte", way->disk_per_byte);
    if (row && way->has_parts)
        add_parts(row, way);
    return row;
}

static int print_json(const struct bench_way *ways, size_t count, struct failure *failure)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(array, way_json(ways, i)) < 0) {
            json_decref(array);
            array = NULL;
            break;
        }
    return bench_print_json(array, failure);
}

/* rest: what the CPU time has beside the module's parts, if those did not wait for a disk. */
static int print_parts(const struct bench_way *ways, size_t count, struct failure *failure)
{
    static const char *const heading[] = {
        "s/GB of the module", "straight", "read", "decode", "copy", "rest of CPU"};
    struct bench_table table = {.columns = sizeof(heading) / sizeof(heading[0]), .left = 1};

    for (size_t i = 0; i < count; i++) {
        const struct bench_way *way = &ways[i];
        double rest = way->cpu_s_per_gb - way->read - way->decode - way->copy;

        if (!way->has_parts)
            continue;
        for (size_t j = table.count ? table.columns : 0; j < table.columns; j++)
            bench_cell(&table, "%s", heading[j]);
        bench_cell(&table, "%s", way->name);
        bench_cell(&table, "%.0f %%", 100 * way->straight);
        bench_cell(&table, "%.3f", way->read);
        bench_cell(&table, "%.3f", way->decode);
        bench_cell(&table, "%.3f", way->copy);
        bench_cell(&table, "%.3f", rest > 0 ? rest : 0);
    }
    if (!table.count)
        return 0;
    putchar('\n');
    return bench_print_table(&table, failure);
}

int bench_print_ways(const struct bench_way *ways, size_t count, bool json, struct failure *failure)
{
    static const char *const heading[] = {"",        "GB/s",   "CPU s/GB", "disk B/B",
                                          "of GB/s", "of CPU", "against"};
    struct bench_table table = {.columns = sizeof(heading) / sizeof(heading[0]), .left = 1};

    bench_progress(NULL);
    if (json)
        return print_json(ways, count, failure);
    for (size_t i = 0; i < table.columns; i++)
        bench_cell(&table, "%s", heading[i]);
    for (size_t i = 0; i < count; i++) {
        const struct bench_way *way = &ways[i], *baseline = &ways[way->baseline];

        bench_cell(&table, "%s", way->name);
        bench_cell(&table, "%.2f", way->gb_per_s);
        bench_cell(&table, "%.3f", way->cpu_s_per_gb);
        bench_cell(&table, "%.2f", way->disk_per_byte);
        bench_cell(&table, "%.2f", way->gb_per_s / baseline->gb_per_s);
        if (baseline->cpu_s_per_gb > 0)
            bench_cell(&table, "%.2f", way->cpu_s_per_gb / baseline->cpu_s_per_gb);
        else
            bench_cell(&table, "-");
        bench_cell(&table, "%s", baseline == way ? "-" : baseline->name);
    }
    if (bench_print_table(&table, failure) < 0)
        return -1;
    return print_parts(ways, count, failure);
}
