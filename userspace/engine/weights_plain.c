/* SPDX-License-Identifier: BSD-3-Clause */
/* Weights as they lie in the safetensors files of a directory, mapped. */
#include "weights.h"
#include "readers/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL_FILE_MAX (256u << 20)
#define SHARDS_MAX 4096u

struct shard {
    struct file_tensors list;
    uint8_t *map;
    size_t size;
};

struct plain {
    struct weights weights;
    char *path;
    struct shard *shards;
    size_t count;
};

/* Tensor ids: shard in the upper half, index in its list in the lower. */
static const struct file_tensor *tensor_of(const struct plain *plain, uint64_t id)
{
    return &plain->shards[id >> 32].list.tensors[id & 0xffffffffu];
}

static int plain_find(struct weights *weights, const char *name, struct weight_tensor *tensor,
                      struct failure *failure)
{
    struct plain *plain = (struct plain *)weights;

    (void)failure;
    for (size_t s = 0; s < plain->count; s++)
        for (size_t i = 0; i < plain->shards[s].list.count; i++) {
            const struct file_tensor *found = &plain->shards[s].list.tensors[i];

            if (strcmp(found->name, name))
                continue;
            *tensor = (struct weight_tensor){.id = (uint64_t)s << 32 | i,
                                             .dtype = found->dtype,
                                             .rows = 1,
                                             .cols = 1,
                                             .row_grain = 1};
            if (found->ndim)
                tensor->cols = found->shape[found->ndim - 1];
            for (uint16_t d = 0; d + 1 < found->ndim; d++)
                tensor->rows *= found->shape[d];
            return 1;
        }
    return 0;
}

static int read_whole(int fd, char *text, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(fd, text + done, size - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -ENODATA;
        done += (size_t)got;
    }
    return 0;
}

static int plain_file(struct weights *weights, const char *name, char **text, size_t *size,
                      struct failure *failure)
{
    struct plain *plain = (struct plain *)weights;
    struct stat status;
    char *path;
    int fd, error;

    if (asprintf(&path, "%s/%s", plain->path, name) < 0)
        return fail(failure, "%s: out of memory", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    error = fd < 0 ? errno : 0;
    free(path);
    if (error)
        return error == ENOENT
                   ? 0
                   : fail_errno(failure, error, "%s/%s: cannot open", plain->path, name);
    *text = NULL;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > SMALL_FILE_MAX) {
        fail(failure, "%s/%s: not a file of at most %u MiB", plain->path, name,
             SMALL_FILE_MAX >> 20);
    } else if (!(*text = malloc((size_t)status.st_size + 1))) {
        fail(failure, "%s/%s: out of memory", plain->path, name);
    } else if ((error = read_whole(fd, *text, (size_t)status.st_size))) {
        fail_errno(failure, -error, "%s/%s: cannot read", plain->path, name);
        free(*text);
        *text = NULL;
    }
    close(fd);
    if (!*text)
        return -1;
    *size = (size_t)status.st_size;
    (*text)[*size] = 0;
    return 1;
}

static int plain_start(struct weights *weights, const struct weight_unit *units, size_t count,
                       struct failure *failure)
{
    (void)weights, (void)units, (void)count, (void)failure;
    return 0;
}

/* Mapped weights are always there. */
static int plain_unit(struct weights *weights, size_t unit, struct failure *failure)
{
    (void)weights, (void)unit, (void)failure;
    return 0;
}

static const uint8_t *row_at(const struct plain *plain, const struct weight_tensor *tensor,
                             uint64_t row)
{
    return plain->shards[tensor->id >> 32].map + tensor_of(plain, tensor->id)->offset +
           row * tensor->cols * lwc_dtype_size(tensor->dtype);
}

static int plain_multiply(struct weights *weights, const struct weight_tensor *tensor,
                          unsigned int worker, uint64_t first, uint64_t rows,
                          const struct activations *in, const struct products *out,
                          struct failure *failure)
{
    struct products part = {out->y + first, out->y_stride};

    (void)worker, (void)failure;
    weights->kernels->gemm(tensor->dtype, row_at((struct plain *)weights, tensor, first), rows,
                           tensor->cols, in, &part);
    return 0;
}

static int plain_rows(struct weights *weights, const struct weight_tensor *tensor, uint64_t first,
                      uint64_t rows, float *out, struct failure *failure)
{
    (void)failure;
    weights->kernels->convert(tensor->dtype, row_at((struct plain *)weights, tensor, first),
                              rows * tensor->cols, out);
    return 0;
}

static void plain_close(struct weights *weights)
{
    struct plain *plain = (struct plain *)weights;

    for (size_t i = 0; i < plain->count; i++) {
        if (plain->shards[i].map)
            munmap(plain->shards[i].map, plain->shards[i].size);
        file_tensors_free(&plain->shards[i].list);
    }
    free(plain->shards);
    free(plain->path);
    free(plain);
}

static const struct weights_ops plain_ops = {
    .find = plain_find,
    .file = plain_file,
    .start = plain_start,
    .wait = plain_unit,
    .done = plain_unit,
    .multiply = plain_multiply,
    .rows = plain_rows,
    .close = plain_close,
};

static int map_shard(struct plain *plain, const char *name, struct failure *failure)
{
    struct shard *shard = &plain->shards[plain->count];
    struct stat status;
    char *path;
    int fd, result = -1;

    if (strchr(name, '/') || asprintf(&path, "%s/%s", plain->path, name) < 0)
        return fail(failure, "%s: the name of a weight file has a '/' in it: %s", plain->path,
                    name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0) {
        fail_errno(failure, errno, "%s: cannot open the weights", path);
    } else if (safetensors_read(fd, (uint64_t)status.st_size, path, &shard->list, failure) == 0) {
        plain->count++;
        shard->size = (size_t)status.st_size;
        shard->map = mmap(NULL, shard->size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (shard->map == MAP_FAILED) {
            shard->map = NULL;
            fail_errno(failure, errno, "%s: cannot map", path);
        } else {
            result = 0;
        }
    }
    if (fd >= 0)
        close(fd);
    free(path);
    return result;
}

/* The distinct files that the index of a sharded model names. */
static int map_index(struct plain *plain, const char *text, size_t size, struct failure *failure)
{
    json_t *root = json_loadb(text, size, 0, NULL), *seen = json_object();
    json_t *map = json_object_get(root, "weight_map"), *value;
    const char *key;
    int result = 0;

    if (!json_is_object(map))
        result = fail(failure, "%s/model.safetensors.index.json: no weight_map", plain->path);
    json_object_foreach(map, key, value)
    {
        const char *name = json_string_value(value);

        if (result < 0 || (name && json_object_get(seen, name)))
            continue;
        if (!name || plain->count == SHARDS_MAX)
            result = fail(failure,
                          "%s/model.safetensors.index.json: weight_map must name at most "
                          "%u files",
                          plain->path, SHARDS_MAX);
        else if ((result = map_shard(plain, name, failure)) == 0)
            json_object_set_new(seen, name, json_true());
    }
    json_decref(seen);
    json_decref(root);
    return result;
}

struct weights *weights_open_plain(const char *path, const struct kernels *kernels,
                                   struct failure *failure)
{
    struct plain *plain = calloc(1, sizeof(*plain));
    char *text = NULL;
    size_t size;
    int found = -1;

    if (plain) {
        plain->weights = (struct weights){&plain_ops, kernels, "plain", "none", path};
        plain->path = strdup(path);
        plain->shards = calloc(SHARDS_MAX, sizeof(*plain->shards));
    }
    if (!plain || !plain->path || !plain->shards)
        fail(failure, "%s: out of memory", path);
    else if ((found = plain_file(&plain->weights, "model.safetensors.index.json", &text, &size,
                                 failure)) > 0)
        found = map_index(plain, text, size, failure);
    else if (found == 0)
        found = map_shard(plain, "model.safetensors", failure);
    free(text);
    if (found == 0)
        return &plain->weights;
    if (plain)
        plain_close(&plain->weights);
    return NULL;
}
