# SPDX-License-Identifier: BSD-3-Clause
"""
Weights of the tiny models: a function of a tensor's name and shape, the same with any numpy. RandomState is frozen, and
values are uniform, since normal ones take logarithms, which libraries round differently.
"""
import math
import zlib

import numpy as np

# Scores of attention have a standard deviation of about 2, logits one of about 2.
GAINS = {"q_proj": 1.5, "k_proj": 1.5, "embed_tokens": 2, "lm_head": 2}


def tensor(name, shape):
    """fp32, C order."""
    part, kind = name.split(".")[-2:]
    uniform = 2 * np.random.RandomState(zlib.crc32(name.encode())).random_sample(tuple(shape)) - 1
    if kind == "bias":
        values = 0.5 * uniform
    elif part in ("q_norm", "k_norm"):
        values = 1.5 + 0.5 * uniform
    elif part.endswith("norm"):
        values = 1 + 0.3 * uniform
    else:
        values = uniform * (GAINS.get(part, 1) * math.sqrt(3 / shape[-1]))
    return values.astype("<f4")
