/* SPDX-License-Identifier: BSD-3-Clause */
#include "packing.h"
#include "cli.h"
#include "copies.h"
#include "parallel.h"
#include "source.h"
#include "container/features.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What one thread holds. */
struct worker {
    struct encoder *encoder;
    struct encoded_tile tile;
    struct source source;
};

/* A tile that waits for its turn: in the worker's buffer, or in the base's. */
struct ready_tile {
    struct lwc_tile entry;
    const uint8_t *stored;
    uint32_t length;
    bool kept;
};

struct packing {
    const struct packing_input *input;
    struct plan *plan;
    struct worker *workers;
    struct lwc_tile *tiles;
    struct lwc_object *objects;
    size_t *tile_object;
    struct copies *copies;
    struct sha256 *object_hash; /* of the object whose turn it is */
    struct packing_counts counts;
    struct writer_table tables[LWC_TABLES];
    uint64_t incompat;
    atomic_bool stop_hashing;
    struct failure hash_failure;
    int hash_result;
};

/* The object's hash is made of the hashes of its tiles, in order. */
static int add_tile_hash(struct packing *packing, struct lwc_object *object, uint64_t tile,
                         const uint8_t digest[SHA256_SIZE], struct failure *failure)
{
    if (tile == object->tile_first && !(packing->object_hash = sha256_new()))
        return fail(failure, "out of memory for a hash");
    if (sha256_update(packing->object_hash, digest, SHA256_SIZE) < 0)
        return fail(failure, "out of memory for a hash");
    if (tile + 1 < object->tile_first + object->tile_count)
        return 0;
    if (sha256_finish(packing->object_hash, object->sha256) < 0)
        return fail(failure, "out of memory for a hash");
    sha256_free(packing->object_hash);
    packing->object_hash = NULL;
    return 0;
}

/* Give the tile its place if it has none, or make it a COPY of an equal one. */
static int place_tile(struct packing *packing, uint64_t index, struct ready_tile *tile,
                      struct failure *failure)
{
    struct writer *writer = packing->input->writer;
    uint64_t offset = tile->entry.offset;
    int found = copies_find(packing->copies, writer, packing->tiles, &tile->entry, tile->stored,
                            tile->length, failure);

    if (found)
        return found < 0 ? -1 : 0;
    if (!tile->kept) {
        if (writer_payload(writer, tile->stored, tile->entry.stored, &offset, failure) < 0)
            return -1;
        packing->counts.bytes_appended += tile->entry.stored;
    }
    tile->entry.offset = offset;
    if (copies_add(packing->copies, index, &tile->entry, tile->length) < 0)
        return fail(failure, "out of memory for the table of tiles");
    return 0;
}

/* In turn. A tile that equals the base's has nothing to store. */
static int store_tile(struct packing *packing, uint64_t index, struct ready_tile *tile,
                      struct failure *failure)
{
    if (tile->entry.stored && place_tile(packing, index, tile, failure) < 0)
        return -1;
    packing->counts.kept += tile->kept;
    packing->incompat |= tile_features(&tile->entry, tile->stored);
    packing->tiles[index] = tile->entry;
    return 0;
}

/* Elements of a row: the last dimension. 0: none that a tile could hold. */
static uint32_t row_of(const struct lwc_object *object)
{
    uint64_t row = object->ndim > 1 ? object->shape[object->ndim - 1] : 0;

    return row <= LWC_TILE_MAX ? (uint32_t)row : 0;
}

/* As the current generation has it, or encoded. */
static int make_ready(struct packing *packing, unsigned int number, size_t object, uint64_t index,
                      struct ready_tile *tile, struct failure *failure)
{
    struct worker *worker = &packing->workers[number];
    const struct packing_input *input = packing->input;
    const struct lwc_object *entry = &packing->objects[object];
    const uint8_t *old = NULL;
    uint64_t ref = 0;

    tile->kept =
        input->current && base_tile(input->current, number, object, index, worker->source.data,
                                    tile->length, &tile->entry, &tile->stored);
    if (tile->kept)
        return 0;
    if (input->base &&
        base_decoded(input->base, number, object, index, tile->length, &old, &ref, failure) < 0)
        return -1;
    if (encode_tile_by(worker->encoder, entry->dtype, row_of(entry), worker->source.data, old,
                       tile->length, &worker->tile) < 0)
        return fail(failure, "out of memory for a tile; use a smaller -j");
    tile->entry = worker->tile.entry;
    tile->entry.crc = lwc_crc32c(0, worker->tile.data, worker->tile.size);
    if (tile->entry.chain[0] == LWC_CODEC_DELTA)
        tile->entry.ref = ref;
    tile->stored = worker->tile.data;
    return 0;
}

static int pack_tile(struct parallel *parallel, void *context, unsigned int number, uint64_t index,
                     struct failure *failure)
{
    struct packing *packing = context;
    struct source *source = &packing->workers[number].source;
    size_t object = packing->tile_object[index];
    struct lwc_object *entry = &packing->objects[object];
    uint64_t in_object = index - entry->tile_first;
    struct ready_tile tile = {.length = lwc_tile_length(entry, in_object)};
    uint8_t digest[SHA256_SIZE];

    if (source_read(source, &packing->plan->objects[object], in_object, failure) < 0)
        return -1;
    if (sha256_buffer(source->data, tile.length, digest) < 0)
        return fail(failure, "out of memory for a hash");
    if (make_ready(packing, number, object, in_object, &tile, failure) < 0 ||
        parallel_turn(parallel, index) < 0)
        return -1;
    if (store_tile(packing, index, &tile, failure) < 0 ||
        add_tile_hash(packing, entry, index, digest, failure) < 0)
        return -1;
    parallel_turn_done(parallel);
    progress_add(tile.length);
    return 0;
}

static void *hash_files(void *argument)
{
    struct packing *packing = argument;
    struct plan *plan = packing->plan;

    for (size_t i = 0; i < plan->walk.count && packing->hash_result == 0; i++)
        if (plan->files[i].kind == LWC_FILE_REGULAR)
            packing->hash_result = walk_hash(&plan->walk.files[i], false, &packing->stop_hashing,
                                             plan->files[i].sha256, &packing->hash_failure);
    return NULL;
}

static int start_workers(struct packing *packing, struct failure *failure)
{
    unsigned int count = packing->input->threads;

    packing->workers = calloc(count, sizeof(*packing->workers));
    for (unsigned int i = 0; packing->workers && i < count; i++) {
        struct worker *worker = &packing->workers[i];

        worker->encoder = encoder_new(&packing->input->policy);
        if (source_init(&worker->source, packing->plan) < 0 || !worker->encoder)
            return fail(failure, "out of memory for %u threads; use a smaller -j", count);
    }
    return packing->workers
               ? 0
               : fail(failure, "out of memory for %u threads; use a smaller -j", count);
}

/* Tables that are as long as the plan says; objects without tiles get their hash here. */
static int prepare_tables(struct packing *packing, struct failure *failure)
{
    struct plan *plan = packing->plan;

    packing->tiles = calloc(plan->tile_count + 1, sizeof(*packing->tiles));
    packing->tile_object = calloc(plan->tile_count + 1, sizeof(*packing->tile_object));
    packing->objects = calloc(plan->object_count + 1, sizeof(*packing->objects));
    packing->copies = copies_new();
    if (!packing->tiles || !packing->tile_object || !packing->objects || !packing->copies)
        return fail(failure, "out of memory for the tables");
    for (size_t i = 0; i < plan->object_count; i++) {
        struct lwc_object *entry = &packing->objects[i];

        *entry = plan->objects[i].entry;
        if (lwc_dtype_block(entry->dtype).elements > 1)
            packing->incompat |= LWC_INCOMPAT_BLOCKS;
        for (uint64_t t = 0; t < entry->tile_count; t++)
            packing->tile_object[entry->tile_first + t] = i;
        if (!entry->tile_count && sha256_buffer("", 0, entry->sha256) < 0)
            return fail(failure, "out of memory for a hash");
    }
    packing->tables[LWC_TABLE_FILES] = (struct writer_table){plan->files, plan->walk.count};
    packing->tables[LWC_TABLE_EXTENTS] = (struct writer_table){plan->extents, plan->extent_count};
    packing->tables[LWC_TABLE_OBJECTS] =
        (struct writer_table){packing->objects, plan->object_count};
    packing->tables[LWC_TABLE_TILES] = (struct writer_table){packing->tiles, plan->tile_count};
    packing->tables[LWC_TABLE_NAMES] = (struct writer_table){plan->names, plan->names_size};
    return 0;
}

struct packing *packing_new(const struct packing_input *input, struct failure *failure)
{
    struct packing *packing = calloc(1, sizeof(*packing));

    if (!packing) {
        fail(failure, "out of memory");
        return NULL;
    }
    packing->input = input;
    packing->plan = input->plan;
    if (prepare_tables(packing, failure) == 0 && start_workers(packing, failure) == 0)
        return packing;
    packing_free(packing);
    return NULL;
}

void packing_free(struct packing *packing)
{
    if (!packing)
        return;
    for (unsigned int i = 0; packing->workers && i < packing->input->threads; i++) {
        encoder_free(packing->workers[i].encoder);
        free(packing->workers[i].tile.data);
        source_free(&packing->workers[i].source);
    }
    free(packing->workers);
    sha256_free(packing->object_hash);
    copies_free(packing->copies);
    free(packing->tile_object);
    free(packing->objects);
    free(packing->tiles);
    free(packing);
}

static int encode_all(struct packing *packing, struct failure *failure)
{
    pthread_t hasher;
    int error, result;

    error = pthread_create(&hasher, NULL, hash_files, packing);
    if (error)
        return fail_errno(failure, error, "cannot start a thread");
    progress_start(packing->input->label, packing->plan->bytes_original);
    result = parallel_run(packing->input->threads, packing->plan->tile_count, pack_tile, packing,
                          failure);
    if (result < 0)
        atomic_store(&packing->stop_hashing, true);
    pthread_join(hasher, NULL);
    progress_end();
    if (result == 0 && packing->hash_result < 0) {
        *failure = packing->hash_failure;
        result = -1;
    }
    return result;
}

/* Hashes and tiles were read at different times: the files must not have changed between. */
static int check_sources(struct packing *packing, struct failure *failure)
{
    const struct plan *plan = packing->plan;

    for (size_t i = 0; i < plan->walk.count; i++) {
        int fd;

        if (plan->files[i].kind != LWC_FILE_REGULAR)
            continue;
        fd = walk_open(&plan->walk.files[i], failure);
        if (fd < 0)
            return -1;
        close(fd);
    }
    return cli_check_interrupt(failure);
}

int packing_run(struct packing *packing, struct failure *failure)
{
    if (encode_all(packing, failure) < 0 || check_sources(packing, failure) < 0)
        return -1;
    if (packing->incompat & LWC_INCOMPAT_DELTA)
        packing->tables[LWC_TABLE_DEPS] = (struct writer_table){&packing->input->dep, 1};
    return 0;
}

const struct packing_counts *packing_counts(const struct packing *packing)
{
    return &packing->counts;
}

const struct writer_table *packing_tables(const struct packing *packing)
{
    return packing->tables;
}

int packing_finish(struct packing *packing, struct failure *failure)
{
    const struct plan *plan = packing->plan;
    struct writer_totals totals = {
        .bytes_original = plan->bytes_original,
        .weights = plan->weights,
        .arena_size = plan->arena_size,
        .incompat = packing->incompat,
    };

    return writer_finish(packing->input->writer, packing->tables, &totals, failure);
}
