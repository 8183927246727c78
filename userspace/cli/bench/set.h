/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A working set: the same tiles decoded and encoded in a few ways, all in one
 * mapping, laid out as a container and a plain file would.
 */
#ifndef LWC_BENCH_SET_H
#define LWC_BENCH_SET_H

#include "pages.h"
#include "team.h"
#include "tiles.h"

struct bench_set {
    struct bench_pages pages;
    size_t page_size; /* that all of it really has */
    size_t count;     /* tiles */
    size_t size;      /* decoded bytes */
    /* tiles[c][i]: tile i, decoded and encoded in way c */
    struct bench_tile *tiles[BENCH_STRUCTURES_MAX];
    size_t codes;
};

/*
 * count tiles, those of data again and again, encoded in the `codes` ways of
 * coded. Each worker of the team touches its part of the tiles first
 * (bench_part). Without enough huge pages all of it gets small ones, with a
 * note on stderr. Checks that each tile decodes to what it was.
 */
int bench_set_make(struct bench_set *set, const struct bench_data *data,
                   const struct bench_coded *coded, size_t codes, size_t count, size_t page_size,
                   struct bench_team *team, struct failure *failure);
void bench_set_free(struct bench_set *set); /* zeroed: allowed */

/* The tiles that belong to a worker. */
void bench_part(size_t count, const struct bench_worker *worker, size_t *first, size_t *end);

/* Bytes that no cache of the CPUs of this process holds: several times their L3 caches. */
size_t bench_beyond_caches(void);

/* Tiles of length bytes that stay in half of a core's L2 cache; 1 at least. */
size_t bench_tiles_in_cache(uint32_t length);

#endif
