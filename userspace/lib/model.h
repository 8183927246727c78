/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the library share: an open model and its workers. */
#ifndef LWC_LIB_MODEL_H
#define LWC_LIB_MODEL_H

#include "container/reader.h"
#include "kernels/kernels.h"
#include "lwcmem/lwcmem.h"

#include <pthread.h>
#include <stdatomic.h>

struct ring;

/* How the kmod backend may read its region: all ways, or for tests a fall-back. */
enum region_reads { REGION_FIXED, REGION_READ, REGION_PREAD };

/* Vectors that lwcmem_prepare was called with. */
struct prepared {
    const float *x; /* NULL: none */
    size_t x_stride, n, cols;
    float *packed;   /* as gemm takes several, if there are */
    float *arranged; /* as gemm_levels takes few, if they are */
    size_t capacity; /* floats in each */
};

/* One thread that multiplies. */
struct worker {
    struct decoder decoder;
    uint8_t *stored; /* LWC_TILE_MAX bytes: the stored tile */
    uint8_t *tile;   /* LWC_TILE_MAX bytes: the tile decoded last */
    uint8_t *row;    /* a row that is cut into tiles */
    size_t row_capacity;
    float *arranged; /* a call's activations in the order of the fused kernels */
    size_t arranged_capacity;
    bool arranged_ready;
    float *scratch; /* for kernels_multiply */
    size_t scratch_capacity;
    /* counts that this thread alone adds to; all may read them */
    _Alignas(64) atomic_ullong rows_fused, rows_eligible, rows_buffered, tiles_decoded;
};

static inline void worker_count(atomic_ullong *count, uint64_t more)
{
    uint64_t before = atomic_load_explicit(count, memory_order_relaxed);

    atomic_store_explicit(count, before + more, memory_order_relaxed);
}

/* A tensor by its name's hash. */
struct model_name {
    uint64_t hash;
    uint64_t object;
};

struct lwcmem_model {
    struct container *container;
    enum lwcmem_backend backend;
    unsigned int threads;
    uint32_t isa;
    const struct kernels *kernels;
    struct worker *workers; /* threads + 1: the last one for lwcmem_rows */
    pthread_mutex_t rows_lock;
    struct model_name *names; /* in order */
    size_t name_count;
    struct prepared prepared;
    const char *structure;
    const uint8_t *map; /* fused: the container */
    size_t map_size;
    atomic_uchar *checked; /* fused: by tile, its crc was right */
    struct ring *ring;     /* user, kmod: after lwcmem_ring_start */
    int region;            /* kmod; -1 for others */
    int direct;            /* the region past its page cache, or -1 */
    uint32_t direct_align; /* of offset and length there */
    enum region_reads reads;
    uint32_t read_limit; /* for tests: most bytes that one read asks for; 0: all */
    char notice[1024];
    bool auto_backend;
    bool limited; /* memory was given to lwcmem_ring_start */
    char *device; /* as in the options, for what is chosen later; or NULL */
    struct lwcmem_unit *units;
    size_t unit_count;
    atomic_ullong tiles_decoded, bytes_stored, bytes_past; /* by the threads of the ring */
};

/* Add a line to the model's notice. */
__attribute__((format(printf, 2, 3))) void model_notice(struct lwcmem_model *model,
                                                        const char *format, ...);

/* The message of a failure to the caller of the library: -1. */
int model_report(const struct failure *failure, char error[LWCMEM_ERROR_SIZE]);

/* Read the names of all tensors, for lwcmem_find; to be freed with free. */
int names_open(struct lwcmem_model *model, struct failure *failure);
void model_describe(const struct lwc_object *object, uint64_t index, struct lwcmem_tensor *tensor);

/* What a backend does with rows that begin and end with tiles. */
int fused_open(struct lwcmem_model *model, const struct lwcmem_options *options,
               struct failure *failure);
void fused_close(struct lwcmem_model *model);
int fused_multiply(struct lwcmem_model *model, const struct lwcmem_tensor *tensor,
                   struct worker *worker, uint64_t first_row, uint64_t rows,
                   const struct activations *in, const struct products *out,
                   struct failure *failure);

/* Whether the vectors are those that were prepared: then in->packed is set, if there is one. */
bool model_prepared(const struct lwcmem_model *model, size_t cols, struct activations *in);
void model_forget_prepared(struct lwcmem_model *model);

/* Decode the bytes [offset, offset + size) of the object, tile by tile, into out. */
int model_decode(struct lwcmem_model *model, struct worker *worker, const struct lwc_object *object,
                 uint64_t offset, uint64_t size, uint8_t *out, struct failure *failure);

#endif
