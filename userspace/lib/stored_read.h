/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading the stored bytes of tasks, several at a time, for a thread that
 * decodes them: by io_uring into registered buffers, or by pread where the
 * process may not do that; past the page cache if the model does not fit into
 * memory, and its file system can do it. What is missing is noted once.
 */
#ifndef LWC_LIB_STORED_READ_H
#define LWC_LIB_STORED_READ_H

#include "ring.h"

#include <liburing.h>

/* One is decoded while the other comes: each that is on its way has its room in the ring, empty. */
#define READ_DEPTH 2u
/* Of a read, what may be beside its tiles: it begins and ends with pages. */
#define READ_MARGIN (2 * RING_PAGE)
#define READ_TILES 64u

/* What all threads read. */
struct read_source {
    struct lwcmem_model *model;
    int fd;
    bool past; /* the page cache */
    int own;   /* to be closed, or -1 */
    /* for tests: no more than this many bytes a second, 0: all */
    double rate;
    pthread_mutex_t lock;
    double free_at; /* when the reads that began are done at that rate */
};

/* A task on its way: some of its tiles. */
struct stored_read {
    struct task task;
    uint64_t first; /* of the task's tiles */
    uint32_t tile_count;
    struct lwc_tile tiles[READ_TILES];
    uint8_t *buffer;
    uint64_t offset; /* in the file, of the buffer */
    uint64_t size, needed, got;
    double due;
    bool under_way; /* in the io_uring */
};

struct read_layout {
    uint32_t depth;
    uint32_t bytes; /* of a buffer */
};

struct reader {
    struct read_source *source;
    struct read_layout layout;
    struct io_uring uring;
    bool has_uring;
    bool fixed;
    uint8_t *memory;
    struct stored_read reads[READ_DEPTH];
    struct stored_read *idle[READ_DEPTH];
    unsigned int idle_count;
    /* read already, or without stored bytes */
    struct stored_read *ready[READ_DEPTH];
    unsigned int ready_count;
};

/* For so many threads, a quarter of the budget; with 0, the least. */
struct read_layout read_layout(unsigned int threads, uint64_t budget);

int read_source_open(struct read_source *source, struct lwcmem_model *model,
                     struct failure *failure);
void read_source_close(struct read_source *source);

/* memory: depth buffers. To be freed after a failure, too, or if it is all zeros. */
int reader_init(struct reader *reader, struct read_source *source, const struct read_layout *layout,
                uint8_t *memory, struct failure *failure);
void reader_free(struct reader *reader); /* reads under way end before */

static inline bool reader_has_room(const struct reader *reader)
{
    return reader->idle_count > 0;
}

static inline bool reader_is_idle(const struct reader *reader)
{
    return !reader->source || reader->idle_count == reader->layout.depth;
}

/* Read the first tiles of the task. -1 with a message: nothing is under way. */
int reader_begin(struct reader *reader, const struct task *task, struct failure *failure);
/* Read the tiles behind those that the read has brought. */
int reader_go_on(struct reader *reader, struct stored_read *read, struct failure *failure);
/* One of those that have begun, with *result 0, or -1 with a message. There is one. */
struct stored_read *reader_wait(struct reader *reader, int *result, struct failure *failure);
/* It is not used any more. */
void reader_release(struct reader *reader, struct stored_read *read);

/* The stored bytes of one of its tiles; NULL if the file ends before. */
static inline const uint8_t *stored_of(const struct stored_read *read, const struct lwc_tile *tile)
{
    if (!tile->stored)
        return read->buffer;
    if (tile->offset - read->offset + tile->stored > read->got)
        return NULL;
    return read->buffer + (tile->offset - read->offset);
}

#endif
