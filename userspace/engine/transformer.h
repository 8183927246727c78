/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A decoder of the Llama family and its relatives (Touvron et al., 2023):
 * tokens in, logits out. Grouped heads of keys and values, rotary embedding of
 * rotated halves, gated feed-forward part; as the config says biases, norms of
 * heads and sliding windows.
 *
 * The logits keep the exactness contract of kernels/kernels.h for any number
 * of threads, any split of a text into calls, and whatever other texts share
 * the calls. So do those of KV_F16, whose keys and values are rounded to fp16
 * when they are kept, but they are others than those of KV_F32.
 *
 * Functions return 0 or a pointer, or -1 or NULL with a message. One thread at
 * a time.
 */
#ifndef LWC_ENGINE_TRANSFORMER_H
#define LWC_ENGINE_TRANSFORMER_H

#include "config.h"
#include "pool.h"
#include "weights.h"

/* As what keys and values are kept. */
enum kv_type { KV_F32, KV_F16 };

struct transformer;
struct sequence;

/*
 * The three arguments before kv stay the caller's and must live longer. A
 * tensor that is missing or of another shape than the config's is an error.
 */
struct transformer *transformer_new(const struct model_config *config, struct weights *weights,
                                    struct pool *pool, enum kv_type kv, struct failure *failure);
void transformer_free(struct transformer *transformer); /* NULL is allowed */

/* A text: room for the keys and values of up to context tokens. */
struct sequence *sequence_new(struct transformer *transformer, uint32_t context,
                              struct failure *failure);
void sequence_free(struct sequence *sequence); /* NULL is allowed; before its transformer */
uint32_t sequence_length(const struct sequence *sequence);
/* Forget all but the first length tokens, of at least so many. */
void sequence_cut(struct sequence *sequence, uint32_t length);
/* Bytes that the keys and values of context tokens take. */
uint64_t sequence_bytes(const struct model_config *config, enum kv_type kv, uint32_t context);

/* Tokens to append to a sequence, which a call may have once; logits are wanted after the last so
 * many. */
struct step {
    struct sequence *sequence;
    const uint32_t *tokens;
    size_t count;
    size_t wanted;
};

/*
 * Called for each row of logits that is wanted, tokens of a step in order:
 * vocabulary floats, until it returns. 0 to go on, -1 with a message.
 */
typedef int logits_sink(void *context, size_t step, size_t token, const float *logits,
                        struct failure *failure);

/*
 * All steps through the model together, in parts of bounded size. After an
 * error no sequence has grown, but for tokens of whole parts before it.
 */
int transformer_forward(struct transformer *transformer, const struct step *steps, size_t count,
                        logits_sink *sink, void *context, struct failure *failure);

/*
 * Asked before each layer, from now on: where it says true, transformer_forward
 * fails with "interrupted", and the next call goes on. NULL: nothing is asked.
 */
void transformer_set_stop(struct transformer *transformer, bool (*stop)(void));

/*
 * Bytes of the matrices that a pass goes through: as they are multiplied, and as they are stored.
 * 0, or -1 with a message.
 */
int transformer_bytes(struct transformer *transformer, uint64_t *decoded, uint64_t *stored,
                      struct failure *failure);

/* Seconds since the start, of the calling thread. */
struct transformer_times {
    double matrices;  /* products with weights */
    double attention; /* over cached keys and values */
    double waiting;   /* for weights that come through the ring */
    double other;     /* norms, embeddings, activations, what a pass has beside */
};
void transformer_times(const struct transformer *transformer, struct transformer_times *times);

#endif
