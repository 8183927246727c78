/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changes of a container that know its structure: a field gets another value, and the checksums are
 * made right afterwards, so that readers believe it. For code that is linked with the codec.
 */
#ifndef FUZZ_CONTAINER_CHANGES_H
#define FUZZ_CONTAINER_CHANGES_H

#include "codec/codec.h"

#include <stddef.h>
#include <string.h>

enum { CHANGES = 16, TOUCHED = CHANGES + 2 };

struct image {
    u8 *data;
    size_t size;
    struct lwc_superblock superblock; /* of the template */
};

static u8 *copy;           /* of an image, changed; as large as the largest */
static u64 copy_size;      /* as fstat is to say */
static size_t copy_length; /* bytes that there are, at most copy_size */
static size_t blocks_touched[TOUCHED], touched;

static void put_crc(u8 *at, u32 crc)
{
    memcpy(at, &crc, sizeof(crc));
}

/* Any tile may become one of another codec. */
static void announce(struct image *image, unsigned int slot, u64 features)
{
    u8 *at = image->data + slot * LWC_SUPERBLOCK_SIZE;

    image->superblock.incompat = features;
    memcpy(at, &image->superblock, sizeof(image->superblock));
    put_crc(at + offsetof(struct lwc_superblock, crc),
            lwc_crc32c(0, at + 16, LWC_SUPERBLOCK_SIZE - 16));
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
    copy_size = copy_length = image->size;
    for (int i = 0; i < CHANGES && size >= 6; i++) {
        size_t width = (size_t)1 << (data[0] >> 4 & 3), have = size - 5 < width ? size - 5 : width;
        u64 value = 0;

        memcpy(&value, data + 5, have);
        if ((data[0] & 0xcf) == 0x8f) /* cut, or not readable from there on */
            *(value & 1 ? &copy_size : &copy_length) = value / 2 % (image->size + 1);
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
    if (copy_length > copy_size)
        copy_length = copy_size;
}

#endif
