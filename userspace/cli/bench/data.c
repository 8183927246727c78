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

static int read_tensor_tile(int fd, const char *path, const struct file_tensor *tensor,
                            uint64_t index, struct bench_data *data, struct failure *failure)
{
    uint32_t bytes = tensor_tile_bytes(tensor);
    uint64_t at = index * bytes, left = tensor->size - at;
    uint32_t length = left < bytes ? (uint32_t)left : bytes;
    ssize_t got = pread(fd, next_bytes(data), length, (off_t)(tensor->offset + at));

    if (got < 0)
        return fail_errno(failure, errno, "%s: cannot read", path);
    if (got != (ssize_t)length)
        return fail(failure, "%s: became shorter while it was read", path);
    add_piece(data, length);
    return 0;
}

static int take_tensors(int fd, const char *path, const struct file_tensors *list, size_t count,
                        struct bench_data *out, struct failure *failure)
{
    uint64_t total = 0, before = 0;
    size_t tensor = 0;

    for (size_t i = 0; i < list->count; i++)
        total += tensor_tiles(&list->tensors[i]);
    if (!total)
        return fail(failure, "%s: no bf16 tensors; give a file that has some", path);
    if (count > total)
        count = (size_t)total;
    if (make_room(out, count, LWC_TILE_MAX, failure) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        uint64_t tile = spread(i, count, total);

        while (tile - before >= tensor_tiles(&list->tensors[tensor]))
            before += tensor_tiles(&list->tensors[tensor++]);
        if (read_tensor_tile(fd, path, &list->tensors[tensor], tile - before, out, failure) < 0) {
            bench_data_free(out);
            return -1;
        }
    }
    return 0;
}

static int from_safetensors(const char *path, size_t count, struct bench_data *out,
                            struct failure *failure)
{
    struct file_tensors list;
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC), result;

    if (fd < 0 || fstat(fd, &status) < 0) {
        result = fail_errno(failure, errno, "%s: cannot read", path);
    } else {
        result = safetensors_read(fd, (uint64_t)status.st_size, path, &list, failure);
        if (result == 0) {
            result = take_tensors(fd, path, &list, count, out, failure);
            file_tensors_free(&list);
        }
    }
    if (fd >= 0)
        close(fd);
    return result;
}

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

static int take_tiles(struct container *container, struct decoder *decoder, uint8_t *stored,
                      size_t count, struct bench_data *out, struct failure *failure)
{
    struct lwc_object object;
    uint64_t total = 0;

    if (find_tile(container, NULL, NULL, &total, failure) < 0)
        return -1;
    if (!total)
        return fail(failure, "%s: no bf16 tensors; give a container that has some",
                    container_path(container));
    if (count > total)
        count = (size_t)total;
    if (make_room(out, count, LWC_TILE_MAX, failure) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        uint64_t tile = spread(i, count, total);

        if (find_tile(container, &tile, &object, &total, failure) < 0 ||
            container_read_tile(container, decoder, &object, tile, stored, next_bytes(out),
                                failure) < 0) {
            bench_data_free(out);
            return -1;
        }
        add_piece(out, lwc_tile_length(&object, tile));
    }
    return 0;
}

static int from_container(const char *path, size_t count, struct bench_data *out,
                          struct failure *failure)
{
    struct container *container = container_open(path, failure);
    uint8_t *stored = malloc(LWC_TILE_MAX);
    struct decoder decoder = {0};
    int result = -1;

    if (container && !stored)
        fail(failure, "%s: out of memory", path);
    else if (container &&
             dependency_refuse(container, "give a container without one", failure) == 0 &&
             decoder_init(&decoder, 0, failure) == 0)
        result = take_tiles(container, &decoder, stored, count, out, failure);
    decoder_free(&decoder);
    free(stored);
    container_close(container);
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
