# SPDX-License-Identifier: BSD-3-Clause
"""
Models for engine_matrix.py: the families of tests/models/families with weights that each codec is for, and NaNs,
infinities and subnormals where they do not reach everything.
"""
import json
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FAMILIES = os.path.join(HERE, "..", "models", "families")
sys.path.append(FAMILIES)
import make  # noqa: E402  first: it may start another Python
import huggingface  # noqa: E402
import random_model  # noqa: E402

import numpy as np  # noqa: E402

# Multiples of 64, which are decoded in registers, instead of what the family's model has. 0.7 as fp32 is below 0.7, and
# large enough that one rounded up shows.
ALIGNED = {"rms_norm_eps": 0.7, "hidden_size": 128, "intermediate_size": 192, "num_attention_heads": 4,
           "num_key_value_heads": 2, "head_dim": 64}
# NaNs with payloads, infinities, -0, subnormals, the largest
ODD = np.array([0x7fc1, 0xffff, 0x7f80, 0xff80, 0, 0x8000, 1, 0x8001, 0x7f, 0x7f7f, 0x7fa5, 0xff81], "<u2")


def bf16(values):
    """The nearest, as 16 bits."""
    bits = np.asarray(values, "<f4").view("<u4").astype("i8")
    return (bits + 0x7fff + (bits >> 16 & 1) >> 16).astype("<u2")


def widened(halves):
    return (halves.astype("<u4") << 16).view("<f4")


class Kinds:
    """A matrix of each kind: (dtype, content)."""

    def __init__(self, seed):
        self.random = np.random.RandomState(seed)
        self.of_shape = {}

    def gauss(self, rows, cols):
        return self.random.standard_normal((rows, cols)) / np.sqrt(cols)

    def levels(self, rows, cols):
        return "BF16", bf16(self.gauss(rows, cols))

    def widened(self, rows, cols):
        return "F32", widened(bf16(self.gauss(rows, cols)))

    def fp32(self, rows, cols):
        return "F32", self.gauss(rows, cols).astype("<f4")

    def fp16(self, rows, cols):
        values = self.gauss(rows, cols).astype("<f2")
        values[::3, 1::5] = self.random.randint(1, 1000) * 2.0 ** -24
        return "F16", values

    def grid(self, rows, cols):
        """int4 in groups of a row."""
        scales = bf16(self.random.random_sample((rows, 1)) / 8 + 0.01)
        return "BF16", bf16(self.random.randint(-8, 8, (rows, cols)).astype("<f4") * widened(scales))

    def sparse(self, rows, cols):
        content = bf16(self.gauss(rows, cols))
        content[self.random.random_sample(content.shape) < 0.7] = 0
        return "BF16", content

    def const(self, rows, cols):
        return "BF16", np.full((rows, cols), bf16(0.03125), "<u2")

    def repeated(self, rows, cols):
        return "BF16", np.ascontiguousarray(np.tile(bf16(self.gauss(4, cols)), (rows // 4 + 1, 1))[:rows])

    def raw(self, rows, cols):
        """Random bits of numbers below 4: nothing to code."""
        bits = self.random.randint(0, 17 << 10, (rows, cols)) | self.random.randint(0, 2, (rows, cols)) << 15
        return "F16", bits.astype("<u2").view("<f2")

    def noise(self, rows, cols):
        """A byte of four is random, the upper ones are few: planes."""
        return "F32", ((np.arange(rows * cols) % 7 + 0x3c00 << 16).astype("<u4").reshape(rows, cols)).view("<f4")

    def twin(self, rows, cols):
        """As another of the shape, if there is one."""
        return self.of_shape.get((rows, cols)) or self.levels(rows, cols)

    def make(self, kind, rows, cols):
        dtype, content = getattr(self, kind)(rows, cols)
        self.of_shape[rows, cols] = dtype, content
        return dtype, content


KINDS = ["levels", "twin", "grid", "sparse", "raw", "const", "fp16", "repeated", "fp32", "widened", "noise"]


def dims_of(config):
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    head_dim = config.get("head_dim") or hidden // heads
    return {"hidden": hidden, "inner": config["intermediate_size"], "vocabulary": config["vocab_size"],
            "head": head_dim, "queries": heads * head_dim, "kv": config["num_key_value_heads"] * head_dim}


def shape_of(name, old, dims):
    """The shape of a tensor of a golden, with other dimensions."""
    part = name.split(".")[-2]
    if part in ("q_norm", "k_norm"):
        return [dims["head"]]
    rows = {"q_proj": "queries", "k_proj": "kv", "v_proj": "kv", "gate_proj": "inner", "up_proj": "inner",
            "embed_tokens": "vocabulary", "lm_head": "vocabulary"}.get(part, "hidden")
    cols = {"o_proj": "queries", "down_proj": "inner"}.get(part, "hidden")
    return [dims[rows]] if len(old) == 1 else [dims[rows], dims[cols]]


def spoil(name, dtype, content, random):
    """Some rows of what is looked up and of the head, so that some logits stay finite."""
    if dtype != "BF16" or name.split(".")[-2] not in ("embed_tokens", "lm_head"):
        return content
    content = content.copy()
    for row in random.choice(len(content), 6, replace=False):
        content[row, random.randint(0, content.shape[1], 4)] = random.choice(ODD, 4)
    # subnormals and zeros alone: what flushing to zero would change
    content[random.randint(len(content))] = random.choice(ODD[4:9], content.shape[1])
    return content


def write(directory, config, tensors):
    os.makedirs(directory)
    huggingface.safetensors(os.path.join(directory, "model.safetensors"), tensors)
    random_model.tokenizer(directory, config["vocab_size"])
    with open(os.path.join(directory, "config.json"), "w") as out:
        json.dump(config, out)


def config_of(name, aligned):
    with open(os.path.join(FAMILIES, name, "config.json")) as file:
        old = json.load(file)
    config = {**old, **ALIGNED} if aligned else old
    if aligned and "head_dim" not in old and old["model_type"] == "qwen2":
        # has none of its own
        config = {**config, "hidden_size": 256}
        del config["head_dim"]
    return config


def mixed(directory, name, aligned, seed):
    """
    The family's model, a kind of KINDS for each matrix; and the same after some training, as NAME-tuned. Embeddings and
    head are of the first kind, and spoiled.
    """
    config = config_of(name, aligned)
    kinds, tensors, tuned = Kinds(seed), [], []
    dims, number = dims_of(config), seed
    for tensor, old_shape in make.golden_of(name)["tensors"].items():
        shape = shape_of(tensor, old_shape, dims)
        if not aligned and shape != old_shape:
            sys.exit(f"{name}: {tensor} is {old_shape}, not {shape}")
        if len(shape) == 1:
            dtype, content = "F16", make.weights.tensor(tensor, shape).astype("<f2")
            content[::7] *= np.float16(2 ** -16)
        elif "embed_tokens" in tensor or "lm_head" in tensor:
            dtype, content = kinds.levels(*shape)
        else:
            dtype, content = kinds.make(KINDS[number % len(KINDS)], *shape)
            number += 1
        content = spoil(tensor, dtype, content, kinds.random)
        tensors.append((tensor, dtype, shape, content))
        if dtype == "BF16":
            step = kinds.random.randint(-2, 3, content.shape) * (kinds.random.random_sample(content.shape) < 0.3)
            # zeros would become NaNs
            magnitudes = content & 0x7fff
            content = np.where((magnitudes > 2) & (magnitudes < 0x7000), content + step, content).astype("<u2")
        tuned.append((tensor, dtype, shape, content))
    for path, entries in ((directory, tensors), (directory + "-tuned", tuned)):
        shutil.rmtree(path, ignore_errors=True)
        write(path, config, entries)
