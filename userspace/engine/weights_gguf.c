/* SPDX-License-Identifier: BSD-3-Clause */
/* Weights of a GGUF file, mapped. */
#include "weights_mapped.h"
#include "readers/gguf_values.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct gguf_weights {
    struct mapped mapped;
    struct gguf_values *values;
};

static int gguf_file_none(struct weights *weights, const char *name, char **text, size_t *size,
                          struct failure *failure)
{
    (void)weights, (void)name, (void)text, (void)size, (void)failure;
    return 0;
}

static int gguf_weights_values(struct weights *weights, const struct gguf_values **out,
                               struct failure *failure)
{
    (void)failure;
    *out = ((struct gguf_weights *)weights)->values;
    return 1;
}

static void gguf_close(struct weights *weights)
{
    struct gguf_weights *self = (struct gguf_weights *)weights;

    mapped_free(&self->mapped);
    gguf_values_free(self->values);
    free(self);
}

static const struct weights_ops gguf_ops = {
    MAPPED_OPS,
    .file = gguf_file_none,
    .values = gguf_weights_values,
    .close = gguf_close,
};

static int read_tensors(int fd, uint64_t size, const char *path, struct file_tensors *out,
                        struct failure *failure)
{
    return gguf_read(fd, size, path, NULL, out, failure);
}

static int read_values(struct gguf_weights *self, const char *path, struct failure *failure)
{
    struct gguf_file file = {open(path, O_RDONLY | O_CLOEXEC), path};
    struct stat status;

    if (file.fd < 0 || fstat(file.fd, &status) < 0) {
        fail_errno(failure, errno, "%s: cannot open", path);
    } else {
        struct gguf_source source = {gguf_file_read, &file, (uint64_t)status.st_size};

        self->values = gguf_values_new(&source, path, failure);
    }
    if (file.fd >= 0)
        close(file.fd);
    return self->values ? 0 : -1;
}

struct weights *weights_open_gguf(const char *path, bool hugepages, const struct kernels *kernels,
                                  struct failure *failure)
{
    struct gguf_weights *self = calloc(1, sizeof(*self));

    if (!self) {
        fail(failure, "%s: out of memory", path);
        return NULL;
    }
    self->mapped.weights = (struct weights){.ops = &gguf_ops,
                                            .kernels = kernels,
                                            .backend = "plain",
                                            .structure = "none",
                                            .path = path};
    self->mapped.hugepages = hugepages;
    if (read_values(self, path, failure) == 0 &&
        mapped_add(&self->mapped, path, read_tensors, failure) == 0 &&
        mapped_ready(&self->mapped, failure) == 0)
        return &self->mapped.weights;
    gguf_close(&self->mapped.weights);
    return NULL;
}
