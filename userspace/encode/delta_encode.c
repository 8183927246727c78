/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/delta_encode.h"
#include "encode/elements.h"
#include "kmod/codec/delta.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Loops over all elements: once for any CPU and once for better shifts and counts of zeroes. */
#define BMI2 __attribute__((target_clones("bmi2", "default")))
#define INLINE static inline __attribute__((always_inline))

#define SYMBOLS 256
/* Bits at most of u >> shift of half of the elements: then those are tokens by themselves. */
#define MEDIAN_BITS 3
/* Elements from which shifts are chosen. */
#define SAMPLE 8192
/* Nibbles of a class beside its codes, and of its first code. */
#define CLASS_NIBBLES 6

/* Elements of the symbols from first up to the next class's, and their tokens. */
struct symbol_class {
    uint32_t first;
    uint32_t codes; /* up to the last one with a token that occurs */
    uint32_t total;
    uint32_t count[1 + DELTA_CODES]; /* of token 0, then of the tokens of each code */
    double bits;                     /* of the tokens and the class itself */
};

/* A token as the coder of a class needs it. */
struct part {
    uint64_t reciprocal; /* 2^44 / frequency, rounded up */
    uint32_t frequency;
    uint32_t begin;
};

struct delta_encoder {
    uint32_t difference[LWC_LEVELS_WEIGHTS]; /* u of the format */
    uint8_t symbol[LWC_LEVELS_WEIGHTS];
    uint8_t token[LWC_LEVELS_WEIGHTS];
    uint32_t lengths[SYMBOLS][33];                 /* elements by the bits of their difference */
    uint32_t counts[2][SYMBOLS][LWC_DELTA_TOKENS]; /* of elements in turn; then all in the first */
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
    return malloc(sizeof(struct delta_encoder));
}

void delta_encoder_free(struct delta_encoder *encoder)
{
    free(encoder);
}

static bool is_float(uint8_t field)
{
    return field < LWC_FIELD_I8;
}

static inline __attribute__((always_inline)) void subtract(struct delta_encoder *encoder,
                                                           struct lwc_field_layout layout,
                                                           bool is_float, const uint8_t *src,
                                                           const uint8_t *base, uint32_t count)
{
    uint32_t bits = 8u * layout.element, mask = (1u << layout.symbol) - 1;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t old = element_load(base, layout.element, i);
        uint32_t d = delta_ordered(element_load(src, layout.element, i), bits, is_float) -
                     delta_ordered(old, bits, is_float);

        /* the sign of n bits to all of 32 */
        d = (uint32_t)((int32_t)(d << (32 - bits)) >> (32 - bits));
        encoder->difference[i] = d << 1 ^ (uint32_t)((int32_t)d >> 31);
        encoder->symbol[i] = (uint8_t)(old >> layout.mantissa & mask);
    }
}

/* What occurs often with constant geometry. */
__attribute__((target_clones("avx2", "default"), optimize("O3"))) static void
take_differences(struct delta_encoder *encoder, uint8_t field, const uint8_t *src,
                 const uint8_t *base, uint32_t count)
{
    static const struct lwc_field_layout bf16 = {8, 7, 2}, f32 = {8, 23, 4};

    if (field == LWC_FIELD_BF16)
        subtract(encoder, bf16, true, src, base, count);
    else if (field == LWC_FIELD_F32)
        subtract(encoder, f32, true, src, base, count);
    else
        subtract(encoder, lwc_field_layouts[field], is_float(field), src, base, count);
}

static uint32_t bit_length(uint32_t value)
{
    return value ? 32 - (uint32_t)__builtin_clz(value) : 0;
}

/* A sample is enough for medians. */
static void count_lengths(struct delta_encoder *encoder, uint32_t count)
{
    uint32_t step = count / SAMPLE | 1;

    memset(encoder->lengths, 0, sizeof(encoder->lengths));
    for (uint32_t i = 0; i < count; i += step)
        encoder->lengths[encoder->symbol[i]][bit_length(encoder->difference[i])]++;
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

/* All tokens, and how often each occurs; returns the low bits of all elements. */
BMI2 static uint64_t take_tokens(struct delta_encoder *encoder, uint32_t count)
{
    uint64_t low = 0;

    memset(encoder->counts, 0, sizeof(encoder->counts));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t symbol = encoder->symbol[i];
        uint32_t token = token_of(encoder->difference[i] >> encoder->shift_of[symbol]);

        encoder->token[i] = (uint8_t)token;
        /* equal neighbours do not wait for each other's store */
        encoder->counts[i % 2][symbol][token]++;
    }
    for (uint32_t s = 0; s < SYMBOLS; s++)
        for (uint32_t t = 0; t < LWC_DELTA_TOKENS; t++) {
            uint32_t *of = &encoder->counts[0][s][t];

            *of += encoder->counts[1][s][t];
            low += (uint64_t)*of * (encoder->shift_of[s] + delta_token_low(t));
        }
    return low;
}

static double n_log_n(uint32_t n)
{
    return n ? n * (double)log2f((float)n) : 0;
}

static void weigh(struct symbol_class *cls)
{
    cls->total = cls->codes = 0;
    cls->bits = 0;
    for (uint32_t j = 0; j <= DELTA_CODES; j++) {
        if (!cls->count[j])
            continue;
        cls->total += cls->count[j];
        cls->codes = j;
        cls->bits -= n_log_n(cls->count[j]);
        if (j && delta_twins(j) == 2)
            cls->bits += cls->count[j];
    }
    cls->bits += n_log_n(cls->total) + 4.0 * (CLASS_NIBBLES + cls->codes);
}

static void merge(struct symbol_class *cls, const struct symbol_class *next)
{
    for (uint32_t j = 0; j <= DELTA_CODES; j++)
        cls->count[j] += next->count[j];
    weigh(cls);
}

/* counts: of each token */
static void count_codes(struct symbol_class *cls, const uint32_t counts[LWC_DELTA_TOKENS])
{
    cls->count[0] = counts[0];
    for (uint32_t j = 1; j <= DELTA_CODES; j++) {
        uint32_t token = delta_code_token(j);

        cls->count[j] = counts[token] + (delta_twins(j) == 2 ? counts[token - 1] : 0);
    }
}

/* What merging class c with the next one saves. */
static double gain(const struct delta_encoder *encoder, uint32_t c)
{
    struct symbol_class both = encoder->classes[c];

    merge(&both, &encoder->classes[c + 1]);
    return encoder->classes[c].bits + encoder->classes[c + 1].bits - both.bits;
}

/* One class for each symbol, then those are merged that are better together. */
static void choose_classes(struct delta_encoder *encoder)
{
    double gains[SYMBOLS];
    uint32_t count = 0;

    for (uint32_t s = 0; s < SYMBOLS; s++) {
        struct symbol_class *cls = &encoder->classes[count];

        count_codes(cls, encoder->counts[0][s]);
        weigh(cls);
        cls->first = s;
        count += cls->total != 0;
    }
    for (uint32_t c = 0; c + 1 < count; c++)
        gains[c] = gain(encoder, c);
    while (count > 1) {
        uint32_t best = 0;

        for (uint32_t c = 1; c + 1 < count; c++)
            if (gains[c] > gains[best])
                best = c;
        if (gains[best] < 0 && count <= LWC_DELTA_CLASSES)
            break;
        merge(&encoder->classes[best], &encoder->classes[best + 1]);
        count--;
        memmove(&encoder->classes[best + 1], &encoder->classes[best + 2],
                (count - best - 1) * sizeof(encoder->classes[0]));
        if (best + 1 < count)
            memmove(&gains[best], &gains[best + 1], (count - best - 1) * sizeof(gains[0]));
        if (best + 1 < count)
            gains[best] = gain(encoder, best);
        if (best)
            gains[best - 1] = gain(encoder, best - 1);
    }
    encoder->classes[0].first = 0;
    encoder->class_count = count;
    for (uint32_t c = 0; c < count; c++)
        memset(encoder->class_of + encoder->classes[c].first, (int)c,
               SYMBOLS - encoder->classes[c].first);
}

/* The code whose frequency is nearest, but not 0. */
static uint8_t nearest_code(double wanted)
{
    uint32_t code = 1;

    while (code < LWC_DELTA_CODE_MAX && (double)delta_frequency(code + 1) <= wanted)
        code++;
    if (code < LWC_DELTA_CODE_MAX &&
        delta_frequency(code + 1) - wanted < wanted - delta_frequency(code))
        code++;
    return (uint8_t)code;
}

static uint32_t sum_frequencies(const uint8_t *codes, uint32_t count)
{
    uint32_t sum = 0;

    for (uint32_t j = 1; j <= count; j++)
        sum += delta_frequency(codes[j]) * delta_twins(j);
    return sum;
}

/* Codes whose tokens occur, the most frequent first; returns how many. */
static uint32_t rank_codes(const struct symbol_class *cls, uint8_t order[DELTA_CODES])
{
    uint32_t used = 0;

    for (uint32_t j = 1; j <= cls->codes; j++) {
        uint32_t at = used;

        if (!cls->count[j])
            continue;
        for (; at > 0 && cls->count[order[at - 1]] < cls->count[j]; at--)
            order[at] = order[at - 1];
        order[at] = (uint8_t)j;
        used++;
    }
    return used;
}

/*
 * Frequencies of a class. What rounding one of them leaves is passed on to a
 * rarer one, so that token 0, which gets the rest, gets what it needs.
 */
static void choose_frequencies(const struct symbol_class *cls, uint8_t *codes)
{
    uint8_t order[DELTA_CODES];
    uint32_t used = rank_codes(cls, order);
    double left = 0, scale = LWC_DELTA_TOTAL / (double)cls->total;

    memset(codes, 0, 1 + DELTA_CODES);
    for (uint32_t i = 0; i < used; i++) {
        uint32_t j = order[i], twins = delta_twins(j);
        double wanted = left + cls->count[j] * scale;

        codes[j] = nearest_code(wanted / twins);
        left = wanted - delta_frequency(codes[j]) * twins;
    }
    /* many rare tokens take more than there is */
    while (sum_frequencies(codes, cls->codes) > LWC_DELTA_TOTAL - (cls->count[0] != 0)) {
        uint32_t largest = 1;

        for (uint32_t j = 2; j <= cls->codes; j++)
            if (codes[j] > codes[largest])
                largest = j;
        codes[largest]--;
    }
}

static uint32_t prepare_part(struct part *part, uint32_t begin, uint32_t frequency)
{
    part->begin = begin;
    part->frequency = frequency;
    part->reciprocal = frequency ? ((1ull << 44) + frequency - 1) / frequency : 0;
    return begin + frequency;
}

static void prepare_parts(const struct symbol_class *cls, const uint8_t *codes, struct part *parts)
{
    uint32_t begin =
        prepare_part(&parts[0], 0, LWC_DELTA_TOTAL - sum_frequencies(codes, cls->codes));

    for (uint32_t j = 1; j <= cls->codes; j++) {
        uint32_t token = delta_code_token(j), frequency = delta_frequency(codes[j]);

        if (delta_twins(j) == 2)
            begin = prepare_part(&parts[token - 1], begin, frequency);
        begin = prepare_part(&parts[token], begin, frequency);
    }
}

/* The state before a token, from that after it; a word is put before *word first if it must. */
INLINE uint32_t put_token(const struct part *part, uint32_t state, uint16_t **word)
{
    uint32_t full = state >= (uint64_t)part->frequency << 20, quotient;

    (*word)[-1] = (uint16_t)state;
    *word -= full;
    state >>= full * 16;
    quotient = (uint32_t)((unsigned __int128)state * part->reciprocal >> 44);
    return state + quotient * (LWC_DELTA_TOTAL - part->frequency) + part->begin;
}

/* Tokens from the last to the first; returns the words, which end where the buffer does. */
BMI2 static const uint16_t *put_words(struct delta_encoder *encoder, uint32_t count,
                                      uint32_t state[LWC_DELTA_STATES])
{
    uint16_t *word = encoder->words + 1 + LWC_LEVELS_WEIGHTS;
    uint32_t x[LWC_DELTA_STATES] = {LWC_DELTA_LOW, LWC_DELTA_LOW, LWC_DELTA_LOW, LWC_DELTA_LOW};
    const struct part *parts[SYMBOLS];
    uint32_t i = count;

    for (uint32_t s = 0; s < SYMBOLS; s++)
        parts[s] = encoder->parts[encoder->class_of[s]];
    while (i % LWC_DELTA_STATES) {
        i--;
        x[i % LWC_DELTA_STATES] = put_token(&parts[encoder->symbol[i]][encoder->token[i]],
                                            x[i % LWC_DELTA_STATES], &word);
    }
    while (i) {
        const uint8_t *symbol = &encoder->symbol[i -= LWC_DELTA_STATES];
        const uint8_t *token = &encoder->token[i];

        x[3] = put_token(&parts[symbol[3]][token[3]], x[3], &word);
        x[2] = put_token(&parts[symbol[2]][token[2]], x[2], &word);
        x[1] = put_token(&parts[symbol[1]][token[1]], x[1], &word);
        x[0] = put_token(&parts[symbol[0]][token[0]], x[0], &word);
    }
    memcpy(state, x, sizeof(x));
    return word;
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

    take_differences(encoder, field, src, base, count);
    count_lengths(encoder, count);
    choose_shift(encoder, 8 * lwc_field_size(field));
    low = take_tokens(encoder, count);
    choose_classes(encoder);
    for (uint32_t c = 0; c < encoder->class_count; c++)
        bits += encoder->classes[c].bits;
    /* rounded frequencies need more still */
    if ((bits + (double)low) / 8 >= (double)limit)
        return 0;
    for (uint32_t c = 0; c < encoder->class_count; c++) {
        choose_frequencies(&encoder->classes[c], encoder->codes[c]);
        prepare_parts(&encoder->classes[c], encoder->codes[c], encoder->parts[c]);
    }
    *out = encoder->out;
    return put_all(encoder, count, (uint32_t)((low + 7) / 8), limit);
}
