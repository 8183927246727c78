# SPDX-License-Identifier: BSD-3-Clause
"""
convert.py DATA BYTES SHA256 DIR: a llama2.c version 0 checkpoint of BYTES and, behind it, its
tokenizer, as HuggingFace directories DIR/stories15M-{fp32,bf16,fp16,fp32bf16}.
"""
import array
import hashlib
import os
import shutil
import struct
import sys

import huggingface as hf

KINDS = ("fp32", "bf16", "fp16", "fp32bf16")


def permute(rows, heads, cols):
    """Rotary pairs lie side by side in the checkpoint, half a head apart at HuggingFace."""
    dim = len(rows) // cols // heads
    out = array.array("f")
    for head in range(heads):
        for j in range(2):
            for i in range(dim // 2):
                row = head * dim + 2 * i + j
                out += rows[row * cols:(row + 1) * cols]
    return out


def tensors_of(checkpoint):
    dim, hidden, layers, heads, kv_heads, vocabulary, context = struct.unpack_from("<7i", checkpoint)
    assert vocabulary > 0, "embeddings are tied"
    values = array.array("f", checkpoint[28:])
    kv = dim // heads * kv_heads
    at = 0

    def take(count):
        nonlocal at
        at += count
        return values[at - count:at]

    tensors = [("model.embed_tokens.weight", [vocabulary, dim], take(vocabulary * dim))]
    parts = {}
    for name, rows, cols in (("input_layernorm", 0, dim), ("self_attn.q_proj", dim, dim),
                             ("self_attn.k_proj", kv, dim), ("self_attn.v_proj", kv, dim),
                             ("self_attn.o_proj", dim, dim), ("post_attention_layernorm", 0, dim),
                             ("mlp.gate_proj", hidden, dim), ("mlp.down_proj", dim, hidden),
                             ("mlp.up_proj", hidden, dim)):
        for layer in range(layers):
            content = take((rows or 1) * cols)
            if name.endswith(("q_proj", "k_proj")):
                content = permute(content, heads if "q_" in name else kv_heads, cols)
            parts[layer, name] = ([rows, cols] if rows else [cols], content)
    for (layer, name), (shape, content) in sorted(parts.items()):
        tensors.append((f"model.layers.{layer}.{name}.weight", shape, content))
    tensors.append(("model.norm.weight", [dim], take(dim)))
    # what is left are tables of the rotary angles
    assert len(values) - at == 2 * context * (dim // heads // 2)
    numbers = {"hidden_size": dim, "intermediate_size": hidden, "num_hidden_layers": layers,
               "num_attention_heads": heads, "num_key_value_heads": kv_heads,
               "vocab_size": vocabulary, "max_position_embeddings": context,
               "tie_word_embeddings": True}
    return tensors, numbers


def tokenizer_of(data, count):
    """Texts and scores: pieces with marks for spaces, bytes by their names."""
    at, texts, scores = 4, [], []
    for index in range(count):
        score, length = struct.unpack_from("<fi", data, at)
        text = data[at + 8:at + 8 + length]
        at += 8 + length
        if index < 3:
            texts.append(text.decode().strip())
        elif index < 259:
            texts.append("<0x%02X>" % (index - 3))
        else:
            texts.append(text.decode().replace(" ", "\u2581"))
        scores.append(score)
    assert at == len(data)
    return texts, scores


def merges_of(texts, scores):
    """A piece merges from any two pieces that make it; the best score first."""
    ids = {text: i for i, text in enumerate(texts)}
    merges = []
    for index in range(259, len(texts)):
        text = texts[index]
        for cut in range(1, len(text)):
            left, right = ids.get(text[:cut], 0), ids.get(text[cut:], 0)
            if left >= 259 and right >= 259:
                merges.append((-scores[index], index, left, right))
    return [(texts[left], texts[right]) for _, _, left, right in sorted(merges)]


def main(path, size, digest, out):
    with open(path, "rb") as file:
        checkpoint = file.read(int(size))
        rest = file.read()
    if hashlib.sha256(checkpoint).hexdigest() != digest:
        sys.exit(f"{path}: the checkpoint's sha256 is not {digest}")
    tensors, numbers = tensors_of(checkpoint)
    texts, scores = tokenizer_of(rest, numbers["vocab_size"])
    merges = merges_of(texts, scores)
    for kind in KINDS:
        directory = os.path.join(out, "stories15M-" + kind)
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        hf.llama_config(directory, kind, **numbers)
        hf.byte_pair_tokenizer(directory, texts, merges)
        written = []
        for name, shape, content in tensors:
            dtype, data = hf.convert(content, kind)
            written.append((name, dtype, shape, data))
        hf.safetensors(os.path.join(directory, "model.safetensors"), written)


main(*sys.argv[1:])
