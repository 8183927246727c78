/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: a container in which fields were changed. It is opened, all entries are looked
 * at and tiles decoded. Checksums of what was changed are made right first, so that the fuzzer gets
 * behind them.
 *
 * Input: which of the golden containers; then changes of five bytes and a value each, see change().
 * A new golden container is a line at the end of templates[]. All have the golden delta-base as
 * base, and announce all features, so that any tile may become one of another codec.
 * Options: -max_len=256
 */
#include "container/reader.h"
#include "memory_file.h"

#include <stdio.h>
#include <stdlib.h>

/* More take time and find nothing new. */
enum { ENTRIES = 64, CHANGES = 16, TOUCHED = CHANGES + 2, DECODED = 1 << 14 };

static const char *const templates[] = {
    "copies", "directories", "literals",   "many-tiles",  "shapes", "two-generations",
    "grid",   "sparse",      "planes",     "levels-2222", "zstd",   "const",
    "raw",    "empty",       "full-tiles", "grids",       "split",  "blocks",
    "delta",
};

enum { TEMPLATES = sizeof(templates) / sizeof(*templates) };

struct image {
    u8 *data;
    size_t size;
    struct lwc_superblock superblock; /* of the template */
};

static struct image images[TEMPLATES];
static u8 *copy;
static size_t blocks_touched[TOUCHED], touched;
static struct decoder decoder;
static struct container *base;
static u8 *stored, *decoded;
static u64 runs, opened, tiles_read, tiles_good;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_crc(u8 *at, u32 crc)
{
    memcpy(at, &crc, sizeof(crc));
}

static void template_path(char path[512], const char *name)
{
    const char *directory = getenv("FUZZ_TEMPLATES");

    snprintf(path, 512, "%s/%s.lwc", directory ? directory : "build-fuzz/templates", name);
}

static void announce_all(struct image *image, unsigned int slot)
{
    u8 *at = image->data + slot * LWC_SUPERBLOCK_SIZE;

    image->superblock.incompat = LWC_INCOMPAT_KNOWN;
    memcpy(at, &image->superblock, sizeof(image->superblock));
    put_crc(at + offsetof(struct lwc_superblock, crc),
            lwc_crc32c(0, at + 16, LWC_SUPERBLOCK_SIZE - 16));
}

static void load(struct image *image, const char *name)
{
    struct container *container;
    struct failure failure;
    char path[512];
    FILE *file;
    long size;

    template_path(path, name);
    file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) < 0 || (size = ftell(file)) < 0) {
        fprintf(stderr, "%s: cannot read; tests/fuzz/run.sh writes it\n", path);
        exit(1);
    }
    rewind(file);
    image->size = (size_t)size;
    image->data = malloc(image->size);
    if (!image->data || fread(image->data, 1, image->size, file) != image->size)
        abort();
    fclose(file);
    container = container_open(path, &failure);
    if (!container)
        abort();
    image->superblock = *container_superblock(container);
    announce_all(image, container_slot(container));
    container_close(container);
}

static void print_statistics(void)
{
    if (runs)
        fprintf(stderr, "containers: %lu, %.1f %% opened; tiles: %lu, %.1f %% decoded\n",
                (unsigned long)runs, 100.0 * (double)opened / (double)runs,
                (unsigned long)tiles_read, 100.0 * (double)tiles_good / (double)(tiles_read + 1));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct failure failure;
    char base_path[512];
    size_t largest = 0;

    (void)argc;
    (void)argv;
    for (int i = 0; i < TEMPLATES; i++) {
        load(&images[i], templates[i]);
        largest = images[i].size > largest ? images[i].size : largest;
    }
    template_path(base_path, "delta-base");
    base = container_open(base_path, &failure);
    if (!base)
        abort();
    copy = malloc(largest);
    stored = malloc(LWC_TILE_MAX);
    decoded = malloc(LWC_TILE_MAX);
    if (!copy || !stored || !decoded || decoder_init(&decoder, 0, &failure) < 0)
        abort();
    atexit(print_statistics);
    return 0;
}

static void touch(size_t block)
{
    for (size_t i = 0; i < touched; i++)
        if (blocks_touched[i] == block)
            return;
    if (touched < TOUCHED)
        blocks_touched[touched++] = block;
}

/* Byte of an entry of a table of the template. */
static size_t place(const struct image *image, u32 table, u64 index, u32 byte)
{
    const struct lwc_table_ref *ref = &image->superblock.tables[table];
    struct lwc_block_position at;

    if (!ref->count)
        return 0;
    at = lwc_table_position(ref->entry_size, index % ref->count);
    touch((size_t)(ref->offset + at.block * LWC_BLOCK_SIZE));
    return (size_t)(ref->offset + at.block * LWC_BLOCK_SIZE) + LWC_BLOCK_HEADER + at.offset +
           byte % ref->entry_size;
}

/* The stored bytes of the tile, whose crc is to be right afterwards. */
static size_t payload(const struct image *image, u64 index, u32 byte)
{
    size_t entry = place(image, LWC_TABLE_TILES, index, 0);
    struct lwc_tile tile;

    if (!entry)
        return 0;
    memcpy(&tile, copy + entry, sizeof(tile));
    if (!tile.stored || tile.stored > image->size || tile.offset > image->size - tile.stored)
        return 0;
    return (size_t)tile.offset +
           (byte & 0x8000 ? tile.stored - 1 - byte % 64 % tile.stored : byte % tile.stored);
}

static void repair_tile(const struct image *image, u64 index)
{
    size_t entry = place(image, LWC_TABLE_TILES, index, 0);
    struct lwc_tile tile;

    if (!entry)
        return;
    memcpy(&tile, copy + entry, sizeof(tile));
    if (tile.offset <= image->size && tile.stored <= image->size - tile.offset)
        put_crc(copy + entry + 12, lwc_crc32c(0, copy + tile.offset, tile.stored));
}

/* Another size of an object, and all that follows from it, so that it is believed. */
static void resize(const struct image *image, u64 index, u64 elements, bool one_tile)
{
    size_t at = place(image, LWC_TABLE_OBJECTS, index, 0);
    struct lwc_object object;

    if (!at)
        return;
    memcpy(&object, copy + at, sizeof(object));
    object.decoded_size = elements * (lwc_dtype_size(object.dtype) + !lwc_dtype_size(object.dtype));
    object.ndim = object.name_length != 0;
    object.shape[0] = elements;
    if (one_tile)
        object.tile_bytes = (u32)object.decoded_size;
    if (object.tile_bytes)
        object.tile_count = (object.decoded_size + object.tile_bytes - 1) / object.tile_bytes;
    if (object.arena_offset != LWC_NO_ARENA)
        object.arena_offset = 0;
    memcpy(copy + at, &object, sizeof(object));
}

/*
 * what: target in the low nibble, width of the value and whether it is added, not put; index: of an
 * entry, block or slot; byte in it.
 */
static void change(const struct image *image, u8 what, u32 index, u32 byte, u64 value)
{
    u32 target = what & 15, width = 1u << (what >> 4 & 3);
    size_t at;
    u64 before = 0;

    if (target < LWC_TABLES) {
        at = place(image, target, index, byte);
    } else if (target < 8) { /* fields of a superblock, rarely a reserved byte */
        at = (index & 1) * LWC_SUPERBLOCK_SIZE + byte % (index & 2 ? LWC_SUPERBLOCK_SIZE : 248);
        touch((index & 1) * LWC_SUPERBLOCK_SIZE);
    } else if (target == 8) { /* header of a block */
        at = place(image, byte % LWC_TABLES, index, 0);
        at = at / LWC_BLOCK_SIZE * LWC_BLOCK_SIZE + value % LWC_BLOCK_HEADER;
    } else if (target == 9) { /* a byte whose checksum nobody makes right */
        at = (index << 16 | byte) % image->size;
    } else { /* mostly the header of a codec */
        at = payload(image, index, target & 1 ? byte : byte & 0x7f);
    }
    if (!at || at + width > image->size)
        return;
    memcpy(&before, copy + at, width);
    value = what & 0x40 ? before + value : value;
    memcpy(copy + at, &value, width);
    if (target >= 10 || (target == LWC_TABLE_TILES && !(what & 0x80)))
        repair_tile(image, index);
}

static void apply(const struct image *image, const uint8_t *data, size_t size)
{
    touched = 0;
    memcpy(copy, image->data, image->size);
    memory_file_size = memory_file_length = image->size;
    for (int i = 0; i < CHANGES && size >= 6; i++) {
        size_t width = (size_t)1 << (data[0] >> 4 & 3), have = size - 5 < width ? size - 5 : width;
        u64 value = 0;

        memcpy(&value, data + 5, have);
        if ((data[0] & 0xcf) == 0x8f) /* cut, or not readable from there on */
            *(value & 1 ? &memory_file_size : &memory_file_length) = value / 2 % (image->size + 1);
        else if ((data[0] & 15) == 15)
            resize(image, data[1], value & 0x7ffff, data[0] & 0x40);
        else
            change(image, data[0], data[1] | (u32)data[2] << 8, data[3] | (u32)data[4] << 8, value);
        data += 5 + have;
        size -= 5 + have;
    }
    for (size_t i = 0; i < touched; i++) {
        u8 *block = copy + blocks_touched[i];
        bool slot = blocks_touched[i] < LWC_DATA_START;

        put_crc(block + (slot ? 8 : 0),
                lwc_crc32c(0, block + (slot ? 16 : 4), LWC_BLOCK_SIZE - (slot ? 16 : 4)));
    }
    if (memory_file_length > memory_file_size)
        memory_file_length = memory_file_size;
    memory_file_data = copy;
}

static void walk_objects(struct container *container)
{
    struct lwc_tile run[CONTAINER_TILE_RUN];
    struct failure failure;
    struct lwc_object object;
    char name[LWC_NAME_MAX + 1];
    u64 bytes = 0;

    for (u64 i = 0; i < ENTRIES && i < container_count(container, LWC_TABLE_OBJECTS); i++) {
        if (container_object(container, i, &object, &failure) < 0)
            continue;
        container_name(container, object.name_offset, object.name_length, name, &failure);
        container_tile_run(container, &object, 0, run, &failure);
        for (u64 t = 0; t < object.tile_count && t < ENTRIES && bytes < DECODED; t++) {
            bytes += lwc_tile_length(&object, t);
            tiles_read++;
            tiles_good += container_read_tile(container, &decoder, &object, t, stored, decoded,
                                              &failure) == 0;
        }
    }
}

static void walk_files(struct container *container)
{
    struct failure failure;
    struct lwc_file entry;
    char name[LWC_NAME_MAX + 1];

    for (u64 i = 0; i < ENTRIES && i < container_count(container, LWC_TABLE_FILES); i++) {
        if (container_file(container, i, &entry, &failure) < 0)
            continue;
        container_file_name(container, &entry, name, &failure);
        container_check_extents(container, &entry, &failure);
    }
}

/* As patch does it: without an object. */
static void walk_tiles(struct container *container)
{
    struct failure failure;
    struct lwc_tile tile;

    for (u64 i = 0; i < 8 && i < container_count(container, LWC_TABLE_TILES); i++)
        if (container_stored_tile(container, i, &tile, stored, &failure) == 0)
            container_resolve_copy(container, &tile, LWC_TILE_MAX, &failure);
    free(container_table(container, LWC_TABLE_TILES, &failure));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct failure failure;
    struct container *container;

    if (!size)
        return 0;
    apply(&images[data[0] % TEMPLATES], data + 1, size - 1);
    runs++;
    container = container_open(MEMORY_FILE_PATH, &failure);
    if (!container)
        return 0;
    opened++;
    container_set_base(container, base);
    walk_objects(container);
    walk_files(container);
    walk_tiles(container);
    container_check_files(container, &failure);
    container_check_objects(container, &failure);
    container_check_blocks(container, &failure);
    container_set_base(container, NULL); /* which closing would close */
    container_close(container);
    return 0;
}
