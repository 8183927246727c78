/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the units of every pass are cut into pieces: what is in the ring or not.
 * A piece is a run of whole rows, of one tensor of a unit or of several in a row.
 */
#ifndef LWC_LIB_RING_PLAN_H
#define LWC_LIB_RING_PLAN_H

#include "model.h"

#define RING_PAGE 4096u /* reads past the page cache are of whole pages */

/* Rows of a tensor in a piece, by the tiles that hold them. */
struct place {
    size_t tensor; /* of the unit */
    const struct lwc_object *object;
    uint64_t first_row, rows, row_bytes;
    uint64_t tile, tiles;
    uint64_t offset; /* of the first tile, in the piece; in its page like that of the arena */
    uint64_t first_task, task_count;
    uint64_t task_tiles; /* in each of them but the last */
};

struct piece {
    size_t unit;
    bool last; /* of the unit */
    struct place *places;
    size_t count;
    uint64_t size; /* whole pages */
    uint64_t tasks;
    uint64_t first_task; /* of the pass */
};

struct ring_plan {
    struct piece *pieces;
    size_t count;
    struct place *places; /* of all pieces */
    struct lwc_object *objects;
    uint64_t largest; /* piece */
    uint64_t tasks;   /* of a pass */
};

/* No piece has to be larger than this, whatever is asked for. */
int ring_plan_least(struct lwcmem_model *model, uint64_t *bytes, struct failure *failure);

/*
 * Pieces of at most piece_bytes, or of what cannot be smaller; tasks of at most
 * task_bytes, or a tile. To be freed after a failure, too. All of them begin in
 * a page with nobody's bytes before them.
 */
int ring_plan_make(struct lwcmem_model *model, bool from_region, uint64_t piece_bytes,
                   uint32_t task_bytes, struct ring_plan *plan, struct failure *failure);
void ring_plan_free(struct ring_plan *plan);

#endif
