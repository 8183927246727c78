/* SPDX-License-Identifier: BSD-3-Clause */
#include "added.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <unictype.h>

int added_add(struct added *added, const struct added_token *token)
{
    if (make_room((void **)&added->items, &added->room, added->count, 1, sizeof(*token)) < 0) {
        free(token->name);
        return -1;
    }
    added->items[added->count++] = *token;
    return 0;
}

void added_free(struct added *added)
{
    for (size_t i = 0; i < added->count; i++)
        free(added->items[i].name);
    free(added->items);
    *added = (struct added){0};
}

static int by_name(const void *left, const void *right)
{
    const struct added_token *a = left, *b = right;
    int order = memcmp(a->name, b->name, a->size < b->size ? a->size : b->size);

    return order ? order : (a->size > b->size) - (a->size < b->size);
}

void added_sort(struct added *added)
{
    size_t at = 0;

    if (added->count)
        qsort(added->items, added->count, sizeof(*added->items), by_name);
    for (size_t byte = 0; byte < 256; byte++) {
        added->firsts[byte] = at;
        while (at < added->count && (uint8_t)added->items[at].name[0] == byte)
            at++;
    }
    added->firsts[256] = at;
}

/* The first of the items low to high, equal before byte at, with a byte there of at least that. */
static size_t bisect(const struct added *added, size_t low, size_t high, size_t at, int least)
{
    while (low < high) {
        const struct added_token *middle = &added->items[low + (high - low) / 2];
        int byte = at < middle->size ? (uint8_t)middle->name[at] : -1;

        if (byte < least)
            low += (high - low) / 2 + 1;
        else
            high = low + (high - low) / 2;
    }
    return low;
}

const struct added_token *added_longest(const struct added *added, const char *text, size_t size)
{
    const struct added_token *longest = NULL;
    size_t low, high;

    if (!size)
        return NULL;
    low = added->firsts[(uint8_t)text[0]];
    high = added->firsts[(uint8_t)text[0] + 1];
    for (size_t at = 1; low < high; at++) {
        if (added->items[low].size == at)
            longest = &added->items[low];
        if (at == size)
            break;
        low = bisect(added, low, high, at, (uint8_t)text[at]);
        high = bisect(added, low, high, at, (uint8_t)text[at] + 1);
    }
    return longest;
}

const struct added_token *added_find(const struct added *added, const char *text, size_t size)
{
    const struct added_token *token = added_longest(added, text, size);

    return token && token->size == size ? token : NULL;
}

static bool is_space(uint32_t code)
{
    return uc_is_property_white_space(code);
}

/* Letters, marks, digits, connectors, joiners. */
static bool is_word(uint32_t code)
{
    return uc_is_property_alphabetic(code) || code == 0x200c || code == 0x200d ||
           uc_is_general_category_withtable(code, UC_CATEGORY_MASK_M | UC_CATEGORY_MASK_Nd |
                                                      UC_CATEGORY_MASK_Pc);
}

/* Where the character begins that ends at that place, which is no beginning. */
static size_t character_before(const char *text, size_t at)
{
    do
        at--;
    while (at && ((uint8_t)text[at] & 0xc0) == 0x80);
    return at;
}

static bool stands_alone(const char *text, size_t size, size_t start, size_t end)
{
    size_t before = start ? character_before(text, start) : 0;

    return !(start && is_word(character_code(text + before, start - before))) &&
           !(end < size &&
             is_word(character_code(text + end, character_size(text + end, size - end))));
}

static size_t space_start(const char *text, size_t least, size_t at)
{
    while (at > least) {
        size_t before = character_before(text, at);

        if (!is_space(character_code(text + before, at - before)))
            break;
        at = before;
    }
    return at;
}

static size_t space_end(const char *text, size_t size, size_t at)
{
    while (at < size) {
        size_t length = character_size(text + at, size - at);

        if (!is_space(character_code(text + at, length)))
            break;
        at += length;
    }
    return at;
}

int added_split(const struct added *added, const char *text, size_t size, bool special,
                added_part part, void *context)
{
    size_t done = 0, at = 0, spaces = 0;
    int result = 0;

    while (added->count && at < size && result == 0) {
        const struct added_token *token = added_longest(added, text + at, size - at);
        size_t start = at, end;

        if (!token) {
            at++;
            continue;
        }
        end = at += token->size;
        if ((token->special && !special) ||
            (token->single_word && !stands_alone(text, size, start, end)))
            continue;
        if (token->lstrip && start > done)
            start = space_start(text, done, start);
        if (token->rstrip) /* in a run of white space that is known, at its end */
            end = spaces = end < spaces ? spaces : space_end(text, size, end);
        if (done < start)
            result = part(context, text + done, start - done, NULL);
        if (result == 0)
            result = part(context, text + start, end - start, token);
        done = end;
    }
    if (result == 0 && done != size)
        result = part(context, text + done, size - done, NULL);
    return result;
}
