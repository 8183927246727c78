/* SPDX-License-Identifier: BSD-3-Clause */
/* Weights of the safetensors files of a directory. */
#include "weights_mapped.h"
#include "readers/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL_FILE_MAX (256u << 20)

struct plain {
    struct mapped mapped;
    char *path;
};

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

static int plain_values(struct weights *weights, const struct gguf_values **values,
                        struct failure *failure)
{
    (void)weights, (void)values, (void)failure;
    return 0;
}

static void plain_close(struct weights *weights)
{
    struct plain *plain = (struct plain *)weights;

    mapped_free(&plain->mapped);
    free(plain->path);
    free(plain);
}

static const struct weights_ops plain_ops = {
    MAPPED_OPS,
    .file = plain_file,
    .values = plain_values,
    .close = plain_close,
};

static int map_shard(struct plain *plain, const char *name, struct failure *failure)
{
    char *path;
    int result;

    if (strchr(name, '/') || asprintf(&path, "%s/%s", plain->path, name) < 0)
        return fail(failure, "%s: the name of a weight file has a '/' in it: %s", plain->path,
                    name);
    result = mapped_add(&plain->mapped, path, safetensors_read, failure);
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
        if (!name || plain->mapped.count == MAPPED_FILES_MAX)
            result = fail(failure,
                          "%s/model.safetensors.index.json: weight_map must name at most "
                          "%u files",
                          plain->path, MAPPED_FILES_MAX);
        else if ((result = map_shard(plain, name, failure)) == 0)
            json_object_set_new(seen, name, json_true());
    }
    json_decref(seen);
    json_decref(root);
    return result;
}

struct weights *weights_open_plain(const char *path, bool hugepages, const struct kernels *kernels,
                                   struct failure *failure)
{
    struct plain *plain = calloc(1, sizeof(*plain));
    char *text = NULL;
    size_t size;
    int found = -1;

    if (plain) {
        plain->mapped.weights = (struct weights){.ops = &plain_ops,
                                                 .kernels = kernels,
                                                 .backend = "plain",
                                                 .structure = "none",
                                                 .path = path};
        plain->mapped.hugepages = hugepages;
        plain->path = strdup(path);
    }
    if (!plain || !plain->path)
        fail(failure, "%s: out of memory", path);
    else if ((found = plain_file(&plain->mapped.weights, "model.safetensors.index.json", &text,
                                 &size, failure)) > 0)
        found = map_index(plain, text, size, failure);
    else if (found == 0)
        found = map_shard(plain, "model.safetensors", failure);
    if (found == 0)
        found = mapped_ready(&plain->mapped, failure);
    free(text);
    if (found == 0)
        return &plain->mapped.weights;
    if (plain)
        plain_close(&plain->mapped.weights);
    return NULL;
}
