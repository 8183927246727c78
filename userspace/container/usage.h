/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which payloads a tile table refers to. Tiles share one when they are copies,
 * or when constants were found to be equal; an update leaves payloads that no
 * tile refers to any more.
 */
#ifndef LWC_USAGE_H
#define LWC_USAGE_H

#include "failure.h"
#include "kmod/codec/codec.h"

#include <stdint.h>

struct usage {
    uint64_t *first; /* for each tile, the lowest one with the same payload */
    uint64_t bytes;  /* of all payloads, each once and with its padding */
};

/* 0, or -1 with a message; usage_free in both cases. */
int usage_find(const struct lwc_tile *tiles, uint64_t count, struct usage *out,
               struct failure *failure);
void usage_free(struct usage *usage);

/* Size of a file that holds these payloads, the tables of superblock, and nothing else. */
uint64_t usage_file_size(const struct usage *usage, const struct lwc_superblock *superblock);

#endif
