# SPDX-License-Identifier: BSD-3-Clause
"""
smollm2.py WHEEL DIR: SmolLM2-135M-Instruct as a HuggingFace directory in fp32, from the GGUF (Q4_1, embeddings Q8_0) in
the wheel that tests/bench/fetch.sh prints: the values that its integers mean, its vocabulary and its chat template.
"""
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench", "redundancy"))
import interpreter  # noqa: E402,F401  first: it may start another Python
import zipfile  # noqa: E402

import gguf  # noqa: E402
import huggingface  # noqa: E402
from gguf_kinds import huggingface_name  # noqa: E402
from model import write_model  # noqa: E402

SPECIAL = 3


def published(wheel):
    with zipfile.ZipFile(wheel) as file:
        name, = (name for name in file.namelist() if name.endswith(".gguf"))
        return gguf.Reader(file.read(name))


def rotary_halves(content, heads):
    """GGUF has the two rows of a rotary pair side by side, HuggingFace half a head apart."""
    rows, columns = content.shape
    return content.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def tensors(model, content):
    """(name, array) with HuggingFace's names and order of rows; content(name, shape, kind, blocks) makes the array."""
    heads = {"q_proj": model.metadata["llama.attention.head_count"],
             "k_proj": model.metadata["llama.attention.head_count_kv"]}
    for name, tensor in model.tensors.items():
        name = huggingface_name(name)
        part = name.split(".")[-2]
        array = content(name, *tensor)
        yield name, rotary_halves(array, heads[part]) if part in heads else array


def config(metadata):
    return {"rope_theta": metadata["llama.rope.freq_base"], "max_position_embeddings": metadata["llama.context_length"],
            "bos_token_id": metadata["tokenizer.ggml.bos_token_id"],
            "eos_token_id": metadata["tokenizer.ggml.eos_token_id"]}


def tokenizer(directory, metadata):
    pieces, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    special = [number for number, kind in enumerate(kinds) if kind == SPECIAL]
    huggingface.byte_level_tokenizer(directory, pieces, metadata["tokenizer.ggml.merges"], special, {
        "bos_token": pieces[metadata["tokenizer.ggml.bos_token_id"]],
        "eos_token": pieces[metadata["tokenizer.ggml.eos_token_id"]],
        "unk_token": pieces[metadata["tokenizer.ggml.unknown_token_id"]],
        "model_max_length": metadata["llama.context_length"],
        "chat_template": metadata["tokenizer.chat_template"]})


def main(wheel, directory):
    model = published(wheel)
    values = tensors(model, lambda name, shape, kind, blocks: gguf.floats_of(blocks, kind, shape))
    write_model(directory, list(values), **config(model.metadata))
    tokenizer(directory, model.metadata)


if __name__ == "__main__":
    main(*sys.argv[1:])
