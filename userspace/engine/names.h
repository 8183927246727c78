/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tensors of a model are called in its files. */
#ifndef LWC_ENGINE_NAMES_H
#define LWC_ENGINE_NAMES_H

#include "config.h"

enum tensor_role {
    /* of the model */
    TENSOR_EMBEDDING,
    TENSOR_FINAL_NORM,
    TENSOR_HEAD,
    TENSOR_ROPE_DIVISORS, /* GGUF alone: what each frequency of RoPE is divided by */
    /* of a layer */
    TENSOR_ATTENTION_NORM,
    TENSOR_QUERY,
    TENSOR_KEY,
    TENSOR_VALUE,
    TENSOR_QUERY_NORM,
    TENSOR_KEY_NORM,
    TENSOR_OUTPUT,
    TENSOR_FORWARD_NORM,
    TENSOR_GATE,
    TENSOR_UP,
    TENSOR_DOWN,
};

#define TENSOR_NAME_SIZE 128

/* layer is ignored for tensors of the model; bias: of the matrix, not the matrix. */
void tensor_name(enum model_layout layout, enum tensor_role role, uint32_t layer, bool bias,
                 char out[TENSOR_NAME_SIZE]);

#endif
