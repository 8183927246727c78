/* SPDX-License-Identifier: BSD-3-Clause */
#include "survey.h"
#include "container/format_names.h"
#include "cli.h"
#include "contents.h"
#include "parallel.h"
#include "encode/bound.h"
#include "readers/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Kinds of tiles that are told apart: chain and param in one number. */
#define KINDS (LWC_CODECS * LWC_CODECS * 16)

struct surveyor {
    struct container *container;
    struct survey *survey;
    struct contents_reader *readers;
    uint64_t *objects; /* index of each tensor of the survey */
};

static unsigned int kind_of(const struct lwc_tile *tile)
{
    return ((unsigned int)tile->chain[0] * LWC_CODECS + tile->chain[1]) * 16 + tile->param % 16;
}

static void describe(unsigned int kind, char text[32])
{
    static const char *const names[LWC_CODECS] = {"",
                                                  "RAW",
                                                  "CONST",
                                                  "ZSTD",
                                                  "LEVELS",
                                                  "PLANES",
                                                  "COPY",
                                                  "SPARSE",
                                                  "GRID",
                                                  "SPLIT",
                                                  [LWC_CODEC_DELTA] = "DELTA"};
    unsigned int outer = kind / 16 / LWC_CODECS, inner = kind / 16 % LWC_CODECS;

    if (outer == LWC_CODEC_LEVELS)
        snprintf(text, 32, "LEVELS %s", lwc_structure_name(kind % 16));
    else if (inner == LWC_CODEC_LEVELS)
        snprintf(text, 32, "%s+LEVELS %s", names[outer], lwc_structure_name(kind % 16));
    else
        snprintf(text, 32, "%s%s%s", names[outer], inner ? "+" : "", names[inner]);
}

static int by_tiles(const void *left, const void *right)
{
    const struct survey_codec *a = left, *b = right;

    if (a->tiles != b->tiles)
        return a->tiles < b->tiles ? 1 : -1;
    return strcmp(a->name, b->name);
}

/* The kinds that occur, as codecs of the tensor. */
static int list_codecs(const uint32_t counts[KINDS], struct survey_tensor *tensor,
                       struct failure *failure)
{
    size_t count = 0;

    for (unsigned int kind = 0; kind < KINDS; kind++)
        count += counts[kind] > 0;
    tensor->codecs = calloc(count + 1, sizeof(*tensor->codecs));
    if (!tensor->codecs)
        return fail(failure, "out of memory for the list of codecs");
    for (unsigned int kind = 0; kind < KINDS; kind++)
        if (counts[kind]) {
            describe(kind, tensor->codecs[tensor->codec_count].name);
            tensor->codecs[tensor->codec_count++].tiles = counts[kind];
        }
    qsort(tensor->codecs, tensor->codec_count, sizeof(*tensor->codecs), by_tiles);
    return 0;
}

static int count_tiles(struct surveyor *surveyor, const struct lwc_object *object,
                       struct survey_tensor *tensor, struct failure *failure)
{
    uint32_t counts[KINDS] = {0};

    for (uint64_t i = 0; i < object->tile_count;) {
        struct lwc_tile tiles[CONTAINER_TILE_RUN];
        int run = container_tile_run(surveyor->container, object, i, tiles, failure);

        if (run < 0)
            return -1;
        i += (uint64_t)run;
        for (const struct lwc_tile *tile = tiles; tile < tiles + run; tile++) {
            tensor->stored += sizeof(*tile);
            if (tile->chain[0] != LWC_CODEC_COPY)
                tensor->stored += tile->stored;
            counts[kind_of(tile)]++;
        }
    }
    return list_codecs(counts, tensor, failure);
}

static int survey_object(struct surveyor *surveyor, uint64_t index, struct failure *failure)
{
    struct survey_tensor *tensor = &surveyor->survey->tensors[surveyor->survey->count];
    char name[LWC_NAME_MAX + 1];
    struct lwc_object object;

    if (container_object(surveyor->container, index, &object, failure) < 0)
        return -1;
    if (!object.name_length)
        return 0;
    if (container_name(surveyor->container, object.name_offset, object.name_length, name, failure) <
        0)
        return -1;
    tensor->name = strdup(name);
    if (!tensor->name)
        return fail(failure, "out of memory for the list of tensors");
    surveyor->objects[surveyor->survey->count++] = index;
    tensor->dtype = dtype_name(object.dtype);
    tensor->ndim = object.ndim;
    for (uint16_t i = 0; i < object.ndim; i++)
        tensor->shape[i] = object.shape[i];
    tensor->weights = lwc_dtype_elements(object.dtype, object.decoded_size);
    tensor->bound_bits = -1;
    return count_tiles(surveyor, &object, tensor, failure);
}

struct bound_sum {
    uint16_t dtype;
    double bits;
};

static int add_bound(void *context, uint64_t offset, const uint8_t *data, size_t size,
                     struct failure *failure)
{
    struct bound_sum *sum = context;

    (void)offset;
    (void)failure;
    sum->bits += tile_bound_bits(sum->dtype, data, size);
    progress_add(size);
    return 0;
}

static int bound_task(struct parallel *parallel, void *context, unsigned int worker, uint64_t index,
                      struct failure *failure)
{
    struct surveyor *surveyor = context;
    struct survey_tensor *tensor = &surveyor->survey->tensors[index];
    struct bound_sum sum = {0};
    struct lwc_object object;

    (void)parallel;
    if (container_object(surveyor->container, surveyor->objects[index], &object, failure) < 0)
        return -1;
    if (tile_bound_bits(object.dtype, NULL, 0) < 0)
        return 0;
    sum.dtype = object.dtype;
    if (contents_object(surveyor->container, &surveyor->readers[worker], &object, add_bound, &sum,
                        failure) < 0)
        return -1;
    tensor->bound_bits = sum.bits;
    return 0;
}

static int find_bounds(struct surveyor *surveyor, unsigned int threads, struct failure *failure)
{
    int result;

    surveyor->readers = contents_readers_new(threads, failure);
    if (!surveyor->readers)
        return -1;
    progress_start("computing bounds", surveyor->survey->bytes_original);
    result = parallel_run(threads, surveyor->survey->count, bound_task, surveyor, failure);
    progress_end();
    return result;
}

static void sum_up(struct survey *survey)
{
    uint64_t stored = 0, bound_stored = 0;
    double bound = 0;

    for (size_t i = 0; i < survey->count; i++) {
        const struct survey_tensor *tensor = &survey->tensors[i];

        stored += tensor->stored;
        if (tensor->bound_bits < 0)
            continue;
        bound_stored += tensor->stored;
        bound += tensor->bound_bits;
        survey->bound_weights += tensor->weights;
    }
    survey->bits_per_weight = survey->bound_bits_per_weight = survey->bound_stored_per_weight = -1;
    if (survey->weights)
        survey->bits_per_weight = 8.0 * (double)stored / (double)survey->weights;
    if (survey->bound_weights) {
        survey->bound_bits_per_weight = bound / (double)survey->bound_weights;
        survey->bound_stored_per_weight =
            8.0 * (double)bound_stored / (double)survey->bound_weights;
    }
}

static int name_container(struct surveyor *surveyor, struct failure *failure)
{
    struct container *container = surveyor->container;
    struct lwc_dep dep;

    uuid_text(container_superblock(container)->uuid, surveyor->survey->uuid);
    verity_text(container_fd(container), surveyor->survey->verity);
    if (!container_count(container, LWC_TABLE_DEPS))
        return 0;
    if (container_dep(container, 0, &dep, failure) < 0)
        return -1;
    uuid_text(dep.uuid, surveyor->survey->base);
    return 0;
}

static int survey_tensors(struct surveyor *surveyor, bool bounds, unsigned int threads,
                          struct failure *failure)
{
    const struct lwc_superblock *superblock = container_superblock(surveyor->container);
    uint64_t objects = container_count(surveyor->container, LWC_TABLE_OBJECTS);
    struct survey *survey = surveyor->survey;

    survey->files = container_count(surveyor->container, LWC_TABLE_FILES);
    survey->bytes_original = superblock->bytes_original;
    survey->bytes_stored = superblock->file_size;
    survey->generation = superblock->generation;
    if (name_container(surveyor, failure) < 0 ||
        container_check_objects(surveyor->container, failure) < 0)
        return -1;
    survey->tensors = calloc(objects + 1, sizeof(*survey->tensors));
    surveyor->objects = calloc(objects + 1, sizeof(*surveyor->objects));
    if (!survey->tensors || !surveyor->objects)
        return fail(failure, "out of memory for the list of tensors");
    for (uint64_t i = 0; i < objects; i++)
        if (survey_object(surveyor, i, failure) < 0)
            return -1;
    for (size_t i = 0; i < survey->count; i++)
        survey->weights += survey->tensors[i].weights;
    if (bounds && find_bounds(surveyor, threads, failure) < 0)
        return -1;
    sum_up(survey);
    return 0;
}

int survey_container(const char *path, const char *base_path, bool bounds, unsigned int threads,
                     struct survey *out, struct failure *failure)
{
    struct surveyor surveyor = {.survey = out};
    int result = -1;

    memset(out, 0, sizeof(*out));
    out->path = path;
    surveyor.container =
        bounds ? dependency_open(path, base_path, failure) : container_open(path, failure);
    if (surveyor.container)
        result = survey_tensors(&surveyor, bounds, threads, failure);
    contents_readers_free(surveyor.readers, threads);
    free(surveyor.objects);
    container_close(surveyor.container);
    if (result < 0)
        survey_free(out);
    return result;
}

void survey_free(struct survey *survey)
{
    for (size_t i = 0; i < survey->count; i++) {
        free(survey->tensors[i].name);
        free(survey->tensors[i].codecs);
    }
    free(survey->tensors);
    survey->tensors = NULL;
    survey->count = 0;
}

static double per_weight(const struct survey_tensor *tensor, double bits)
{
    return tensor->weights ? bits / (double)tensor->weights : -1;
}

double survey_bits(const struct survey_tensor *tensor)
{
    return per_weight(tensor, 8.0 * (double)tensor->stored);
}

double survey_bound(const struct survey_tensor *tensor)
{
    return tensor->bound_bits < 0 ? -1 : per_weight(tensor, tensor->bound_bits);
}
