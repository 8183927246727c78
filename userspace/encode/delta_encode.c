/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/delta_classes.h"
#include "encode/delta_encode.h"
#include "encode/elements.h"
#include "kmod/codec/delta.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Loops over all elements: once for any CPU and once for better shifts and counts of zeroes. */
#define BMI2 __attribute__((target_clones("bmi2", "default")))
#define VECTORS __attribute__((target_clones("avx2", "default"), optimize("O3")))

/* Bits at most of u >> shift of half of the elements: then those are tokens by themselves. */
#define MEDIAN_BITS 3
/* Elements from which shifts are chosen. */
#define SAMPLE 4096
/* Eights of token 0 of which one is counted. */
#define EVERY 4

/*
 * A token as the coder of a class needs it. States that are divided are below frequency << 20, so
 * that their product with the reciprocal is right to the last bit, and below 2^64.
 */
struct part {
    uint64_t reciprocal; /* 2^44 / frequency, rounded up */
    uint32_t most;       /* state that needs no word before */
    uint32_t others;
    uint32_t begin;
    uint32_t reserved[3]; /* a size that is a shift */
};

struct delta_encoder {
    uint32_t difference[LWC_LEVELS_WEIGHTS]; /* u of the format */
    uint8_t symbol[LWC_LEVELS_WEIGHTS];
    uint8_t token[LWC_LEVELS_WEIGHTS];
    uint32_t lengths[SYMBOLS][33];                 /* elements by the bits of their difference */
    uint32_t counts[2][SYMBOLS][LWC_DELTA_TOKENS]; /* of elements in turn; then all in the first */
    uint32_t low_of[LWC_DELTA_TOKENS];
    struct symbol_class classes[SYMBOLS];
    uint32_t class_count;
    uint8_t class_of[SYMBOLS];
    uint8_t shift_of[SYMBOLS];
    uint8_t codes[LWC_DELTA_CLASSES][1 + DELTA_CODES]; /* of frequencies, from 1 on */
    struct part parts[LWC_DELTA_CLASSES][LWC_DELTA_TOKENS];
    uint8_t shift, pivot;
    uint16_t words[1 + LWC_LEVELS_WEIGHTS]; /* the first is written to, but never a word */
    uint8_t out[LWC_TILE_MAX + 4096];
};

struct delta_encoder *delta_encoder_new(void)
{
    struct delta_encoder *encoder = malloc(sizeof(*encoder));

    for (uint32_t t = 0; encoder && t < LWC_DELTA_TOKENS; t++)
        encoder->low_of[t] = delta_token_low(t);
    return encoder;
}

void delta_encoder_free(struct delta_encoder *encoder)
{
    free(encoder);
}

static bool is_float(uint8_t field)
{
    return field < LWC_FIELD_I8;
}

/* u of the format, of element i; and the symbol of its base. */
INLINE uint32_t difference_at(struct lwc_field_layout layout, bool is_float, const uint8_t *src,
                              const uint8_t *base, uint32_t i, uint8_t *symbol)
{
    uint32_t bits = 8u * layout.element, old = element_load(base, layout.element, i);
    uint32_t d = delta_ordered(element_load(src, layout.element, i), bits, is_float) -
                 delta_ordered(old, bits, is_float);

    /* the sign of n bits to all of 32 */
    d = (uint32_t)((int32_t)(d << (32 - bits)) >> (32 - bits));
    *symbol = (uint8_t)(old >> layout.mantissa & ((1u << layout.symbol) - 1));
    return d << 1 ^ (uint32_t)((int32_t)d >> 31);
}

static uint32_t bit_length(uint32_t value)
{
    return value ? 32 - (uint32_t)__builtin_clz(value) : 0;
}

/* A sample is enough for medians. */
static void count_lengths(struct delta_encoder *encoder, uint8_t field, const uint8_t *src,
                          const uint8_t *base, uint32_t count)
{
    uint32_t step = count / SAMPLE | 1;
    uint8_t symbol;

    memset(encoder->lengths, 0, sizeof(encoder->lengths));
    for (uint32_t i = 0; i < count; i += step) {
        uint32_t u =
            difference_at(lwc_field_layouts[field], is_float(field), src, base, i, &symbol);

        encoder->lengths[symbol][bit_length(u)]++;
    }
}

/* The shift that a symbol's differences want; -1: the symbol does not occur. */
static int wanted_shift(const uint32_t lengths[33], uint32_t *total)
{
    uint32_t below = 0, median = 0;

    *total = 0;
    for (uint32_t l = 0; l < 33; l++)
        *total += lengths[l];
    if (!*total)
        return -1;
    while ((below += lengths[median]) < (*total + 1) / 2)
        median++;
    return median > MEDIAN_BITS ? (int)(median - MEDIAN_BITS) : 0;
}

/* Where half of the weight lies at or below. */
static uint32_t weighted_median(const uint64_t *weights, uint32_t count)
{
    uint64_t total = 0, below = 0;
    uint32_t at = 0;

    for (uint32_t i = 0; i < count; i++)
        total += weights[i];
    if (!total)
        return 0;
    while ((below += weights[at]) < (total + 1) / 2)
        at++;
    return at;
}

static uint64_t misfit(const int wanted[SYMBOLS], const uint32_t totals[SYMBOLS], uint32_t shift,
                       uint32_t pivot, uint32_t bits)
{
    uint64_t sum = 0;

    for (uint32_t s = 0; s < SYMBOLS; s++)
        if (wanted[s] >= 0)
            sum += (uint64_t)totals[s] *
                   (uint64_t)abs((int)delta_shift(shift, pivot, s, bits) - wanted[s]);
    return sum;
}

/*
 * Differences are of the same absolute size for all exponents, so that with
 * each lower exponent they have a bit more; or they are of the same relative size.
 */
static void choose_shift(struct delta_encoder *encoder, uint32_t bits)
{
    uint64_t shifts[33] = {0}, pivots[SYMBOLS + 33] = {0};
    uint32_t totals[SYMBOLS], shift, pivot;
    int wanted[SYMBOLS];

    for (uint32_t s = 0; s < SYMBOLS; s++) {
        wanted[s] = wanted_shift(encoder->lengths[s], &totals[s]);
        if (wanted[s] >= 0)
            shifts[wanted[s]] += totals[s];
        if (wanted[s] > 0)
            pivots[s + (uint32_t)wanted[s]] += totals[s];
    }
    shift = weighted_median(shifts, 33);
    pivot = weighted_median(pivots, SYMBOLS + 33);
    if (pivot > 255)
        pivot = 255;
    if (misfit(wanted, totals, 0, pivot, bits) < misfit(wanted, totals, shift, 0, bits))
        shift = 0;
    else
        pivot = 0;
    encoder->shift = (uint8_t)shift;
    encoder->pivot = (uint8_t)pivot;
    for (uint32_t s = 0; s < SYMBOLS; s++)
        encoder->shift_of[s] = (uint8_t)delta_shift(shift, pivot, s, bits);
}

static uint32_t token_of(uint32_t value)
{
    uint64_t above = (uint64_t)value + 1;
    uint32_t top;

    if (value < LWC_DELTA_DIRECT)
        return value;
    top = 63 - (uint32_t)__builtin_clzll(above);
    return LWC_DELTA_DIRECT + 2 * (top - 4) + (uint32_t)(above >> (top - 1) & 1);
}

/* The same below 2^24, for loops of vectors: a float's exponent and first bit of mantissa. */
INLINE uint32_t token_of_small(uint32_t value)
{
    union {
        float number;
        uint32_t bits;
    } above = {.number = (float)(int32_t)(value + 1)};
    uint32_t token = (above.bits >> 22) - 2 * (127 + 4) + LWC_DELTA_DIRECT;

    /* a condition would keep the loop from being one of vectors */
    return token ^ ((token ^ value) & (0u - (value < LWC_DELTA_DIRECT)));
}

INLINE void take(struct delta_encoder *encoder, struct lwc_field_layout layout, bool is_float,
                 const uint8_t *src, const uint8_t *base, uint32_t count)
{
    int32_t shift = encoder->shift, pivot = encoder->pivot, most = 8 * layout.element - 6;

    for (uint32_t i = 0; i < count; i++)
        encoder->difference[i] = difference_at(layout, is_float, src, base, i, &encoder->symbol[i]);
    for (uint32_t i = 0; i < count; i++) {
        int32_t up = pivot - encoder->symbol[i];
        uint32_t value;

        up = shift + (up > 0 ? up : 0);
        value = encoder->difference[i] >> (up < most ? up : most);
        encoder->token[i] =
            (uint8_t)(layout.element <= 2 ? token_of_small(value) : token_of(value));
    }
}

/* What occurs often with constant geometry. */
VECTORS static void take_differences(struct delta_encoder *encoder, uint8_t field,
                                     const uint8_t *src, const uint8_t *base, uint32_t count)
{
    static const struct lwc_field_layout bf16 = {8, 7, 2}, f16 = {5, 10, 2}, f32 = {8, 23, 4};

    if (field == LWC_FIELD_BF16)
        take(encoder, bf16, true, src, base, count);
    else if (field == LWC_FIELD_F16)
        take(encoder, f16, true, src, base, count);
    else if (field == LWC_FIELD_F32)
        take(encoder, f32, true, src, base, count);
    else
        take(encoder, lwc_field_layouts[field], is_float(field), src, base, count);
}

/* Both counts in the first; returns how many low bits the tokens have of their own. */
VECTORS static uint32_t add_counts(struct delta_encoder *encoder)
{
    uint32_t low = 0;

    for (uint32_t s = 0; s < SYMBOLS; s++)
        for (uint32_t t = 0; t < LWC_DELTA_TOKENS; t++) {
            encoder->counts[0][s][t] += encoder->counts[1][s][t];
            low += encoder->counts[0][s][t] * encoder->low_of[t];
        }
    return low;
}

static uint64_t eight_of(const uint8_t *bytes)
{
    uint64_t eight;

    memcpy(&eight, bytes, sizeof(eight));
    return eight;
}

/*
 * How often each token occurs; returns the low bits of all elements. Of many eights of
 * token 0, one of EVERY stands for the others if they have no low bits.
 */
static uint64_t count_tokens(struct delta_encoder *encoder, uint32_t count)
{
    bool shifted = encoder->shift || encoder->pivot;
    uint32_t i = 0, zeroes = 0;
    uint64_t low = 0;

    memset(encoder->counts, 0, sizeof(encoder->counts));
    for (; !shifted && count >= 8 * SAMPLE && i + 8 <= count; i += 8) {
        const uint8_t *symbol = encoder->symbol + i, *token = encoder->token + i;
        uint32_t weight = 1;

        if (!eight_of(token)) {
            if (zeroes++ % EVERY)
                continue;
            weight = EVERY;
        }
        /* equal neighbours do not wait for each other's store */
        for (uint32_t j = 0; j < 8; j++)
            encoder->counts[j % 2][symbol[j]][token[j]] += weight;
    }
    for (; i < count; i++)
        encoder->counts[i % 2][encoder->symbol[i]][encoder->token[i]]++;
    low = add_counts(encoder);
    for (uint32_t s = 0; shifted && s < SYMBOLS; s++)
        for (uint32_t t = 0; encoder->shift_of[s] && t < LWC_DELTA_TOKENS; t++)
            low += (uint64_t)encoder->counts[0][s][t] * encoder->shift_of[s];
    return low;
}

static uint32_t prepare_part(struct part *part, uint32_t begin, uint32_t frequency)
{
    if (frequency)
        *part = (struct part){.reciprocal = ((1ull << 44) + frequency - 1) / frequency,
                              .most = (uint32_t)(((uint64_t)frequency << 20) - 1),
                              .others = LWC_DELTA_TOTAL - frequency,
                              .begin = begin};
    return begin + frequency;
}

static void prepare_parts(const struct symbol_class *cls, const uint8_t *codes, struct part *parts)
{
    uint32_t begin =
        prepare_part(&parts[0], 0, LWC_DELTA_TOTAL - delta_sum_frequencies(codes, cls->codes));

    for (uint32_t j = 1; j <= cls->codes; j++) {
        uint32_t token = delta_code_token(j), frequency = delta_frequency(codes[j]);

        if (delta_twins(j) == 2)
            begin = prepare_part(&parts[token - 1], begin, frequency);
        begin = prepare_part(&parts[token], begin, frequency);
    }
}

/* The state before a token, from that after it; a word goes before *word, an index, if it must. */
INLINE uint32_t put_token(const struct part *part, uint32_t state, uint16_t *words, size_t *word)
{
    uint32_t less = state >> 16;

    words[*word - 1] = (uint16_t)state;
    /* compilers branch, or take longer */
    __asm__("cmpl %[state], %[most]\n\t"
            "cmovb %[less], %[state]\n\t"
            "sbbq $0, %[word]"
            : [state] "+&r"(state), [word] "+&r"(*word)
            : [less] "r"(less), [most] "r"(part->most)
            : "cc");
    return state + (uint32_t)(state * part->reciprocal >> 44) * part->others + part->begin;
}

/* Tokens from the last to the first; returns the words, which end where the buffer does. */
BMI2 static const uint16_t *put_words(struct delta_encoder *encoder, uint32_t count,
                                      uint32_t state[LWC_DELTA_STATES])
{
    const uint32_t low = LWC_DELTA_LOW;
    uint32_t x[LWC_DELTA_STATES] = {low, low, low, low}, x0, x1, x2, x3, i = count;
    uint16_t *words = encoder->words;
    size_t word = 1 + LWC_LEVELS_WEIGHTS;
    const struct part *parts[SYMBOLS];

    for (uint32_t s = 0; s < SYMBOLS; s++)
        parts[s] = encoder->parts[encoder->class_of[s]];
    while (i % LWC_DELTA_STATES) {
        uint32_t *last = &x[--i % LWC_DELTA_STATES];

        *last = put_token(&parts[encoder->symbol[i]][encoder->token[i]], *last, words, &word);
    }
    x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
    while (i) {
        const uint8_t *symbol = &encoder->symbol[i -= LWC_DELTA_STATES];
        const uint8_t *token = &encoder->token[i];

        x3 = put_token(&parts[symbol[3]][token[3]], x3, words, &word);
        x2 = put_token(&parts[symbol[2]][token[2]], x2, words, &word);
        x1 = put_token(&parts[symbol[1]][token[1]], x1, words, &word);
        x0 = put_token(&parts[symbol[0]][token[0]], x0, words, &word);
    }
    memcpy(state, (uint32_t[]){x0, x1, x2, x3}, 4 * sizeof(*state));
    return words + word;
}

/* Are eight tokens without low bits of their own? */
INLINE bool all_direct(const uint8_t *tokens)
{
    const uint64_t every = 0x0101010101010101ull;
    uint64_t eight;

    memcpy(&eight, tokens, 8);
    return !((eight + (128 - LWC_DELTA_DIRECT) * every) & 128 * every);
}

/* The low bits of all elements, of which there are some; returns the byte behind them. */
BMI2 static uint8_t *put_low(const struct delta_encoder *encoder, uint32_t count, uint8_t *out)
{
    uint32_t least[LWC_DELTA_TOKENS];
    uint8_t of_token[LWC_DELTA_TOKENS];
    bool shifted = encoder->shift || encoder->pivot;
    uint64_t waiting = 0;
    uint32_t bits = 0;

    for (uint32_t t = 0; t < LWC_DELTA_TOKENS; t++) {
        of_token[t] = (uint8_t)delta_token_low(t);
        least[t] = delta_token_least(t);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t token = encoder->token[i], shift = encoder->shift_of[encoder->symbol[i]];
        uint32_t low = shift + of_token[token];

        if (!shifted && i + 8 <= count && all_direct(encoder->token + i)) {
            i += 7;
            continue;
        }
        waiting |= (encoder->difference[i] - ((uint64_t)least[token] << shift)) << bits;
        bits += low;
        memcpy(out, &waiting, 8);
        out += bits / 8;
        waiting = bits & 64 ? 0 : waiting >> (bits & 56);
        bits %= 8;
    }
    *out = (uint8_t)waiting;
    return out + (bits != 0);
}

/* Where the next nibble goes. */
struct nibbles {
    uint8_t *at;
    bool upper;
};

static void put_nibble(struct nibbles *nibbles, uint32_t nibble)
{
    if (nibbles->upper)
        *nibbles->at++ |= (uint8_t)(nibble << 4);
    else
        *nibbles->at = (uint8_t)nibble;
    nibbles->upper = !nibbles->upper;
}

static void put_byte(struct nibbles *nibbles, uint32_t byte)
{
    put_nibble(nibbles, byte & 15);
    put_nibble(nibbles, byte >> 4);
}

static void put_class(struct nibbles *nibbles, const struct symbol_class *cls, const uint8_t *codes)
{
    uint32_t before = DELTA_CODE_BEFORE;

    put_byte(nibbles, cls->first);
    put_byte(nibbles, cls->codes);
    for (uint32_t j = 1; j <= cls->codes; j++) {
        uint32_t nibble = codes[j] + DELTA_NIBBLE_SAME - before;

        if (nibble < DELTA_NIBBLE_CODE) {
            put_nibble(nibbles, nibble);
        } else {
            put_nibble(nibbles, DELTA_NIBBLE_CODE);
            put_byte(nibbles, codes[j]);
        }
        before = codes[j];
    }
}

static uint8_t *put_header(struct delta_encoder *encoder, uint32_t low, uint8_t *at)
{
    struct lwc_delta_header header = {
        .classes = (uint8_t)encoder->class_count, .shift = encoder->shift, .pivot = encoder->pivot};
    struct nibbles nibbles = {at + sizeof(header), false};

    put_le32(&header.low, low);
    memcpy(at, &header, sizeof(header));
    for (uint32_t c = 0; c < encoder->class_count; c++)
        put_class(&nibbles, &encoder->classes[c], encoder->codes[c]);
    return nibbles.at + nibbles.upper;
}

/* The stored bytes, low of them low bits; their number, or 0 if limit is not more. */
static size_t put_all(struct delta_encoder *encoder, uint32_t count, uint32_t low, size_t limit)
{
    uint32_t state[LWC_DELTA_STATES];
    const uint16_t *words = put_words(encoder, count, state);
    size_t size = (size_t)(encoder->words + 1 + LWC_LEVELS_WEIGHTS - words) * sizeof(*words);
    uint8_t *at = put_header(encoder, low, encoder->out);

    for (uint32_t i = 0; i < LWC_DELTA_STATES; i++)
        at = put_le32(at, state[i]);
    if ((size_t)(at - encoder->out) + low + size >= limit)
        return 0;
    if (low)
        at = put_low(encoder, count, at);
    memcpy(at, words, size);
    return (size_t)(at - encoder->out) + size;
}

size_t delta_encode(struct delta_encoder *encoder, uint8_t field, const uint8_t *src,
                    const uint8_t *base, uint32_t count, size_t limit, const uint8_t **out)
{
    double bits = 8.0 * (sizeof(struct lwc_delta_header) + 4 * LWC_DELTA_STATES);
    uint64_t low;

    count_lengths(encoder, field, src, base, count);
    choose_shift(encoder, 8 * lwc_field_size(field));
    take_differences(encoder, field, src, base, count);
    low = count_tokens(encoder, count);
    encoder->class_count = delta_choose_classes(encoder->counts[0], encoder->classes);
    for (uint32_t c = 0; c < encoder->class_count; c++)
        memset(encoder->class_of + encoder->classes[c].first, (int)c,
               SYMBOLS - encoder->classes[c].first);
    for (uint32_t c = 0; c < encoder->class_count; c++)
        bits += encoder->classes[c].bits;
    /* rounded frequencies need more still */
    if ((bits + (double)low) / 8 >= (double)limit)
        return 0;
    for (uint32_t c = 0; c < encoder->class_count; c++) {
        delta_choose_frequencies(&encoder->classes[c], encoder->codes[c]);
        prepare_parts(&encoder->classes[c], encoder->codes[c], encoder->parts[c]);
    }
    *out = encoder->out;
    return put_all(encoder, count, (uint32_t)((low + 7) / 8), limit);
}
