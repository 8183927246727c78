# SPDX-License-Identifier: BSD-3-Clause
"""
random_model.py DIR: seeded random models of the Llama family, the same on every machine:
random-aligned-bf16, whose dimensions are all multiples of 64, and random-odd-{bf16,fp16,fp32}, where none is.
"""
import array
import os
import random
import shutil
import sys

import huggingface as hf

TEXTS = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % byte for byte in range(256)]


def tokenizer(directory, vocabulary):
    letters = ["\u2581"] + [chr(c) for c in range(ord("a"), ord("z") + 1)]
    texts = TEXTS + letters
    merges = []
    for left in letters:
        for right in "etaoinshr":
            if len(texts) < vocabulary:
                texts.append(left + right)
                merges.append((left, right))
    hf.byte_pair_tokenizer(directory, texts, merges)


def model(out, name, kind, seed, hidden, intermediate, layers, heads, kv_heads, dim, vocabulary):
    directory = os.path.join(out, name)
    if os.path.exists(os.path.join(directory, "config.json")):
        return
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    rng = random.Random(seed)

    def matrix(name, rows, cols):
        content = array.array("f", [rng.gauss(0, cols ** -0.5) for _ in range(rows * cols)])
        dtype, data = hf.convert(content, kind)
        return name + ".weight", dtype, [rows, cols], data

    def norm(name):
        content = array.array("f", [1 + rng.gauss(0, 0.1) for _ in range(hidden)])
        dtype, data = hf.convert(content, kind)
        return name + ".weight", dtype, [hidden], data

    tensors = [matrix("model.embed_tokens", vocabulary, hidden), norm("model.norm"),
               matrix("lm_head", vocabulary, hidden)]
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        tensors += [norm(prefix + "input_layernorm"), norm(prefix + "post_attention_layernorm"),
                    matrix(prefix + "self_attn.q_proj", heads * dim, hidden),
                    matrix(prefix + "self_attn.k_proj", kv_heads * dim, hidden),
                    matrix(prefix + "self_attn.v_proj", kv_heads * dim, hidden),
                    matrix(prefix + "self_attn.o_proj", hidden, heads * dim),
                    matrix(prefix + "mlp.gate_proj", intermediate, hidden),
                    matrix(prefix + "mlp.up_proj", intermediate, hidden),
                    matrix(prefix + "mlp.down_proj", hidden, intermediate)]
    hf.safetensors(os.path.join(directory, "model.safetensors"), tensors)
    tokenizer(directory, vocabulary)
    # last: it says that the directory is complete
    hf.llama_config(directory, kind, hidden_size=hidden, intermediate_size=intermediate,
                    num_hidden_layers=layers, num_attention_heads=heads,
                    num_key_value_heads=kv_heads, head_dim=dim, vocab_size=vocabulary,
                    max_position_embeddings=512, tie_word_embeddings=False)


def main(out):
    model(out, "random-aligned-bf16", "bf16", 1, 256, 512, 3, 4, 2, 64, 384)
    for number, kind in enumerate(("bf16", "fp16", "fp32")):
        model(out, "random-odd-" + kind, kind, 2 + number, 90, 133, 2, 6, 3, 14, 301)


if __name__ == "__main__":
    main(sys.argv[1])
