/* SPDX-License-Identifier: BSD-3-Clause */
#include "base.h"
#include "cli.h"
#include "contents.h"
#include "parallel.h"
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An old object under one of the names that it can be found by. */
struct key {
    char *text;
    struct lwc_object object;
};

struct keys {
    struct key *all;
    size_t count;
    size_t capacity;
};

struct base {
    struct container *container;
    const struct plan *plan;
    enum base_use use;
    unsigned int threads;
    struct contents_reader *readers;
    struct lwc_object *candidates; /* for each object of the plan; tile_count 0: none */
    struct keys keys;              /* sorted by text */
    struct lwc_object *by_hash;    /* all old objects, sorted as compare_hashes says */
    uint64_t by_hash_count;
    struct source *sources; /* for each thread, while hashing */
    size_t *moved;          /* objects of the plan that were not found in their places */
    size_t moved_count;
};

static int out_of_memory(struct failure *failure)
{
    return fail(failure, "out of memory for what the container holds already");
}

static int compare_keys(const void *left, const void *right)
{
    return strcmp(((const struct key *)left)->text, ((const struct key *)right)->text);
}

static int compare_hashes(const void *left, const void *right)
{
    const struct lwc_object *a = left, *b = right;

    if (a->decoded_size != b->decoded_size)
        return a->decoded_size < b->decoded_size ? -1 : 1;
    if (a->tile_bytes != b->tile_bytes)
        return a->tile_bytes < b->tile_bytes ? -1 : 1;
    return memcmp(a->sha256, b->sha256, sizeof(a->sha256));
}

/* Key of a tensor in a file, or with file "" anywhere. NULL without memory. */
static char *tensor_key(const char *file, const char *name, size_t length)
{
    char *text;

    return asprintf(&text, "%s\nt%.*s", file, (int)length, name) < 0 ? NULL : text;
}

static char *literal_key(const char *file, size_t position)
{
    char *text;

    return asprintf(&text, "%s\nl%zu", file, position) < 0 ? NULL : text;
}

/* Takes over text. */
static int add_key(struct keys *keys, char *text, const struct lwc_object *object,
                   struct failure *failure)
{
    if (text && keys->count == keys->capacity) {
        size_t capacity = keys->capacity ? 2 * keys->capacity : 256;
        struct key *grown = reallocarray(keys->all, capacity, sizeof(*grown));

        if (grown) {
            keys->all = grown;
            keys->capacity = capacity;
        }
    }
    if (!text || keys->count == keys->capacity) {
        free(text);
        return out_of_memory(failure);
    }
    keys->all[keys->count++] = (struct key){text, *object};
    return 0;
}

static int add_file_keys(struct base *base, const struct lwc_file *file, struct failure *failure)
{
    struct container *container = base->container;
    char path[LWC_NAME_MAX + 1], name[LWC_NAME_MAX + 1];
    size_t literals = 0;

    if (container_file_name(container, file, path, failure) < 0)
        return -1;
    for (uint64_t i = 0; i < file->extent_count; i++) {
        struct lwc_extent extent;
        struct lwc_object object;

        if (container_extent(container, file->extent_first + i, &extent, &object, failure) < 0)
            return -1;
        if (!object.name_length) {
            if (add_key(&base->keys, literal_key(path, literals++), &object, failure) < 0)
                return -1;
            continue;
        }
        if (container_name(container, object.name_offset, object.name_length, name, failure) < 0 ||
            add_key(&base->keys, tensor_key(path, name, strlen(name)), &object, failure) < 0 ||
            add_key(&base->keys, tensor_key("", name, strlen(name)), &object, failure) < 0)
            return -1;
    }
    return 0;
}

static int index_objects(struct base *base, struct failure *failure)
{
    uint64_t files = container_count(base->container, LWC_TABLE_FILES);

    base->by_hash_count = container_count(base->container, LWC_TABLE_OBJECTS);
    base->by_hash = calloc(base->by_hash_count + 1, sizeof(*base->by_hash));
    if (!base->by_hash)
        return out_of_memory(failure);
    for (uint64_t i = 0; i < base->by_hash_count; i++)
        if (container_object(base->container, i, &base->by_hash[i], failure) < 0)
            return -1;
    qsort(base->by_hash, base->by_hash_count, sizeof(*base->by_hash), compare_hashes);
    for (uint64_t i = 0; i < files; i++) {
        struct lwc_file file;

        if (container_file(base->container, i, &file, failure) < 0 ||
            add_file_keys(base, &file, failure) < 0)
            return -1;
    }
    if (base->keys.count)
        qsort(base->keys.all, base->keys.count, sizeof(*base->keys.all), compare_keys);
    return 0;
}

/* Use the old object of the key, which is freed, if its tiles are of the same size. 1, 0, -1. */
static int use_key(struct base *base, size_t object, char *text, struct failure *failure)
{
    struct key wanted = {.text = text};
    const struct key *found;

    if (!text)
        return out_of_memory(failure);
    found = base->keys.count ? bsearch(&wanted, base->keys.all, base->keys.count,
                                       sizeof(*base->keys.all), compare_keys)
                             : NULL;
    free(text);
    if (!found || found->object.tile_bytes != base->plan->objects[object].entry.tile_bytes)
        return 0;
    base->candidates[object] = found->object;
    return found->object.tile_count != 0;
}

/* Is there an old object of this size at all, so that hashing can find one? */
static bool size_is_known(const struct base *base, const struct lwc_object *entry)
{
    uint64_t low = 0, high = base->by_hash_count;
    struct lwc_object wanted = *entry;

    memset(wanted.sha256, 0, sizeof(wanted.sha256));
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (compare_hashes(&base->by_hash[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < base->by_hash_count && base->by_hash[low].decoded_size == entry->decoded_size &&
           base->by_hash[low].tile_bytes == entry->tile_bytes;
}

static const char *name_of(const struct base *base, const struct lwc_object *entry)
{
    return base->plan->names + entry->name_offset;
}

/* Look for the objects of one file in their places, and note those that are not there. */
static int find_in_place(struct base *base, size_t file, struct failure *failure)
{
    const struct plan *plan = base->plan;
    const struct lwc_file *entry = &plan->files[file];
    const char *path = plan->walk.files[file].name;
    size_t literals = 0;

    for (uint64_t i = 0; i < entry->extent_count; i++) {
        size_t number = plan->extents[entry->extent_first + i].object;
        const struct lwc_object *object = &plan->objects[number].entry;
        char *text = object->name_length
                         ? tensor_key(path, name_of(base, object), object->name_length)
                         : literal_key(path, literals++);

        switch (use_key(base, number, text, failure)) {
        case 0:
            base->moved[base->moved_count++] = number;
            break;
        case 1:
            break;
        default:
            return -1;
        }
    }
    return 0;
}

static int hash_object(struct base *base, struct source *source, size_t number, struct sha256 *hash,
                       uint8_t digest[SHA256_SIZE], struct failure *failure)
{
    const struct plan_object *object = &base->plan->objects[number];

    for (uint64_t i = 0; i < object->entry.tile_count; i++) {
        if (cli_check_interrupt(failure) < 0 || source_read(source, object, i, failure) < 0)
            return -1;
        if (sha256_buffer(source->data, lwc_tile_length(&object->entry, i), digest) < 0 ||
            sha256_update(hash, digest, SHA256_SIZE) < 0)
            return out_of_memory(failure);
    }
    return sha256_finish(hash, digest) < 0 ? out_of_memory(failure) : 0;
}

static int find_by_hash(struct base *base, unsigned int worker, size_t number,
                        struct failure *failure)
{
    struct lwc_object wanted = base->plan->objects[number].entry;
    const struct lwc_object *found;
    struct sha256 *hash;
    int result;

    if (!size_is_known(base, &wanted))
        return 0;
    hash = sha256_new();
    if (!hash)
        return out_of_memory(failure);
    result = hash_object(base, &base->sources[worker], number, hash, wanted.sha256, failure);
    sha256_free(hash);
    if (result < 0)
        return -1;
    found = bsearch(&wanted, base->by_hash, base->by_hash_count, sizeof(*base->by_hash),
                    compare_hashes);
    if (found)
        base->candidates[number] = *found;
    return 0;
}

static int find_by_name(struct base *base, size_t number, struct failure *failure)
{
    const struct lwc_object *object = &base->plan->objects[number].entry;

    return object->name_length
               ? use_key(base, number, tensor_key("", name_of(base, object), object->name_length),
                         failure)
               : 0;
}

static int find_moved(struct parallel *parallel, void *context, unsigned int worker, uint64_t index,
                      struct failure *failure)
{
    struct base *base = context;
    size_t number = base->moved[index];
    int found = 0;

    (void)parallel;
    if (base->use == BASE_DIFFERENCES)
        found = find_by_name(base, number, failure);
    if (found)
        return found < 0 ? -1 : 0;
    if (find_by_hash(base, worker, number, failure) < 0)
        return -1;
    if (base->use == BASE_EQUAL && !base->candidates[number].tile_count)
        found = find_by_name(base, number, failure);
    return found < 0 ? -1 : 0;
}

static int find_candidates(struct base *base, struct failure *failure)
{
    const struct plan *plan = base->plan;

    base->candidates = calloc(plan->object_count + 1, sizeof(*base->candidates));
    base->moved = calloc(plan->extent_count + 1, sizeof(*base->moved));
    base->sources = calloc(base->threads, sizeof(*base->sources));
    if (!base->candidates || !base->moved || !base->sources)
        return out_of_memory(failure);
    for (unsigned int i = 0; i < base->threads; i++)
        if (source_init(&base->sources[i], plan) < 0)
            return out_of_memory(failure);
    for (size_t i = 0; i < plan->walk.count; i++)
        if (find_in_place(base, i, failure) < 0)
            return -1;
    return parallel_run(base->threads, base->moved_count, find_moved, base, failure);
}

static void free_search(struct base *base)
{
    for (size_t i = 0; i < base->keys.count; i++)
        free(base->keys.all[i].text);
    free(base->keys.all);
    memset(&base->keys, 0, sizeof(base->keys));
    for (unsigned int i = 0; base->sources && i < base->threads; i++)
        source_free(&base->sources[i]);
    free(base->sources);
    base->sources = NULL;
    free(base->by_hash);
    base->by_hash = NULL;
    free(base->moved);
    base->moved = NULL;
}

struct base *base_new(struct container *container, const struct plan *plan, enum base_use use,
                      unsigned int threads, struct failure *failure)
{
    struct base *base = calloc(1, sizeof(*base));

    if (!base) {
        out_of_memory(failure);
        return NULL;
    }
    base->container = container;
    base->plan = plan;
    base->use = use;
    base->threads = threads;
    base->readers = contents_readers_new(threads, failure);
    if (base->readers && container_check_files(container, failure) == 0 &&
        index_objects(base, failure) == 0 && find_candidates(base, failure) == 0) {
        free_search(base);
        return base;
    }
    base_free(base);
    return NULL;
}

void base_free(struct base *base)
{
    if (!base)
        return;
    free_search(base);
    contents_readers_free(base->readers, base->threads);
    free(base->candidates);
    free(base);
}

/* Is there an old tile of the same place and length? */
static bool has_old(const struct base *base, size_t object, uint64_t index, uint32_t length)
{
    const struct lwc_object *old = &base->candidates[object];

    return index < old->tile_count && lwc_tile_length(old, index) == length;
}

/* Decode it to the worker's buffer. */
static int read_old(struct base *base, unsigned int worker, size_t object, uint64_t index,
                    struct failure *failure)
{
    struct contents_reader *reader = &base->readers[worker];

    return container_read_tile(base->container, &reader->decoder, &base->candidates[object], index,
                               reader->stored, reader->decoded, failure);
}

bool base_tile(struct base *base, unsigned int worker, size_t object, uint64_t index,
               const uint8_t *data, uint32_t length, struct lwc_tile *entry, const uint8_t **stored)
{
    struct failure ignored;

    *stored = base->readers[worker].stored;
    return has_old(base, object, index, length) &&
           container_tile(base->container, &base->candidates[object], index, entry, &ignored) ==
               0 &&
           container_resolve_copy(base->container, entry, length, &ignored) == 0 &&
           read_old(base, worker, object, index, &ignored) == 0 &&
           memcmp(base->readers[worker].decoded, data, length) == 0;
}

int base_decoded(struct base *base, unsigned int worker, size_t object, uint64_t index,
                 uint32_t length, const uint8_t **decoded, uint64_t *number,
                 struct failure *failure)
{
    const struct lwc_object *old = &base->candidates[object];
    struct lwc_tile entry;

    *decoded = NULL;
    if (old->dtype != base->plan->objects[object].entry.dtype ||
        !has_old(base, object, index, length))
        return 0;
    if (container_tile(base->container, old, index, &entry, failure) < 0 ||
        read_old(base, worker, object, index, failure) < 0)
        return -1;
    *number = entry.chain[0] == LWC_CODEC_COPY ? entry.ref : old->tile_first + index;
    *decoded = base->readers[worker].decoded;
    return 0;
}
