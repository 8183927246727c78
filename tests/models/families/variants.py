# SPDX-License-Identifier: BSD-3-Clause
"""
What generate.py makes goldens of. A variant: family, what differs from the family's tiny model, and optionally

without  the same with its feature off: its logits must differ, else the golden would not see the feature
old      the config.json of the same model as older versions of transformers spelled it: what is added, and None what is
         taken away; the logits must be equal
shards   files that the weights are in, 1 if not said
"""

SMALL = {"hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "vocab_size": 301, "max_position_embeddings": 128, "bos_token_id": 1,
         "eos_token_id": 2, "tie_word_embeddings": False}
ODD = {"hidden_size": 84, "intermediate_size": 133, "num_hidden_layers": 3, "num_attention_heads": 6}
THETA = {"rope_theta": 10000.0, "rope_type": "default"}
PLAIN = {"rope_parameters": THETA}

BASES = {"llama": {**SMALL, "attention_bias": False, "mlp_bias": False}, "mistral": {**SMALL, "sliding_window": None},
         "qwen2": {**SMALL, "use_sliding_window": False}, "qwen3": {**SMALL, "head_dim": 24}}


def rope(kind, theta=10000.0, **values):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta, **values}}


def old_rope(kind, theta=10000.0, spelling="rope_type", **values):
    return {"rope_parameters": None, "rope_theta": theta, "rope_scaling": {spelling: kind, **values}}


LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
YARN = {"factor": 4.0, "original_max_position_embeddings": 32}
FAST = {"beta_fast": 4.0, "beta_slow": 0.5}
SLIDING = {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1, "num_hidden_layers": 3}

LLAMA = {
    "mha": {"config": {"num_key_value_heads": 4, "num_hidden_layers": 3},
            "old": {"rope_parameters": None, "head_dim": None, "num_key_value_heads": None, "rope_scaling": None}},
    "gqa": {"config": {**ODD, "num_key_value_heads": 3}, "shards": 3,
            "old": {"rope_parameters": None, "rope_theta": 10000.0, "rope_scaling": None, "dtype": None,
                    "torch_dtype": "float32"}},
    "mqa": {"config": {"num_key_value_heads": 1}},
    "tied": {"config": {"tie_word_embeddings": True}, "shards": 2},
    "attention-bias": {"config": {**ODD, "num_key_value_heads": 3, "attention_bias": True},
                       "without": {"attention_bias": False}},
    "mlp-bias": {"config": {"mlp_bias": True}, "without": {"mlp_bias": False}},
    "head-dim": {"config": {"hidden_size": 72, "head_dim": 32}},
    "theta": {"config": rope("default", 500000.0), "without": PLAIN,
              "old": {"rope_parameters": None, "rope_theta": 500000.0}},
    "epsilon": {"config": {"rms_norm_eps": 0.01}, "without": {"rms_norm_eps": 1e-6}},
    "linear": {"config": rope("linear", factor=2.5), "without": PLAIN,
               "old": old_rope("linear", spelling="type", factor=2.5)},
    "llama3": {"config": rope("llama3", 10000.0, **LLAMA3), "without": rope("linear", factor=8.0),
               "old": old_rope("llama3", **LLAMA3)},
    "llama3-theta": {"config": rope("llama3", 500000.0, **LLAMA3),
                     "without": rope("llama3", 10000.0, **LLAMA3), "old": old_rope("llama3", 500000.0, **LLAMA3)},
    "yarn": {"config": rope("yarn", **YARN), "without": rope("yarn", attention_factor=1.0, **YARN),
             "old": old_rope("yarn", **YARN)},
    "yarn-attention-factor": {"config": rope("yarn", attention_factor=0.8, **YARN), "without": rope("yarn", **YARN)},
    "yarn-mscale": {"config": rope("yarn", mscale=2.0, mscale_all_dim=0.5, **YARN), "without": rope("yarn", **YARN)},
    "yarn-mscale-alone": {"config": rope("yarn", mscale=2.0, **YARN),
                          "without": rope("yarn", mscale=2.0, mscale_all_dim=1.0, **YARN)},
    "yarn-betas": {"config": rope("yarn", **FAST, **YARN), "without": rope("yarn", **YARN)},
    "yarn-not-truncated": {"config": rope("yarn", truncate=False, **FAST, **YARN),
                           "without": rope("yarn", **FAST, **YARN)},
    # factor is what is said, not the ratio of the two contexts; the original context is the whole if not said
    "yarn-factor": {"config": rope("yarn", factor=2.0, original_max_position_embeddings=32),
                    "without": rope("yarn", **YARN)},
    "yarn-no-original": {"config": {"max_position_embeddings": 96, **rope("yarn", factor=3.0)},
                         "without": rope("yarn", factor=3.0, original_max_position_embeddings=16),
                         "old": old_rope("yarn", factor=3.0)},
}
MISTRAL = {
    "window": {"config": {"sliding_window": 16}, "without": {"sliding_window": None}, "shards": 2,
               "old": {"rope_parameters": None, "rope_theta": 10000.0}},
    "window-odd": {"config": {**ODD, "num_key_value_heads": 2, "sliding_window": 7},
                   "without": {"sliding_window": 8}},
    "full": {"config": {"num_key_value_heads": 4},
             "old": {"rope_parameters": None, "rope_theta": 10000.0, "head_dim": None}},
    "head-dim": {"config": {"head_dim": 32, **rope("default", 1000000.0)}, "without": PLAIN},
}
QWEN2 = {
    "plain": {"config": {**ODD, "num_key_value_heads": 2, "sliding_window": 16, "max_window_layers": 1}, "shards": 2,
              # the window is not used
              "old": {"rope_parameters": None, "rope_theta": 10000.0, "layer_types": None, "sliding_window": 16}},
    "tied": {"config": {"tie_word_embeddings": True, **rope("default", 1000000.0)}, "without": PLAIN},
    "window": {"config": SLIDING, "without": {"max_window_layers": 2},
               "old": {"rope_parameters": None, "rope_theta": 10000.0, "layer_types": None}},
    "window-types": {"config": {**SLIDING, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
                     "without": {"layer_types": None}},
    "yarn": {"config": rope("yarn", **YARN), "without": PLAIN, "old": old_rope("yarn", spelling="type", **YARN)},
}
QWEN3 = {
    "plain": {"config": {**ODD, "num_key_value_heads": 2, "head_dim": 20}, "shards": 2,
              "old": {"rope_parameters": None, "rope_theta": 10000.0, "rope_scaling": None, "layer_types": None}},
    "default-head-dim": {"config": {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 128},
                         "old": {"head_dim": None}},
    "tied": {"config": {"tie_word_embeddings": True, **rope("default", 1000000.0)}, "without": PLAIN},
    "attention-bias": {"config": {"attention_bias": True}, "without": {"attention_bias": False}},
    "window": {"config": SLIDING, "without": {"use_sliding_window": False},
               "old": {"rope_parameters": None, "rope_theta": 10000.0, "layer_types": None}},
    "yarn": {"config": rope("yarn", **YARN), "without": PLAIN, "old": old_rope("yarn", **YARN)},
}
VARIANTS = {f"{family}-{name}": {"family": family, **variant}
            for family, variants in (("llama", LLAMA), ("mistral", MISTRAL), ("qwen2", QWEN2), ("qwen3", QWEN3))
            for name, variant in variants.items()}
