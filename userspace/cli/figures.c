/* SPDX-License-Identifier: BSD-3-Clause */
#include "figures.h"
#include "host.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t latency_total(const struct latency *latency)
{
    uint64_t total = 0;

    for (int i = 0; i < LATENCY_BUCKETS; i++)
        total += latency->counts[i];
    return total;
}

uint64_t latency_percentile(const struct latency *latency, unsigned int percent)
{
    uint64_t total = latency_total(latency), seen = 0;
    double rank = (double)total * percent / 100;

    if (!total)
        return 0;
    for (int i = 0; i < LATENCY_BUCKETS - 1; i++) {
        seen += latency->counts[i];
        if ((double)seen >= rank && seen)
            return (uint64_t)1 << i;
    }
    return UINT64_MAX;
}

/* Counters only grow, unless the module was loaded again. */
static uint64_t grown(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

struct counts counts_since(const struct counts *now, const struct counts *before)
{
    struct counts since = {
        .tiles_decoded = grown(now->tiles_decoded, before->tiles_decoded),
        .bytes_decoded = grown(now->bytes_decoded, before->bytes_decoded),
        .bytes_stored_read = grown(now->bytes_stored_read, before->bytes_stored_read),
        .tiles_failed = grown(now->tiles_failed, before->tiles_failed),
    };

    for (int i = 0; i < LATENCY_BUCKETS; i++)
        since.latency.counts[i] = grown(now->latency.counts[i], before->latency.counts[i]);
    return since;
}

static bool parse_latency(const char *text, struct latency *latency)
{
    for (int i = 0; i < LATENCY_BUCKETS; i++) {
        char *end;

        latency->counts[i] = strtoull(text, &end, 10);
        if (end == text)
            return false;
        text = end;
    }
    return !*text;
}

static int read_module(const char *root, struct figures *figures, struct failure *failure)
{
    char text[LATENCY_BUCKETS * 21 + 1], value[64];
    const struct {
        const char *name;
        uint64_t *value;
    } numbers[] = {
        {"abi", &figures->abi},
        {"backings", &figures->backings},
        {"regions", &figures->regions},
        {"tiles_decoded", &figures->counts.tiles_decoded},
        {"bytes_decoded", &figures->counts.bytes_decoded},
        {"bytes_stored_read", &figures->counts.bytes_stored_read},
        {"tiles_failed", &figures->counts.tiles_failed},
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        snprintf(value, sizeof(value), FIGURES_SYSFS "/%s", numbers[i].name);
        if (host_number(root, value, numbers[i].value))
            continue;
        if (!i && errno == ENOENT)
            return fail(failure,
                        "%s" FIGURES_SYSFS ": not there: the kernel module is not loaded; "
                        "lwcmem doctor says what it needs",
                        root);
        return fail(failure, "%s%s: no number: load the lwcmem.ko of this version", root, value);
    }
    host_read(root, FIGURES_SYSFS "/isa", figures->isa, sizeof(figures->isa));
    make_printable(figures->isa);
    if (!host_read(root, FIGURES_SYSFS "/latency", text, sizeof(text)) ||
        !parse_latency(text, &figures->counts.latency))
        return fail(failure,
                    "%s" FIGURES_SYSFS "/latency: not %d numbers: load the lwcmem.ko of this "
                    "version",
                    root, LATENCY_BUCKETS);
    return 0;
}

/* False if the text is not the fdinfo of a region. */
static bool parse_region(const char *text, struct open_region *region)
{
    char line[LATENCY_BUCKETS * 21 + 1], path[HOST_PATH_MAX];

    if (!host_line(text, "lwcmem-view:", region->view, sizeof(region->view)) ||
        !host_line(text, "lwcmem-container:", path, sizeof(path)))
        return false;
    host_line(text, "lwcmem-latency:", line, sizeof(line));
    parse_latency(line, &region->counts.latency);
    make_printable(region->view);
    make_printable(path);
    region->file = host_line_number(text, "lwcmem-file:");
    region->generation = host_line_number(text, "lwcmem-generation:");
    region->tiles_in_flight = host_line_number(text, "lwcmem-tiles-in-flight:");
    region->bytes_cached = host_line_number(text, "lwcmem-bytes-cached:");
    region->bytes_buffers = host_line_number(text, "lwcmem-bytes-buffers:");
    region->counts.tiles_decoded = host_line_number(text, "lwcmem-tiles-decoded:");
    region->counts.bytes_decoded = host_line_number(text, "lwcmem-bytes-decoded:");
    region->counts.bytes_stored_read = host_line_number(text, "lwcmem-bytes-stored-read:");
    region->counts.tiles_failed = host_line_number(text, "lwcmem-tiles-failed:");
    region->container = strdup(path);
    return region->container;
}

static bool same_region(const struct open_region *a, const struct open_region *b)
{
    return a->process == b->process && a->file == b->file && a->generation == b->generation &&
           strcmp(a->view, b->view) == 0 && strcmp(a->container, b->container) == 0;
}

const struct open_region *figures_find(const struct figures *figures,
                                       const struct open_region *region)
{
    for (size_t i = 0; i < figures->open_count; i++)
        if (same_region(&figures->open[i], region))
            return &figures->open[i];
    return NULL;
}

/* Takes over the container's path. */
static int add_region(struct figures *figures, const struct open_region *region,
                      struct failure *failure)
{
    struct open_region *known = (struct open_region *)figures_find(figures, region), *grown;

    if (known) {
        known->descriptors++;
        free(region->container);
        return 0;
    }
    grown = reallocarray(figures->open, figures->open_count + 1, sizeof(*grown));
    if (!grown) {
        free(region->container);
        return fail(failure, "out of memory");
    }
    figures->open = grown;
    figures->open[figures->open_count] = *region;
    figures->open[figures->open_count++].descriptors = 1;
    return 0;
}

/* One whose name is a number, as all of processes and descriptors. */
static const char *next_number(DIR *directory)
{
    struct dirent *entry;

    while ((entry = readdir(directory)))
        if (isdigit((unsigned char)entry->d_name[0]))
            return entry->d_name;
    return NULL;
}

/* A process may end at any time; then it has no regions. */
static int scan_process(const char *root, const char *process, struct figures *figures,
                        struct failure *failure)
{
    static char text[1 << 16];
    char path[HOST_PATH_MAX];
    struct open_region region;
    const char *descriptor;
    DIR *directory;
    int result = 0;

    host_path(path, root, "/proc/%s/fdinfo", process);
    directory = opendir(path);
    if (!directory) {
        figures->hidden += errno == EACCES || errno == EPERM;
        return 0;
    }
    while (!result && (descriptor = next_number(directory))) {
        host_path(path, "", "/proc/%s/fdinfo/%s", process, descriptor);
        region = (struct open_region){.process = (uint32_t)strtoul(process, NULL, 10)};
        if (!host_read(root, path, text, sizeof(text))) {
            if (errno == EACCES || errno == EPERM) {
                figures->hidden++;
                break;
            }
            continue;
        }
        if (!parse_region(text, &region))
            continue;
        host_path(path, "", "/proc/%s/comm", process);
        host_read(root, path, region.command, sizeof(region.command));
        make_printable(region.command);
        result = add_region(figures, &region, failure);
    }
    closedir(directory);
    return result;
}

static int scan_processes(const char *root, struct figures *figures, struct failure *failure)
{
    char path[HOST_PATH_MAX];
    const char *process;
    DIR *directory;
    int result = 0;

    host_path(path, root, "/proc");
    directory = opendir(path);
    if (!directory)
        return fail_errno(failure, errno, "%s: cannot read", path);
    while (!result && (process = next_number(directory)))
        result = scan_process(root, process, figures, failure);
    closedir(directory);
    return result;
}

static int by_process(const void *a, const void *b)
{
    const struct open_region *left = a, *right = b;

    if (left->process != right->process)
        return left->process < right->process ? -1 : 1;
    return strcmp(left->container, right->container);
}

int figures_read(const char *root, struct figures *figures, struct failure *failure)
{
    *figures = (struct figures){0};
    if (read_module(root, figures, failure) < 0 || scan_processes(root, figures, failure) < 0)
        return -1;
    if (figures->open_count)
        qsort(figures->open, figures->open_count, sizeof(*figures->open), by_process);
    return 0;
}

void figures_free(struct figures *figures)
{
    for (size_t i = 0; i < figures->open_count; i++)
        free(figures->open[i].container);
    free(figures->open);
    *figures = (struct figures){0};
}
