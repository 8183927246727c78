/* SPDX-License-Identifier: BSD-3-Clause */
#include "names.h"

#include <stdio.h>

static const struct {
    const char *huggingface, *gguf;
} names[] = {
    [TENSOR_EMBEDDING] = {"model.embed_tokens", "token_embd"},
    [TENSOR_FINAL_NORM] = {"model.norm", "output_norm"},
    [TENSOR_HEAD] = {"lm_head", "output"},
    [TENSOR_ROPE_DIVISORS] = {"rope_freqs", "rope_freqs"},
    [TENSOR_ATTENTION_NORM] = {"input_layernorm", "attn_norm"},
    [TENSOR_QUERY] = {"self_attn.q_proj", "attn_q"},
    [TENSOR_KEY] = {"self_attn.k_proj", "attn_k"},
    [TENSOR_VALUE] = {"self_attn.v_proj", "attn_v"},
    [TENSOR_QUERY_NORM] = {"self_attn.q_norm", "attn_q_norm"},
    [TENSOR_KEY_NORM] = {"self_attn.k_norm", "attn_k_norm"},
    [TENSOR_OUTPUT] = {"self_attn.o_proj", "attn_output"},
    [TENSOR_FORWARD_NORM] = {"post_attention_layernorm", "ffn_norm"},
    [TENSOR_GATE] = {"mlp.gate_proj", "ffn_gate"},
    [TENSOR_UP] = {"mlp.up_proj", "ffn_up"},
    [TENSOR_DOWN] = {"mlp.down_proj", "ffn_down"},
};

void tensor_name(enum model_layout layout, enum tensor_role role, uint32_t layer, bool bias,
                 char out[TENSOR_NAME_SIZE])
{
    const char *kind = bias ? "bias" : "weight";

    if (role < TENSOR_ATTENTION_NORM)
        snprintf(out, TENSOR_NAME_SIZE, "%s.%s",
                 layout == LAYOUT_HUGGINGFACE ? names[role].huggingface : names[role].gguf, kind);
    else if (layout == LAYOUT_HUGGINGFACE)
        snprintf(out, TENSOR_NAME_SIZE, "model.layers.%u.%s.%s", layer, names[role].huggingface,
                 kind);
    else
        snprintf(out, TENSOR_NAME_SIZE, "blk.%u.%s.%s", layer, names[role].gguf, kind);
}
