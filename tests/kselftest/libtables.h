/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of a container, read without the code of the project. */
#ifndef LIBTABLES_H
#define LIBTABLES_H

#include "libregion.h"

struct tables {
    const uint8_t *data;
    uint64_t size;
    const struct lwc_superblock *sb;
};
struct tables open_tables(const char *path);
const void *table_entry(const struct tables *tables, enum lwc_table table, uint64_t index);
uint64_t table_count(const struct tables *tables, enum lwc_table table);

/* A tile and where it lies in the ARENA view and in the container. */
struct tile {
    uint64_t start, length; /* in the view */
    uint64_t stored_at, stored;
};
/* All tiles of the ARENA view by their start; the count. */
uint64_t arena_tiles(const struct tables *tables, struct tile **tiles);
/*
 * The number-th tile of a size worth waiting for that fills whole pages by itself, counted from
 * the middle of the view: no other tile is decoded with it, and far from the start.
 */
struct tile lone_tile(const struct tables *tables, int number);

uint32_t crc32c(const void *data, size_t length);

#endif
