/* SPDX-License-Identifier: BSD-3-Clause */
/* What a model computes: from its config.json, or from the values of its GGUF file. */
#ifndef LWC_ENGINE_CONFIG_H
#define LWC_ENGINE_CONFIG_H

#include "container/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_STOPS_MAX 8
#define CONFIG_LAYERS_MAX 1024u
#define CONFIG_DIMENSION_MAX (1u << 20)
#define CONFIG_VOCABULARY_MAX (1u << 24)
#define CONFIG_CONTEXT_MAX (1u << 24)

enum model_family { FAMILY_LLAMA, FAMILY_MISTRAL, FAMILY_QWEN2, FAMILY_QWEN3 };

/* How the frequencies of the rotary embedding follow from its base (Su et al., 2021). */
enum rope_kind {
    ROPE_DEFAULT,
    ROPE_LINEAR, /* positions divided by factor (Chen et al., 2023) */
    ROPE_LLAMA3, /* by wavelength: long ones divided, short ones kept (Llama 3.1) */
    ROPE_YARN,   /* by wavelength, and attention scaled (Peng et al., 2023) */
};

struct rope {
    enum rope_kind kind;
    float base;
    float factor;
    uint32_t original_context;     /* LLAMA3, YARN: positions before it was stretched */
    float low_factor, high_factor; /* LLAMA3: wavelengths between context/high and context/low */
    float beta_fast, beta_slow;    /* YARN: turns within the original context */
    float attention_factor;        /* YARN: cosines and sines times it; 0: by its formula */
    float mscale, mscale_all_dim;  /* YARN: of that formula; 0: not there */
    bool truncate;                 /* YARN: borders to whole dimensions */
};

/* How tensors are called, and how rows of query and key lie. */
enum model_layout {
    LAYOUT_HUGGINGFACE,
    LAYOUT_GGUF,
    LAYOUT_GGUF_PAIRS, /* the two values that a rotation turns are neighbours: Llama, Mistral */
};

struct model_config {
    enum model_family family;
    enum model_layout layout;
    uint32_t hidden;
    uint32_t intermediate; /* of the feed-forward part */
    uint32_t layers;
    uint32_t heads;
    uint32_t kv_heads;
    uint32_t head_dim;
    uint32_t vocabulary;
    uint32_t context; /* positions that the model was made for */
    float epsilon;
    struct rope rope;
    bool tied_embeddings;
    bool input_biases; /* of query, key and value */
    bool output_bias;  /* of attention */
    bool forward_biases;
    bool head_norms; /* queries and keys are normalised, head by head */
    uint32_t window; /* positions that a token of a windowed layer sees, itself the last of them */
    bool windowed[CONFIG_LAYERS_MAX];
    uint32_t stops[CONFIG_STOPS_MAX]; /* token ids that end a text */
    size_t stop_count;
};

/*
 * Parse the text of a config.json; path is for messages. Every number is
 * checked; what this engine does not compute is refused by name.
 * 0, or -1 with a message.
 */
int config_parse(const char *text, size_t size, const char *path, struct model_config *out,
                 struct failure *failure);

struct gguf_values;
struct weights;

/*
 * The same from a GGUF file's values. weights: of that file; which tensors it
 * has tells about biases and tied embeddings. A key of the architecture that
 * is not known here is refused by name, unless it is 0 or false. 0, or -1 with a message.
 */
int config_from_gguf(const struct gguf_values *values, struct weights *weights,
                     struct model_config *out, struct failure *failure);

/*
 * Checks that hold wherever a config comes from: sizes that fit each other, and
 * products that fit memory. 0, or -1 with a message.
 */
int config_check(const struct model_config *config, const char *path, struct failure *failure);

#endif
