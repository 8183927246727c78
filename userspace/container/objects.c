/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects of a container, as a whole: their tiles and their places in the arena. */
#include "reader.h"

#include <inttypes.h>

struct ends {
    uint64_t tiles, arena; /* of the objects before */
};

static const char *misplaced(const struct lwc_object *object, struct ends *ends)
{
    if (object->tile_count) {
        if (object->tile_first < ends->tiles)
            return "its tiles belong to another object, too";
        ends->tiles = object->tile_first + object->tile_count;
    }
    if (object->decoded_size && object->arena_offset != LWC_NO_ARENA) {
        if (object->arena_offset < ends->arena)
            return "its place in the arena is not behind those before";
        ends->arena = object->arena_offset + object->decoded_size;
    }
    return NULL;
}

int container_check_objects(struct container *container, struct failure *failure)
{
    char name[LWC_NAME_MAX + 1];
    struct ends ends = {0, 0};
    uint64_t weights = 0;

    for (uint64_t i = 0; i < container_count(container, LWC_TABLE_OBJECTS); i++) {
        struct lwc_object object;
        const char *problem;

        if (container_object(container, i, &object, failure) < 0 ||
            container_name(container, object.name_offset, object.name_length, name, failure) < 0)
            return -1;
        problem = misplaced(&object, &ends);
        if (problem)
            return fail(failure,
                        "%s: entry %" PRIu64 " of the objects table: %s; the file is damaged",
                        container_path(container), i, problem);
        if (object.name_length)
            weights += lwc_dtype_elements(object.dtype, object.decoded_size);
    }
    if (weights != container_superblock(container)->weights)
        return fail(failure, "%s: superblock: weights is not their number; the file is damaged",
                    container_path(container));
    return 0;
}
