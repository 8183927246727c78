/* SPDX-License-Identifier: BSD-3-Clause */
#include "data.h"
#include "cli/plan.h"
#include "container/dependency.h"
#include "encode/bound.h"
#include "readers/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_room(struct bench_data *data, size_t count, uint32_t length,
                     struct failure *failure)
{
    memset(data, 0, sizeof(*data));
    data->pieces = calloc(count, sizeof(*data->pieces));
    if (!data->pieces)
        return fail(failure, "out of memory for %zu tiles", count);
    if (bench_pages_map(&data->pages, count * length, BENCH_SMALL_PAGE, failure) == 0)
        return 0;
    bench_data_free(data);
    return -1;
}

void bench_data_free(struct bench_data *data)
{
    free(data->pieces);
    bench_pages_unmap(&data->pages);
    memset(data, 0, sizeof(*data));
}

/* The piece after the ones that are there. */
static uint8_t *next_bytes(const struct bench_data *data)
{
    return data->pages.base + data->size;
}

/* length: of whole weights; a container may claim a half one at the end. */
static void add_piece(struct bench_data *data, uint32_t length)
{
    length -= length % 2;
    if (!length)
        return;
    data->pieces[data->count++] = (struct bench_piece){next_bytes(data), length};
    data->size += length;
}

static double uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
}

static uint16_t bf16(double value)
{
    float single = (float)value;
    uint32_t bits;

    memcpy(&bits, &single, sizeof(bits));
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

int bench_data_gaussian(size_t count, uint32_t length, struct bench_data *out,
                        struct failure *failure)
{
    uint64_t state = 1;

    if (make_room(out, count, length, failure) < 0)
        return -1;
    for (size_t i = 0; i < count * length / 2; i++) {
        double radius = sqrt(-2 * log(uniform(&state))), angle = 2 * M_PI * uniform(&state);
        uint16_t weight = bf16(0.02 * radius * cos(angle));

        memcpy(out->pages.base + 2 * i, &weight, sizeof(weight));
    }
    for (size_t i = 0; i < count; i++)
        add_piece(out, length);
    return 0;
}

/* Number `index` of `taken` numbers that are spread evenly over 0..total-1. */
static uint64_t spread(uint64_t index, uint64_t taken, uint64_t total)
{
    return (uint64_t)((unsigned __int128)total * index / taken);
}

/* Append tile number `tile` of a source to data. */
typedef int tile_reader(void *source, uint64_t tile, struct bench_data *data,
                        struct failure *failure);

/* count of the total tiles of the file at path, or all of them. */
static int take_tiles(const char *path, uint64_t total, size_t count, tile_reader *read_tile,
                      void *source, struct bench_data *out, struct failure *failure)
{
    if (!total)
        return fail(failure, "%s: no bf16 tensors; give a file that has some", path);
    if (count > total)
        count = (size_t)total;
    if (make_room(out, count, LWC_TILE_MAX, failure) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (read_tile(source, spread(i, count, total), out, failure) < 0) {
            bench_data_free(out);
            return -1;
        }
    return 0;
}

/* A safetensors file; tensor: the one of the last tile, behind so many tiles of others. */
struct tensor_source {
    int fd;
    const char *path;
    struct file_tensors list;
    size_t tensor;
    uint64_t before;
};

static uint32_t tensor_tile_bytes(const struct file_tensor *tensor)
{
    return tensor->dtype == LWC_DTYPE_BF16
               ? plan_tile_bytes(LWC_DTYPE_BF16, tensor->ndim, tensor->shape, tensor->size)
               : 0;
}

static uint64_t tensor_tiles(const struct file_tensor *tensor)
{
    uint32_t bytes = tensor_tile_bytes(tensor);

    return bytes ? tensor->size / bytes + (tensor->size % bytes != 0) : 0;
}

static int read_tensor_tile(void *context, uint64_t tile, struct bench_data *data,
                            struct failure *failure)
{
    struct tensor_source *source = context;
    const struct file_tensor *tensors = source->list.tensors, *tensor;
    uint64_t at, left;
    uint32_t bytes, length;
    ssize_t got;

    while (tile - source->before >= tensor_tiles(&tensors[source->tensor]))
        source->before += tensor_tiles(&tensors[source->tensor++]);
    tensor = &tensors[source->tensor];
    bytes = tensor_tile_bytes(tensor);
    at = (tile - source->before) * bytes;
    left = tensor->size - at;
    length = left < bytes ? (uint32_t)left : bytes;
    got = pread(source->fd, next_bytes(data), length, (off_t)(tensor->offset + at));
    if (got < 0)
        return fail_errno(failure, errno, "%s: cannot read", source->path);
    if (got != (ssize_t)length)
        return fail(failure, "%s: became shorter while it was read", source->path);
    add_piece(data, length);
    return 0;
}

static int take_tensors(struct tensor_source *source, size_t count, struct bench_data *out,
                        struct failure *failure)
{
    uint64_t total = 0;

    for (size_t i = 0; i < source->list.count; i++)
        total += tensor_tiles(&source->list.tensors[i]);
    return take_tiles(source->path, total, count, read_tensor_tile, source, out, failure);
}

static int from_safetensors(const char *path, size_t count, struct bench_data *out,
                            struct failure *failure)
{
    struct tensor_source source = {.fd = open(path, O_RDONLY | O_CLOEXEC), .path = path};
    struct stat status;
    int result;

    if (source.fd < 0 || fstat(source.fd, &status) < 0) {
        result = fail_errno(failure, errno, "%s: cannot read", path);
    } else {
        result = safetensors_read(source.fd, (uint64_t)status.st_size, path, &source.list, failure);
        if (result == 0) {
            result = take_tensors(&source, count, out, failure);
            file_tensors_free(&source.list);
        }
    }
    if (source.fd >= 0)
        close(source.fd);
    return result;
}

struct container_source {
    struct container *container;
    struct decoder decoder;
    uint8_t *stored; /* LWC_TILE_MAX bytes */
};

/* Tiles of bf16 objects; object: set to the one that holds tile number `tile` of them. */
static int find_tile(struct container *container, uint64_t *tile, struct lwc_object *object,
                     uint64_t *total, struct failure *failure)
{
    uint64_t count = container_count(container, LWC_TABLE_OBJECTS), before = 0;

    for (uint64_t i = 0; i < count; i++) {
        struct lwc_object entry;

        if (container_object(container, i, &entry, failure) < 0)
            return -1;
        if (entry.dtype != LWC_DTYPE_BF16)
            continue;
        if (tile && *tile - before < entry.tile_count) {
            *tile -= before;
            *object = entry;
            return 0;
        }
        before += entry.tile_count;
    }
    *total = before;
    return 0;
}

static int read_container_tile(void *context, uint64_t tile, struct bench_data *data,
                               struct failure *failure)
{
    struct container_source *source = context;
    struct lwc_object object;
    uint64_t total;

    if (find_tile(source->container, &tile, &object, &total, failure) < 0 ||
        container_read_tile(source->container, &source->decoder, &object, tile, source->stored,
                            next_bytes(data), failure) < 0)
        return -1;
    add_piece(data, lwc_tile_length(&object, tile));
    return 0;
}

static int from_container(const char *path, size_t count, struct bench_data *out,
                          struct failure *failure)
{
    struct container_source source = {.container = container_open(path, failure),
                                      .stored = malloc(LWC_TILE_MAX)};
    uint64_t total = 0;
    int result = -1;

    if (source.container && !source.stored)
        fail(failure, "%s: out of memory", path);
    else if (source.container &&
             dependency_refuse(source.container, "give a container without one", failure) == 0 &&
             decoder_init(&source.decoder, 0, failure) == 0 &&
             find_tile(source.container, NULL, NULL, &total, failure) == 0)
        result = take_tiles(path, total, count, read_container_tile, &source, out, failure);
    decoder_free(&source.decoder);
    free(source.stored);
    container_close(source.container);
    return result;
}

int bench_data_file(const char *path, size_t count, struct bench_data *out, struct failure *failure)
{
    const char *end = strrchr(path, '.');
    int result;

    memset(out, 0, sizeof(*out));
    if (end && strcmp(end, ".safetensors") == 0)
        result = from_safetensors(path, count, out, failure);
    else
        result = from_container(path, count, out, failure);
    if (result < 0 || out->count)
        return result;
    bench_data_free(out);
    return fail(failure, "%s: its tiles hold no whole weights", path);
}

double bench_data_bound(const struct bench_data *data)
{
    double bits = 0;

    for (size_t i = 0; i < data->count; i++)
        bits += tile_bound_bits(LWC_DTYPE_BF16, data->pieces[i].bytes, data->pieces[i].length);
    return bits / ((double)data->size / 2);
}
