/* SPDX-License-Identifier: BSD-3-Clause */
/* The frequencies of the rotary embedding, with the ways to stretch a context. */
#ifndef LWC_ENGINE_ROPE_H
#define LWC_ENGINE_ROPE_H

#include "config.h"

/*
 * How far a position turns each of the head_dim / 2 pairs of a head: to
 * frequencies. divisors: further ones of a model's own, or NULL. Returns what
 * cosines and sines are multiplied with. No libm: the same bits everywhere.
 */
float rope_frequencies(const struct model_config *config, const float *divisors,
                       double *frequencies);

#endif
