/* SPDX-License-Identifier: BSD-3-Clause */
/* A sound DELTA and the tile of its base; for tile_maker.h. */
#ifndef FUZZ_DELTA_MAKER_H
#define FUZZ_DELTA_MAKER_H

#include "codec/delta.h"
#include "maker.h"

struct delta_maker_class {
    uint8_t first;
    uint32_t tokens;
    uint32_t begin[LWC_DELTA_TOKENS + 1];
};

struct nibbles {
    struct maker *maker;
    uint8_t *at; /* the byte of which only the lower half is used, or NULL */
};

static inline void put_nibble(struct nibbles *nibbles, uint32_t nibble)
{
    if (nibbles->at) {
        *nibbles->at |= (uint8_t)(nibble << 4);
        nibbles->at = NULL;
    } else {
        nibbles->at = maker_take(nibbles->maker, 1);
        *nibbles->at = (uint8_t)nibble;
    }
}

static inline void put_two_nibbles(struct nibbles *nibbles, uint32_t byte)
{
    put_nibble(nibbles, byte & 15);
    put_nibble(nibbles, byte >> 4);
}

static inline void maker_class(struct nibbles *nibbles, struct delta_maker_class *cls)
{
    struct maker *maker = nibbles->maker;
    uint32_t codes = maker_byte(maker) % (DELTA_CODES + 1), left = LWC_DELTA_TOTAL, before, used;
    uint32_t largest = maker_byte(maker) % LWC_DELTA_CODE_MAX + 1, code[DELTA_CODES + 1];

    put_two_nibbles(nibbles, cls->first);
    put_two_nibbles(nibbles, codes);
    before = DELTA_CODE_BEFORE;
    for (uint32_t j = 1; j <= codes; j++, before = code[j - 1]) {
        uint8_t way = maker_byte(maker);
        uint32_t step;

        code[j] = way % (largest + 1);
        while (delta_frequency(code[j]) * delta_twins(j) > left)
            code[j]--;
        left -= delta_frequency(code[j]) * delta_twins(j);
        step = code[j] + DELTA_NIBBLE_SAME - before;
        if (step < DELTA_NIBBLE_CODE && way < 0xf0) {
            put_nibble(nibbles, step);
        } else {
            put_nibble(nibbles, DELTA_NIBBLE_CODE);
            put_two_nibbles(nibbles, code[j]);
        }
    }
    cls->begin[0] = 0;
    cls->begin[1] = used = left;
    cls->tokens = 1;
    for (uint32_t j = 1; j <= codes; j++)
        for (uint32_t twin = 0; twin < delta_twins(j); twin++)
            cls->begin[++cls->tokens] = used += delta_frequency(code[j]);
}

/* Tokens as the input says, from the last to the first; their words, and the low bits of all. */
static inline uint64_t maker_tokens(struct maker *maker, const struct delta_maker_class *classes,
                                    uint32_t count, const struct lwc_delta_header *header,
                                    uint32_t state[LWC_DELTA_STATES], uint16_t *words,
                                    uint32_t *word_count)
{
    struct lwc_field_layout layout = lwc_field_layouts[maker->entry.field];
    uint64_t low = 0;

    for (uint32_t i = count; i-- > 0;) {
        const struct delta_maker_class *cls = classes + header->classes - 1;
        uint32_t old = 0, slot = maker_u16(maker) % LWC_DELTA_TOTAL, token = 0, symbol, frequency;
        uint32_t *own = &state[i % LWC_DELTA_STATES];

        memcpy(&old, maker->base + (size_t)i * layout.element, layout.element);
        symbol = old >> layout.mantissa & ((1u << layout.symbol) - 1);
        while (cls->first > symbol)
            cls--;
        while (slot >= cls->begin[token + 1])
            token++;
        frequency = cls->begin[token + 1] - cls->begin[token];
        if (*own >= (uint64_t)frequency << 20) {
            words[(*word_count)++] = (uint16_t)*own;
            *own >>= 16;
        }
        *own = *own / frequency * LWC_DELTA_TOTAL + *own % frequency + cls->begin[token];
        low += delta_token_low(token) +
               delta_shift(header->shift, header->pivot, symbol, layout.element * 8);
    }
    return low;
}

static inline void make_delta(struct maker *maker)
{
    static uint16_t words[LWC_TILE_MAX];
    struct delta_maker_class classes[LWC_DELTA_CLASSES];
    uint32_t state[LWC_DELTA_STATES], element, count, word_count = 0;
    struct nibbles nibbles = {.maker = maker};
    struct lwc_delta_header header = {0};
    uint8_t *start, *at;
    uint64_t low;

    maker->entry.field = (uint8_t)(maker_byte(maker) % LWC_FIELD_I8 + 1);
    element = lwc_field_size(maker->entry.field);
    count = maker_count(maker, element);
    maker->length = (size_t)count * element;
    maker->has_base = true;
    for (size_t i = 0; i < maker->length; i++)
        maker->base[i] = i < 64 ? maker_byte(maker) : (uint8_t)(maker->base[i - 64] + 7);
    if (!(maker_byte(maker) % 16)) {
        maker->entry.field = 0;
        return;
    }
    start = maker_take(maker, sizeof(header));
    header.classes = maker_byte(maker) % LWC_DELTA_CLASSES + 1;
    header.shift = maker_byte(maker) & 1 ? 0 : maker_byte(maker) % 16;
    header.pivot = maker_byte(maker) & 1 ? 0 : maker_byte(maker);
    for (uint32_t c = 0; c < header.classes; c++) {
        classes[c].first = c ? (uint8_t)(classes[c - 1].first + 1 + maker_byte(maker) % 31) : 0;
        maker_class(&nibbles, &classes[c]);
    }
    for (uint32_t i = 0; i < LWC_DELTA_STATES; i++)
        state[i] = LWC_DELTA_LOW;
    low = maker_tokens(maker, classes, count, &header, state, words, &word_count);
    header.low = (uint32_t)((low + 7) / 8);
    memcpy(start, &header, sizeof(header));
    memcpy(maker_take(maker, sizeof(state)), state, sizeof(state));
    at = maker_fill(maker, header.low);
    if (low % 8)
        at[header.low - 1] &= (uint8_t)((1u << low % 8) - 1);
    while (word_count)
        memcpy(maker_take(maker, 2), &words[--word_count], 2);
}

#endif
