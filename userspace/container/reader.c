/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader.h"
#include "file_read.h"
#include "superblock.h"
#include "features.h"
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct container {
    struct lwc_superblock superblock;
    unsigned int slot;
    char *path;
    int fd;
    struct container *base; /* of DELTA tiles; NULL without one */
    /* one slot a block, NULL until the block has been read and checked */
    _Atomic(struct lwc_block *) *blocks[LWC_TABLES];
};

static const char *const table_names[LWC_TABLES] = {"files", "extents", "objects",
                                                    "tiles", "deps",    "names"};

static uint64_t table_blocks(const struct container *container, uint32_t table)
{
    const struct lwc_table_ref *ref = &container->superblock.tables[table];

    if (!ref->count)
        return 0;
    return lwc_table_position(ref->entry_size, ref->count - 1).block + 1;
}

static int allocate_block_slots(struct container *container, struct failure *failure)
{
    for (uint32_t table = 0; table < LWC_TABLES; table++) {
        uint64_t count = table_blocks(container, table);

        container->blocks[table] = calloc(count ? count : 1, sizeof(*container->blocks[table]));
        if (!container->blocks[table])
            return fail(failure, "%s: out of memory", container->path);
    }
    return 0;
}

static int open_file(struct container *container, int flags, struct failure *failure)
{
    struct stat status;

    container->fd = open(container->path, flags | O_CLOEXEC);
    if (container->fd < 0 || fstat(container->fd, &status) < 0)
        return fail_errno(failure, errno, "%s: cannot open%s", container->path,
                          flags == O_RDWR ? " for writing" : "");
    if (!S_ISREG(status.st_mode))
        return fail(failure, "%s: not a regular file; give a file that lwcmem pack wrote",
                    container->path);
    return 0;
}

static int read_superblock(struct container *container, struct failure *failure)
{
    struct stat status;

    if (fstat(container->fd, &status) < 0)
        return fail_errno(failure, errno, "%s: cannot read", container->path);
    if (superblock_choose(container->fd, container->path, (uint64_t)status.st_size,
                          &container->superblock, &container->slot, failure) < 0)
        return -1;
    return allocate_block_slots(container, failure);
}

static struct container *container_new(const char *path, struct failure *failure)
{
    struct container *container = calloc(1, sizeof(*container));

    if (!container || !(container->path = strdup(path))) {
        free(container);
        fail(failure, "%s: out of memory", path);
        return NULL;
    }
    container->fd = -1;
    return container;
}

/* operation: LOCK_SH, LOCK_EX or, without a lock, 0 */
static struct container *open_locked(const char *path, int flags, int operation,
                                     struct failure *failure)
{
    struct container *container = container_new(path, failure);

    if (!container)
        return NULL;
    if (open_file(container, flags, failure) == 0 &&
        (!operation || lock_file(container->fd, path, operation, failure) == 0) &&
        read_superblock(container, failure) == 0)
        return container;
    container_close(container);
    return NULL;
}

struct container *container_open(const char *path, struct failure *failure)
{
    return open_locked(path, O_RDONLY, 0, failure);
}

struct container *container_open_as_base(const char *path, struct failure *failure)
{
    return open_locked(path, O_RDONLY, LOCK_SH, failure);
}

struct container *container_open_for_update(const char *path, struct failure *failure)
{
    struct container *container = open_locked(path, O_RDWR, LOCK_EX, failure);

    if (!container || superblock_check_updatable(path, &container->superblock, failure) == 0)
        return container;
    container_close(container);
    return NULL;
}

void container_close(struct container *container)
{
    if (!container)
        return;
    for (uint32_t table = 0; table < LWC_TABLES; table++) {
        uint64_t count = container->blocks[table] ? table_blocks(container, table) : 0;

        for (uint64_t i = 0; i < count; i++)
            free(container->blocks[table][i]);
        free(container->blocks[table]);
    }
    if (container->fd >= 0)
        close(container->fd);
    container_close(container->base);
    free(container->path);
    free(container);
}

void container_set_base(struct container *container, struct container *base)
{
    container->base = base;
}

struct container *container_base(const struct container *container)
{
    return container->base;
}

const struct lwc_superblock *container_superblock(const struct container *container)
{
    return &container->superblock;
}

unsigned int container_slot(const struct container *container)
{
    return container->slot;
}

const char *container_path(const struct container *container)
{
    return container->path;
}

int container_fd(const struct container *container)
{
    return container->fd;
}

uint64_t container_count(const struct container *container, enum lwc_table table)
{
    return container->superblock.tables[table].count;
}

static int fill_block(struct container *container, uint32_t table, uint64_t index,
                      struct lwc_block *block, struct failure *failure)
{
    uint64_t offset = container->superblock.tables[table].offset + index * LWC_BLOCK_SIZE;
    int result = file_read(container->fd, block, sizeof(*block), offset);
    enum lwc_error error;

    if (result && result != ENODATA)
        return fail_errno(failure, result, "%s: cannot read", container->path);
    error =
        result ? LWC_ERR_TRUNCATED : lwc_block_check(block, &container->superblock, table, index);
    if (error == LWC_OK)
        return 0;
    return fail(failure,
                "%s: block %" PRIu64 " of the %s table: %s; the file is damaged, get it again",
                container->path, index, table_names[table], lwc_error_string(error));
}

static struct lwc_block *read_block(struct container *container, uint32_t table, uint64_t index,
                                    struct failure *failure)
{
    struct lwc_block *block = malloc(sizeof(*block));

    if (!block)
        fail(failure, "%s: out of memory", container->path);
    else if (fill_block(container, table, index, block, failure) == 0)
        return block;
    free(block);
    return NULL;
}

/* Two threads may read the same block at once; the first one's copy stays. */
static const struct lwc_block *get_block(struct container *container, uint32_t table,
                                         uint64_t index, struct failure *failure)
{
    _Atomic(struct lwc_block *) *slot = &container->blocks[table][index];
    struct lwc_block *present = atomic_load(slot);
    struct lwc_block *block;

    if (present)
        return present;
    block = read_block(container, table, index, failure);
    if (!block || atomic_compare_exchange_strong(slot, &present, block))
        return block;
    free(block);
    return present;
}

static int get_entry(struct container *container, uint32_t table, uint64_t index, void *entry,
                     struct failure *failure)
{
    const struct lwc_table_ref *ref = &container->superblock.tables[table];
    struct lwc_block_position position;
    const struct lwc_block *block;

    if (index >= ref->count)
        return fail(failure, "%s: entry %" PRIu64 " is not in the %s table; the file is damaged",
                    container->path, index, table_names[table]);
    position = lwc_table_position(ref->entry_size, index);
    block = get_block(container, table, position.block, failure);
    if (!block)
        return -1;
    memcpy(entry, block->payload + position.offset, ref->entry_size);
    return 0;
}

static int entry_result(struct container *container, uint32_t table, uint64_t index,
                        enum lwc_error error, struct failure *failure)
{
    if (error == LWC_OK)
        return 0;
    return fail(failure, "%s: entry %" PRIu64 " of the %s table: %s; the file is damaged",
                container->path, index, table_names[table], lwc_error_string(error));
}

int container_file(struct container *container, uint64_t index, struct lwc_file *file,
                   struct failure *failure)
{
    if (get_entry(container, LWC_TABLE_FILES, index, file, failure) < 0)
        return -1;
    return entry_result(container, LWC_TABLE_FILES, index,
                        lwc_file_check(file, &container->superblock), failure);
}

int container_object(struct container *container, uint64_t index, struct lwc_object *object,
                     struct failure *failure)
{
    if (get_entry(container, LWC_TABLE_OBJECTS, index, object, failure) < 0)
        return -1;
    return entry_result(container, LWC_TABLE_OBJECTS, index,
                        lwc_object_check(object, &container->superblock), failure);
}

int container_extent(struct container *container, uint64_t index, struct lwc_extent *extent,
                     struct lwc_object *object, struct failure *failure)
{
    if (get_entry(container, LWC_TABLE_EXTENTS, index, extent, failure) < 0 ||
        entry_result(container, LWC_TABLE_EXTENTS, index,
                     lwc_extent_check(extent, &container->superblock), failure) < 0)
        return -1;
    return container_object(container, extent->object, object, failure);
}

int container_dep(struct container *container, uint64_t index, struct lwc_dep *dep,
                  struct failure *failure)
{
    return get_entry(container, LWC_TABLE_DEPS, index, dep, failure);
}

static int get_tile(struct container *container, uint64_t index, uint32_t decoded,
                    struct lwc_tile *tile, struct failure *failure)
{
    if (get_entry(container, LWC_TABLE_TILES, index, tile, failure) < 0)
        return -1;
    return entry_result(container, LWC_TABLE_TILES, index,
                        lwc_tile_check(tile, &container->superblock, decoded), failure);
}

int container_tile(struct container *container, const struct lwc_object *object, uint64_t index,
                   struct lwc_tile *tile, struct failure *failure)
{
    if (index >= object->tile_count)
        return fail(failure, "%s: tile %" PRIu64 " is not in its object", container->path, index);
    return get_tile(container, object->tile_first + index, lwc_tile_length(object, index), tile,
                    failure);
}

int container_tile_run(struct container *container, const struct lwc_object *object, uint64_t index,
                       struct lwc_tile tiles[CONTAINER_TILE_RUN], struct failure *failure)
{
    struct lwc_block_position at =
        lwc_table_position(sizeof(struct lwc_tile), object->tile_first + index);
    uint64_t run = CONTAINER_TILE_RUN - at.offset / sizeof(struct lwc_tile);
    struct lwc_block block;

    if (index >= object->tile_count)
        return fail(failure, "%s: tile %" PRIu64 " is not in its object", container->path, index);
    if (run > object->tile_count - index)
        run = object->tile_count - index;
    if (fill_block(container, LWC_TABLE_TILES, at.block, &block, failure) < 0)
        return -1;
    memcpy(tiles, block.payload + at.offset, run * sizeof(*tiles));
    for (uint64_t i = 0; i < run; i++)
        if (entry_result(container, LWC_TABLE_TILES, object->tile_first + index + i,
                         lwc_tile_check(&tiles[i], &container->superblock,
                                        lwc_tile_length(object, index + i)),
                         failure) < 0)
            return -1;
    return (int)run;
}

int container_name(struct container *container, uint64_t offset, uint32_t length, char *name,
                   struct failure *failure)
{
    uint64_t count = container_count(container, LWC_TABLE_NAMES);
    uint32_t done = 0;

    if (length > LWC_NAME_MAX || offset > count || length > count - offset)
        return fail(failure, "%s: a name lies outside the names table; the file is damaged",
                    container->path);
    while (done < length) {
        struct lwc_block_position position = lwc_table_position(1, offset + done);
        uint32_t part = LWC_BLOCK_PAYLOAD - position.offset;
        const struct lwc_block *block;

        if (part > length - done)
            part = length - done;
        block = get_block(container, LWC_TABLE_NAMES, position.block, failure);
        if (!block)
            return -1;
        memcpy(name + done, block->payload + position.offset, part);
        done += part;
    }
    name[length] = '\0';
    if (memchr(name, '\0', length))
        return fail(failure, "%s: a name holds a NUL byte; the file is damaged", container->path);
    return 0;
}

int container_check_blocks(struct container *container, struct failure *failure)
{
    for (uint32_t table = 0; table < LWC_TABLES; table++) {
        uint64_t count = table_blocks(container, table);

        for (uint64_t i = 0; i < count; i++)
            if (!get_block(container, table, i, failure))
                return -1;
    }
    return 0;
}

void *container_table(struct container *container, enum lwc_table table, struct failure *failure)
{
    const struct lwc_table_ref *ref = &container->superblock.tables[table];
    uint64_t per_block = LWC_BLOCK_PAYLOAD / ref->entry_size;
    uint8_t *entries = reallocarray(NULL, ref->count + 1, ref->entry_size);

    if (!entries) {
        fail(failure, "%s: out of memory for the %s table", container->path, table_names[table]);
        return NULL;
    }
    for (uint64_t done = 0, part; done < ref->count; done += part) {
        const struct lwc_block *block = get_block(container, table, done / per_block, failure);

        if (!block) {
            free(entries);
            return NULL;
        }
        part = ref->count - done < per_block ? ref->count - done : per_block;
        memcpy(entries + done * ref->entry_size, block->payload, part * ref->entry_size);
    }
    return entries;
}

int container_stored_tile(struct container *container, uint64_t index, struct lwc_tile *tile,
                          uint8_t *stored, struct failure *failure)
{
    int result;

    if (get_tile(container, index, LWC_TILE_MAX, tile, failure) < 0)
        return -1;
    result = file_read(container->fd, stored, tile->stored, tile->offset);
    if (result && result != ENODATA)
        return fail_errno(failure, result, "%s: cannot read", container->path);
    if (result || lwc_crc32c(0, stored, tile->stored) != tile->crc)
        return fail(failure, "%s: tile %" PRIu64 " of the file: %s; the file is damaged",
                    container->path, index,
                    lwc_error_string(result ? LWC_ERR_TRUNCATED : LWC_ERR_CRC));
    return 0;
}

int container_resolve_copy(struct container *container, struct lwc_tile *tile, uint32_t decoded,
                           struct failure *failure)
{
    struct lwc_tile source;

    if (tile->chain[0] != LWC_CODEC_COPY)
        return 0;
    if (get_tile(container, tile->ref, decoded, &source, failure) < 0)
        return -1;
    if (lwc_copy_check(tile, &source))
        return fail(failure,
                    "%s: a copied tile does not match tile %" PRIu64
                    ", its source; the file is damaged",
                    container->path, (uint64_t)tile->ref);
    *tile = source;
    return 0;
}

static void object_text(struct container *container, const struct lwc_object *object,
                        char name[LWC_NAME_MAX + 1])
{
    struct failure ignored;

    if (!object->name_length ||
        container_name(container, object->name_offset, object->name_length, name, &ignored) < 0)
        strcpy(name, "(bytes outside of tensors)");
}

static int tile_failure(struct container *container, const struct lwc_object *object,
                        uint64_t index, const char *problem, struct failure *failure)
{
    char name[LWC_NAME_MAX + 1];

    object_text(container, object, name);
    return fail(failure, "%s: %.600s: tile %" PRIu64 ": %s; the file is damaged, get it again",
                container->path, name, index, problem);
}

/* The tile's stored bytes, which are in memory, to its decoded ones. */
static enum lwc_error decode(const struct container *container, struct decoder *decoder,
                             const struct lwc_tile *tile, const uint8_t *stored, uint8_t *out,
                             uint32_t decoded)
{
    enum lwc_error error;

    if (lwc_crc32c(0, stored, tile->stored) != tile->crc)
        return LWC_ERR_CRC;
    error =
        lwc_tile_decode(decoder->impl, tile, stored, tile->stored, out, decoded, &decoder->scratch);
    if (error == LWC_OK && tile_features(tile, stored) & ~container->superblock.incompat)
        return LWC_ERR_UNANNOUNCED;
    return error;
}

/* The tile's stored bytes to its decoded ones. 0, or -1 if the file cannot be read. */
static int read_and_decode(struct container *container, struct decoder *decoder,
                           const struct lwc_tile *tile, uint8_t *stored, uint8_t *out,
                           uint32_t decoded, enum lwc_error *error, struct failure *failure)
{
    int result = file_read(container->fd, stored, tile->stored, tile->offset);

    if (result && result != ENODATA)
        return fail_errno(failure, result, "%s: cannot read", container->path);
    *error = result ? LWC_ERR_TRUNCATED : decode(container, decoder, tile, stored, out, decoded);
    return 0;
}

/* A tile of the base, by its number in the table, as part of the object that it belongs to. */
static int base_failure(struct container *container, uint64_t number, const char *problem,
                        struct failure *failure)
{
    struct container *base = container->base;
    char name[LWC_NAME_MAX + 1] = "(no object)";
    struct lwc_object object;

    for (uint64_t i = 0; i < container_count(base, LWC_TABLE_OBJECTS); i++) {
        if (container_object(base, i, &object, failure) < 0)
            return -1;
        if (number < object.tile_first || number - object.tile_first >= object.tile_count)
            continue;
        number -= object.tile_first;
        object_text(base, &object, name);
        break;
    }
    return fail(failure,
                "%.250s: %.250s: tile %" PRIu64 ", which %.250s needs: %s; one of them is damaged, "
                "get it again",
                base->path, name, number, container->path, problem);
}

int container_load_base(struct container *container, struct decoder *decoder,
                        const struct lwc_tile *tile, uint32_t decoded, struct failure *failure)
{
    struct container *base = container->base;
    enum lwc_error error = LWC_OK;
    struct lwc_tile source;

    decoder->scratch.base = NULL;
    if (tile->chain[0] != LWC_CODEC_DELTA)
        return 0;
    if (!base)
        return fail(failure, "%s: cannot be read without its base; give it with --base",
                    container->path);
    if (tile->ref >= container_count(base, LWC_TABLE_TILES))
        return fail(failure,
                    "%s: needs tile %" PRIu64 " of %s, which has only %" PRIu64
                    "; the file is damaged",
                    container->path, (uint64_t)tile->ref, base->path,
                    container_count(base, LWC_TABLE_TILES));
    if (decoder_need_base(decoder, failure) < 0 ||
        get_tile(base, tile->ref, decoded, &source, failure) < 0 ||
        container_resolve_copy(base, &source, decoded, failure) < 0 ||
        read_and_decode(base, decoder, &source, decoder->base_stored, decoder->base, decoded,
                        &error, failure) < 0)
        return -1;
    if (error)
        return base_failure(container, tile->ref, lwc_error_string(error), failure);
    decoder->scratch.base = decoder->base;
    return 0;
}

int container_read_tile(struct container *container, struct decoder *decoder,
                        const struct lwc_object *object, uint64_t index, uint8_t *stored,
                        uint8_t *out, struct failure *failure)
{
    uint32_t decoded;
    struct lwc_tile tile;
    enum lwc_error error;

    if (container_tile(container, object, index, &tile, failure) < 0)
        return -1;
    decoded = lwc_tile_length(object, index);
    if (container_resolve_copy(container, &tile, decoded, failure) < 0 ||
        container_load_base(container, decoder, &tile, decoded, failure) < 0 ||
        read_and_decode(container, decoder, &tile, stored, out, decoded, &error, failure) < 0)
        return -1;
    if (error == LWC_OK)
        return 0;
    return tile_failure(container, object, index, lwc_error_string(error), failure);
}

int container_decode_tile(struct container *container, struct decoder *decoder,
                          const struct lwc_object *object, uint64_t index,
                          const struct lwc_tile *tile, const uint8_t *stored, uint8_t *out,
                          struct failure *failure)
{
    uint32_t decoded = lwc_tile_length(object, index);
    enum lwc_error error = LWC_ERR_TRUNCATED;

    if (container_load_base(container, decoder, tile, decoded, failure) < 0)
        return -1;
    if (stored)
        error = decode(container, decoder, tile, stored, out, decoded);
    if (error == LWC_OK)
        return 0;
    return tile_failure(container, object, index, lwc_error_string(error), failure);
}
