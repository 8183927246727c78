/* SPDX-License-Identifier: BSD-3-Clause */
#include "compact.h"
#include "cli.h"
#include "container/usage.h"
#include "container/writer.h"

#include <stdlib.h>

struct compaction {
    struct container *container;
    struct writer *writer;
    void *tables[LWC_TABLES];
    struct usage usage;
    uint8_t *stored; /* LWC_TILE_MAX bytes */
};

int compact_gain(struct container *container, uint64_t *gain, struct failure *failure)
{
    const struct lwc_superblock *superblock = container_superblock(container);
    struct lwc_tile *tiles = container_table(container, LWC_TABLE_TILES, failure);
    struct usage usage;
    uint64_t needed;

    if (!tiles)
        return -1;
    if (usage_find(tiles, container_count(container, LWC_TABLE_TILES), &usage, failure) < 0) {
        free(tiles);
        return -1;
    }
    needed = usage_file_size(&usage, superblock);
    *gain = superblock->file_size > needed ? superblock->file_size - needed : 0;
    usage_free(&usage);
    free(tiles);
    return 0;
}

/* In the order of the tiles, as pack writes them: what belongs together lies together. */
static int copy_payloads(struct compaction *compaction, struct failure *failure)
{
    uint64_t count = container_count(compaction->container, LWC_TABLE_TILES);
    struct lwc_tile *tiles = compaction->tables[LWC_TABLE_TILES];

    for (uint64_t i = 0; i < count; i++) {
        uint64_t first = compaction->usage.first[i], offset;
        struct lwc_tile entry;

        if (first < i) {
            tiles[i].offset = tiles[first].offset;
            continue;
        }
        if (cli_check_interrupt(failure) < 0 ||
            container_stored_tile(compaction->container, i, &entry, compaction->stored, failure) <
                0 ||
            writer_payload(compaction->writer, compaction->stored, entry.stored, &offset, failure) <
                0)
            return -1;
        tiles[i].offset = offset;
        progress_add(entry.stored);
    }
    return 0;
}

static int finish(struct compaction *compaction, struct failure *failure)
{
    const struct lwc_superblock *superblock = container_superblock(compaction->container);
    const struct writer_totals totals = {
        .bytes_original = superblock->bytes_original,
        .weights = superblock->weights,
        .arena_size = superblock->arena_size,
        .incompat = superblock->incompat,
    };
    struct writer_table tables[LWC_TABLES];

    for (uint32_t i = 0; i < LWC_TABLES; i++)
        tables[i] =
            (struct writer_table){compaction->tables[i], container_count(compaction->container, i)};
    return writer_finish(compaction->writer, tables, &totals, failure);
}

static int compact(struct compaction *compaction, struct failure *failure)
{
    struct container *container = compaction->container;
    int result;

    for (uint32_t i = 0; i < LWC_TABLES; i++)
        if (!(compaction->tables[i] = container_table(container, i, failure)))
            return -1;
    compaction->stored = malloc(LWC_TILE_MAX);
    if (!compaction->stored)
        return fail(failure, "out of memory for a tile");
    if (usage_find(compaction->tables[LWC_TABLE_TILES], container_count(container, LWC_TABLE_TILES),
                   &compaction->usage, failure) < 0)
        return -1;
    compaction->writer = writer_replace(container, failure);
    if (!compaction->writer)
        return -1;
    progress_start("compacting", compaction->usage.bytes);
    result = copy_payloads(compaction, failure);
    progress_end();
    if (result < 0 || cli_check_interrupt(failure) < 0)
        return -1;
    return finish(compaction, failure);
}

int compact_container(struct container *container, struct failure *failure)
{
    struct compaction compaction = {.container = container};
    int result = compact(&compaction, failure);

    writer_free(compaction.writer);
    usage_free(&compaction.usage);
    free(compaction.stored);
    for (uint32_t i = 0; i < LWC_TABLES; i++)
        free(compaction.tables[i]);
    return result;
}
