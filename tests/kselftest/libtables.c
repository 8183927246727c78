/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtables.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct tables open_tables(const char *path)
{
    struct tables tables = {};
    const struct lwc_superblock *slot;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat stat;

    CHECK(fd >= 0, "%s: %m", path);
    CHECK_OK(fstat(fd, &stat));
    tables.size = stat.st_size;
    tables.data = CHECK_OK(mmap(NULL, tables.size, PROT_READ, MAP_PRIVATE, fd, 0));
    close(fd);
    tables.sb = slot = (const void *)tables.data;
    if (slot[1].generation > slot[0].generation)
        tables.sb = &slot[1];
    return tables;
}

uint64_t table_count(const struct tables *tables, enum lwc_table table)
{
    return tables->sb->tables[table].count;
}

const void *table_entry(const struct tables *tables, enum lwc_table table, uint64_t index)
{
    const struct lwc_table_ref *ref = &tables->sb->tables[table];
    uint64_t per_block = LWC_BLOCK_PAYLOAD / ref->entry_size;

    CHECK(index < ref->count, "no entry %llu in table %d", (unsigned long long)index, table);
    return tables->data + ref->offset + index / per_block * LWC_BLOCK_SIZE + LWC_BLOCK_HEADER +
           index % per_block * ref->entry_size;
}

static void object_tiles(const struct tables *tables, const struct lwc_object *object,
                         struct tile *tiles)
{
    for (uint64_t i = 0; i < object->tile_count; i++) {
        const struct lwc_tile *entry = table_entry(tables, LWC_TABLE_TILES, object->tile_first + i);
        uint64_t at = i * object->tile_bytes, rest = object->decoded_size - at;

        tiles[i].start = object->arena_offset + at;
        tiles[i].length = rest < object->tile_bytes ? rest : object->tile_bytes;
        tiles[i].stored_at = entry->offset;
        tiles[i].stored = entry->stored;
    }
}

uint64_t arena_tiles(const struct tables *tables, struct tile **tiles)
{
    uint64_t count = 0;

    *tiles = calloc(table_count(tables, LWC_TABLE_TILES) + 1, sizeof(**tiles));
    CHECK(*tiles, "no memory");
    for (uint64_t i = 0; i < table_count(tables, LWC_TABLE_OBJECTS); i++) {
        const struct lwc_object *object = table_entry(tables, LWC_TABLE_OBJECTS, i);

        if (object->arena_offset == LWC_NO_ARENA)
            continue;
        object_tiles(tables, object, *tiles + count);
        count += object->tile_count;
    }
    return count;
}

struct tile lone_tile(const struct tables *tables, int number)
{
    struct tile *tiles, found = {};
    uint64_t count = arena_tiles(tables, &tiles);
    int seen = 0;

    for (uint64_t i = count / 2; i < count; i++) {
        if (tiles[i].start % PAGE || tiles[i].length % PAGE || tiles[i].stored < 8 * PAGE ||
            seen++ < number)
            continue;
        found = tiles[i];
        break;
    }
    free(tiles);
    CHECK(found.length, "the model has too few tiles of whole pages");
    return found;
}

uint32_t crc32c(const void *data, size_t length)
{
    const uint8_t *bytes = data;
    uint32_t crc = ~0u;

    while (length--) {
        crc ^= *bytes++;
        for (int i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}
