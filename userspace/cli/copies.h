/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tiles that are stored already. An equal tile becomes a COPY of the first one;
 * equality is proved by comparing the stored bytes, not believed from a hash.
 * One thread at a time.
 */
#ifndef LWC_COPIES_H
#define LWC_COPIES_H

#include "container/writer.h"

struct copies;

struct copies *copies_new(void);
void copies_free(struct copies *copies);

/* Remember tile index, whose entry says all but ref. 0 or -1 without memory. */
int copies_add(struct copies *copies, uint64_t index, const struct lwc_tile *entry,
               uint32_t decoded);

/*
 * If the tile (entry with offset 0 if it has none yet, stored bytes in data)
 * equals one that was added, turn entry into a COPY of it. tiles: the entries added, by index.
 * 1 turned, 0 not, -1 with a message.
 */
int copies_find(struct copies *copies, struct writer *writer, const struct lwc_tile *tiles,
                struct lwc_tile *entry, const uint8_t *data, uint32_t decoded,
                struct failure *failure);

#endif
