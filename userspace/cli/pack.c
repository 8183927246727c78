/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lwcmem pack: tiles are read, encoded and hashed by all threads and written
 * in the order of the plan, so that equal input gives an equal container for
 * any number of threads. A thread holds one tile; beside that, memory grows
 * by the tables alone (about 56 bytes a tile of 128 KiB).
 */
#include "cli.h"
#include "copies.h"
#include "parallel.h"
#include "pack.h"
#include "plan.h"
#include "container/decoder.h"
#include "container/writer.h"
#include "encode/encode.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    const char *model;
    const char *out;
    struct encode_policy policy;
    unsigned int threads;
    int force;
};

/* What one thread holds. */
struct worker {
    struct encoder *encoder;
    struct encoded_tile tile;
    uint8_t *source; /* LWC_TILE_MAX bytes */
    int fd;
    size_t file; /* that fd belongs to */
};

struct pack {
    const struct options *options;
    struct plan plan;
    struct writer *writer;
    struct worker *workers;
    struct lwc_tile *tiles;
    size_t *tile_object;
    struct copies *copies;
    struct sha256 *object_hash; /* of the object whose turn it is */
    uint64_t incompat;
    uint64_t tensor_bytes; /* stored */
    atomic_bool stop_hashing;
    struct failure hash_failure;
    int hash_result;
};

static uint64_t features_of(const struct lwc_tile *tile)
{
    uint64_t features = 0;

    for (int i = 0; i < LWC_CHAIN_MAX; i++) {
        if (tile->chain[i] == LWC_CODEC_ZSTD)
            features |= LWC_INCOMPAT_ZSTD;
        else if (tile->chain[i] == LWC_CODEC_PLANES)
            features |= LWC_INCOMPAT_PLANES;
        else if (tile->chain[i] == LWC_CODEC_SPARSE)
            features |= LWC_INCOMPAT_SPARSE;
        else if (tile->chain[i] == LWC_CODEC_COPY)
            features |= LWC_INCOMPAT_COPY;
        else if (tile->chain[i] == LWC_CODEC_LEVELS)
            features |= LWC_INCOMPAT_STRUCTURE(tile->param) | LWC_INCOMPAT_FIELD(tile->field);
    }
    return features;
}

static int open_source(struct pack *pack, struct worker *worker, size_t file,
                       struct failure *failure)
{
    if (worker->fd >= 0 && worker->file == file)
        return 0;
    if (worker->fd >= 0)
        close(worker->fd);
    worker->fd = walk_open(&pack->plan.walk.files[file], failure);
    worker->file = file;
    return worker->fd < 0 ? -1 : 0;
}

static int read_source(struct pack *pack, struct worker *worker, size_t length, uint64_t offset,
                       struct failure *failure)
{
    const char *path = pack->plan.walk.files[worker->file].path;

    for (size_t done = 0; done < length;) {
        ssize_t got =
            pread(worker->fd, worker->source + done, length - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(failure, errno, "%s: cannot read", path);
        if (got == 0)
            return fail(failure,
                        "%s: became shorter while it was read; try again when it is "
                        "complete",
                        path);
        done += (size_t)got;
    }
    return 0;
}

/* The object's hash is made of the hashes of its tiles, in order. */
static int add_tile_hash(struct pack *pack, struct plan_object *object, uint64_t tile,
                         const uint8_t digest[SHA256_SIZE], struct failure *failure)
{
    if (tile == object->entry.tile_first && !(pack->object_hash = sha256_new()))
        return fail(failure, "out of memory for a hash");
    if (sha256_update(pack->object_hash, digest, SHA256_SIZE) < 0)
        return fail(failure, "out of memory for a hash");
    if (tile + 1 < object->entry.tile_first + object->entry.tile_count)
        return 0;
    if (sha256_finish(pack->object_hash, object->entry.sha256) < 0)
        return fail(failure, "out of memory for a hash");
    sha256_free(pack->object_hash);
    pack->object_hash = NULL;
    return 0;
}

/* In turn: give the tile its place, or make it a COPY of an equal one. */
static int store_tile(struct pack *pack, struct worker *worker, struct plan_object *object,
                      uint64_t index, uint32_t length, struct failure *failure)
{
    struct lwc_tile *entry = &worker->tile.entry;
    uint64_t offset;

    entry->crc = lwc_crc32c(0, worker->tile.data, worker->tile.size);
    switch (copies_find(pack->copies, pack->writer, pack->tiles, entry, worker->tile.data, length,
                        failure)) {
    case 0:
        if (writer_payload(pack->writer, worker->tile.data, worker->tile.size, &offset, failure) <
            0)
            return -1;
        entry->offset = offset;
        if (copies_add(pack->copies, index, entry, length) < 0)
            return fail(failure, "out of memory for the table of tiles");
        if (object->entry.name_length)
            pack->tensor_bytes += entry->stored;
        break;
    case 1:
        break;
    default:
        return -1;
    }
    pack->incompat |= features_of(entry);
    pack->tiles[index] = *entry;
    return 0;
}

static int pack_tile(struct parallel *parallel, void *context, unsigned int number, uint64_t index,
                     struct failure *failure)
{
    struct pack *pack = context;
    struct worker *worker = &pack->workers[number];
    struct plan_object *object = &pack->plan.objects[pack->tile_object[index]];
    uint64_t in_object = index - object->entry.tile_first;
    uint32_t length = lwc_tile_length(&object->entry, in_object);
    uint8_t digest[SHA256_SIZE];

    memset(&worker->tile.entry, 0, sizeof(worker->tile.entry));
    if (open_source(pack, worker, object->file, failure) < 0 ||
        read_source(pack, worker, length, object->offset + in_object * object->entry.tile_bytes,
                    failure) < 0)
        return -1;
    if (sha256_buffer(worker->source, length, digest) < 0 ||
        encode_tile(worker->encoder, object->entry.dtype, worker->source, length, &worker->tile) <
            0)
        return fail(failure, "out of memory for a tile; use a smaller -j");
    if (parallel_turn(parallel, index) < 0)
        return -1;
    if (store_tile(pack, worker, object, index, length, failure) < 0 ||
        add_tile_hash(pack, object, index, digest, failure) < 0)
        return -1;
    parallel_turn_done(parallel);
    progress_add(length);
    return 0;
}

static void *hash_files(void *argument)
{
    struct pack *pack = argument;

    for (size_t i = 0; i < pack->plan.walk.count && pack->hash_result == 0; i++)
        if (pack->plan.files[i].kind == LWC_FILE_REGULAR)
            pack->hash_result = walk_hash(&pack->plan.walk.files[i], false, &pack->stop_hashing,
                                          pack->plan.files[i].sha256, &pack->hash_failure);
    return NULL;
}

static int start_workers(struct pack *pack, struct failure *failure)
{
    unsigned int count = pack->options->threads;

    pack->workers = calloc(count, sizeof(*pack->workers));
    if (!pack->workers)
        return fail(failure, "out of memory for %u threads; use a smaller -j", count);
    for (unsigned int i = 0; i < count; i++)
        pack->workers[i].fd = -1;
    for (unsigned int i = 0; i < count; i++) {
        pack->workers[i].encoder = encoder_new(&pack->options->policy);
        pack->workers[i].source = malloc(LWC_TILE_MAX);
        if (!pack->workers[i].encoder || !pack->workers[i].source)
            return fail(failure, "out of memory for %u threads; use a smaller -j", count);
    }
    return 0;
}

static void free_workers(struct pack *pack)
{
    for (unsigned int i = 0; pack->workers && i < pack->options->threads; i++) {
        encoder_free(pack->workers[i].encoder);
        free(pack->workers[i].source);
        free(pack->workers[i].tile.data);
        if (pack->workers[i].fd >= 0)
            close(pack->workers[i].fd);
    }
    free(pack->workers);
}

/* Tables that are as long as the plan says; objects without tiles get their hash here. */
static int prepare_tables(struct pack *pack, struct failure *failure)
{
    struct plan *plan = &pack->plan;

    pack->tiles = calloc(plan->tile_count + 1, sizeof(*pack->tiles));
    pack->tile_object = calloc(plan->tile_count + 1, sizeof(*pack->tile_object));
    pack->copies = copies_new();
    if (!pack->tiles || !pack->tile_object || !pack->copies)
        return fail(failure, "out of memory for the table of tiles");
    for (size_t i = 0; i < plan->object_count; i++) {
        struct lwc_object *entry = &plan->objects[i].entry;

        for (uint64_t t = 0; t < entry->tile_count; t++)
            pack->tile_object[entry->tile_first + t] = i;
        if (!entry->tile_count && sha256_buffer("", 0, entry->sha256) < 0)
            return fail(failure, "out of memory for a hash");
    }
    return 0;
}

static int encode_all(struct pack *pack, struct failure *failure)
{
    pthread_t hasher;
    int error, result;

    error = pthread_create(&hasher, NULL, hash_files, pack);
    if (error)
        return fail_errno(failure, error, "cannot start a thread");
    progress_start("packing", pack->plan.bytes_original);
    result = parallel_run(pack->options->threads, pack->plan.tile_count, pack_tile, pack, failure);
    if (result < 0)
        atomic_store(&pack->stop_hashing, true);
    pthread_join(hasher, NULL);
    progress_end();
    if (result == 0 && pack->hash_result < 0) {
        *failure = pack->hash_failure;
        result = -1;
    }
    return result;
}

/* Hashes and tiles were read at different times: the files must not have changed between. */
static int check_sources(struct pack *pack, struct failure *failure)
{
    for (size_t i = 0; i < pack->plan.walk.count; i++) {
        int fd;

        if (pack->plan.files[i].kind != LWC_FILE_REGULAR)
            continue;
        fd = walk_open(&pack->plan.walk.files[i], failure);
        if (fd < 0)
            return -1;
        close(fd);
    }
    return cli_check_interrupt(failure);
}

static int finish(struct pack *pack, struct failure *failure)
{
    struct plan *plan = &pack->plan;
    struct lwc_object *objects = calloc(plan->object_count + 1, sizeof(*objects));
    struct writer_totals totals = {
        .bytes_original = plan->bytes_original,
        .weights = plan->weights,
        .arena_size = plan->arena_size,
        .incompat = pack->incompat,
    };
    int result;

    if (!objects)
        return fail(failure, "out of memory for the table of tensors");
    for (size_t i = 0; i < plan->object_count; i++)
        objects[i] = plan->objects[i].entry;
    result = writer_finish(pack->writer,
                           (struct writer_table[LWC_TABLES]){
                               [LWC_TABLE_FILES] = {plan->files, plan->walk.count},
                               [LWC_TABLE_EXTENTS] = {plan->extents, plan->extent_count},
                               [LWC_TABLE_OBJECTS] = {objects, plan->object_count},
                               [LWC_TABLE_TILES] = {pack->tiles, plan->tile_count},
                               [LWC_TABLE_NAMES] = {plan->names, plan->names_size},
                           },
                           &totals, failure);
    free(objects);
    return result;
}

static void report(const struct pack *pack)
{
    const struct plan *plan = &pack->plan;
    uint64_t size = writer_size(pack->writer);
    size_t tensors = 0;

    for (size_t i = 0; i < plan->object_count; i++)
        tensors += plan->objects[i].entry.name_length != 0;
    fprintf(stderr, "%s: %zu files, %zu tensors; %.1f MB -> %.1f MB (%.2fx)\n", pack->options->out,
            plan->walk.count, tensors, (double)plan->bytes_original / 1e6, (double)size / 1e6,
            (double)plan->bytes_original / (double)size);
}

static int pack_model(const struct options *options, struct failure *failure)
{
    struct pack pack = {.options = options};
    int result = plan_model(options->model, &pack.plan, failure);

    if (result < 0)
        return -1;
    pack.writer = writer_new(options->out, options->force, failure);
    result = pack.writer ? 0 : -1;
    if (result == 0 && (result = prepare_tables(&pack, failure)) == 0 &&
        (result = start_workers(&pack, failure)) == 0 &&
        (result = encode_all(&pack, failure)) == 0 &&
        (result = check_sources(&pack, failure)) == 0 && (result = finish(&pack, failure)) == 0)
        report(&pack);
    free_workers(&pack);
    sha256_free(pack.object_hash);
    copies_free(pack.copies);
    free(pack.tile_object);
    free(pack.tiles);
    writer_free(pack.writer);
    plan_free(&pack.plan);
    return result;
}

int pack_favor(const char *text, struct encode_policy *policy)
{
    const struct {
        const char *name;
        struct encode_policy policy;
    } favors[] = {
        {"balanced",
         {.structures = 1u << LWC_STRUCTURE_2222 | 1u << LWC_STRUCTURE_111222,
          .zstd_level = 3,
          .slow_gain = 10}},
        {"size",
         {.structures =
              1u << LWC_STRUCTURE_2222 | 1u << LWC_STRUCTURE_211222 | 1u << LWC_STRUCTURE_111222,
          .zstd_level = 15,
          .try_all = true}},
        {"speed",
         {.structures =
              decoder_cpu_isa() & LWC_ISA_AVX512 ? 1u << LWC_STRUCTURE_33 : 1u << LWC_STRUCTURE_4,
          .zstd_level = 1,
          .slow_gain = 25}},
    };

    for (size_t i = 0; i < sizeof(favors) / sizeof(favors[0]); i++)
        if (strcmp(text, favors[i].name) == 0) {
            *policy = favors[i].policy;
            return 0;
        }
    return -1;
}

/* The set of one structure, "4" or "(4)"; 0 for what is none. */
static uint32_t parse_structure(const char *text)
{
    for (uint8_t structure = 1; structure < LWC_STRUCTURES; structure++) {
        const char *name = lwc_structure_name(structure);
        size_t inside = strlen(name) - 2;

        if (strcmp(text, name) == 0 ||
            (strlen(text) == inside && memcmp(text, name + 1, inside) == 0))
            return 1u << structure;
    }
    return 0;
}

static int run(int argc, char **argv)
{
    static const struct option names[] = {
        {"output", required_argument, NULL, 'o'},
        {"favor", required_argument, NULL, 'f'},
        {"structure", required_argument, NULL, 's'},
        {"threads", required_argument, NULL, 'j'},
        {"force", no_argument, NULL, 'F'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.threads = cli_default_threads()};
    const char *structure = NULL;
    struct failure failure;
    int option;

    pack_favor("balanced", &options.policy);
    while ((option = getopt_long(argc, argv, "o:j:h", names, NULL)) != -1) {
        switch (option) {
        case 'o':
            options.out = optarg;
            break;
        case 'f':
            if (pack_favor(optarg, &options.policy) < 0)
                return cli_usage(&command_pack, "--favor is balanced, size or speed");
            break;
        case 's':
            structure = optarg;
            break;
        case 'j':
            options.threads = cli_threads(optarg);
            if (!options.threads)
                return cli_usage(&command_pack, "-j is a number of threads, 1 to 1024");
            break;
        case 'F':
            options.force = 1;
            break;
        case 'h':
            return cli_help(&command_pack);
        default:
            return cli_usage(&command_pack, NULL);
        }
    }
    if (structure && !(options.policy.structures = parse_structure(structure)))
        return cli_usage(&command_pack,
                         "--structure is 4, 3,3, 2,2,2,2, 2,1,1,2,2,2 or 1,1,1,2,2,2");
    if (argc - optind != 1 || !options.out)
        return cli_usage(&command_pack, "give one MODEL and -o OUT.lwc");
    options.model = argv[optind];
    return pack_model(&options, &failure) < 0 ? cli_failed(&failure) : EXIT_DONE;
}

const struct command command_pack = {
    .name = "pack",
    .usage = "MODEL -o OUT.lwc [--favor balanced|size|speed] [--structure S] [-j N] [--force]",
    .summary = "write a model directory or file as a compressed container",
    .help = "MODEL            any directory, or one file; symlinks are followed\n"
            "-o OUT.lwc       the container to write\n"
            "--favor F        balanced (default), size: smallest, speed: fastest to decode\n"
            "--structure S    force the structure of LEVELS: 4, 3,3, 2,2,2,2, 2,1,1,2,2,2\n"
            "                 or 1,1,1,2,2,2\n"
            "-j N             threads (default: all CPUs of this process)\n"
            "--force          replace OUT.lwc if it exists\n",
    .run = run,
};
