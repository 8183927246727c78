/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The weights of a model, wherever they are: plain files, or a container.
 *
 * Functions return 0, or -1 with a message. A source is used in this order:
 * open; find for each tensor; plan with the units in the order in which every
 * pass uses them; start; then in each pass, for each unit, prepare, and until its
 * last part wait, multiply its rows by any threads, done.
 */
#ifndef LWC_ENGINE_WEIGHTS_H
#define LWC_ENGINE_WEIGHTS_H

#include "container/failure.h"
#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weight_tensor {
    uint64_t id; /* of the source */
    uint16_t dtype;
    uint64_t rows; /* all dimensions but the last, multiplied */
    uint64_t cols;
    uint32_t row_grain; /* split rows at multiples of it */
};

#define WEIGHT_UNIT_TENSORS 3

/* Matrices that multiply the same vectors. */
struct weight_unit {
    const struct weight_tensor *tensors[WEIGHT_UNIT_TENSORS];
    size_t count;
};

/* Rows of a unit that are in memory at once; see struct lwcmem_part. */
struct weight_part {
    struct {
        uint64_t first, count;
    } rows[WEIGHT_UNIT_TENSORS];
    bool last;
};

/* What a container's weights went through; see struct lwcmem_counters. */
struct weight_counters {
    uint64_t rows_fused, rows_eligible, rows_buffered, tiles_decoded;
    uint64_t bytes_ring, bytes_kernel, bytes_fixed, bytes_direct;
    uint64_t bytes_stored, bytes_past;
};

/* What the kernel module has done for a container; see struct lwcmem_region. */
struct weight_region {
    uint64_t tiles_decoded, bytes_decoded, bytes_read, tiles_failed;
    const char *isa;
};

enum weights_backend { WEIGHTS_AUTO, WEIGHTS_FUSED, WEIGHTS_USER, WEIGHTS_KMOD };

struct weights;
struct gguf_values;

struct weights_ops {
    /* 1 found, 0 none, -1 */
    int (*find)(struct weights *weights, const char *name, struct weight_tensor *tensor,
                struct failure *failure);
    /* A small file of the model, NUL-terminated, to be freed. 1 found, 0 none, -1. */
    int (*file)(struct weights *weights, const char *name, char **text, size_t *size,
                struct failure *failure);
    /*
     * What the model's GGUF file says; the source's. 1 if the model is one GGUF
     * file, plain or in the container, 0 if it is a HuggingFace model, -1.
     */
    int (*values)(struct weights *weights, const struct gguf_values **values,
                  struct failure *failure);
    /* plan, start, wait, done: NULL where all is in memory. See lwcmem_plan, lwcmem_ring_start. */
    int (*plan)(struct weights *weights, const struct weight_unit *units, size_t count,
                uint64_t *least, struct failure *failure);
    /* used: bytes of weights->memory that the caller takes */
    int (*start)(struct weights *weights, uint64_t used, struct failure *failure);
    int (*wait)(struct weights *weights, size_t unit, struct weight_part *part,
                struct failure *failure);
    int (*done)(struct weights *weights, size_t unit, struct failure *failure);
    /*
     * Before products: get the vectors ready for them, once for all workers. They may not change
     * until the products have been made. One thread.
     */
    int (*prepare)(struct weights *weights, uint64_t cols, struct activations *in,
                   struct failure *failure);
    /* Rows [first, first + rows) times the vectors; row r of the tensor is row r of out. */
    int (*multiply)(struct weights *weights, const struct weight_tensor *tensor,
                    unsigned int worker, uint64_t first, uint64_t rows,
                    const struct activations *in, const struct products *out,
                    struct failure *failure);
    /* Rows as fp32: rows * cols floats. */
    int (*rows)(struct weights *weights, const struct weight_tensor *tensor, uint64_t first,
                uint64_t rows, float *out, struct failure *failure);
    /* Bytes that the tensor takes where it is stored. */
    int (*stored)(struct weights *weights, const struct weight_tensor *tensor, uint64_t *bytes,
                  struct failure *failure);
    /* NULL where there is nothing to count */
    void (*counters)(struct weights *weights, struct weight_counters *counters);
    /* 1; 0 without a region; -1. NULL where there is never one. */
    int (*region)(struct weights *weights, struct weight_region *region, struct failure *failure);
    /* After start: lines for the user, or NULL. NULL where there is never one. */
    const char *(*notice)(struct weights *weights);
    void (*close)(struct weights *weights);
};

/* What every source begins with. */
struct weights {
    const struct weights_ops *ops;
    const struct kernels *kernels;
    const char *backend;   /* plain, fused, user, kmod; start may change it */
    const char *structure; /* of the first bf16 tensor that has one as info names it, or "none" */
    const char *path;
    uint64_t memory; /* bytes that weights, keys, values and activations may take; 0: any */
    bool streams;    /* after start: threads of the weights read and decode meanwhile */
};

/*
 * A container. base: what it depends on, or NULL. isa: mask of what kernels and decoders may use;
 * threads: that multiply. hugepages: as in lwcmem_options, fused alone has them. memory: as in
 * struct weights. NULL with a message.
 */
struct weights *weights_open_container(const char *path, const char *base,
                                       enum weights_backend backend, bool hugepages,
                                       uint64_t memory, uint32_t isa, unsigned int threads,
                                       const struct kernels *kernels, struct failure *failure);

/* A GGUF file. kernels: those to multiply with. NULL with a message. */
struct weights *weights_open_gguf(const char *path, bool hugepages, const struct kernels *kernels,
                                  struct failure *failure);

/* A HuggingFace directory. kernels: those to multiply with. NULL with a message. */
struct weights *weights_open_plain(const char *path, bool hugepages, const struct kernels *kernels,
                                   struct failure *failure);

#endif
