/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Write a new .lwc container.
 *
 * The container grows in a temporary file beside its final name. Only
 * writer_finish makes it visible, whole and synced to the disk; until then
 * writer_free leaves nothing behind. One thread uses a writer at a time.
 */
#ifndef LWC_WRITER_H
#define LWC_WRITER_H

#include "failure.h"
#include "kmod/codec/codec.h"

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

/* Append one payload at the next aligned offset. 0, or -1 with a message. */
int writer_payload(struct writer *writer, const void *data, size_t size, uint64_t *offset,
                   struct failure *failure);

/* 1 if the size bytes written at offset equal data, 0 if not, -1 with a message. */
int writer_compare(struct writer *writer, uint64_t offset, const void *data, size_t size,
                   struct failure *failure);

/*
 * Write tables and superblock, sync, and move the file to its name. The uuid
 * is derived from the tables, so equal input gives an equal container.
 * 0, or -1 with a message; call writer_free in both cases.
 */
int writer_finish(struct writer *writer, const struct writer_table tables[LWC_TABLES],
                  const struct writer_totals *totals, struct failure *failure);

/* Size of the finished container in bytes. */
uint64_t writer_size(const struct writer *writer);

/* NULL is allowed. */
void writer_free(struct writer *writer);

#endif
