/* SPDX-License-Identifier: BSD-3-Clause */
/* LEVELS encoder; uapi/lwcmem_format.h describes the format. Thread safe, no state. */
#ifndef LWC_LEVELS_ENCODE_H
#define LWC_LEVELS_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "encode/levels_pack.h"
#include "uapi/lwcmem_format.h"

/* The enum lwc_field of an enum lwc_dtype; 0 where LEVELS does not apply. */
uint8_t levels_field_of(uint16_t dtype);

/* An upper limit of what levels_encode writes for so many elements of any field. */
size_t levels_capacity(uint32_t weights);

/* The rest of a weight: at most three byte planes and the bits that are left, a byte each. */
#define LEVELS_PARTS 4

/*
 * A tile taken apart: what all structures of LEVELS share. The arrays are in
 * the scratch that levels_survey was given.
 */
struct levels_survey {
    const struct levels_packer *packer;
    const uint8_t *src;
    uint32_t weights;
    uint32_t count[256];                /* of each symbol */
    uint32_t bytes[256];                /* of i8: of each byte */
    uint8_t ranked[LWC_LEVELS_SYMBOLS]; /* that occur, the most frequent first */
    uint32_t used;                      /* how many those are */
    uint8_t field;
    uint8_t kept;     /* mantissa bits; those below are zero in all weights; of i8 the best */
    uint8_t planes;   /* byte planes of the rest */
    uint8_t last;     /* bits of the rest's last part; 0: there is none */
    uint8_t *symbols; /* one a weight, of nibbles not yet; levels_encode destroys them */
    uint8_t *part[LEVELS_PARTS]; /* planes, then the last bits */
};

/* Bytes of scratch for so many weights. */
size_t levels_scratch(uint32_t weights);

/*
 * src: 1 .. LWC_LEVELS_WEIGHTS weights of the field (little endian, any
 * alignment), of nibbles an even number. structures: bit s for enum lwc_structure s; how i8 is
 * divided into symbol and rest suits one of those. scratch: levels_scratch(weights) bytes, like src
 * for as long as survey is used.
 */
void levels_survey(struct levels_survey *survey, uint8_t field, uint32_t structures,
                   const uint8_t *src, uint32_t weights, uint8_t *scratch);

/* The same of nibbles, where it is known how often each byte occurs. */
void levels_survey_nibbles(struct levels_survey *survey, const uint8_t *src,
                           const uint32_t bytes[256], uint32_t weights, uint8_t *scratch);

/* Bytes that the tile takes in the structure (an enum lwc_structure). */
size_t levels_size(const struct levels_survey *survey, uint8_t structure);

/* The smallest structure of the set, if it takes less than limit; else 0. *size: its bytes. */
uint8_t levels_pick(const struct levels_survey *survey, uint32_t structures, size_t limit,
                    size_t *size);

/* out: levels_capacity(weights) bytes. Returns levels_size(). Once for each survey. */
size_t levels_encode(struct levels_survey *survey, uint8_t structure, uint8_t *out);

#endif
