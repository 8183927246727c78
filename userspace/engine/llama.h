/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model of the Llama family: tokens in, logits out (Touvron et al., 2023;
 * rotary embedding of rotated halves, as HuggingFace stores it). The logits
 * keep the exactness contract of kernels/kernels.h for any number of threads
 * and any split of the tokens into calls.
 */
#ifndef LWC_ENGINE_LLAMA_H
#define LWC_ENGINE_LLAMA_H

#include "config.h"
#include "pool.h"
#include "weights.h"

struct llama;

/*
 * context: positions to keep (a KV cache of them is allocated). The three
 * arguments before it stay the caller's and must live longer. NULL with a
 * message: a tensor is missing or has another shape, or out of memory.
 */
struct llama *llama_new(const struct model_config *config, struct weights *weights,
                        struct pool *pool, uint32_t context, struct failure *failure);
void llama_free(struct llama *llama); /* NULL is allowed */

/*
 * Append count tokens (ids below the vocabulary; the context must have room).
 * Returns the logits after the last one, vocabulary floats that are valid until the
 * next call; NULL with a message.
 */
const float *llama_forward(struct llama *llama, const uint32_t *tokens, size_t count,
                           struct failure *failure);

#endif
