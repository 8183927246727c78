/* SPDX-License-Identifier: BSD-3-Clause */
/* The classes of DELTA: which symbols share one, and the frequencies of its tokens. */
#ifndef LWC_DELTA_CLASSES_H
#define LWC_DELTA_CLASSES_H

#include "kmod/codec/delta.h"

#define SYMBOLS 256

/* Elements of the symbols from first up to the next class's, and their tokens. */
struct symbol_class {
    uint32_t first;
    uint32_t codes; /* up to the last one with a token that occurs */
    uint32_t total;
    uint32_t count[1 + DELTA_CODES]; /* of token 0, then of the tokens of each code */
    double bits;                     /* of the tokens and the class itself */
};

/*
 * counts: of the tokens of each symbol. One class for each symbol that occurs, then those are
 * merged that are better together. Returns how many there are, LWC_DELTA_CLASSES at most.
 */
uint32_t delta_choose_classes(const uint32_t counts[SYMBOLS][LWC_DELTA_TOKENS],
                              struct symbol_class classes[SYMBOLS]);

/*
 * Frequencies of a class; none is 0 of a token that may occur, which is any token 0. What rounding
 * one of them leaves is passed on to a rarer one, so that token 0, which gets the rest, gets what
 * it needs.
 */
void delta_choose_frequencies(const struct symbol_class *cls, uint8_t *codes);

/* Of codes 1 to count, all together. */
uint32_t delta_sum_frequencies(const uint8_t *codes, uint32_t count);

#endif
