# SPDX-License-Identifier: BSD-3-Clause
"""LEVELS, from uapi/lwcmem_format.h alone."""
import struct

from .streams import FIELDS, STRUCTURES, stream, unstream

LEVELS_HEADER = struct.Struct("<I6IB3s16s16s")


def kept_least(field, elements):
    """Mantissa bits that have to be kept for these elements."""
    _, _, mantissa, _ = FIELDS[field]
    if field == "i8":  # any number will do
        return 4
    used = 0
    for element in elements:
        used |= element & ((1 << mantissa) - 1)
    return next((mantissa - zeroes for zeroes in range(mantissa) if used >> zeroes & 1), 0)


def symbol_and_rest(field, element, kept):
    _, symbol, mantissa, _ = FIELDS[field]
    if field == "i8":
        return element >> kept, element & ((1 << kept) - 1)
    if field == "nibble":
        return element, 0
    sign = element >> (symbol + mantissa)
    low = element & ((1 << mantissa) - 1)
    return element >> mantissa & ((1 << symbol) - 1), sign << kept | low >> (mantissa - kept)


def rest_bits(field, kept):
    return {"i8": kept, "nibble": 0}.get(field, kept + 1)


def levels_parts(structure, field, elements, kept=None, symbols=None):
    """The header's values and the sections of LEVELS, in order, to change or to join."""
    widths = STRUCTURES[structure]
    kept = kept_least(field, elements) if kept is None else kept
    pairs = [symbol_and_rest(field, element, kept) for element in elements]
    slots = sum((1 << width) - 1 for width in widths)
    if symbols is None:
        counts = {}
        for symbol, _ in pairs:
            counts[symbol] = counts.get(symbol, 0) + 1
        symbols = sorted(counts, key=lambda s: (-counts[s], s))[:min(slots, 16)]
    rank = {}
    for number, symbol in enumerate(symbols):
        rank.setdefault(symbol, number)
    waiting, first, reached, sections = [symbol for symbol, _ in pairs], 0, [], []
    for width in widths:
        ones = (1 << width) - 1
        codes, passed = [], []
        for symbol in waiting:
            code = rank.get(symbol, 1 << 30) - first
            if code >= ones:
                code = ones
                passed.append(symbol)
            codes.append(code)
        sections.append(stream(codes, width))
        reached.append(len(passed))
        waiting, first = passed, first + ones
    bits = rest_bits(field, kept)
    planes = [bytes(rest >> (bits - 8 * (plane + 1)) & 255 for _, rest in pairs) for plane in range(bits // 8)]
    low = stream([rest & ((1 << bits % 8) - 1) for _, rest in pairs], bits % 8)
    header = [len(elements), *(reached + [0] * 6)[:6], kept, bytes(3), bytes(symbols), bytes(16)]
    return header, planes + sections + [bytes(waiting), low]


def levels(structure, field, elements, kept=None, symbols=None):
    header, sections = levels_parts(structure, field, elements, kept, symbols)
    return LEVELS_HEADER.pack(*header) + b"".join(sections)


def unlevels(structure, field, data):
    """Weights of LEVELS that is sound."""
    weights, *reached, kept, _, symbols, _ = LEVELS_HEADER.unpack_from(data)
    _, symbol_bits, mantissa, _ = FIELDS[field]
    widths, at = STRUCTURES[structure], LEVELS_HEADER.size
    bits = rest_bits(field, kept)

    def take(size):
        nonlocal at
        at += size
        return data[at - size:at]

    planes = [take(weights) for _ in range(bits // 8)]
    counts = [weights] + reached[:len(widths)]
    codes = [unstream(take((count * width + 7) // 8), width, count) for count, width in zip(counts, widths)]
    known = take(counts[-1])
    low = unstream(take((weights * (bits % 8) + 7) // 8), bits % 8, weights)
    assert at == len(data)
    first = [sum((1 << width) - 1 for width in widths[:level]) for level in range(len(widths))]
    for level in reversed(range(len(widths))):
        ones, passed = (1 << widths[level]) - 1, iter(known)
        known = [next(passed) if code == ones else symbols[first[level] + code] for code in codes[level]]
    out = []
    for i, symbol in enumerate(known):
        rest = 0
        for plane in planes:
            rest = rest << 8 | plane[i]
        rest = rest << bits % 8 | low[i]
        if field == "i8":
            out.append(symbol << kept | rest)
        elif field == "nibble":
            out.append(symbol)
        else:
            out.append((rest >> kept) << (symbol_bits + mantissa) | symbol << mantissa |
                       (rest & ((1 << kept) - 1)) << (mantissa - kept))
    return out
