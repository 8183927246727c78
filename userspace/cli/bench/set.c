/* SPDX-License-Identifier: BSD-3-Clause */
#include "set.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CACHE_MULTIPLE = 6, MAX_CACHES = 256 };
#define CACHE_DEFAULT (32u << 20) /* where the system does not tell */

void bench_part(size_t count, const struct bench_worker *worker, size_t *first, size_t *end)
{
    *first = count * worker->index / worker->count;
    *end = count * (worker->index + 1) / worker->count;
}

/* Size of the CPU's L3 cache and the CPUs that share it: 0, or -1 without one. */
static int read_cache(int cpu, size_t *size, char *shared, size_t room)
{
    static const char *const format = "/sys/devices/system/cpu/cpu%d/cache/index3/%s";
    char path[128];
    FILE *file;
    int found;

    snprintf(path, sizeof(path), format, cpu, "size");
    file = fopen(path, "r");
    if (!file)
        return -1;
    found = fscanf(file, "%zuK", size);
    fclose(file);
    snprintf(path, sizeof(path), format, cpu, "shared_cpu_list");
    file = found == 1 ? fopen(path, "r") : NULL;
    if (!file)
        return -1;
    found = fgets(shared, (int)room, file) ? 0 : -1;
    fclose(file);
    *size <<= 10;
    return found;
}

size_t bench_beyond_caches(void)
{
    static char seen[MAX_CACHES][64];
    size_t count = 0, total = 0;
    cpu_set_t set;

    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof(set), &set);
    for (int cpu = 0; cpu < CPU_SETSIZE && count < MAX_CACHES; cpu++) {
        size_t size, known = 0;

        if (!CPU_ISSET(cpu, &set) || read_cache(cpu, &size, seen[count], sizeof(seen[0])) < 0)
            continue;
        while (strcmp(seen[known], seen[count]))
            known++;
        if (known == count) {
            total += size;
            count++;
        }
    }
    return CACHE_MULTIPLE * (total ? total : CACHE_DEFAULT);
}

size_t bench_tiles_in_cache(uint32_t length)
{
    long l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
    size_t count = l2 > 0 ? (size_t)l2 / 2 / length : 0;

    return count ? count : 1;
}

static size_t aligned(size_t size)
{
    return (size + LWC_PAYLOAD_ALIGN - 1) / LWC_PAYLOAD_ALIGN * LWC_PAYLOAD_ALIGN;
}

/* Where each tile will be, as an offset into its section; the sections' sizes. */
static void lay_out(struct bench_set *set, const struct bench_data *data,
                    const struct bench_coded *coded, size_t *plain_size, size_t *stored_size)
{
    *plain_size = 0;
    for (size_t c = 0; c < set->codes; c++) {
        struct bench_tile *tile = set->tiles[c];
        size_t stored = 0, plain = 0;

        for (size_t i = 0; i < set->count; i++, tile++) {
            size_t source = i % data->count;

            tile->entry = coded[c].tiles[source].entry;
            tile->length = data->pieces[source].length;
            tile->stored = (const uint8_t *)stored;
            tile->plain = (const uint8_t *)plain;
            stored += aligned(coded[c].tiles[source].size);
            plain += tile->length;
        }
        stored_size[c] = stored;
        *plain_size = plain;
    }
    set->size = *plain_size;
}

/* MemAvailable; everything when the system does not tell. */
static uint64_t available_bytes(void)
{
    FILE *file = fopen("/proc/meminfo", "r");
    uint64_t value = UINT64_MAX;
    char line[128];

    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &value) == 1) {
            value <<= 10;
            break;
        }
    if (file)
        fclose(file);
    return value;
}

/* Before anything of that size is made; swapping would measure the disk. */
static int check_memory(const struct bench_data *data, const struct bench_coded *coded,
                        size_t codes, size_t count, struct failure *failure)
{
    uint64_t available = available_bytes();
    double bits = 16, need;

    for (size_t c = 0; c < codes; c++)
        bits += coded[c].bits;
    need = (double)data->size / (double)data->count * (double)count * bits / 16;
    if (need < (double)available)
        return 0;
    return fail(failure, "the data to measure with takes %.0f MiB, only %" PRIu64 " MiB are free",
                need / (1 << 20), available >> 20);
}

static int map_sections(struct bench_set *set, size_t plain_size, const size_t *stored_size,
                        struct failure *failure)
{
    size_t total = bench_pages_round(plain_size);
    uint8_t *base;

    for (size_t c = 0; c < set->codes; c++)
        total += bench_pages_round(stored_size[c]);
    if (bench_pages_map(&set->pages, total, set->page_size, failure) < 0)
        return -1;
    base = bench_pages_take(&set->pages, plain_size);
    for (size_t c = 0; c < set->codes; c++) {
        const uint8_t *section = bench_pages_take(&set->pages, stored_size[c]);

        for (size_t i = 0; i < set->count; i++) {
            set->tiles[c][i].stored = section + (uintptr_t)set->tiles[c][i].stored;
            set->tiles[c][i].plain = base + (uintptr_t)set->tiles[c][i].plain;
        }
    }
    return 0;
}

struct filling {
    const struct bench_set *set;
    const struct bench_data *data;
    const struct bench_coded *coded;
};

static int fill_part(void *context, struct bench_worker *worker, struct failure *failure)
{
    const struct filling *filling = context;
    const struct bench_set *set = filling->set;
    size_t first, end;

    (void)failure;
    bench_part(set->count, worker, &first, &end);
    for (size_t i = first; i < end; i++) {
        const struct bench_piece *piece = &filling->data->pieces[i % filling->data->count];

        memcpy((void *)(uintptr_t)set->tiles[0][i].plain, piece->bytes, piece->length);
        for (size_t c = 0; c < set->codes; c++) {
            const struct encoded_tile *source = &filling->coded[c].tiles[i % filling->data->count];

            memcpy((void *)(uintptr_t)set->tiles[c][i].stored, source->data, source->size);
        }
    }
    return 0;
}

static int check_part(void *context, struct bench_worker *worker, struct failure *failure)
{
    const struct bench_set *set = ((const struct filling *)context)->set;
    size_t first, end;

    bench_part(set->count, worker, &first, &end);
    for (size_t c = 0; c < set->codes; c++)
        for (size_t i = first; i < end; i++) {
            const struct bench_tile *tile = &set->tiles[c][i];

            if (bench_decode(worker, worker->decoder.impl, tile, worker->tile, failure) < 0)
                return -1;
            if (memcmp(worker->tile, tile->plain, tile->length))
                return fail(failure,
                            "%s does not decode tile %zu to its bytes; nothing is measured",
                            worker->decoder.impl->name, i);
        }
    return 0;
}

/* 1: the pages are not all huge, so that it must be made again with small ones. */
static int try_make(struct bench_set *set, const struct filling *filling, struct bench_team *team,
                    struct failure *failure)
{
    size_t plain_size, stored_size[BENCH_STRUCTURES_MAX];
    int64_t others;

    lay_out(set, filling->data, filling->coded, &plain_size, stored_size);
    if (map_sections(set, plain_size, stored_size, failure) < 0 ||
        bench_team_run(team, fill_part, (void *)(uintptr_t)filling, NULL, failure) < 0)
        return -1;
    others = bench_pages_check(&set->pages, failure);
    if (others < 0)
        return -1;
    if (!others)
        return 0;
    if (set->page_size == BENCH_SMALL_PAGE)
        return fail(failure, "the kernel gave huge pages where small ones were asked for");
    fprintf(stderr,
            "lwcmem: only %zu of %zu MiB came as huge pages: measured with pages of 4 KiB\n",
            (set->pages.size - (size_t)others) >> 20, set->pages.size >> 20);
    bench_pages_unmap(&set->pages);
    set->page_size = BENCH_SMALL_PAGE;
    return 1;
}

int bench_set_make(struct bench_set *set, const struct bench_data *data,
                   const struct bench_coded *coded, size_t codes, size_t count, size_t page_size,
                   struct bench_team *team, struct failure *failure)
{
    const struct filling filling = {set, data, coded};
    int result;

    memset(set, 0, sizeof(*set));
    if (check_memory(data, coded, codes, count, failure) < 0)
        return -1;
    set->page_size = page_size;
    set->count = count;
    for (; set->codes < codes; set->codes++) {
        set->tiles[set->codes] = calloc(count, sizeof(struct bench_tile));
        if (!set->tiles[set->codes]) {
            bench_set_free(set);
            return fail(failure, "out of memory for %zu tiles", count);
        }
    }
    result = try_make(set, &filling, team, failure);
    if (result > 0)
        result = try_make(set, &filling, team, failure);
    if (result == 0)
        result = bench_team_run(team, check_part, (void *)(uintptr_t)&filling, NULL, failure);
    if (result < 0)
        bench_set_free(set);
    return result;
}

void bench_set_free(struct bench_set *set)
{
    for (size_t c = 0; c < set->codes; c++)
        free(set->tiles[c]);
    bench_pages_unmap(&set->pages);
    memset(set, 0, sizeof(*set));
}
