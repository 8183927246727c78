/* SPDX-License-Identifier: BSD-3-Clause */
#include "vocabulary.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct entry {
    char *text; /* NULL: no token */
    size_t size;
};

/* Open addressing over ids; capacity is a power of two, at most half of it used. */
struct vocabulary {
    struct entry *entries; /* by id */
    size_t entry_room;
    uint32_t limit;
    uint32_t *slots;
    size_t capacity, used, longest;
};

static uint64_t hash_seed;

__attribute__((constructor)) static void choose_seed(void)
{
    /* without randomness, files could make tables slow, not wrong */
    if (getrandom(&hash_seed, sizeof(hash_seed), GRND_NONBLOCK) != sizeof(hash_seed))
        hash_seed = (uintptr_t)&hash_seed;
}

uint64_t unforeseen_hash(uint64_t value)
{
    /* multiplier of Knuth's hash for 64 bits: 2^64 divided by the golden ratio */
    unsigned __int128 product = (unsigned __int128)(value ^ hash_seed) * 0x9e3779b97f4a7c15ull;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_text(const char *text, size_t size)
{
    uint64_t hash = size, word;

    for (; size >= 8; text += 8, size -= 8) {
        memcpy(&word, text, 8);
        hash = unforeseen_hash(hash ^ word);
    }
    word = 0;
    if (size)
        memcpy(&word, text, size);
    return unforeseen_hash(hash ^ word);
}

struct vocabulary *vocabulary_new(void)
{
    return calloc(1, sizeof(struct vocabulary));
}

void vocabulary_free(struct vocabulary *vocabulary)
{
    if (!vocabulary)
        return;
    for (uint32_t i = 0; i < vocabulary->limit; i++)
        free(vocabulary->entries[i].text);
    free(vocabulary->entries);
    free(vocabulary->slots);
    free(vocabulary);
}

/* The slot of the text, or the free one where it belongs. */
static uint32_t *slot_of(const struct vocabulary *vocabulary, const char *text, size_t size)
{
    size_t at = hash_text(text, size) & (vocabulary->capacity - 1);

    for (;; at = (at + 1) & (vocabulary->capacity - 1)) {
        uint32_t *slot = &vocabulary->slots[at];
        const struct entry *entry = *slot == NO_TOKEN ? NULL : &vocabulary->entries[*slot];

        if (!entry || (entry->size == size && memcmp(entry->text, text, size) == 0))
            return slot;
    }
}

static int grow_slots(struct vocabulary *vocabulary)
{
    uint32_t *old = vocabulary->slots;
    size_t count = vocabulary->capacity;

    if (2 * (vocabulary->used + 1) <= count)
        return 0;
    vocabulary->capacity = count ? 2 * count : 1024;
    vocabulary->slots = malloc(vocabulary->capacity * sizeof(*old));
    if (!vocabulary->slots) {
        vocabulary->slots = old;
        vocabulary->capacity = count;
        return -1;
    }
    memset(vocabulary->slots, 0xff, vocabulary->capacity * sizeof(*old));
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = old[i] == NO_TOKEN ? NULL : &vocabulary->entries[old[i]];

        if (entry)
            *slot_of(vocabulary, entry->text, entry->size) = old[i];
    }
    free(old);
    return 0;
}

int vocabulary_add(struct vocabulary *vocabulary, const char *text, size_t size, uint32_t id)
{
    uint32_t *slot;
    char *copy;

    if (id >= vocabulary->limit) {
        if (make_room((void **)&vocabulary->entries, &vocabulary->entry_room, vocabulary->limit,
                      id + 1 - vocabulary->limit, sizeof(*vocabulary->entries)) < 0)
            return -1;
        memset(vocabulary->entries + vocabulary->limit, 0,
               (id + 1 - vocabulary->limit) * sizeof(*vocabulary->entries));
        vocabulary->limit = id + 1;
    }
    copy = malloc(size + 1);
    if (!copy || grow_slots(vocabulary) < 0) {
        free(copy);
        return -1;
    }
    memcpy(copy, text, size);
    copy[size] = 0;
    vocabulary->entries[id] = (struct entry){copy, size};
    slot = slot_of(vocabulary, text, size);
    vocabulary->used += *slot == NO_TOKEN;
    *slot = id;
    if (size > vocabulary->longest)
        vocabulary->longest = size;
    return 0;
}

uint32_t vocabulary_find(const struct vocabulary *vocabulary, const char *text, size_t size)
{
    return size > vocabulary->longest || !vocabulary->used ? NO_TOKEN
                                                           : *slot_of(vocabulary, text, size);
}

const char *vocabulary_text(const struct vocabulary *vocabulary, uint32_t id, size_t *size)
{
    const struct entry *entry = id < vocabulary->limit ? &vocabulary->entries[id] : NULL;

    *size = entry ? entry->size : 0;
    return entry ? entry->text : NULL;
}

uint32_t vocabulary_limit(const struct vocabulary *vocabulary)
{
    return vocabulary->limit;
}

size_t vocabulary_longest(const struct vocabulary *vocabulary)
{
    return vocabulary->longest;
}
