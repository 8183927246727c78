# SPDX-License-Identifier: BSD-3-Clause
"""Entropies, and the sum of bits that a bound is made of."""
import json
import math

import numpy as np

from floats import exponents

TILE = 128 * 1024


def entropy(counts):
    """Bits a symbol, from how often each occurs."""
    counts = np.asarray(counts, np.float64)
    counts = counts[counts > 0]
    total = counts.sum()
    if total == 0:
        return 0.0
    return max(0.0, float(-(counts * np.log2(counts / total)).sum() / total))


def order0(symbols):
    """Bits for all of these non-negative integers together."""
    return symbols.size * entropy(np.bincount(symbols.reshape(-1)))


def order0_any(symbols):
    """The same for symbols from a large range."""
    return symbols.size * entropy(np.unique(symbols, return_counts=True)[1])


def conditional(symbols, conditions):
    """
    Bits for symbols (|s| < 2^20) when the condition is known, and by how many the plug-in estimate is too low for what it
    does not see (Miller and Madow: (cells - 1) / (2 ln 2) for each condition).
    """
    joint = (conditions.astype(np.int64) << 21) + symbols + (1 << 20)
    cells, counts = np.unique(joint, return_counts=True)
    owners, index = np.unique(cells >> 21, return_inverse=True)
    totals = np.bincount(index, weights=counts)
    bits = float(-(counts * np.log2(counts / totals[index])).sum())
    return max(0.0, bits), (cells.size - owners.size) / (2 * math.log(2))


def tiles(content):
    """Whole rows of about 128 KiB; longer rows and vectors by elements."""
    flat = content.reshape(-1)
    columns = content.shape[-1] if content.ndim > 1 else 1
    room = TILE // content.itemsize
    step = room // columns * columns if columns <= room else room
    return [flat[at:at + step] for at in range(0, flat.size, step)]


def float_bits(content):
    """Order-0 entropy of the exponents of each tile, sign and mantissa as they are."""
    total = 0.0
    for tile in tiles(content):
        exponent, rest = exponents(tile)
        total += order0(exponent) + rest * tile.size
    return total


class Bound:
    """Sum of named parts, in bits, over all weights; `figures` are other totals for comparison."""

    def __init__(self, formula):
        self.formula = formula
        self.weights = 0
        self.parts = {}
        self.figures = {}

    def part(self, name, bits):
        self.parts[name] = self.parts.get(name, 0) + bits

    def figure(self, name, bits):
        self.figures[name] = self.figures.get(name, 0) + bits

    def untouched(self, content):
        """A tensor that has no redundancy of this kind: an ordinary float one, in every total."""
        bits = float_bits(content)
        self.weights += content.size
        self.part("other tensors", bits)
        for name in self.figures:
            self.figure(name, bits)

    def bits_per_weight(self):
        return sum(self.parts.values()) / self.weights

    def describe(self):
        def each(totals):
            return {name: round(bits / self.weights, 6) for name, bits in totals.items()}
        return {"bound_bits_per_weight": round(self.bits_per_weight(), 6), "formula": self.formula,
                "weights": self.weights, "parts": each(self.parts), "figures": each(self.figures)}

    def text(self):
        lines = [f"bound: {self.bits_per_weight():.4f} bits a weight = {self.formula}"]
        for title, totals in (("", self.parts), ("for comparison, ", self.figures)):
            lines += [f"  {title}{name}: {bits / self.weights:.4f}" for name, bits in totals.items()]
        return "\n".join(lines)

    def write(self, path, **more):
        with open(path, "w") as out:
            json.dump({**more, **self.describe()}, out, indent=1)
            out.write("\n")
