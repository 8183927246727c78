/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Write the model of a plan with a writer: what pack and patch share.
 *
 * Tiles are read, encoded and hashed by all threads and written in the order
 * of the plan, so that equal input gives an equal container for any number of
 * threads. A thread holds one tile; beside that, memory grows by the tables
 * alone (about 56 bytes a tile of 128 KiB).
 */
#ifndef LWC_PACKING_H
#define LWC_PACKING_H

#include "base.h"
#include "plan.h"
#include "container/writer.h"
#include "encode/encode.h"

struct packing;

/*
 * current: the container's current generation, whose equal tiles stay. base:
 * what the container is to depend on, described by dep. NULL without one.
 */
struct packing_input {
    struct plan *plan;
    struct writer *writer;
    struct base *current;
    struct base *base;
    struct lwc_dep dep;
    struct encode_policy policy;
    unsigned int threads;
    const char *label; /* of the progress */
};

/* What packing_run did with the tiles; the rest were encoded. */
struct packing_counts {
    uint64_t kept;
    uint64_t bytes_appended; /* payloads of the others */
};

/* NULL with a message. input must live as long. */
struct packing *packing_new(const struct packing_input *input, struct failure *failure);
void packing_free(struct packing *packing); /* NULL is allowed */

/* Write all payloads. 0, or -1 with a message. */
int packing_run(struct packing *packing, struct failure *failure);
const struct packing_counts *packing_counts(const struct packing *packing);

/* Then: the tables as they are to be. They live as long as packing. */
const struct writer_table *packing_tables(const struct packing *packing);

/* Then: finish the writer. 0, or -1 with a message. */
int packing_finish(struct packing *packing, struct failure *failure);

#endif
