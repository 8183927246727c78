/* SPDX-License-Identifier: BSD-3-Clause */
#include "merges.h"

#include <stdbool.h>
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
    /* multiplier of Knuth's hash for 64 bits: 2^64 divided by the golden ratio */
    uint64_t hash = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15ull;
    size_t at = (size_t)(hash >> 20) & (merges->capacity - 1);

    while (merges->taken[at] &&
           (merges->slots[at].left != left || merges->slots[at].right != right))
        at = (at + 1) & (merges->capacity - 1);
    return at;
}

void merges_add(struct merges *merges, const struct merge *merge)
{
    size_t at = slot_of(merges, merge->left, merge->right);

    if (merges->taken[at])
        return;
    merges->taken[at] = true;
    merges->slots[at] = *merge;
}

const struct merge *merges_find(const struct merges *merges, uint32_t left, uint32_t right)
{
    size_t at = slot_of(merges, left, right);

    return merges->taken[at] ? &merges->slots[at] : NULL;
}

/* A merge that may still be possible; it is not if its tokens have changed since. */
struct candidate {
    const struct merge *merge;
    size_t left, right; /* places of its tokens */
};

struct queue {
    struct candidate *heap;
    size_t count;
};

/* Tokens as a list: a merged one leaves a hole. */
struct list {
    uint32_t *tokens;
    size_t *next; /* count: none */
    size_t *previous;
    bool *gone;
    size_t count;
};

static bool before(const struct candidate *a, const struct candidate *b)
{
    if (a->merge->rank != b->merge->rank)
        return a->merge->rank < b->merge->rank;
    return a->left < b->left;
}

static void push(struct queue *queue, struct candidate candidate)
{
    size_t at = queue->count++;

    while (at && before(&candidate, &queue->heap[(at - 1) / 2])) {
        queue->heap[at] = queue->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->heap[at] = candidate;
}

static struct candidate pop(struct queue *queue)
{
    struct candidate top = queue->heap[0], last = queue->heap[--queue->count];
    size_t at = 0, child;

    while ((child = 2 * at + 1) < queue->count) {
        if (child + 1 < queue->count && before(&queue->heap[child + 1], &queue->heap[child]))
            child++;
        if (!before(&queue->heap[child], &last))
            break;
        queue->heap[at] = queue->heap[child];
        at = child;
    }
    queue->heap[at] = last;
    return top;
}

static void consider(const struct merges *merges, struct queue *queue, const struct list *list,
                     size_t left)
{
    size_t right = list->next[left];
    const struct merge *merge;

    if (right == list->count)
        return;
    merge = merges_find(merges, list->tokens[left], list->tokens[right]);
    if (merge)
        push(queue, (struct candidate){merge, left, right});
}

static bool still_there(const struct list *list, const struct candidate *candidate)
{
    return !list->gone[candidate->left] && !list->gone[candidate->right] &&
           list->next[candidate->left] == candidate->right &&
           list->tokens[candidate->left] == candidate->merge->left &&
           list->tokens[candidate->right] == candidate->merge->right;
}

static void merge_all(const struct merges *merges, struct queue *queue, struct list *list)
{
    for (size_t i = 0; i + 1 < list->count; i++)
        consider(merges, queue, list, i);
    while (queue->count) {
        struct candidate best = pop(queue);

        if (!still_there(list, &best))
            continue;
        list->tokens[best.left] = best.merge->result;
        list->gone[best.right] = true;
        list->next[best.left] = list->next[best.right];
        if (list->next[best.left] < list->count)
            list->previous[list->next[best.left]] = best.left;
        consider(merges, queue, list, best.left);
        if (list->previous[best.left] < list->count)
            consider(merges, queue, list, list->previous[best.left]);
    }
}

long merges_apply(const struct merges *merges, uint32_t *tokens, size_t count)
{
    struct list list = {.tokens = tokens, .count = count};
    /* each merge adds at most two candidates to the first count - 1 */
    struct queue queue = {.heap = calloc(3 * count + 1, sizeof(*queue.heap))};
    long left = -1;

    list.next = calloc(count + 1, sizeof(*list.next));
    list.previous = calloc(count + 1, sizeof(*list.previous));
    list.gone = calloc(count + 1, sizeof(*list.gone));
    if (queue.heap && list.next && list.previous && list.gone) {
        for (size_t i = 0; i < count; i++) {
            list.next[i] = i + 1;
            list.previous[i] = i ? i - 1 : count;
        }
        merge_all(merges, &queue, &list);
        left = 0;
        for (size_t i = 0; i < count; i++)
            if (!list.gone[i])
                tokens[left++] = tokens[i];
    }
    free(queue.heap);
    free(list.next);
    free(list.previous);
    free(list.gone);
    return left;
}
