/* SPDX-License-Identifier: BSD-3-Clause */
/* Weights as they lie in mapped files: what sources of plain files share. */
#ifndef LWC_ENGINE_WEIGHTS_MAPPED_H
#define LWC_ENGINE_WEIGHTS_MAPPED_H

#include "readers/tensors.h"
#include "weights.h"

#define MAPPED_FILES_MAX 4096u

struct mapped_file {
    struct file_tensors list;
    const uint8_t *map;
    size_t size;
};

struct mapped_name {
    const char *name;
    uint64_t id;
};

/* What these sources begin with. */
struct mapped {
    struct weights weights;
    bool hugepages; /* copies of the files, in huge pages */
    struct mapped_file *files;
    size_t count;
    struct mapped_name *names; /* in order */
    size_t name_count;
    float *packed; /* the vectors of a product */
    size_t packed_capacity;
};

/* Its tensors; 0, or else with a message. */
typedef int mapped_reader(int fd, uint64_t size, const char *path, struct file_tensors *out,
                          struct failure *failure);

/* Read the tensors of one more file and map it; at most MAPPED_FILES_MAX. 0, or -1 with a message.
 */
int mapped_add(struct mapped *mapped, const char *path, mapped_reader *read,
               struct failure *failure);

/* After the last file: tensors can be found. 0, or -1 with a message. */
int mapped_ready(struct mapped *mapped, struct failure *failure);

/* Unmaps and frees all but the structure itself. */
void mapped_free(struct mapped *mapped);

/* Operations of struct weights_ops. */
int mapped_find(struct weights *weights, const char *name, struct weight_tensor *tensor,
                struct failure *failure);
int mapped_start(struct weights *weights, const struct weight_unit *units, size_t count,
                 struct failure *failure);
int mapped_unit(struct weights *weights, size_t unit, struct failure *failure);
int mapped_prepare(struct weights *weights, uint64_t cols, struct activations *in,
                   struct failure *failure);
int mapped_multiply(struct weights *weights, const struct weight_tensor *tensor,
                    unsigned int worker, uint64_t first, uint64_t rows,
                    const struct activations *in, const struct products *out,
                    struct failure *failure);
int mapped_rows(struct weights *weights, const struct weight_tensor *tensor, uint64_t first,
                uint64_t rows, float *out, struct failure *failure);

int mapped_stored(struct weights *weights, const struct weight_tensor *tensor, uint64_t *bytes,
                  struct failure *failure);

#define MAPPED_OPS                                                                                 \
    .find = mapped_find, .start = mapped_start, .wait = mapped_unit, .done = mapped_unit,          \
    .prepare = mapped_prepare, .multiply = mapped_multiply, .rows = mapped_rows,                   \
    .stored = mapped_stored

#endif
