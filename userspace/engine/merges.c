/* SPDX-License-Identifier: BSD-3-Clause */
#include "merges.h"
#include "text.h"
#include "vocabulary.h"

#include <stdlib.h>

/* Open addressing; capacity is a power of two, at most half of it used. */
struct merges {
    struct merge *slots;
    bool *taken;
    size_t capacity;
};

struct merges *merges_new(size_t count)
{
    struct merges *merges = calloc(1, sizeof(*merges));

    if (!merges)
        return NULL;
    merges->capacity = 16;
    while (merges->capacity < 2 * count)
        merges->capacity *= 2;
    merges->slots = calloc(merges->capacity, sizeof(*merges->slots));
    merges->taken = calloc(merges->capacity, sizeof(*merges->taken));
    if (merges->slots && merges->taken)
        return merges;
    merges_free(merges);
    return NULL;
}

void merges_free(struct merges *merges)
{
    if (!merges)
        return;
    free(merges->slots);
    free(merges->taken);
    free(merges);
}

/* The slot of the pair, or the free one where it belongs. */
static size_t slot_of(const struct merges *merges, uint32_t left, uint32_t right)
{
    size_t at = unforeseen_hash((uint64_t)left << 32 | right) & (merges->capacity - 1);

    while (merges->taken[at] &&
           (merges->slots[at].left != left || merges->slots[at].right != right))
        at = (at + 1) & (merges->capacity - 1);
    return at;
}

void merges_add(struct merges *merges, const struct merge *merge)
{
    size_t at = slot_of(merges, merge->left, merge->right);

    merges->taken[at] = true;
    merges->slots[at] = *merge;
}

const struct merge *merges_find(const struct merges *merges, uint32_t left, uint32_t right)
{
    size_t at = slot_of(merges, left, right);

    return merges->taken[at] ? &merges->slots[at] : NULL;
}

/* A merge of a symbol with its next one, or with the one that was next when it was found. */
struct candidate {
    uint32_t rank, left, result;
};

static bool before(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static int push(struct merging *merging, struct candidate candidate)
{
    struct candidate *heap;
    size_t at;

    if (make_room((void **)&merging->heap, &merging->heap_room, merging->heap_count, 1,
                  sizeof(candidate)) < 0)
        return -1;
    heap = merging->heap;
    at = merging->heap_count++;
    while (at && before(&candidate, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = candidate;
    return 0;
}

static struct candidate pop(struct merging *merging)
{
    struct candidate *heap = merging->heap, top = heap[0], last = heap[--merging->heap_count];
    size_t at = 0, child;

    while ((child = 2 * at + 1) < merging->heap_count) {
        if (child + 1 < merging->heap_count && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return top;
}

int merging_add(struct merging *merging, uint32_t token, size_t start, size_t size)
{
    uint32_t at = (uint32_t)merging->count;

    if (merging->count >= NO_SYMBOL ||
        make_room((void **)&merging->symbols, &merging->room, at, 1, sizeof(struct symbol)) < 0)
        return -1;
    merging->symbols[at] =
        (struct symbol){token, (uint32_t)start, (uint32_t)size, NO_SYMBOL, at ? at - 1 : NO_SYMBOL};
    if (at)
        merging->symbols[at - 1].next = at;
    merging->count++;
    return 0;
}

/* What the symbol makes with its next one, if they merge. */
static bool candidate_at(const struct merging *merging, merge_lookup lookup, const void *context,
                         uint32_t at, struct candidate *candidate)
{
    const struct symbol *left = &merging->symbols[at];

    candidate->left = at;
    return left->next != NO_SYMBOL && lookup(context, left, &merging->symbols[left->next],
                                             &candidate->rank, &candidate->result);
}

static void join(struct merging *merging, const struct candidate *candidate)
{
    struct symbol *left = &merging->symbols[candidate->left];
    struct symbol *right = &merging->symbols[left->next];

    left->token = candidate->result;
    left->size += right->size;
    left->next = right->next;
    if (left->next != NO_SYMBOL)
        merging->symbols[left->next].previous = candidate->left;
    right->next = NO_SYMBOL; /* and so it never merges again */
}

int merging_run(struct merging *merging, merge_lookup lookup, const void *context)
{
    struct candidate candidate;

    merging->heap_count = 0;
    for (uint32_t i = 0; i < merging->count; i++)
        if (candidate_at(merging, lookup, context, i, &candidate) && push(merging, candidate) < 0)
            return -1;
    while (merging->heap_count) {
        struct candidate best = pop(merging);
        uint32_t previous = merging->symbols[best.left].previous;

        /* both may have merged since; it still counts if they now make the same */
        if (!candidate_at(merging, lookup, context, best.left, &candidate) ||
            candidate.result != best.result)
            continue;
        join(merging, &best);
        if (previous != NO_SYMBOL && candidate_at(merging, lookup, context, previous, &candidate) &&
            push(merging, candidate) < 0)
            return -1;
        if (candidate_at(merging, lookup, context, best.left, &candidate) &&
            push(merging, candidate) < 0)
            return -1;
    }
    return 0;
}

void merging_free(struct merging *merging)
{
    free(merging->symbols);
    free(merging->heap);
    *merging = (struct merging){0};
}
