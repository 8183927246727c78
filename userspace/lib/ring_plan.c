/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring_plan.h"

#include <inttypes.h>
#include <stdlib.h>

struct planner {
    struct ring_plan *plan;
    size_t piece_capacity, place_capacity;
    uint64_t piece_bytes;
    uint32_t task_bytes;
    struct failure *failure;
};

static uint64_t up(uint64_t bytes)
{
    return (bytes + RING_PAGE - 1) / RING_PAGE * RING_PAGE;
}

int ring_plan_least(struct lwcmem_model *model, uint64_t *bytes, struct failure *failure)
{
    *bytes = RING_PAGE;
    for (size_t u = 0; u < model->unit_count; u++)
        for (size_t i = 0; i < model->units[u].count; i++) {
            const struct lwcmem_tensor *tensor = &model->units[u].tensors[i];
            uint64_t row = tensor->rows ? tensor->size / tensor->rows : 0, most;
            struct lwc_object object;

            if (container_object(model->container, tensor->object, &object, failure) < 0)
                return -1;
            /* a row that tiles cut lies in so many, or in one more */
            most = row && object.tile_bytes % row ? (row / object.tile_bytes + 2) : 1;
            most = up(most * object.tile_bytes) + 2 * RING_PAGE;
            if (most > *bytes)
                *bytes = most;
        }
    return 0;
}

static struct piece *new_piece(struct planner *planner, size_t unit)
{
    struct ring_plan *plan = planner->plan;

    if (plan->count == planner->piece_capacity) {
        size_t capacity = 2 * plan->count + 64;
        struct piece *grown = reallocarray(plan->pieces, capacity, sizeof(*grown));

        if (!grown) {
            fail(planner->failure, "out of memory for the ring");
            return NULL;
        }
        plan->pieces = grown;
        planner->piece_capacity = capacity;
    }
    plan->pieces[plan->count] = (struct piece){.unit = unit, .first_task = plan->tasks};
    return &plan->pieces[plan->count++];
}

static struct place *new_place(struct planner *planner, size_t *number)
{
    struct ring_plan *plan = planner->plan;

    if (*number == planner->place_capacity) {
        size_t capacity = 2 * *number + 64;
        struct place *grown = reallocarray(plan->places, capacity, sizeof(*grown));

        if (!grown) {
            fail(planner->failure, "out of memory for the ring");
            return NULL;
        }
        plan->places = grown;
        planner->place_capacity = capacity;
    }
    return &plan->places[(*number)++];
}

/* Rows from row on whose tiles fit into room bytes, all that are left if possible. */
static uint64_t rows_that_fit(const struct lwc_object *object, uint64_t row_bytes, uint64_t row,
                              uint64_t rows, uint64_t room)
{
    uint64_t tile = row * row_bytes / object->tile_bytes;
    uint64_t start = tile * object->tile_bytes, lead = start % RING_PAGE, end;

    if (room < lead)
        return 0;
    room -= lead;
    if (object->decoded_size - start <= room)
        return rows - row;
    end = (tile + room / object->tile_bytes) * object->tile_bytes / row_bytes;
    return end > row ? end - row : 0;
}

/* Put rows of the tensor at the end of the piece. */
static void fill_place(struct planner *planner, struct piece *piece, struct place *place)
{
    const struct lwc_object *object = place->object;
    uint64_t start = place->first_row * place->row_bytes;
    uint64_t end = start + place->rows * place->row_bytes;

    place->tile = start / object->tile_bytes;
    start = place->tile * object->tile_bytes;
    place->tiles = (end - start + object->tile_bytes - 1) / object->tile_bytes;
    end = start + place->tiles * object->tile_bytes;
    if (end > object->decoded_size)
        end = object->decoded_size;
    place->offset = piece->size + start % RING_PAGE;
    piece->size = up(place->offset + (end - start));
    place->task_tiles =
        object->tile_bytes < planner->task_bytes ? planner->task_bytes / object->tile_bytes : 1;
    place->first_task = piece->tasks;
    place->task_count = (place->tiles + place->task_tiles - 1) / place->task_tiles;
    piece->tasks += place->task_count;
    piece->count++;
    planner->plan->tasks += place->task_count;
    if (piece->size > planner->plan->largest)
        planner->plan->largest = piece->size;
}

/* From *row on, as many rows as the piece takes. 1, 0 if it takes none, -1. */
static int take_rows(struct planner *planner, struct piece *piece, struct place next, uint64_t rows,
                     uint32_t grain, size_t *places, uint64_t *row)
{
    uint64_t room = planner->piece_bytes > piece->size ? planner->piece_bytes - piece->size : 0;
    struct place *place;

    next.first_row = *row;
    next.rows = rows_that_fit(next.object, next.row_bytes, *row, rows, room);
    if (!next.rows && piece->count)
        return 0;
    if (!next.rows)
        next.rows = grain < rows - *row ? grain : rows - *row;
    place = new_place(planner, places);
    if (!place)
        return -1;
    *place = next;
    fill_place(planner, piece, place);
    *row += next.rows;
    return 1;
}

static int plan_unit(struct planner *planner, const struct lwcmem_unit *unit, size_t number,
                     const struct lwc_object *objects, size_t *places)
{
    struct piece *piece = new_piece(planner, number);

    for (size_t i = 0; i < unit->count && piece; i++) {
        const struct lwcmem_tensor *tensor = &unit->tensors[i];
        struct place next = {.tensor = i, .object = &objects[i]};

        next.row_bytes = tensor->rows ? objects[i].decoded_size / tensor->rows : 0;
        for (uint64_t row = 0; next.row_bytes && row < tensor->rows;) {
            int taken =
                take_rows(planner, piece, next, tensor->rows, tensor->row_grain, places, &row);

            if (taken < 0 || (!taken && !(piece = new_piece(planner, number))))
                return -1;
        }
    }
    if (!piece)
        return -1;
    piece->last = true;
    return piece->count ? 0 : fail(planner->failure, "a unit of the ring is empty");
}

static int read_objects(struct lwcmem_model *model, bool from_region, struct ring_plan *plan,
                        struct failure *failure)
{
    size_t total = 0;

    for (size_t u = 0; u < model->unit_count; u++)
        total += model->units[u].count;
    plan->objects = calloc(total + 1, sizeof(*plan->objects));
    if (!plan->objects)
        return fail(failure, "out of memory for the ring");
    total = 0;
    for (size_t u = 0; u < model->unit_count; u++)
        for (size_t i = 0; i < model->units[u].count; i++) {
            uint64_t index = model->units[u].tensors[i].object;
            struct lwc_object *object = &plan->objects[total++];

            if (container_object(model->container, index, object, failure) < 0)
                return -1;
            if (from_region && object->arena_offset == LWC_NO_ARENA)
                return fail(failure,
                            "%s: object %" PRIu64 " has no place in a region; get the file again",
                            container_path(model->container), index);
        }
    return 0;
}

int ring_plan_make(struct lwcmem_model *model, bool from_region, uint64_t piece_bytes,
                   uint32_t task_bytes, struct ring_plan *plan, struct failure *failure)
{
    struct planner planner = {
        .plan = plan, .piece_bytes = piece_bytes, .task_bytes = task_bytes, .failure = failure};
    size_t places = 0, object = 0;

    *plan = (struct ring_plan){0};
    if (read_objects(model, from_region, plan, failure) < 0)
        return -1;
    for (size_t u = 0; u < model->unit_count; u++) {
        if (plan_unit(&planner, &model->units[u], u, plan->objects + object, &places) < 0)
            return -1;
        object += model->units[u].count;
    }
    places = 0;
    for (size_t p = 0; p < plan->count; p++) {
        plan->pieces[p].places = plan->places + places;
        places += plan->pieces[p].count;
    }
    return 0;
}

void ring_plan_free(struct ring_plan *plan)
{
    free(plan->pieces);
    free(plan->places);
    free(plan->objects);
}
