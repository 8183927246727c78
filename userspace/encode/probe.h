/* SPDX-License-Identifier: BSD-3-Clause */
/* Cheap looks at a tile that tell whether a slow encoder is worth trying. Thread safe, no state. */
#ifndef LWC_PROBE_H
#define LWC_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Order-0 entropy in bits of one of count bytes, each below 2^bits, from a
 * sample: about what an entropy coder without a model of sequences needs.
 */
double probe_entropy(const uint8_t *bytes, size_t count, unsigned int bits);

/*
 * Share in percent of blocks of 32 weights whose first 16 symbols (their
 * bytes, one for each weight) occur in another block: rows that repeat, in
 * whole or nearly, do.
 */
unsigned int probe_repeats(const uint8_t *symbols, size_t count);

#endif
