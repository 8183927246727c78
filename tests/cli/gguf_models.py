# SPDX-License-Identifier: BSD-3-Clause
"""
gguf_models.py DIR: tiny random models, each as NAME.gguf and as a HuggingFace directory NAME of the same values in fp32;
below DIR/wrong, files that must be refused, and DIR/wrong.txt: the name of each and what must be said of it.
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "models"), os.path.join(HERE, "..", "bench", "redundancy")]
import interpreter  # noqa: E402,F401
import numpy as np  # noqa: E402

import gguf_blocks  # noqa: E402
import huggingface as hf  # noqa: E402
from gguf_file import ARRAY, BOOL, F32, I32, STRING, TYPES, U32, model, pair  # noqa: E402

HIDDEN, FORWARD, LAYERS, HEADS, KV_HEADS, VOCABULARY, CONTEXT = 256, 512, 2, 4, 2, 300, 64

NAMES = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
         "attn_v": "self_attn.v_proj", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
         "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
         "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
OUTSIDE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def huggingface_name(name):
    parts = name.split(".")
    if parts[0] == "blk":
        return f"model.layers.{parts[1]}.{NAMES[parts[2]]}.{parts[3]}"
    return f"{OUTSIDE[parts[0]]}.{parts[1]}"


def neighbours(content, heads):
    """Rows of each head: those that RoPE turns together from half a head apart to side by side."""
    return content.reshape(heads, 2, len(content) // heads // 2, -1).swapaxes(1, 2).reshape(content.shape)


class Model:
    """kind: of matrices, a name of ggml's types. Rows are in HuggingFace's order until they are written."""

    def __init__(self, seed, arch, kind, dim=64, tied=False, biases=False, config=None, pairs=()):
        self.rng, self.arch, self.kind, self.dim = np.random.default_rng(seed), arch, kind, dim
        self.tensors = []
        self.add("token_embd.weight", VOCABULARY, HIDDEN)
        self.norm("output_norm", HIDDEN)
        if not tied:
            self.add("output.weight", VOCABULARY, HIDDEN)
        for layer in range(LAYERS):
            self.layer(f"blk.{layer}.", biases)
        self.config = {
            "model_type": "llama" if arch == "llama" else arch, "hidden_size": HIDDEN, "intermediate_size": FORWARD,
            "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
            "head_dim": dim, "vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0, "tie_word_embeddings": tied, **(config or {})}
        self.pairs = {
            "general.architecture": (STRING, arch), f"{arch}.block_count": (U32, LAYERS),
            f"{arch}.context_length": (U32, CONTEXT), f"{arch}.embedding_length": (U32, HIDDEN),
            f"{arch}.feed_forward_length": (U32, FORWARD), f"{arch}.attention.head_count": (U32, HEADS),
            f"{arch}.attention.head_count_kv": (U32, KV_HEADS), f"{arch}.attention.key_length": (U32, dim),
            f"{arch}.attention.value_length": (U32, dim), f"{arch}.rope.dimension_count": (U32, dim),
            f"{arch}.attention.layer_norm_rms_epsilon": (F32, 1e-5), f"{arch}.expert_count": (U32, 0),
            f"{arch}.rope.freq_base": (F32, 10000.0),
            "tokenizer.ggml.tokens": (ARRAY, (STRING, [str(i) for i in range(VOCABULARY)])),
            "tokenizer.ggml.eos_token_id": (U32, 2), **{f"{arch}.{key}": value for key, value in pairs}}

    def add(self, name, rows, columns):
        if self.kind in gguf_blocks.KINDS:
            raw = gguf_blocks.blocks(self.rng, self.kind, rows, columns, [])
            values = gguf_blocks.dequantise(self.kind, raw)
        else:
            values = self.rng.normal(0, columns ** -0.5, rows * columns).astype(np.float32)
            if self.kind == "F16":
                raw = values.astype("<f2").view(np.uint8)
                values = raw.view("<f2").astype(np.float32)
            elif self.kind == "BF16":
                raw = (values.view(np.uint32) >> 16).astype("<u2").view(np.uint8)
                values = (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
            else:
                raw = values.view(np.uint8)
        self.tensors.append((name, self.kind, raw.reshape(rows, -1), values.reshape(rows, columns)))

    def vector(self, name, values):
        values = values.astype(np.float32)
        self.tensors.append((name, "F32", values.reshape(len(values), 1).view(np.uint8), values))

    def norm(self, name, count):
        self.vector(name + ".weight", 1 + self.rng.normal(0, 0.1, count))

    def layer(self, prefix, biases):
        queries, keys = HEADS * self.dim, KV_HEADS * self.dim
        for name, rows, columns in (("attn_q", queries, HIDDEN), ("attn_k", keys, HIDDEN), ("attn_v", keys, HIDDEN),
                                    ("attn_output", HIDDEN, queries), ("ffn_gate", FORWARD, HIDDEN),
                                    ("ffn_up", FORWARD, HIDDEN), ("ffn_down", HIDDEN, FORWARD)):
            self.add(f"{prefix}{name}.weight", rows, columns)
            input_bias = name in ("attn_q", "attn_k", "attn_v")
            if biases or self.arch == "qwen2" and input_bias:
                self.vector(f"{prefix}{name}.bias", self.rng.normal(0, 0.1, rows))
        self.norm(prefix + "attn_norm", HIDDEN)
        self.norm(prefix + "ffn_norm", HIDDEN)
        if self.arch == "qwen3":
            self.norm(prefix + "attn_q_norm", self.dim)
            self.norm(prefix + "attn_k_norm", self.dim)

    def as_gguf(self, more=(), **changes):
        """changes: values of keys, with _ for each point; None: without it. more: further tensors."""
        tensors = []
        for name, kind, raw, values in self.tensors:
            heads = {"attn_q": HEADS, "attn_k": KV_HEADS}.get(name.split(".")[-2])
            if heads and self.arch == "llama":
                raw = neighbours(raw, heads)
            tensors.append((name, tuple(reversed(values.shape)), kind, raw.tobytes()))
        pairs = {**self.pairs, **changes}
        return model([pair(key, *value) for key, value in pairs.items() if value], tensors + list(more))

    def write(self, out, name, more=()):
        with open(os.path.join(out, name + ".gguf"), "wb") as file:
            file.write(self.as_gguf(more))
        directory = os.path.join(out, name)
        os.mkdir(directory)
        hf.safetensors(os.path.join(directory, "model.safetensors"),
                       [(huggingface_name(name), "F32", list(values.shape), np.ascontiguousarray(values))
                        for name, _, _, values in self.tensors])
        with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
            json.dump(self.config, file)


def llama3_divisors(dim, base, factor, low, high, original):
    wavelengths = 2 * np.pi * base ** (np.arange(0, dim, 2) / dim)
    kept = np.clip((original / wavelengths - low) / (high - low), 0, 1)
    return (1 / ((1 - kept) / factor + kept)).astype("<f4")


def write_right(out):
    for seed, kind in enumerate(["F32", "F16", "BF16", *gguf_blocks.KINDS]):
        Model(seed, "llama", kind).write(out, f"llama-{kind}")
    Model(20, "llama", "Q4_K", tied=True, biases=True,
          config={"attention_bias": True, "mlp_bias": True}).write(out, "llama-tied-biases")
    Model(21, "llama", "Q8_0", config={"model_type": "mistral", "sliding_window": 8},
          pairs=[("attention.sliding_window", (U32, 8))]).write(out, "mistral-window")
    Model(22, "qwen2", "Q5_K", tied=True).write(out, "qwen2")
    Model(23, "qwen3", "Q6_K", dim=128).write(out, "qwen3")
    linear = [("rope.scaling.type", (STRING, "linear")), ("rope.scaling.factor", (F32, 4.0))]
    Model(24, "llama", "F32", config={"rope_scaling": {"rope_type": "linear", "factor": 4.0}},
          pairs=linear).write(out, "llama-linear")
    yarn = [("rope.scaling.type", (STRING, "yarn")), ("rope.scaling.factor", (F32, 4.0)),
            ("rope.scaling.original_context_length", (U32, 16))]
    Model(25, "qwen2", "F32", config={"rope_scaling": {"rope_type": "yarn", "factor": 4.0,
                                                       "original_max_position_embeddings": 16}},
          pairs=yarn).write(out, "qwen2-yarn")
    scaling = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}
    divisors = llama3_divisors(64, 10000.0, 8.0, 1.0, 4.0, 16)
    Model(26, "llama", "F32", config={"rope_scaling": {"rope_type": "llama3", **scaling}}).write(
        out, "close-llama3", [("rope_freqs.weight", (32,), "F32", divisors.tobytes())])


def write_wrong(out):
    some, told = Model(1, "llama", "F32"), []

    def wrong(name, text, content=None, **changes):
        content = content or some.as_gguf(**{key.replace("__", "."): value for key, value in changes.items()})
        with open(os.path.join(out, "wrong", name + ".gguf"), "wb") as file:
            file.write(content)
        told.append(f"{name} {text}")

    os.mkdir(os.path.join(out, "wrong"))
    number = "must be a whole number from 1 to"
    wrong("no-architecture", "general.architecture is missing; lwcmem runs llama, qwen2 and qwen3",
          general__architecture=None)
    wrong("other-architecture", "general.architecture is mamba; lwcmem runs", general__architecture=(STRING, "mamba"))
    wrong("number-architecture", "general.architecture is not a string", general__architecture=(U32, 1))
    wrong("experts", "lwcmem does not compute llama.expert_count", llama__expert_count=(U32, 8))
    wrong("unknown-key", "lwcmem does not compute llama.attention.scale", llama__attention__scale=(F32, 0.5))
    wrong("no-layers", f"llama.block_count {number} 1024", llama__block_count=None)
    wrong("too-many-layers", f"llama.block_count {number} 1024", llama__block_count=(U32, 1025))
    wrong("text-layers", "llama.block_count is not a whole number", llama__block_count=(STRING, "2"))
    wrong("negative-layers", "llama.block_count is not a whole number, or it is negative", llama__block_count=(I32, -1))
    wrong("no-heads", f"llama.attention.head_count {number}", llama__attention__head_count=(U32, 0))
    wrong("heads-by-layer", "llama.attention.head_count is not a whole number",
          llama__attention__head_count=(ARRAY, (U32, [4, 4])))
    wrong("uneven-heads", "4 heads are no multiple of 3", llama__attention__head_count_kv=(U32, 3))
    wrong("huge", f"llama.embedding_length {number}", llama__embedding_length=(U32, 1 << 31))
    wrong("no-epsilon", "llama.attention.layer_norm_rms_epsilon must be a number above 0",
          llama__attention__layer_norm_rms_epsilon=None)
    wrong("nan-epsilon", "llama.attention.layer_norm_rms_epsilon must be a number above 0",
          llama__attention__layer_norm_rms_epsilon=(F32, float("nan")))
    wrong("whole-epsilon", "llama.attention.layer_norm_rms_epsilon is not a floating-point number",
          llama__attention__layer_norm_rms_epsilon=(U32, 1))
    wrong("partial-rope", "keys of 64 values, values of 64, 32 turned by RoPE", llama__rope__dimension_count=(U32, 32))
    wrong("other-values", "keys of 64 values, values of 32", llama__attention__value_length=(U32, 32))
    wrong("longrope", "llama.rope.scaling.type is longrope; lwcmem computes none, linear and yarn",
          llama__rope__scaling__type=(STRING, "longrope"))
    wrong("no-factor", "llama.rope.scaling.factor must be a number above 0",
          llama__rope__scaling__type=(STRING, "linear"))
    wrong("bool-window", "llama.attention.sliding_window is not a whole number",
          llama__attention__sliding_window=(BOOL, True))
    wrong("no-vocabulary", f"llama.vocab_size {number}", tokenizer__ggml__tokens=None)
    wrong("empty-vocabulary", f"the number of tokenizer.ggml.tokens {number}",
          tokenizer__ggml__tokens=(ARRAY, (STRING, [])))
    wrong("number-vocabulary", "tokenizer.ggml.tokens is not an array of strings",
          tokenizer__ggml__tokens=(ARRAY, (U32, [1])))
    wrong("stop-outside", "tokenizer.ggml.eos_token_id is not in the vocabulary",
          tokenizer__ggml__eos_token_id=(U32, VOCABULARY))
    wrong("other-shape", "token_embd.weight is 300 x 256, the model's config says 300 x 512",
          llama__embedding_length=(U32, 512))
    wrong("more-layers", "no tensor blk.2.attn_q.weight", llama__block_count=(U32, 3))
    window = Model(2, "qwen2", "F32", pairs=[("attention.sliding_window", (U32, 8))])
    wrong("qwen2-window", "lwcmem does not compute qwen2.attention.sliding_window", window.as_gguf())
    _, elements, size = TYPES["IQ4_NL"]
    ternary = Model(3, "llama", "F32")
    ternary.tensors[0] = ("token_embd.weight", "IQ4_NL",
                          np.zeros((VOCABULARY, HIDDEN // elements * size), np.uint8), ternary.tensors[0][3])
    wrong("type", "token_embd.weight is IQ4_NL, which cannot be multiplied; BF16,", ternary.as_gguf())
    wrong("twice", "two values of one key",
          model([pair("general.architecture", STRING, "llama")] * 2, []))
    wrong("cut", "the file ends too early; it may be truncated", some.as_gguf()[:5000])
    with open(os.path.join(out, "wrong.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(told) + "\n")


write_right(sys.argv[1])
write_wrong(sys.argv[1])
