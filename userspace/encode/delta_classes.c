/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/delta_classes.h"

#include <math.h>
#include <string.h>

/* Nibbles of a class beside its codes, and of its first code. */
#define CLASS_NIBBLES 6

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
static double gain(const struct symbol_class *classes, uint32_t c)
{
    struct symbol_class both = classes[c];

    merge(&both, &classes[c + 1]);
    return classes[c].bits + classes[c + 1].bits - both.bits;
}

uint32_t delta_choose_classes(const uint32_t counts[SYMBOLS][LWC_DELTA_TOKENS],
                              struct symbol_class classes[SYMBOLS])
{
    double gains[SYMBOLS];
    uint32_t count = 0;

    for (uint32_t s = 0; s < SYMBOLS; s++) {
        struct symbol_class *cls = &classes[count];

        count_codes(cls, counts[s]);
        weigh(cls);
        cls->first = s;
        count += cls->total != 0;
    }
    for (uint32_t c = 0; c + 1 < count; c++)
        gains[c] = gain(classes, c);
    while (count > 1) {
        uint32_t best = 0;

        for (uint32_t c = 1; c + 1 < count; c++)
            if (gains[c] > gains[best])
                best = c;
        if (gains[best] < 0 && count <= LWC_DELTA_CLASSES)
            break;
        merge(&classes[best], &classes[best + 1]);
        count--;
        memmove(&classes[best + 1], &classes[best + 2], (count - best - 1) * sizeof(classes[0]));
        if (best + 1 < count)
            memmove(&gains[best], &gains[best + 1], (count - best - 1) * sizeof(gains[0]));
        if (best + 1 < count)
            gains[best] = gain(classes, best);
        if (best)
            gains[best - 1] = gain(classes, best - 1);
    }
    classes[0].first = 0;
    return count;
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

uint32_t delta_sum_frequencies(const uint8_t *codes, uint32_t count)
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

void delta_choose_frequencies(const struct symbol_class *cls, uint8_t *codes)
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
    while (delta_sum_frequencies(codes, cls->codes) > LWC_DELTA_TOTAL - 1) {
        uint32_t largest = 1;

        for (uint32_t j = 2; j <= cls->codes; j++)
            if (codes[j] > codes[largest])
                largest = j;
        codes[largest]--;
    }
}
