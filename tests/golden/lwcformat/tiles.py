# SPDX-License-Identifier: BSD-3-Clause
"""What cases are made of: numbers, weights, tiles."""
import struct

from .container import Tile
from .levels import levels
from .streams import FIELDS, STRUCTURES, to_field

RAGGED = (1, 63, 64, 65, 7)
STRUCTURE_NAMES = {s: "".join(map(str, widths)) for s, widths in STRUCTURES.items()}
TILE_MAX, LEVELS_WEIGHTS = 256 * 1024, 256 * 1024


class Random:
    """The same numbers on every machine."""

    def __init__(self, seed):
        self.state = seed

    def bits(self, count):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.state >> (64 - count) if count else 0

    def below(self, limit):
        return self.bits(32) % limit

    def bytes(self, count):
        return bytes(self.bits(8) for _ in range(count))


def element(random, field, kept):
    """Symbols that halve in frequency with each step from the middle, and now and then any."""
    _, symbol_bits, mantissa, _ = FIELDS[field]
    symbol_bits -= kept if field == "i8" else 0
    symbol = 1 << (symbol_bits - 1)
    while symbol and random.bits(1):
        symbol -= 1
    if not random.bits(4):
        symbol = random.bits(symbol_bits)
    if field in ("i8", "nibble"):
        return symbol << kept | random.bits(kept)
    return (random.bits(1) << symbol_bits | symbol) << mantissa | random.bits(kept) << (mantissa - kept)


def elements(random, field, count, kept=None):
    kept = FIELDS[field][2] if kept is None else kept
    return [element(random, field, kept) for _ in range(count)]


def levels_tile(structure, field, values, kept=None, symbols=None):
    return Tile(("LEVELS",), levels(structure, field, values, kept, symbols), to_field(field, values), structure,
                FIELDS[field][0])


def u32(value):
    return struct.pack("<I", value)


def patched(data, at, value):
    at %= len(data)
    return data[:at] + value + data[at + len(value):]


def flipped(data, at, mask):
    return patched(data, at, bytes([data[at] ^ mask]))
