/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: a container in which fields were changed. It is opened, all entries are looked
 * at and tiles decoded. Checksums of what was changed are made right first, so that the fuzzer gets
 * behind them.
 *
 * Input: which of the golden containers; then changes of five bytes and a value each, see
 * container_changes.h. A new golden container is a line at the end of templates[]. All have the
 * golden delta-base as base, and announce all features, so that any tile may become one of another
 * codec. Options: -max_len=256
 */
#include "container/reader.h"
#include "container_changes.h"
#include "memory_file.h"

#include <stdio.h>
#include <stdlib.h>

/* More take time and find nothing new. */
enum { ENTRIES = 64, DECODED = 1 << 14 };

static const char *const templates[] = {
    "copies", "directories", "literals",   "many-tiles",  "shapes", "two-generations",
    "grid",   "sparse",      "planes",     "levels-2222", "zstd",   "const",
    "raw",    "empty",       "full-tiles", "grids",       "split",  "blocks",
    "delta",
};

enum { TEMPLATES = sizeof(templates) / sizeof(*templates) };

static struct image images[TEMPLATES];
static struct decoder decoder;
static struct container *base;
static u8 *stored, *decoded;
static u64 runs, opened, tiles_read, tiles_good;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void template_path(char path[512], const char *name)
{
    const char *directory = getenv("FUZZ_TEMPLATES");

    snprintf(path, 512, "%s/%s.lwc", directory ? directory : "build-fuzz/templates", name);
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
    announce(image, container_slot(container), LWC_INCOMPAT_KNOWN);
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
    memory_file_data = copy;
    memory_file_size = copy_size;
    memory_file_length = copy_length;
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
