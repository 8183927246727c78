/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lwcmem bench files: the same files where several filesystems show them, read and mapped
 * as programs do that know nothing of compression.
 */
#include "bench.h"
#include "cost.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PLACES_MAX = 8, READ_BYTES = 1 << 20 };

struct opened {
    int fd;
    uint64_t size;
};

/* A file, or a directory with all files in it. */
struct place {
    const char *path;
    struct opened *files;
    size_t count;
    uint64_t size;
    uint8_t *buffer;
};

static int add_file(struct place *place, const char *path, int flags, struct failure *failure)
{
    struct opened *grown = realloc(place->files, (place->count + 1) * sizeof(*grown));
    off_t size;
    int fd;

    if (!grown)
        return fail(failure, "out of memory for the files of %s", place->path);
    place->files = grown;
    fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    if (fd < 0)
        return fail_errno(failure, errno, "%s: cannot open", path);
    size = lseek(fd, 0, SEEK_END);
    place->files[place->count++] = (struct opened){fd, size > 0 ? (uint64_t)size : 0};
    place->size += size > 0 ? (uint64_t)size : 0;
    return 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int open_place(struct place *place, const char *path, int flags, struct failure *failure)
{
    char *paths[] = {(char *)path, NULL};
    FTS *tree = fts_open(paths, FTS_COMFOLLOW | FTS_LOGICAL | FTS_NOCHDIR, by_name);
    FTSENT *entry;
    int result = 0;

    place->path = path;
    place->buffer = aligned_alloc(4096, READ_BYTES);
    if (!tree || !place->buffer) {
        if (tree)
            fts_close(tree);
        return fail(failure, "out of memory for the files of %s", path);
    }
    while (result == 0 && (entry = fts_read(tree))) {
        if (entry->fts_info == FTS_F)
            result = add_file(place, entry->fts_path, flags, failure);
        else if (entry->fts_errno)
            result = fail_errno(failure, entry->fts_errno, "%s: cannot open", entry->fts_path);
    }
    fts_close(tree);
    return result;
}

static void close_place(struct place *place)
{
    for (size_t i = 0; i < place->count; i++)
        close(place->files[i].fd);
    free(place->files);
    free(place->buffer);
}

static int read_all(void *context, double *bytes, struct failure *failure)
{
    struct place *place = context;

    for (size_t i = 0; i < place->count; i++) {
        off_t done = 0;
        ssize_t got = 1;

        /* never from where a file ends: O_DIRECT may refuse that */
        while (got > 0 && (uint64_t)done < place->files[i].size && !cli_interrupted() &&
               (got = pread(place->files[i].fd, place->buffer, READ_BYTES, done)) > 0)
            done += got;
        if (cli_check_interrupt(failure) < 0)
            return -1;
        if (got < 0)
            return fail_errno(failure, errno, "%s: cannot read", place->path);
        *bytes += (double)done;
    }
    return 0;
}

/* A word of each cache line, as who multiplies by all weights loads all lines. */
static void touch(const uint8_t *map, uint64_t size)
{
    uint64_t sum = 0;

    for (uint64_t start = 0; start < size && !cli_interrupted(); start += READ_BYTES) {
        uint64_t end = size - start < READ_BYTES ? size : start + READ_BYTES;

        for (uint64_t i = start; i + sizeof(uint64_t) <= end; i += 64)
            sum += *(const uint64_t *)(map + i);
    }
    __asm__ volatile("" : : "r"(sum));
}

static int map_all(void *context, double *bytes, struct failure *failure)
{
    struct place *place = context;

    for (size_t i = 0; i < place->count; i++) {
        const struct opened *file = &place->files[i];
        uint8_t *map;

        if (!file->size)
            continue;
        map = mmap(NULL, file->size, PROT_READ, MAP_SHARED, file->fd, 0);
        if (map == MAP_FAILED)
            return fail_errno(failure, errno, "%s: cannot map", place->path);
        touch(map, file->size);
        munmap(map, file->size);
        if (cli_check_interrupt(failure) < 0)
            return -1;
        *bytes += (double)file->size;
    }
    return 0;
}

/* Clean pages that nobody has mapped: the kernel gives them up, whatever the filesystem. */
static int drop(void *context, struct failure *failure)
{
    struct place *place = context;

    for (size_t i = 0; i < place->count; i++) {
        int error = posix_fadvise(place->files[i].fd, 0, 0, POSIX_FADV_DONTNEED);

        if (error)
            return fail_errno(failure, error, "%s: cannot drop its cache", place->path);
    }
    return 0;
}

static size_t add_ways(struct bench_way *ways, size_t count, struct place *places, size_t number,
                       const char *what, int (*pass)(void *, double *, struct failure *),
                       int (*before)(void *, struct failure *))
{
    size_t first = count;

    for (size_t i = 0; i < number; i++) {
        const char *slash = strrchr(places[i].path, '/');

        ways[count] = (struct bench_way){
            .pass = pass, .before = before, .context = &places[i], .baseline = first};
        snprintf(ways[count++].name, sizeof(ways[0].name), "%s, %.50s", what,
                 slash && slash[1] ? slash + 1 : places[i].path);
    }
    return count;
}

static int race(struct place *places, size_t count, const struct bench_options *options,
                struct failure *failure)
{
    struct bench_way ways[2 * PLACES_MAX];
    size_t number = 0;

    if (options->keep || options->direct) {
        number = add_ways(ways, number, places, count, options->direct ? "direct" : "read",
                          read_all, NULL);
    } else if (options->map) {
        number = add_ways(ways, number, places, count, "mapped", map_all, NULL);
    } else {
        number = add_ways(ways, number, places, count, "cold", read_all, drop);
        number = add_ways(ways, number, places, count, "cached", read_all, NULL);
    }
    if (bench_cost_race(ways, number, options->quick, failure) < 0)
        return -1;
    return bench_print_ways(ways, number, options->json, failure);
}

static int measure(const struct bench_options *options, struct failure *failure)
{
    struct place places[PLACES_MAX] = {0};
    size_t count = 0;
    int result = 0, held = -1;

    if (!options->file_count || options->file_count > PLACES_MAX)
        return fail(failure, "give one to %d files or directories", PLACES_MAX);
    cli_catch_signals();
    while (count < options->file_count && result == 0) {
        result = open_place(&places[count], options->files[count], options->direct ? O_DIRECT : 0,
                            failure);
        count++;
        if (result == 0 && places[count - 1].size != places[0].size)
            result =
                fail(failure, "%s: %" PRIu64 " bytes, but %s has %" PRIu64, places[count - 1].path,
                     places[count - 1].size, places[0].path, places[0].size);
    }
    if (result == 0 && options->hold)
        held = bench_hold(options->hold, failure);
    if (result == 0)
        result = options->hold && held < 0 ? -1 : race(places, count, options, failure);
    if (held >= 0)
        close(held);
    while (count)
        close_place(&places[--count]);
    return result;
}

const struct bench_part bench_files = {
    .command =
        {
            .name = "bench files",
            .usage = "PATH... [--map|--keep|--direct] [--hold FILE.lwc] [--quick] [--json]",
            .summary = "read the same files from several filesystems",
            .help =
                "PATH              a file, or a directory whose files are taken: the same bytes "
                "in\n"
                "                  each, as squashfs, a mounted container and a plain directory\n"
                "                  show them; the others are compared with the first\n"
                "--map             map the files and go through them, whatever stays cached\n"
                "--keep            read the files, whatever stays cached: in a memory cgroup, say\n"
                "--direct          read the files with O_DIRECT\n"
                "--hold FILE.lwc   have the module hold it in RAM meanwhile (RESIDENT)\n"
                "--quick           one pass: shows that it works\n"
                "--json            for scripts\n\n"
                "cold: the files' page cache is dropped before each pass, and only that: what a\n"
                "filesystem reads from may be cached. cached: nothing is dropped. CPU seconds\n"
                "per GB are those of this process and of the kernel's workers, disk B/B the\n"
                "bytes that came from disks for each that was read; both include what others do.\n",
        },
    .accepted = "FmkDRqJ",
    .threads = 1,
    .measure = measure,
};
