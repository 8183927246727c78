# SPDX-License-Identifier: BSD-3-Clause
"""Magnitude-pruned bf16."""
import math

import numpy as np

from bounds import Bound, entropy, order0, tiles
from floats import exponents, to_bf16
from model import source, write_model


def add_options(parser):
    parser.add_argument("--pattern", choices=("half", "2:4"), default="half")
    parser.add_argument("--signed-zeros", action="store_true",
                        help="multiply by the mask, so that what was negative becomes -0")


def survivors_half(magnitude):
    """The larger half of a tensor."""
    keep = np.zeros(magnitude.size, bool)
    keep[np.argpartition(magnitude.reshape(-1), magnitude.size // 2)[magnitude.size // 2:]] = True
    return keep.reshape(magnitude.shape)


def survivors_2_of_4(magnitude):
    """The two larger of four neighbours in a row."""
    fours = magnitude.reshape(-1, 4)
    keep = np.zeros(fours.shape, bool)
    np.put_along_axis(keep, np.argsort(fours, 1, kind="stable")[:, 2:], True, 1)
    return keep.reshape(magnitude.shape)


def count(bound, bits, keep, options):
    bound.weights += bits.size
    for tile, mask in zip(tiles(bits), tiles(keep.astype(np.uint16))):
        mask = mask.astype(bool)
        if options.pattern == "half":
            bound.part("mask", mask.size * entropy([mask.sum(), mask.size - mask.sum()]))
        exponent, rest = exponents(tile[mask])
        bound.part("survivors", order0(exponent) + rest * exponent.size)
    if options.pattern == "2:4":
        bound.part("mask", bits.size * math.log2(6) / 4)
    if options.signed_zeros:
        bound.part("signs of zeroes", float(bits.size - keep.sum()))


def make(out, options, rng):
    mask = "binary entropy of the mask per tile" if options.pattern == "half" else "log2(6) / 4"
    bound = Bound(f"{mask} + survivors * (order-0 entropy of their exponent per tile + 8 bits)"
                  + (" + 1 bit for the sign of each zero" if options.signed_zeros else ""))
    tensors = []
    for name, values in source(options, rng, 16):
        bits = to_bf16(values)
        if bits.ndim == 2 and (options.pattern == "half" or bits.shape[1] % 4 == 0):
            select = survivors_half if options.pattern == "half" else survivors_2_of_4
            keep = select(bits & 0x7FFF)
            zero = bits & 0x8000 if options.signed_zeros else np.uint16(0)
            bits = np.where(keep, bits, zero).astype(np.uint16)
            count(bound, bits, keep, options)
        else:
            bound.untouched(bits)
        tensors.append((name, bits))
    write_model(out, tensors)
    return bound
