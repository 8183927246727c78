/* SPDX-License-Identifier: BSD-3-Clause */
/* What --favor and --structure mean to the encoder. */
#ifndef LWC_FAVOR_H
#define LWC_FAVOR_H

#include "encode/encode.h"

/* The policy of a word after --favor; 0 or -1 for an unknown one. */
int favor_parse(const char *text, struct encode_policy *policy);

/* The set (of encode_policy) of a structure after --structure, "4,1" or "(4,1)"; 0 for an unknown
 * one.
 */
uint32_t favor_structure(const char *text);

/* The policy that wrote most of these tiles, as far as they tell; else balanced. */
struct encode_policy favor_of_tiles(const struct lwc_tile *tiles, uint64_t count);

#endif
