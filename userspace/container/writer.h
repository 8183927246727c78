/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Write a .lwc container: a new one, or the next generation of one.
 *
 * A new container grows in a temporary file beside its final name, the next
 * generation behind the end of the current one, where no reader looks. Only
 * writer_finish makes it visible, whole and synced to the disk; until then
 * writer_free leaves nothing behind. One thread uses a writer at a time.
 */
#ifndef LWC_WRITER_H
#define LWC_WRITER_H

#include "failure.h"
#include "reader.h"

#include <stdint.h>

struct writer;

struct writer_table {
    const void *entries; /* count entries of the table's size, packed */
    uint64_t count;
};

/* What the superblock says beside the tables. */
struct writer_totals {
    uint64_t bytes_original;
    uint64_t weights;
    uint64_t arena_size;
    uint64_t incompat;
};

/*
 * Start a container at path. An existing file fails unless force is set; what
 * is not a regular file is never replaced. NULL with a message on failure.
 */
struct writer *writer_new(const char *path, int force, struct failure *failure);

/*
 * Start the next generation of a container that was opened for update and
 * outlives the writer. What a crashed update left behind is cut off. NULL with
 * a message.
 */
struct writer *writer_update(struct container *container, struct failure *failure);

/*
 * Start a file that will replace the container, which is as above: the same
 * uuid and generation, hence the same model; mode and owner of the file are
 * kept, and symlinks to it. NULL with a message.
 */
struct writer *writer_replace(struct container *container, struct failure *failure);

/* Append one payload at the next aligned offset. 0, or -1 with a message. */
int writer_payload(struct writer *writer, const void *data, size_t size, uint64_t *offset,
                   struct failure *failure);

/* 1 if the size bytes written at offset equal data, 0 if not, -1 with a message. */
int writer_compare(struct writer *writer, uint64_t offset, const void *data, size_t size,
                   struct failure *failure);

/*
 * Write the tables, sync, write the superblock, sync; move a new file to its
 * name. The uuid is derived from the tables and from that of the generation
 * before, so equal input gives an equal container. 0, or -1 with a message;
 * call writer_free in both cases.
 */
int writer_finish(struct writer *writer, const struct writer_table tables[LWC_TABLES],
                  const struct writer_totals *totals, struct failure *failure);

/* What writer_finish has written. */
const struct lwc_superblock *writer_superblock(const struct writer *writer);

/* NULL is allowed. */
void writer_free(struct writer *writer);

#endif
