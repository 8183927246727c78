# SPDX-License-Identifier: BSD-3-Clause
"""fp32 that holds values of a narrower kind."""
import numpy as np

from bounds import Bound, TILE, order0
from floats import exponents, loaded, stored
from model import source, write_model


def make(out, options, rng, kind):
    rest = {"bf16": 8, "fp16": 11}[kind]
    bound = Bound(f"order-0 entropy of the {kind} exponent per tile of 128 KiB fp32 + {rest} bits")
    tensors = []
    for name, values in source(options, rng, 32):
        narrow = stored(values, kind)
        bound.weights += narrow.size
        for at in range(0, narrow.size, TILE // 4):
            tile = narrow.reshape(-1)[at:at + TILE // 4]
            bound.part("exponents", order0(exponents(tile)[0]))
            bound.part("sign and mantissa", rest * tile.size)
        tensors.append((name, np.ascontiguousarray(loaded(narrow, kind))))
    write_model(out, tensors)
    return bound
