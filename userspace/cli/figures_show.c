/* SPDX-License-Identifier: BSD-3-Clause */
#include "figures_show.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* --- table --- */

enum { BAR_WIDTH = 40, COMMAND_WIDTH = 15 };

/* A table on its way out. */
struct table {
    FILE *out;
    bool terminal;
    unsigned int rows; /* left; many if nobody counts */
    unsigned int columns;
};

static const char *bold(const struct table *table)
{
    return table->terminal ? "\033[1m" : "";
}

static const char *red(const struct table *table, uint64_t count)
{
    return table->terminal && count ? "\033[1;31m" : "";
}

static const char *plain(const struct table *table)
{
    return table->terminal ? "\033[0m" : "";
}

static void end_line(struct table *table)
{
    fputs(table->terminal ? "\033[K\n" : "\n", table->out);
    if (table->rows)
        table->rows--;
}

static const char *size_text(char text[16], double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    unsigned int unit = 0;

    while (bytes >= 999.5 && unit < 5) {
        bytes /= 1000;
        unit++;
    }
    snprintf(text, 16, unit && bytes < 99.5 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return text;
}

/* An upper edge of a bucket. */
static const char *time_text(char text[16], uint64_t us)
{
    if (us < 1000)
        snprintf(text, 16, "%" PRIu64 " us", us);
    else if (us < 1000000)
        snprintf(text, 16, "%.3g ms", (double)us / 1e3);
    else
        snprintf(text, 16, "%.3g s", (double)us / 1e6);
    return text;
}

static void sum_line(struct table *table, const char *name, const char *sum, const char *rate)
{
    fprintf(table->out, "  %-18s %14s%*s", name, sum, *rate ? 16 : 0, rate);
    end_line(table);
}

static void sum_of_bytes(struct table *table, const char *name, uint64_t bytes, uint64_t since,
                         double seconds)
{
    char sum[16], each[16], rate[24] = "";

    if (seconds > 0)
        snprintf(rate, sizeof(rate), "%s/s", size_text(each, (double)since / seconds));
    sum_line(table, name, size_text(sum, (double)bytes), rate);
}

static void sum_of_tiles(struct table *table, const char *name, uint64_t tiles, uint64_t since,
                         double seconds)
{
    char sum[24], rate[24] = "";

    if (seconds > 0)
        snprintf(rate, sizeof(rate), "%.0f/s", (double)since / seconds);
    snprintf(sum, sizeof(sum), "%" PRIu64, tiles);
    fputs(strcmp(name, "tiles failed") == 0 ? red(table, tiles) : "", table->out);
    sum_line(table, name, sum, rate);
    fputs(plain(table), table->out);
}

static void print_module(struct table *table, const struct figures *now, const struct counts *since,
                         double seconds)
{
    fprintf(table->out,
            "%slwcmem%s  ABI %" PRIu64 ", decodes with %s; %" PRIu64 " container%s, %" PRIu64
            " open region%s",
            bold(table), plain(table), now->abi, now->isa, now->backings,
            now->backings == 1 ? "" : "s", now->regions, now->regions == 1 ? "" : "s");
    end_line(table);
    end_line(table);
    sum_of_tiles(table, "tiles decoded", now->counts.tiles_decoded, since->tiles_decoded, seconds);
    sum_of_bytes(table, "bytes decoded", now->counts.bytes_decoded, since->bytes_decoded, seconds);
    sum_of_bytes(table, "stored bytes read", now->counts.bytes_stored_read,
                 since->bytes_stored_read, seconds);
    sum_of_tiles(table, "tiles failed", now->counts.tiles_failed, since->tiles_failed, seconds);
    end_line(table);
}

static void print_percentile(FILE *out, const struct latency *latency, unsigned int percent)
{
    uint64_t us = latency_percentile(latency, percent);
    char text[16];

    if (us == UINT64_MAX)
        fprintf(out, "p%u >= %s", percent, time_text(text, (uint64_t)1 << (LATENCY_BUCKETS - 2)));
    else
        fprintf(out, "p%u < %s", percent, time_text(text, us));
}

static void print_percentiles(FILE *out, const struct latency *latency)
{
    print_percentile(out, latency, 50);
    fputs(", ", out);
    print_percentile(out, latency, 99);
}

static void print_bucket(struct table *table, int bucket, uint64_t count, uint64_t most)
{
    unsigned int width = (unsigned int)((double)count * BAR_WIDTH / (double)most);
    bool last = bucket == LATENCY_BUCKETS - 1;
    char bar[BAR_WIDTH + 1] = "", text[16];

    memset(bar, '#', width);
    bar[width] = '\0';
    /* what is there can be seen */
    if (count && !width)
        strcpy(bar, ".");
    fprintf(table->out, "  %s %-8s %-*s %" PRIu64, last ? ">=" : " <",
            time_text(text, (uint64_t)1 << (last ? bucket - 1 : bucket)), BAR_WIDTH, bar, count);
    end_line(table);
}

static void print_latency(struct table *table, const struct latency *latency,
                          const struct latency *since)
{
    int first = 0, last = LATENCY_BUCKETS - 1;
    uint64_t most = 0, total = latency_total(latency);

    fprintf(table->out, "%slatency of tile faults%s  ", bold(table), plain(table));
    if (!total) {
        fputs("none yet", table->out);
        end_line(table);
        end_line(table);
        return;
    }
    fprintf(table->out, "%" PRIu64 " parts: ", total);
    print_percentiles(table->out, latency);
    if (latency_total(since)) {
        fputs("; lately ", table->out);
        print_percentiles(table->out, since);
    }
    end_line(table);
    while (!latency->counts[first])
        first++;
    while (!latency->counts[last])
        last--;
    for (int i = first; i <= last; i++)
        most = latency->counts[i] > most ? latency->counts[i] : most;
    for (int i = first; i <= last; i++)
        print_bucket(table, i, latency->counts[i], most);
    end_line(table);
}

static double region_rate(const struct open_region *region, const struct figures *before,
                          double seconds)
{
    const struct open_region *then = before ? figures_find(before, region) : NULL;

    if (!then || seconds <= 0)
        return -1;
    return (double)counts_since(&region->counts, &then->counts).bytes_decoded / seconds;
}

static void print_region(struct table *table, const struct open_region *region, double rate)
{
    const size_t used = COMMAND_WIDTH + 66, length = strlen(region->container);
    char cached[16], speed[16] = "-", view[32];
    size_t skip = 0;

    if (rate >= 0)
        snprintf(speed, sizeof(speed), "%.2f", rate / 1e9);
    if (strcmp(region->view, "file") == 0)
        snprintf(view, sizeof(view), "file %" PRIu64, region->file);
    else
        snprintf(view, sizeof(view), "%s", region->view);
    /* the end of a path says more than its start */
    if (table->columns > used + 10 && length > table->columns - used)
        skip = length - (table->columns - used) + 3;
    fprintf(table->out, "%-*.*s %8" PRIu32 "  %-8.8s %11" PRIu64 " %7s %s%7" PRIu64 "%s %9s  %s%s",
            COMMAND_WIDTH, COMMAND_WIDTH, region->command, region->process, view,
            region->counts.tiles_decoded, speed, red(table, region->counts.tiles_failed),
            region->counts.tiles_failed, plain(table),
            size_text(cached, (double)region->bytes_cached), skip ? "..." : "",
            region->container + skip);
    end_line(table);
}

static void print_regions(struct table *table, const struct figures *now,
                          const struct figures *before, double seconds)
{
    size_t shown = now->open_count;

    fprintf(table->out, "%s%-*s %8s  %-8s %11s %7s %7s %9s  %s%s", bold(table), COMMAND_WIDTH,
            "PROCESS", "PID", "VIEW", "TILES", "GB/s", "FAILED", "CACHED", "CONTAINER",
            plain(table));
    end_line(table);
    /* the last row is the cursor's, one may say what is missing, and one who is hidden */
    if (shown + 3 > table->rows)
        shown = table->rows > 3 ? table->rows - 3 : 0;
    for (size_t i = 0; i < shown; i++)
        print_region(table, &now->open[i], region_rate(&now->open[i], before, seconds));
    if (shown < now->open_count) {
        fprintf(table->out, "and %zu more", now->open_count - shown);
        end_line(table);
    }
    if (!now->open_count) {
        fputs("no process that may be seen has a region open", table->out);
        end_line(table);
    }
    if (now->hidden) {
        fprintf(table->out, "%" PRIu64 " processes of others are hidden: root sees them",
                now->hidden);
        end_line(table);
    }
}

void figures_table(FILE *out, const struct figures *now, const struct figures *before,
                   double seconds, bool terminal, unsigned int rows, unsigned int columns)
{
    struct table table = {out, terminal, terminal && rows ? rows : -1u, columns};
    struct counts since = {0};

    if (before)
        since = counts_since(&now->counts, &before->counts);
    if (terminal)
        fputs("\033[H", out);
    print_module(&table, now, &since, before ? seconds : 0);
    print_latency(&table, &now->counts.latency, &since.latency);
    print_regions(&table, now, before, seconds);
    if (terminal)
        fputs("\033[J", out);
}

/* --- JSON --- */

static json_t *percentile_json(const struct latency *latency, unsigned int percent)
{
    uint64_t us = latency_percentile(latency, percent);

    return us && us != UINT64_MAX ? json_integer((json_int_t)us) : json_null();
}

static json_t *latency_json(const struct latency *latency)
{
    json_t *counts = json_array();

    for (int i = 0; i < LATENCY_BUCKETS; i++)
        json_array_append_new(counts, json_integer((json_int_t)latency->counts[i]));
    return json_pack("{s:I, s:o, s:o, s:o}", "parts", (json_int_t)latency_total(latency),
                     "p50_below_us", percentile_json(latency, 50), "p99_below_us",
                     percentile_json(latency, 99), "counts", counts);
}

static json_t *counts_json(const struct counts *counts)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:o}", "tiles_decoded",
                     (json_int_t)counts->tiles_decoded, "bytes_decoded",
                     (json_int_t)counts->bytes_decoded, "bytes_stored_read",
                     (json_int_t)counts->bytes_stored_read, "tiles_failed",
                     (json_int_t)counts->tiles_failed, "latency", latency_json(&counts->latency));
}

static json_t *rates_json(const struct counts *now, const struct counts *before, double seconds)
{
    struct counts since;

    if (!before || seconds <= 0)
        return json_null();
    since = counts_since(now, before);
    return json_pack("{s:f, s:f, s:f, s:f}", "tiles_decoded", (double)since.tiles_decoded / seconds,
                     "bytes_decoded", (double)since.bytes_decoded / seconds, "bytes_stored_read",
                     (double)since.bytes_stored_read / seconds, "tiles_failed",
                     (double)since.tiles_failed / seconds);
}

static json_t *region_json(const struct open_region *region, const struct figures *before,
                           double seconds)
{
    const struct open_region *then = before ? figures_find(before, region) : NULL;

    return json_pack(
        "{s:I, s:s, s:I, s:s, s:I, s:s, s:o, s:I, s:I, s:I, s:o, s:o}", "pid",
        (json_int_t)region->process, "process", region->command, "descriptors",
        (json_int_t)region->descriptors, "container", region->container, "generation",
        (json_int_t)region->generation, "view", region->view, "file",
        strcmp(region->view, "file") == 0 ? json_integer((json_int_t)region->file) : json_null(),
        "tiles_in_flight", (json_int_t)region->tiles_in_flight, "bytes_cached",
        (json_int_t)region->bytes_cached, "bytes_buffers", (json_int_t)region->bytes_buffers,
        "of_container", counts_json(&region->counts), "per_second",
        rates_json(&region->counts, then ? &then->counts : NULL, seconds));
}

int figures_json(FILE *out, const struct figures *now, const struct figures *before, double seconds,
                 struct failure *failure)
{
    json_t *regions = json_array(), *root;
    int result;

    for (size_t i = 0; i < now->open_count; i++)
        json_array_append_new(regions, region_json(&now->open[i], before, seconds));
    root = json_pack("{s:I, s:s, s:I, s:I, s:o, s:o, s:I, s:o}", "abi", (json_int_t)now->abi, "isa",
                     now->isa, "backings", (json_int_t)now->backings, "regions",
                     (json_int_t)now->regions, "counts", counts_json(&now->counts), "per_second",
                     rates_json(&now->counts, before ? &before->counts : NULL, seconds),
                     "processes_hidden", (json_int_t)now->hidden, "open", regions);
    if (!root)
        return fail(failure, "cannot make JSON of the figures");
    result = json_dumpf(root, out, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
    json_decref(root);
    return result < 0 || fputc('\n', out) == EOF || fflush(out)
               ? fail(failure, "cannot write the result")
               : 0;
}
