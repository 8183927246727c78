/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * liblwcmem: multiply by the weights of an .lwc container.
 *
 * A backend says how weights get to the multiplication:
 *   fused  compressed tiles mapped, decoded in registers (bf16) or to a
 *          per-thread buffer that stays in cache
 *   user   threads of the library read the container and decode what is next
 *          into a ring of buffers while other rows multiply
 *   kmod   the same ring, filled from a region of the kernel module, which
 *          decodes: a thread of the library reads it by io_uring READ_FIXED
 *          into registered buffers, or by less if the process may not do that
 *          (lwcmem_notice). Needs lwcmem.ko loaded and access to its device
 * All give the same bits as plain weights, on every CPU: element c of a row is
 * multiplied by that of the vector and added to lane c mod 64 in one fp32 fma, c
 * increasing; then lane i += lane i + 32, + 16, + 8, + 4, + 2, + 1. A NaN is
 * written as 0x7fc00000.
 *
 * A program that multiplies by itself maps the decoded weights. That is no
 * backend but the kernel module's own interface: lwcmem/uapi/lwcmem.h is its
 * manual, and arena_offset below says where a tensor is in a region.
 *
 * Order of use: lwcmem_open; lwcmem_find for each tensor; lwcmem_plan with the
 * units in the order in which every pass uses them; lwcmem_ring_start; then per
 * pass, for each unit: lwcmem_prepare, and until its last part lwcmem_part_wait,
 * lwcmem_multiply of the part's rows by any threads, lwcmem_part_done.
 * lwcmem_rows may be called at any time after open.
 *
 * Functions return 0, or -1 with a message in error (one line, names the file,
 * what is wrong and what to do). Thread safety is said at each function.
 */
#ifndef LWCMEM_LWCMEM_H
#define LWCMEM_LWCMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LWCMEM_ERROR_SIZE 1024

/* Instruction sets that decoders and kernels use, each with those before it. */
#define LWC_ISA_SCALAR (1u << 0)
#define LWC_ISA_BMI2 (1u << 1)
#define LWC_ISA_AVX2 (1u << 2)
#define LWC_ISA_AVX512 (1u << 3)

enum lwcmem_backend {
    LWCMEM_BACKEND_AUTO, /* fused; for a model larger than the memory kmod, or else user */
    LWCMEM_BACKEND_FUSED,
    LWCMEM_BACKEND_USER,
    LWCMEM_BACKEND_KMOD,
};

struct lwcmem_options {
    enum lwcmem_backend backend;
    uint32_t isa;         /* mask of LWC_ISA_ bits; 0: the environment, else all of the CPU */
    unsigned int threads; /* that call lwcmem_multiply; user: also decoding threads. 0: 1 */
    const char *device;   /* of the module: NULL for LWCMEM_DEVICE, else /dev/lwcmem */
    const char *base;     /* the container that this one depends on, if it does */
    /*
     * fused: the container from huge pages, not from its own. The kernel module
     * holds it in RAM for all processes that ask; without the module it is
     * copied for this one, and lwcmem_notice says why.
     */
    bool hugepages;
};

struct lwcmem_model;

struct lwcmem_tensor {
    uint64_t object; /* index in the container */
    uint16_t dtype;  /* enum lwc_dtype of lwcmem/uapi/lwcmem_format.h */
    uint16_t ndim;
    uint64_t shape[8];
    uint64_t rows;         /* all dimensions but the last, multiplied; 1 for 1-d and 0-d */
    uint64_t cols;         /* last dimension; 1 for 0-d */
    uint32_t row_grain;    /* multiply works on whole tiles: split rows at multiples of this */
    uint64_t size;         /* decoded bytes */
    uint64_t arena_offset; /* of its bytes in a region, LWCMEM_VIEW_ARENA; UINT64_MAX: not there */
};

struct lwcmem_counters {
    uint64_t rows_fused;    /* multiplied with weights decoded in registers */
    uint64_t rows_eligible; /* rows that could be: bf16 LEVELS, cols % 64 == 0, few vectors */
    uint64_t rows_buffered; /* multiplied from a buffer */
    uint64_t tiles_decoded; /* by this library */
    uint64_t bytes_ring;    /* decoded bytes that went through the ring */
    uint64_t bytes_kernel;  /* of bytes_ring, those read from a region of the kernel module */
    uint64_t bytes_fixed;   /* of bytes_kernel, those by io_uring READ_FIXED */
    uint64_t bytes_direct;  /* of bytes_kernel, those past the region's page cache */
    uint64_t bytes_stored;  /* stored bytes that this library read for the ring */
    uint64_t bytes_past;    /* of bytes_stored, those past the page cache */
};

/* options may be NULL. NULL with a message in error. */
struct lwcmem_model *lwcmem_open(const char *path, const struct lwcmem_options *options,
                                 char error[LWCMEM_ERROR_SIZE]);
void lwcmem_close(struct lwcmem_model *model); /* NULL is allowed; no call may be under way */

/* The backend in use (never AUTO; it may change in lwcmem_ring_start), and the name of the ISA of
 * its kernels. Any thread. */
enum lwcmem_backend lwcmem_backend(const struct lwcmem_model *model);
const char *lwcmem_isa(const struct lwcmem_model *model);
/* LEVELS structure of the first bf16 tensor that has one, as info prints it; "none". Any thread. */
const char *lwcmem_structure(const struct lwcmem_model *model);

/* 1 found, 0 no such tensor, -1 with a message. Any thread. */
int lwcmem_find(struct lwcmem_model *model, const char *name, struct lwcmem_tensor *tensor,
                char error[LWCMEM_ERROR_SIZE]);

/*
 * Bytes that the tensor takes in the container, with its tile entries. Reads all of those. 0, or
 * -1 with a message. Any thread.
 */
int lwcmem_stored(struct lwcmem_model *model, const struct lwcmem_tensor *tensor, uint64_t *bytes,
                  char error[LWCMEM_ERROR_SIZE]);

/*
 * Content of one of the model's files by its name, in memory: config.json,
 * tokenizer files. At most limit bytes. *data is allocated with malloc, the
 * caller frees it; a NUL follows the last byte. 1 found, 0 none, -1. Any thread.
 */
int lwcmem_file(struct lwcmem_model *model, const char *name, size_t limit, void **data,
                size_t *size, char error[LWCMEM_ERROR_SIZE]);

#define LWCMEM_NAME_SIZE 4096

struct lwcmem_file_entry {
    uint64_t size;
    char name[LWCMEM_NAME_SIZE]; /* relative to the directory that was packed */
};

/*
 * One after another, the model's files in the order of their names. *at is 0
 * for the first, and moves on. 1 found, 0 no more, -1. Any thread.
 */
int lwcmem_file_next(struct lwcmem_model *model, uint64_t *at, struct lwcmem_file_entry *entry,
                     char error[LWCMEM_ERROR_SIZE]);

/*
 * A part of one of the model's files, weights too: size bytes at offset, which
 * must lie in it. Decodes the tiles that have them. 1 found, 0 no such file, -1.
 * Any thread.
 */
int lwcmem_file_read(struct lwcmem_model *model, const char *name, uint64_t offset, void *out,
                     size_t size, char error[LWCMEM_ERROR_SIZE]);

#define LWCMEM_UNIT_TENSORS 8

/* Tensors that are multiplied one after another: matrices of the same vectors, say. */
struct lwcmem_unit {
    const struct lwcmem_tensor *tensors;
    size_t count; /* up to LWCMEM_UNIT_TENSORS */
};

struct lwcmem_range {
    uint64_t first, count;
};

/* What is in memory of a unit at once. */
struct lwcmem_part {
    struct lwcmem_range rows[LWCMEM_UNIT_TENSORS]; /* of each tensor of the unit */
    bool last;                                     /* the unit has no more rows behind these */
};

/*
 * Say which tensors every pass uses, in order. Copies its arguments. *least:
 * bytes that lwcmem_ring_start needs, if the model does not fit. Once.
 */
int lwcmem_plan(struct lwcmem_model *model, const struct lwcmem_unit *units, size_t count,
                uint64_t *least, char error[LWCMEM_ERROR_SIZE]);

/*
 * Start to fill the ring (in explicit huge pages if the pool has enough). Once,
 * before the first lwcmem_part_wait.
 *
 * memory: bytes that all of the process' weights may take, and `used` bytes that
 * the caller takes of them for other things; what is not enough is an error that says
 * what is. The container is then read past the page cache where its file system
 * allows it. 0: a ring of the library's choice, and through the page cache. It
 * counts the ring, buffers and what threads decode with, not what fused maps.
 */
int lwcmem_ring_start(struct lwcmem_model *model, uint64_t memory, uint64_t used,
                      char error[LWCMEM_ERROR_SIZE]);

/*
 * Block until rows of the unit are in memory: the first ones of a pass, then
 * those behind them, a part after another; fused has all in one. One thread;
 * units in order, cyclic, and no unit is left out.
 */
int lwcmem_part_wait(struct lwcmem_model *model, size_t unit, struct lwcmem_part *part,
                     char error[LWCMEM_ERROR_SIZE]);

/* The part is not used any more: its room is for what comes. The same thread. */
int lwcmem_part_done(struct lwcmem_model *model, size_t unit, char error[LWCMEM_ERROR_SIZE]);

/*
 * Get n vectors of cols floats at x + t * x_stride ready for products: brings
 * them into the orders that multiplication takes, once for all threads. They
 * may not change, and nothing else may be prepared, until the last
 * lwcmem_multiply with the same x, x_stride and n has ended. Not needed, but
 * without it each call does it for itself, or does without. One thread.
 */
int lwcmem_prepare(struct lwcmem_model *model, const float *x, size_t x_stride, size_t n,
                   size_t cols, char error[LWCMEM_ERROR_SIZE]);

/*
 * y[t * y_stride + r] = row r of the tensor times vector t, for the rows
 * [first_row, first_row + rows) and n vectors of cols floats at
 * x + t * x_stride, added up as said above. BF16, F16, F32,
 * and of the types in blocks that GGUF has Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K,
 * Q5_K and Q6_K, which become fp32 first.
 * first_row is a multiple of row_grain from the part's first. Between wait and
 * done of a part that has the rows. Any number of threads up to options.threads, each with its own
 * worker number (0..threads-1).
 */
int lwcmem_multiply(struct lwcmem_model *model, const struct lwcmem_tensor *tensor,
                    unsigned int worker, uint64_t first_row, uint64_t rows, const float *x,
                    size_t x_stride, size_t n, float *y, size_t y_stride,
                    char error[LWCMEM_ERROR_SIZE]);

/* Rows as fp32: rows * cols floats. For embeddings and norms. Any thread. */
int lwcmem_rows(struct lwcmem_model *model, const struct lwcmem_tensor *tensor, uint64_t first_row,
                uint64_t rows, float *out, char error[LWCMEM_ERROR_SIZE]);

/* Counts since open. Any thread. */
void lwcmem_counters(const struct lwcmem_model *model, struct lwcmem_counters *counters);

/* What the kernel module has done for this container, for all processes that attached it. */
struct lwcmem_region {
    uint64_t tiles_decoded;
    uint64_t bytes_decoded;
    uint64_t bytes_read; /* handed out by reads and io_uring */
    uint64_t tiles_failed;
    const char *isa; /* of its decoder */
};

/* kmod: 1 and the figures of now; 0 for other backends; -1 with a message. Any thread. */
int lwcmem_region(const struct lwcmem_model *model, struct lwcmem_region *region,
                  char error[LWCMEM_ERROR_SIZE]);

/*
 * Lines for the user, without a newline behind the last, if the backend works,
 * but in a slower way than it could, with what to do about it: no io_uring, no
 * registered buffers, no direct I/O. Else NULL. To ask after lwcmem_ring_start;
 * valid until lwcmem_close. Any thread.
 */
const char *lwcmem_notice(const struct lwcmem_model *model);

#ifdef __cplusplus
}
#endif
#endif
