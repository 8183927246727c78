/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * huge OUT.lwc SHARDS TENSORS TILES: a container of so many files with so many tensors each, of so
 * many tiles of 128 KiB each: zeroes, all with the same payload. Its tables are sound but for the
 * sha256, which nobody computes over terabytes here.
 */
#include "kmod/codec/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *out;
static u64 end = LWC_DATA_START;
static struct lwc_superblock superblock = {.magic = LWC_MAGIC,
                                           .version = LWC_VERSION,
                                           .generation = 1,
                                           .payload_align = LWC_PAYLOAD_ALIGN,
                                           .incompat = 0};
static u64 shards, tensors, tiles;

static void put(u64 offset, const void *data, size_t size)
{
    if (fseek(out, (long)offset, SEEK_SET) || fwrite(data, size, 1, out) != 1) {
        perror("huge");
        exit(1);
    }
}

static u64 tensor_bytes(void)
{
    return tiles * LWC_TILE_TARGET;
}

static void file_entry(u64 index, void *entry)
{
    *(struct lwc_file *)entry = (struct lwc_file){.name_offset = index * 8,
                                                  .name_length = 8,
                                                  .kind = LWC_FILE_REGULAR,
                                                  .mode = 0644,
                                                  .size = tensors * tensor_bytes(),
                                                  .extent_first = index * tensors,
                                                  .extent_count = tensors};
}

static void extent_entry(u64 index, void *entry)
{
    *(struct lwc_extent *)entry = (struct lwc_extent){
        .file_offset = index % tensors * tensor_bytes(), .length = tensor_bytes(), .object = index};
}

static void object_entry(u64 index, void *entry)
{
    *(struct lwc_object *)entry = (struct lwc_object){.name_offset = index / tensors * 8,
                                                      .name_length = 8,
                                                      .dtype = LWC_DTYPE_BF16,
                                                      .ndim = 2,
                                                      .shape = {tiles, LWC_TILE_TARGET / 2},
                                                      .decoded_size = tensor_bytes(),
                                                      .arena_offset = index * tensor_bytes(),
                                                      .tile_first = index * tiles,
                                                      .tile_count = tiles,
                                                      .tile_bytes = LWC_TILE_TARGET};
}

static void tile_entry(u64 index, void *entry)
{
    static const u8 zero[2];

    (void)index;
    *(struct lwc_tile *)entry = (struct lwc_tile){.offset = LWC_DATA_START,
                                                  .stored = sizeof(zero),
                                                  .crc = lwc_crc32c(0, zero, sizeof(zero)),
                                                  .chain = {LWC_CODEC_CONST}};
}

static void name_entry(u64 index, void *entry)
{
    u64 number = index / 8;

    for (u64 digit = index % 8; digit < 7; digit++)
        number /= 10;
    *(char *)entry = (char)('0' + number % 10);
}

static void table(u32 number, u64 count, void (*fill)(u64 index, void *entry))
{
    u32 size = lwc_table_entry_size(number), per_block = LWC_BLOCK_PAYLOAD / size;
    struct lwc_block block;

    superblock.tables[number] =
        (struct lwc_table_ref){.offset = count ? end : 0, .count = count, .entry_size = size};
    for (u64 done = 0; done < count; done += per_block) {
        memset(&block, 0, sizeof(block));
        block.table = number;
        block.index = done / per_block;
        for (u64 i = 0; i < per_block && done + i < count; i++)
            fill(done + i, block.payload + i * size);
        block.crc = lwc_crc32c(0, (const u8 *)&block + 4, sizeof(block) - 4);
        put(end, &block, sizeof(block));
        end += sizeof(block);
    }
}

int main(int argc, char **argv)
{
    static const u8 page[LWC_BLOCK_SIZE];

    if (argc != 5 || !(out = fopen(argv[1], "wb")))
        return 2;
    shards = strtoull(argv[2], NULL, 10);
    tensors = strtoull(argv[3], NULL, 10);
    tiles = strtoull(argv[4], NULL, 10);
    put(end, page, sizeof(page));
    end += sizeof(page);
    table(LWC_TABLE_FILES, shards, file_entry);
    table(LWC_TABLE_EXTENTS, shards * tensors, extent_entry);
    table(LWC_TABLE_OBJECTS, shards * tensors, object_entry);
    table(LWC_TABLE_TILES, shards * tensors * tiles, tile_entry);
    table(LWC_TABLE_DEPS, 0, NULL);
    table(LWC_TABLE_NAMES, shards * 8, name_entry);
    superblock.file_size = end;
    superblock.arena_size = superblock.bytes_original = shards * tensors * tensor_bytes();
    superblock.weights = superblock.bytes_original / 2;
    superblock.crc = lwc_crc32c(0, (const u8 *)&superblock + 16, sizeof(superblock) - 16);
    put(0, &superblock, sizeof(superblock));
    return fclose(out) ? 1 : 0;
}
