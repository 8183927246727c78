/* SPDX-License-Identifier: BSD-3-Clause */
/* From logits to the next token; the same for the same seed on every machine. */
#ifndef LWC_ENGINE_SAMPLER_H
#define LWC_ENGINE_SAMPLER_H

#include "container/failure.h"
#include "kernels/kernels.h"

#include <stdint.h>

struct sampler_options {
    float temperature; /* 0: the most likely token, the first of equal ones */
    uint32_t top_k;    /* only so many of the most likely tokens; 0: all */
    float top_p;       /* 0..1: of those only the most likely that have this share of them */
    uint64_t seed;
};

struct sampler;

/* NULL with a message. */
struct sampler *sampler_new(const struct sampler_options *options, const struct kernels *kernels,
                            uint32_t vocabulary, struct failure *failure);
void sampler_free(struct sampler *sampler); /* NULL is allowed */

/* The next token; logits of the vocabulary's size are only read. */
uint32_t sampler_next(struct sampler *sampler, const float *logits);

#endif
