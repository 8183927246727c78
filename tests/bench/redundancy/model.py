# SPDX-License-Identifier: BSD-3-Clause
"""HuggingFace-like model directories, and the weights that the kinds start from."""
import glob
import json
import os
import struct
import sys

import numpy as np

from floats import SAFETENSORS, kind_of, loaded

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models"))
import huggingface  # noqa: E402

NUMPY = {"BF16": np.uint16, "F16": np.float16, "F32": np.float32}
HEAD = 64
EMBEDDINGS = ("model.embed_tokens.", "lm_head.")


def read_safetensors(path):
    """(name, fp32 array) in the order of the data."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        start = file.tell()
        header.pop("__metadata__", None)
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            if entry["dtype"] not in NUMPY:
                raise SystemExit(f"{path}: {name} is {entry['dtype']}; needs BF16, F16 or F32 weights")
            begin, end = entry["data_offsets"]
            file.seek(start + begin)
            content = np.frombuffer(file.read(end - begin), NUMPY[entry["dtype"]])
            yield name, loaded(content, kind_of(content)).reshape(entry["shape"])


def sizes(shapes):
    """What a configuration of the Llama family says, from the shapes of the tensors by name."""
    layers = {name.split(".")[2] for name in shapes if name.startswith("model.layers.")}
    shapes = {name.split(".layers.0.")[-1]: shape for name, shape in shapes.items()}
    hidden = shapes.get("self_attn.q_proj.weight", (HEAD, HEAD))[1]
    keys = shapes.get("self_attn.k_proj.weight", (HEAD, hidden))[0]
    return {"hidden_size": hidden, "intermediate_size": shapes.get("mlp.gate_proj.weight", (hidden,))[0],
            "num_hidden_layers": len(layers), "num_attention_heads": max(1, hidden // HEAD),
            "num_key_value_heads": max(1, keys // HEAD),
            "vocab_size": shapes.get("model.embed_tokens.weight", (hidden,))[0],
            "max_position_embeddings": 2048, "tie_word_embeddings": "lm_head.weight" not in shapes}


def write_model(directory, tensors, **more):
    """tensors: (name, numpy array), all of one kind, in the order of their data."""
    os.makedirs(directory)
    numbers = {**sizes({name: content.shape for name, content in tensors}), **more}
    huggingface.llama_config(directory, kind_of(tensors[0][1]), **numbers)
    huggingface.safetensors(os.path.join(directory, "model.safetensors"), [
        (name, SAFETENSORS[kind_of(content)], list(content.shape), np.ascontiguousarray(content))
        for name, content in tensors])


def layer_shapes(hidden):
    keys = max(HEAD, hidden // 4)
    inner = -(-hidden * 11 // 4 // 128) * 128
    return {"self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (keys, hidden),
            "self_attn.v_proj": (keys, hidden), "self_attn.o_proj": (hidden, hidden),
            "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner)}


def gaussian(rng, shape):
    """Standard deviation about 0.02, each row its own."""
    scale = 0.02 * np.exp(0.25 * rng.standard_normal((shape[0], 1), np.float32))
    return rng.standard_normal(shape, np.float32) * scale.astype(np.float32)


def gaussian_weights(rng, count):
    """Layers of about `count` weights together."""
    def size(hidden):
        return sum(rows * columns for rows, columns in layer_shapes(hidden).values())
    hidden = max([h for h in (128, 256, 512, 1024, 2048, 4096) if 2 * size(h) <= count], default=128)
    for layer in range(max(1, round(count / size(hidden)))):
        for name, shape in layer_shapes(hidden).items():
            yield f"model.layers.{layer}.{name}.weight", gaussian(rng, shape)
        yield f"model.layers.{layer}.input_layernorm.weight", \
            (1 + 0.1 * rng.standard_normal(hidden)).astype(np.float32)


def weights_of(directory, count):
    """
    Tensors of a model until they are `count` weights; all without a count. Not its embeddings: quantisers and adapters
    leave them alone, and those of tokens that training never saw can equal each other.
    """
    paths = sorted(glob.glob(os.path.join(directory, "*.safetensors")))
    taken = 0
    for path in paths:
        for name, values in read_safetensors(path):
            if count is not None and taken >= count:
                return
            if not name.startswith(EMBEDDINGS):
                taken += values.size
                yield name, values
    if not taken:
        raise SystemExit(f"{directory}: no weights in .safetensors; --from takes a HuggingFace directory")


def source(options, rng, width):
    """fp32 tensors for a model of options.mib MiB when a weight has `width` bits."""
    count = None if options.mib is None else int(options.mib * 2 ** 20 * 8 / width)
    if options.source:
        return weights_of(options.source, count)
    return gaussian_weights(rng, count or 16 * 2 ** 20 * 8 // width)
