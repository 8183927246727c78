/* SPDX-License-Identifier: BSD-3-Clause */
#include "usage.h"
#include "align.h"

#include <stdlib.h>

struct payload {
    uint64_t offset;
    uint64_t tile;
    uint32_t stored;
};

static int compare_payloads(const void *left, const void *right)
{
    const struct payload *a = left, *b = right;

    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    if (a->stored != b->stored)
        return a->stored < b->stored ? -1 : 1;
    return a->tile < b->tile ? -1 : a->tile > b->tile;
}

int usage_find(const struct lwc_tile *tiles, uint64_t count, struct usage *out,
               struct failure *failure)
{
    struct payload *payloads = calloc(count + 1, sizeof(*payloads));
    const struct payload *first = payloads;

    out->bytes = 0;
    out->first = calloc(count + 1, sizeof(*out->first));
    if (!payloads || !out->first) {
        free(payloads);
        return fail(failure, "out of memory for the table of tiles");
    }
    for (uint64_t i = 0; i < count; i++)
        payloads[i] = (struct payload){tiles[i].offset, i, tiles[i].stored};
    qsort(payloads, count, sizeof(*payloads), compare_payloads);
    for (uint64_t i = 0; i < count; i++) {
        if (i == 0 || payloads[i].offset != first->offset || payloads[i].stored != first->stored) {
            first = &payloads[i];
            out->bytes += align_up(first->stored, LWC_PAYLOAD_ALIGN);
        }
        out->first[payloads[i].tile] = first->tile;
    }
    free(payloads);
    return 0;
}

void usage_free(struct usage *usage)
{
    free(usage->first);
    usage->first = NULL;
}

uint64_t usage_file_size(const struct usage *usage, const struct lwc_superblock *superblock)
{
    uint64_t size = align_up(LWC_DATA_START + usage->bytes, LWC_BLOCK_SIZE);

    for (uint32_t i = 0; i < LWC_TABLES; i++) {
        uint64_t count = superblock->tables[i].count;

        if (count)
            size +=
                (lwc_table_position(lwc_table_entry_size(i), count - 1).block + 1) * LWC_BLOCK_SIZE;
    }
    return size;
}
