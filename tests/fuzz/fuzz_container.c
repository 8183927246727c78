/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: open a container, look at every entry and decode every
 * tile. The crcs of superblocks and metadata blocks are made right first, so
 * that the fuzzer gets behind them.
 */
#include "container/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ENTRIES = 64 }; /* of each table: more take time and find nothing new */

static struct decoder decoder;
static u8 *stored, *decoded;
static int file = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct failure failure;

    (void)argc;
    (void)argv;
    stored = malloc(LWC_TILE_MAX);
    decoded = malloc(LWC_TILE_MAX);
    file = memfd_create("container", 0);
    if (!stored || !decoded || file < 0 || decoder_init(&decoder, 0, &failure) < 0)
        abort();
    return 0;
}

static void put_crc(u8 *at, u32 crc)
{
    for (int i = 0; i < 4; i++)
        at[i] = crc >> 8 * i;
}

/* Slots have their crc over bytes 16..4095, every other block over 4..4095. */
static void make_crcs_right(u8 *data, size_t size)
{
    for (size_t at = 0; at + LWC_BLOCK_SIZE <= size; at += LWC_BLOCK_SIZE) {
        if (at < LWC_DATA_START)
            put_crc(data + at + 8, lwc_crc32c(0, data + at + 16, LWC_BLOCK_SIZE - 16));
        else if (data[at + 4] < LWC_TABLES)
            put_crc(data + at, lwc_crc32c(0, data + at + 4, LWC_BLOCK_SIZE - 4));
    }
}

static void walk_objects(struct container *container)
{
    struct failure failure;
    struct lwc_object object;
    char name[LWC_NAME_MAX + 1];

    for (u64 i = 0; i < ENTRIES; i++) {
        if (container_object(container, i, &object, &failure) < 0)
            continue;
        container_name(container, object.name_offset, object.name_length, name, &failure);
        for (u64 t = 0; t < object.tile_count && t < ENTRIES; t++)
            container_read_tile(container, &decoder, &object, t, stored, decoded, &failure);
    }
}

static void walk_files(struct container *container)
{
    struct failure failure;
    struct lwc_file entry;
    char name[LWC_NAME_MAX + 1];

    for (u64 i = 0; i < ENTRIES; i++) {
        if (container_file(container, i, &entry, &failure) < 0)
            continue;
        container_name(container, entry.name_offset, entry.name_length, name, &failure);
        container_check_extents(container, &entry, &failure);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct failure failure;
    struct container *container;
    char path[64];
    u8 *copy = malloc(size + 1);

    if (!copy)
        return 0;
    memcpy(copy, data, size);
    make_crcs_right(copy, size);
    if (ftruncate(file, 0) < 0 || pwrite(file, copy, size, 0) != (ssize_t)size)
        abort();
    free(copy);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    container = container_open(path, &failure);
    if (!container)
        return 0;
    walk_objects(container);
    walk_files(container);
    container_check_blocks(container, &failure);
    container_close(container);
    return 0;
}
