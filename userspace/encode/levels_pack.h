/* SPDX-License-Identifier: BSD-3-Clause */
/* The loops of the LEVELS encoder over all weights, one implementation for each ISA; same results.
 */
#ifndef LWC_LEVELS_PACK_H
#define LWC_LEVELS_PACK_H

#include <stdint.h>

struct levels_packer {
    const char *name;
    uint32_t isa; /* LWC_ISA_ bits that it needs */

    /* How often each value of a byte occurs. */
    void (*count)(const uint8_t *symbols, uint32_t count, uint32_t counts[256]);

    /* count codes of width (1 .. 7) bits, one a byte, to a stream at out. */
    void (*codes)(const uint8_t *codes, uint32_t count, uint32_t width, uint8_t *out);

    /*
     * A level: the code of each symbol, its place in symbol[0 .. known - 1] or all ones
     * (known at most that), to a stream at out. Symbols of the latter kind go to the front of
     * symbols, in order; what is behind them is undefined. Returns how many they are.
     */
    uint32_t (*level)(uint8_t *symbols, uint32_t count, const uint8_t *symbol, uint32_t known,
                      uint32_t width, uint8_t *out);
};

/* Slowest first. */
extern const struct levels_packer *const levels_packers[];
extern const unsigned int levels_packer_count;

/* The fastest for this CPU. */
const struct levels_packer *levels_packer_select(void);

/* For the other implementations: what is left behind their vectors. */
void packer_count_scalar(const uint8_t *symbols, uint32_t count, uint32_t counts[256]);
void packer_codes_scalar(const uint8_t *codes, uint32_t count, uint32_t width, uint8_t *out);
uint32_t packer_level_scalar(uint8_t *symbols, uint32_t count, const uint8_t *symbol,
                             uint32_t known, uint32_t width, uint8_t *out);

void packer_count_avx2(const uint8_t *symbols, uint32_t count, uint32_t counts[256]);
void packer_codes_avx2(const uint8_t *codes, uint32_t count, uint32_t width, uint8_t *out);
uint32_t packer_level_avx2(uint8_t *symbols, uint32_t count, const uint8_t *symbol, uint32_t known,
                           uint32_t width, uint8_t *out);

void packer_codes_avx512(const uint8_t *codes, uint32_t count, uint32_t width, uint8_t *out);
uint32_t packer_level_avx512(uint8_t *symbols, uint32_t count, const uint8_t *symbol,
                             uint32_t known, uint32_t width, uint8_t *out);

/* Up to so many of the values that counts has most of, the smaller one first among equals; how
 * many. */
uint32_t packer_rank(const uint32_t counts[256], uint8_t *ranked, uint32_t most);

#endif
