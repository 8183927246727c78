/* SPDX-License-Identifier: BSD-3-Clause */
/* Tiles of the files of a model, as one thread reads them. */
#ifndef LWC_SOURCE_H
#define LWC_SOURCE_H

#include "plan.h"

struct source {
    const struct plan *plan;
    uint8_t *data; /* LWC_TILE_MAX bytes: the tile read last */
    int fd;
    size_t file; /* that fd belongs to */
};

/* 0 or -1 without memory; source_free in both cases. */
int source_init(struct source *source, const struct plan *plan);
void source_free(struct source *source); /* also of a zeroed one */

/* Read tile index (0..tile_count-1) of the object. 0, or -1 with a message. */
int source_read(struct source *source, const struct plan_object *object, uint64_t index,
                struct failure *failure);

#endif
