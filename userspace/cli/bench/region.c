/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lwcmem bench region: ways to the decoded bytes of a container through the kernel module,
 * against decoding them here. All of them write to the same ring of memory, slot after slot,
 * so that they have the same caches.
 */
#include "bench.h"
#include "cost.h"
#include "pages.h"
#include "report.h"
#include "container/reader.h"
#include "engine/clock.h"
#include "lib/region.h"
#include "uapi/lwcmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLOTS = 64, SLOT_BYTES = 1 << 20, PART_BYTES = 64 << 10, PAGE = 4096, ATTACHES = 7 };
_Static_assert(SLOT_BYTES >= LWC_TILE_MAX, "a slot holds a tile");

/* A read of the arena. */
struct request {
    uint64_t offset;
    uint32_t size;  /* whole pages */
    uint32_t bytes; /* of the tensor in it */
};

struct requests {
    struct request *list;
    size_t count, capacity;
};

struct rig {
    const struct bench_options *options;
    struct container *container;
    const uint8_t *map; /* of the container */
    uint64_t map_size;
    struct lwc_object *objects;
    size_t object_count;
    struct requests whole, parts; /* as many whole tiles as a slot holds; half a tile or so */
    int region, direct;
    uint32_t align;
    const char *isa;
    struct bench_pages pages;
    uint8_t *ring;
    struct decoder decoder;
    uint8_t *stored;
    struct io_uring uring;
    bool has_uring;
};

/* How one way reads, and what the module says of it. */
struct reading {
    struct rig *rig;
    const struct requests *requests;
    int fd;
    unsigned int depth; /* 0: pread */
    struct lwcmem_info sum;
    double bytes;
};

/* --- what there is to read --- */

static int add_request(struct requests *requests, struct request request, struct failure *failure)
{
    if (requests->count == requests->capacity) {
        size_t capacity = 2 * requests->capacity + 64;
        struct request *grown = realloc(requests->list, capacity * sizeof(*grown));

        if (!grown)
            return fail(failure, "out of memory for the list of reads");
        requests->list = grown;
        requests->capacity = capacity;
    }
    requests->list[requests->count++] = request;
    return 0;
}

/* Reads of size bytes each, a multiple of a page, from a tensor whose place is one. */
static int cut(struct requests *requests, const struct lwc_object *object, uint32_t size,
               struct failure *failure)
{
    for (uint64_t done = 0; done < object->decoded_size; done += size) {
        uint64_t left = object->decoded_size - done;
        uint32_t bytes = left < size ? (uint32_t)left : size;
        struct request request = {object->arena_offset + done, (bytes + PAGE - 1) / PAGE * PAGE,
                                  bytes};

        if (add_request(requests, request, failure) < 0)
            return -1;
    }
    return 0;
}

/* Tensors that cannot be read past the page cache are left out for all ways. */
static int load_objects(struct rig *rig, struct failure *failure)
{
    uint64_t count = container_count(rig->container, LWC_TABLE_OBJECTS);

    rig->objects = calloc(count ? count : 1, sizeof(*rig->objects));
    if (!rig->objects)
        return fail(failure, "out of memory for the tensors");
    for (uint64_t i = 0; i < count; i++) {
        struct lwc_object *object = &rig->objects[rig->object_count];

        if (container_object(rig->container, i, object, failure) < 0)
            return -1;
        if (!object->decoded_size || object->arena_offset % PAGE || object->tile_bytes % PAGE)
            continue;
        rig->object_count++;
        if (cut(&rig->whole, object, SLOT_BYTES / object->tile_bytes * object->tile_bytes,
                failure) < 0 ||
            cut(&rig->parts, object, PART_BYTES, failure) < 0)
            return -1;
    }
    return rig->object_count ? 0
                             : fail(failure, "%s: no tensor whose tiles are whole pages",
                                    container_path(rig->container));
}

/* --- decoding here --- */

/* Where the next tile goes. */
static uint8_t *next_place(const struct rig *rig, size_t *used, uint32_t length)
{
    uint8_t *place;

    if (*used + length > (size_t)SLOTS * SLOT_BYTES)
        *used = 0;
    place = rig->ring + *used;
    *used += length;
    return place;
}

static int decode_mapped(struct rig *rig, const struct lwc_object *object, uint64_t number,
                         uint8_t *out, struct failure *failure)
{
    uint32_t length = lwc_tile_length(object, number);
    enum lwc_error error = LWC_ERR_CRC;
    const uint8_t *stored;
    struct lwc_tile tile;

    if (container_tile(rig->container, object, number, &tile, failure) < 0 ||
        container_resolve_copy(rig->container, &tile, length, failure) < 0)
        return -1;
    stored = rig->map + tile.offset;
    if (lwc_crc32c(0, stored, tile.stored) == tile.crc)
        error = lwc_tile_decode(rig->decoder.impl, &tile, stored, tile.stored, out, length,
                                &rig->decoder.scratch);
    return error ? fail(failure, "%s: tile %" PRIu64 ": %s", container_path(rig->container), number,
                        lwc_error_string(error))
                 : 0;
}

static int decode_all(struct rig *rig, bool mapped, double *bytes, struct failure *failure)
{
    size_t used = 0;

    for (size_t i = 0; i < rig->object_count; i++) {
        const struct lwc_object *object = &rig->objects[i];

        for (uint64_t tile = 0; tile < object->tile_count; tile++) {
            uint8_t *out = next_place(rig, &used, lwc_tile_length(object, tile));

            if (cli_check_interrupt(failure) < 0 ||
                (mapped ? decode_mapped(rig, object, tile, out, failure)
                        : container_read_tile(rig->container, &rig->decoder, object, tile,
                                              rig->stored, out, failure)) < 0)
                return -1;
        }
        *bytes += (double)object->decoded_size;
    }
    return 0;
}

static int decode_reading(void *context, double *bytes, struct failure *failure)
{
    return decode_all(context, false, bytes, failure);
}

static int decode_mapping(void *context, double *bytes, struct failure *failure)
{
    return decode_all(context, true, bytes, failure);
}

/* --- reading the region --- */

static int bad_read(const struct rig *rig, int result, struct failure *failure)
{
    if (cli_check_interrupt(failure) < 0)
        return -1;
    if (result < 0)
        return fail_errno(failure, -result, "%s: cannot read its region",
                          container_path(rig->container));
    return fail(failure, "%s: a short read of its region: the kernel log says why",
                container_path(rig->container));
}

static int pread_all(const struct reading *reading, double *bytes, struct failure *failure)
{
    for (size_t i = 0; i < reading->requests->count && !cli_interrupted(); i++) {
        const struct request *request = &reading->requests->list[i];
        ssize_t got = pread(reading->fd, reading->rig->ring + i % SLOTS * SLOT_BYTES, request->size,
                            (off_t)request->offset);

        if (got < (ssize_t)request->bytes)
            return bad_read(reading->rig, got < 0 ? -errno : 0, failure);
        *bytes += request->bytes;
    }
    return cli_check_interrupt(failure);
}

/* The slots in which nothing is on its way, the one that is free for longest first. */
struct slots {
    unsigned int free[SLOTS];
    size_t taken, given;
};

static void queue(const struct reading *reading, struct slots *slots, size_t i)
{
    const struct request *request = &reading->requests->list[i];
    struct io_uring_sqe *entry = io_uring_get_sqe(&reading->rig->uring);
    unsigned int slot = slots->free[slots->taken++ % SLOTS];

    io_uring_prep_read_fixed(entry, reading->fd, reading->rig->ring + slot * SLOT_BYTES,
                             request->size, request->offset, 0);
    io_uring_sqe_set_data64(entry, (uint64_t)slot << 32 | i);
}

/* All that is ready; what fails is kept until nothing is on its way any more. */
static void reap(const struct reading *reading, struct slots *slots, double *bytes, int *worst)
{
    struct io_uring_cqe *entry;

    while (io_uring_peek_cqe(&reading->rig->uring, &entry) == 0) {
        uint64_t data = io_uring_cqe_get_data64(entry);
        const struct request *request = &reading->requests->list[(uint32_t)data];

        slots->free[slots->given++ % SLOTS] = (unsigned int)(data >> 32);
        if (entry->res<(int)request->bytes && * worst> 0)
            *worst = entry->res < 0 ? entry->res : 0;
        *bytes += request->bytes;
        io_uring_cqe_seen(&reading->rig->uring, entry);
    }
}

static int uring_all(const struct reading *reading, double *bytes, struct failure *failure)
{
    struct slots slots = {.given = SLOTS};
    size_t next = 0, in_flight;
    int worst = 1;

    for (unsigned int i = 0; i < SLOTS; i++)
        slots.free[i] = i;
    do {
        int result;

        in_flight = SLOTS - (slots.given - slots.taken);
        for (; worst > 0 && !cli_interrupted() && in_flight < reading->depth &&
               next < reading->requests->count;
             in_flight++)
            queue(reading, &slots, next++);
        if (!in_flight)
            break;
        result = io_uring_submit_and_wait(&reading->rig->uring, 1);
        if (result < 0 && result != -EINTR)
            return fail_errno(failure, -result, "io_uring");
        reap(reading, &slots, bytes, &worst);
    } while (true);
    return worst > 0 ? cli_check_interrupt(failure) : bad_read(reading->rig, worst, failure);
}

static int ask(const struct rig *rig, struct lwcmem_info *info, struct failure *failure)
{
    *info = (struct lwcmem_info){.size = sizeof(*info)};
    if (ioctl(rig->region, LWCMEM_IOC_INFO, info) < 0)
        return fail_errno(failure, errno, "%s: the kernel module does not tell about its region",
                          container_path(rig->container));
    return 0;
}

static int read_region(void *context, double *bytes, struct failure *failure)
{
    struct reading *reading = context;
    double before = *bytes;
    struct lwcmem_info start, end;

    if (ask(reading->rig, &start, failure) < 0 ||
        (reading->depth ? uring_all(reading, bytes, failure) : pread_all(reading, bytes, failure)) <
            0 ||
        ask(reading->rig, &end, failure) < 0)
        return -1;
    reading->bytes += *bytes - before;
    reading->sum.tiles_decoded += end.tiles_decoded - start.tiles_decoded;
    reading->sum.tiles_straight += end.tiles_straight - start.tiles_straight;
    reading->sum.ns_read += end.ns_read - start.ns_read;
    reading->sum.ns_decode += end.ns_decode - start.ns_decode;
    reading->sum.ns_copy += end.ns_copy - start.ns_copy;
    return 0;
}

static void begin(void *context)
{
    struct reading *reading = context;

    reading->sum = (struct lwcmem_info){0};
    reading->bytes = 0;
}

static int drop(void *context, struct failure *failure)
{
    struct reading *reading = context;
    int error = posix_fadvise(reading->fd, 0, 0, POSIX_FADV_DONTNEED);

    return error ? fail_errno(failure, error, "cannot drop the region's page cache") : 0;
}

int bench_hold(const char *path, struct failure *failure)
{
    struct container *container = container_open(path, failure);
    int region = container ? region_attach(container, REGION_PACKED, NULL, failure) : -1;

    container_close(container);
    return region;
}

/* --- the races --- */

enum { WAYS_MAX = 16, DECODE_HERE = 0 };

struct race {
    struct bench_way ways[WAYS_MAX];
    struct reading readings[WAYS_MAX];
    size_t count;
};

static void add(struct race *race, struct reading reading, const char *name,
                int (*before)(void *, struct failure *))
{
    struct bench_way *way = &race->ways[race->count];

    race->readings[race->count] = reading;
    *way = (struct bench_way){.pass = read_region,
                              .before = before,
                              .begin = begin,
                              .context = &race->readings[race->count],
                              .baseline = DECODE_HERE};
    snprintf(way->name, sizeof(way->name), "%s", name);
    race->count++;
}

static void add_here(struct race *race, struct rig *rig, const char *name,
                     int (*pass)(void *, double *, struct failure *))
{
    struct bench_way *way = &race->ways[race->count++];

    *way = (struct bench_way){.pass = pass, .context = rig, .baseline = DECODE_HERE};
    snprintf(way->name, sizeof(way->name), "%s", name);
}

static void add_direct(struct race *race, struct rig *rig)
{
    static const unsigned int depths[] = {1, 4, 16, 64};
    struct reading reading = {.rig = rig, .requests = &rig->whole, .fd = rig->direct};
    char name[64];

    add(race, reading, "direct, pread", NULL);
    for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]) && rig->has_uring; i++) {
        reading.depth = depths[i];
        snprintf(name, sizeof(name), "direct, READ_FIXED x%u", depths[i]);
        add(race, reading, name, NULL);
    }
    reading.requests = &rig->parts;
    reading.depth = rig->has_uring ? 16 : 0;
    add(race, reading, rig->has_uring ? "direct, READ_FIXED x16, 64 KiB" : "direct, pread, 64 KiB",
        NULL);
}

static void note_parts(struct race *race)
{
    for (size_t i = 0; i < race->count; i++) {
        const struct reading *reading = &race->readings[i];
        const struct lwcmem_info *sum = &reading->sum;
        struct bench_way *way = &race->ways[i];

        if (!reading->rig || !sum->tiles_decoded)
            continue;
        way->has_parts = true;
        way->straight = (double)sum->tiles_straight / (double)sum->tiles_decoded;
        way->read = (double)sum->ns_read / reading->bytes;
        way->decode = (double)sum->ns_decode / reading->bytes;
        way->copy = (double)sum->ns_copy / reading->bytes;
    }
}

static int run_race(struct rig *rig, struct failure *failure)
{
    struct race race = {0};
    struct reading cached = {.rig = rig, .requests = &rig->whole, .fd = rig->region};

    add_here(&race, rig, "decoded here, pread", decode_reading);
    add_here(&race, rig, "decoded here, mapped", decode_mapping);
    add_direct(&race, rig);
    add(&race, cached, "page cache, cold", drop);
    add(&race, cached, "page cache, warm", NULL);
    if (bench_cost_race(race.ways, race.count, rig->options->quick, failure) < 0)
        return -1;
    note_parts(&race);
    return bench_print_ways(race.ways, race.count, rig->options->json, failure);
}

/* --- setting up --- */

static int map_container(struct rig *rig, struct failure *failure)
{
    void *map;

    rig->map_size = container_superblock(rig->container)->file_size;
    map = mmap(NULL, rig->map_size, PROT_READ, MAP_SHARED, container_fd(rig->container), 0);
    if (map == MAP_FAILED)
        return fail_errno(failure, errno, "%s: cannot map", container_path(rig->container));
    rig->map = map;
    return 0;
}

/* With the decoder that the module uses. */
static int set_up_decoder(struct rig *rig, struct failure *failure)
{
    struct lwcmem_region info;
    uint32_t mask;

    if (region_info(rig->region, container_path(rig->container), &info, failure) < 0)
        return -1;
    rig->isa = info.isa;
    rig->stored = malloc(LWC_TILE_MAX);
    if (!rig->stored)
        return fail(failure, "out of memory for a tile");
    if (decoder_isa_mask(info.isa, &mask) < 0)
        return fail(failure, "the kernel module decodes with %s, which this program does not know",
                    info.isa);
    return decoder_init(&rig->decoder, mask, failure);
}

static int set_up_ring(struct rig *rig, struct failure *failure)
{
    struct iovec buffer = {.iov_len = (size_t)SLOTS * SLOT_BYTES};
    int result;

    if (bench_pages_map(&rig->pages, buffer.iov_len, rig->options->page_size, failure) < 0)
        return -1;
    rig->ring = buffer.iov_base = bench_pages_take(&rig->pages, buffer.iov_len);
    memset(rig->ring, 1, buffer.iov_len);
    if (bench_pages_check(&rig->pages, failure) < 0)
        return -1;
    result = io_uring_queue_init(SLOTS, &rig->uring, 0);
    if (result < 0) {
        fprintf(stderr, "lwcmem: without io_uring: %s\n", strerror(-result));
        return 0;
    }
    rig->has_uring = true;
    result = io_uring_register_buffers(&rig->uring, &buffer, 1);
    return result < 0
               ? fail_errno(failure, -result, "cannot register %zu MiB of buffers: raise ulimit -l",
                            buffer.iov_len >> 20)
               : 0;
}

static void tear_down(struct rig *rig)
{
    if (rig->has_uring)
        io_uring_queue_exit(&rig->uring);
    bench_pages_unmap(&rig->pages);
    decoder_free(&rig->decoder);
    free(rig->stored);
    if (rig->direct >= 0)
        close(rig->direct);
    if (rig->region >= 0)
        close(rig->region);
    if (rig->map)
        munmap((void *)rig->map, rig->map_size);
    free(rig->whole.list);
    free(rig->parts.list);
    free(rig->objects);
    container_close(rig->container);
}

static int set_up(struct rig *rig, struct failure *failure)
{
    rig->container = container_open(rig->options->file, failure);
    if (!rig->container || load_objects(rig, failure) < 0 || map_container(rig, failure) < 0)
        return -1;
    rig->region = region_attach(rig->container, REGION_ARENA, NULL, failure);
    if (rig->region < 0)
        return -1;
    rig->direct = region_open_direct(rig->region, &rig->align);
    if (rig->direct < 0 || PAGE % rig->align)
        return fail(failure, "the kernel module has no direct reads: load the lwcmem.ko of this "
                             "version");
    return set_up_decoder(rig, failure) < 0 ? -1 : set_up_ring(rig, failure);
}

/* From nothing, for what a container has in the kernel goes with its last region. */
static int measure_attach(const struct bench_options *options, struct failure *failure)
{
    double seconds[ATTACHES], decoded = 0, median;

    for (size_t i = 0; i < ATTACHES; i++) {
        double start = seconds_now();
        struct container *container = container_open(options->file, failure);
        int region = container ? region_attach(container, REGION_ARENA, NULL, failure) : -1;

        seconds[i] = seconds_now() - start;
        if (region >= 0) {
            decoded = (double)container_superblock(container)->arena_size;
            close(region);
        }
        container_close(container);
        if (region < 0 || cli_check_interrupt(failure) < 0)
            return -1;
    }
    median = bench_median(seconds, ATTACHES);
    if (options->json)
        return bench_print_json(
            json_pack("{s:f, s:f}", "attach_seconds", median, "bytes_decoded", decoded), failure);
    printf("attach of %.1f GB: %.1f ms\n", decoded / 1e9, 1e3 * median);
    return fflush(stdout) ? fail(failure, "cannot write the result") : 0;
}

static int measure(const struct bench_options *options, struct failure *failure)
{
    struct rig rig = {.options = options, .region = -1, .direct = -1};
    int result, held = -1;

    if (!options->file)
        return fail(failure, "give a container");
    cli_catch_signals();
    if (options->attach)
        return measure_attach(options, failure);
    result = set_up(&rig, failure);
    if (result == 0 && !options->json)
        printf("%s: %s in the module and here; ring of %d MiB in %s pages\n\n", options->file,
               rig.isa, SLOTS, bench_page_name(rig.pages.page_size));
    if (result == 0 && options->hold)
        result = held = bench_hold(options->hold, failure);
    if (result >= 0)
        result = run_race(&rig, failure);
    if (held >= 0)
        close(held);
    tear_down(&rig);
    return result;
}

const struct bench_part bench_region = {
    .command =
        {
            .name = "bench region",
            .usage = "FILE.lwc [--page-size 4k|2M] [--hold FILE.lwc] [--attach] [--quick] [--json]",
            .summary = "read a region of the kernel module against decoding here",
            .help =
                "FILE.lwc          a container that depends on no other; it should fit into RAM,\n"
                "                  and so should its decoded bytes\n"
                "--page-size P     of the memory that is read into: 4k (default) or 2M\n"
                "--hugepages       --page-size 2M\n"
                "--hold FILE.lwc   have the module hold it in RAM meanwhile (RESIDENT)\n"
                "--attach          only how long it takes to attach it\n"
                "--quick           one pass: shows that it works\n"
                "--json            for scripts\n\n"
                "Needs lwcmem.ko loaded and access to its device. CPU seconds per GB are those\n"
                "of this process and of the kernel's workers. direct: O_DIRECT, 1 MiB of whole\n"
                "tiles or 64 KiB at a time; xN: so many reads in flight. straight: tiles that\n"
                "were decoded right into the reader's memory, which must be in one piece for\n"
                "the kernel: huge pages are. Stored bytes come from where they are: read the\n"
                "file once before, to have them in the page cache.\n\n"
                "Decoding here has one thread, reads in flight may have all CPUs: \"of GB/s\"\n"
                "compares unlike things, \"of CPU\" is fair.\n",
        },
    .accepted = "fpHRaqJ",
    .threads = 1,
    .measure = measure,
};
