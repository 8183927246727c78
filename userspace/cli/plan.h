/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a container of a model will hold, before anything is encoded: files,
 * extents, objects with their tile geometry, and names.
 */
#ifndef LWC_PLAN_H
#define LWC_PLAN_H

#include "walk.h"
#include "kmod/codec/codec.h"

struct plan_object {
    struct lwc_object entry; /* without sha256 */
    size_t file;             /* index into the walk */
    uint64_t offset;         /* of its first byte in that file */
};

struct plan {
    struct walk walk;
    struct lwc_file *files; /* one for each file of the walk */
    struct plan_object *objects;
    size_t object_count;
    struct lwc_extent *extents;
    size_t extent_count;
    char *names;
    size_t names_size;
    uint64_t tile_count;
    uint64_t bytes_original;
    uint64_t weights;
    uint64_t arena_size;
};

/* 0, or -1 with a message; out is then empty. */
int plan_model(const char *model, struct plan *out, struct failure *failure);
void plan_free(struct plan *plan);

/* Decoded bytes of the tiles of a tensor; see LWC_TILE_TARGET. */
uint32_t plan_tile_bytes(uint16_t dtype, uint16_t ndim, const uint64_t *shape, uint64_t size);

#endif
