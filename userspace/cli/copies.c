/* SPDX-License-Identifier: BSD-3-Clause */
#include "copies.h"

#include <stdlib.h>
#include <string.h>

/* A COPY saves nothing below this: the entry itself has 32 bytes. */
#define SMALLEST 64u
#define FIRST_CAPACITY 1024u

struct slot {
    uint64_t index_plus_1; /* 0: free */
    uint32_t crc;
    uint32_t decoded;
};

/* Open addressing with linear probing; capacity is a power of two. */
struct copies {
    struct slot *slots;
    size_t capacity;
    size_t used;
};

struct copies *copies_new(void)
{
    struct copies *copies = calloc(1, sizeof(*copies));

    if (!copies)
        return NULL;
    copies->capacity = FIRST_CAPACITY;
    copies->slots = calloc(copies->capacity, sizeof(*copies->slots));
    if (copies->slots)
        return copies;
    free(copies);
    return NULL;
}

void copies_free(struct copies *copies)
{
    if (copies)
        free(copies->slots);
    free(copies);
}

static void insert(struct slot *slots, size_t capacity, const struct slot *slot)
{
    size_t at = slot->crc & (capacity - 1);

    while (slots[at].index_plus_1)
        at = (at + 1) & (capacity - 1);
    slots[at] = *slot;
}

static int grow(struct copies *copies)
{
    size_t capacity = 2 * copies->capacity;
    struct slot *slots = calloc(capacity, sizeof(*slots));

    if (!slots)
        return -1;
    for (size_t i = 0; i < copies->capacity; i++)
        if (copies->slots[i].index_plus_1)
            insert(slots, capacity, &copies->slots[i]);
    free(copies->slots);
    copies->slots = slots;
    copies->capacity = capacity;
    return 0;
}

int copies_add(struct copies *copies, uint64_t index, const struct lwc_tile *entry,
               uint32_t decoded)
{
    struct slot slot = {.index_plus_1 = index + 1, .crc = entry->crc, .decoded = decoded};

    if (entry->stored < SMALLEST)
        return 0;
    if (2 * copies->used >= copies->capacity && grow(copies) < 0)
        return -1;
    insert(copies->slots, copies->capacity, &slot);
    copies->used++;
    return 0;
}

static int same_codec(const struct lwc_tile *left, const struct lwc_tile *right)
{
    return left->stored == right->stored && left->crc == right->crc &&
           left->param == right->param && left->field == right->field &&
           left->base == right->base && left->ref == right->ref &&
           !memcmp(left->chain, right->chain, sizeof(left->chain));
}

int copies_find(struct copies *copies, struct writer *writer, const struct lwc_tile *tiles,
                struct lwc_tile *entry, const uint8_t *data, uint32_t decoded,
                struct failure *failure)
{
    size_t at = entry->crc & (copies->capacity - 1);

    if (entry->stored < SMALLEST)
        return 0;
    for (; copies->slots[at].index_plus_1; at = (at + 1) & (copies->capacity - 1)) {
        const struct slot *slot = &copies->slots[at];
        const struct lwc_tile *other = &tiles[slot->index_plus_1 - 1];
        int same;

        if (slot->crc != entry->crc || slot->decoded != decoded || !same_codec(other, entry))
            continue;
        same = other->offset == entry->offset
                   ? 1
                   : writer_compare(writer, other->offset, data, entry->stored, failure);
        if (same < 0)
            return -1;
        if (!same)
            continue;
        entry->offset = other->offset;
        entry->ref = slot->index_plus_1 - 1;
        entry->param = 0;
        entry->field = 0;
        entry->base = 0;
        memset(entry->chain, 0, sizeof(entry->chain));
        entry->chain[0] = LWC_CODEC_COPY;
        return 1;
    }
    return 0;
}
