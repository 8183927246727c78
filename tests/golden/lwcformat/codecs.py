# SPDX-License-Identifier: BSD-3-Clause
"""
The tile codecs, encoding and decoding, written from uapi/lwcmem_format.h alone and
without a look at the C code: a second implementation that shares no line with the first.
Plain and slow; nothing here chooses, the caller says what to write.
"""
import struct
from fractions import Fraction

CODECS = {"RAW": 1, "CONST": 2, "ZSTD": 3, "LEVELS": 4, "PLANES": 5, "COPY": 6, "SPARSE": 7, "GRID": 8}
STRUCTURES = {1: (4, 1), 2: (3, 2, 2, 2), 3: (2, 2, 2, 2), 4: (2, 1, 1, 2, 2, 2), 5: (1, 1, 1, 2, 2, 2)}
# name: number, bits of symbol and of mantissa, bytes
FIELDS = {"bf16": (1, 8, 7, 2), "f16": (2, 5, 10, 2), "f32": (3, 8, 23, 4), "e4m3": (4, 4, 3, 1),
          "e5m2": (5, 5, 2, 1), "i8": (6, 4, 4, 1), "byte": (7, 8, 0, 1)}
FIELD_NAMES = {number: name for name, (number, *_) in FIELDS.items()}
LEVELS_HEADER = struct.Struct("<I6IB3s16s16s")
SPARSE_HEADER = struct.Struct("<IBB2s")
GRID_HEADER = struct.Struct("<IIIBB2s")
PAIRS = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
MASK_BITS, MASK_2_OF_4 = 1, 2
PRODUCT, AFFINE = 0, 1
SCALES_STRUCTURE = 3


def stream(codes, width):
    """Codes of width bits, the first in the lowest bits of the first byte."""
    out, held, bits = bytearray(), 0, 0
    for code in codes:
        held |= code << bits
        bits += width
        while bits >= 8:
            out.append(held & 255)
            held >>= 8
            bits -= 8
    if bits:
        out.append(held)
    return bytes(out)


def unstream(data, width, count):
    assert len(data) == (count * width + 7) // 8
    number = int.from_bytes(data, "little")
    assert number >> (count * width) == 0, "padding"
    return [number >> (i * width) & ((1 << width) - 1) for i in range(count)] if count < 4096 else [
        int.from_bytes(data[i * width // 8:i * width // 8 + 2], "little") >> (i * width % 8) & ((1 << width) - 1)
        for i in range(count)]


def to_elements(data, size):
    return [int.from_bytes(data[i:i + size], "little") for i in range(0, len(data), size)]


def to_bytes(elements, size):
    return b"".join(element.to_bytes(size, "little") for element in elements)


def kept_least(field, elements):
    """Mantissa bits that have to be kept for these elements."""
    _, _, mantissa, _ = FIELDS[field]
    if field == "i8":
        return 4
    used = 0
    for element in elements:
        used |= element & ((1 << mantissa) - 1)
    return next((mantissa - zeroes for zeroes in range(mantissa) if used >> zeroes & 1), 0)


def split(field, element, kept):
    """Symbol and rest of an element."""
    _, symbol, mantissa, _ = FIELDS[field]
    if field == "i8":
        return element >> 4, element & 15
    if field == "byte":
        return element, 0
    sign = element >> (symbol + mantissa)
    low = element & ((1 << mantissa) - 1)
    return element >> mantissa & ((1 << symbol) - 1), sign << kept | low >> (mantissa - kept)


def rest_bits(field, kept):
    return {"i8": 4, "byte": 0}.get(field, kept + 1)


def levels_parts(structure, field, elements, kept=None, symbols=None):
    """The header's values and the sections of LEVELS, in order, to change or to join."""
    widths = STRUCTURES[structure]
    kept = kept_least(field, elements) if kept is None else kept
    pairs = [split(field, element, kept) for element in elements]
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
    """Elements of LEVELS that is sound."""
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
            out.append(symbol << 4 | rest)
        elif field == "byte":
            out.append(symbol)
        else:
            out.append((rest >> kept) << (symbol_bits + mantissa) | symbol << mantissa |
                       (rest & ((1 << kept) - 1)) << (mantissa - kept))
    return out


def sparse_mask(kind, present):
    """The mask for a list of which elements are stored."""
    if kind == MASK_BITS:
        return stream(present, 1)
    fours = [tuple(i for i in range(4) if present[at + i]) for at in range(0, len(present), 4)]
    return stream([PAIRS.index(four) for four in fours], 3)


def sparse(kind, element, present, inner):
    return SPARSE_HEADER.pack(sum(present), element, kind, bytes(2)) + sparse_mask(kind, present) + inner


def unsparse_mask(data, count):
    """Which of count elements are stored, the element's size, and where the inner codec begins."""
    _, element, kind, _ = SPARSE_HEADER.unpack_from(data)
    size = (count + 7) // 8 if kind == MASK_BITS else (count // 4 * 3 + 7) // 8
    mask = data[SPARSE_HEADER.size:SPARSE_HEADER.size + size]
    if kind == MASK_BITS:
        present = unstream(mask, 1, count)
    else:
        present = [int(i in PAIRS[code]) for code in unstream(mask, 3, count // 4) for i in range(4)]
    return present, element, SPARSE_HEADER.size + size


def f32_value(bits):
    sign, exponent, mantissa = bits >> 31, bits >> 23 & 255, bits & 0x7fffff
    number = Fraction(mantissa | (0x800000 if exponent else 0)) * Fraction(2) ** (max(exponent, 1) - 150)
    return -number if sign else number


def nearest(value, field):
    """Bits of the field's number nearest to a fraction that is not negative, ties to even."""
    _, exponent_bits, mantissa, _ = FIELDS[field]
    bias = (1 << (exponent_bits - 1)) - 1
    if not value:
        return 0
    power = 0
    while value >= Fraction(2) ** (power + 1):
        power += 1
    while value < Fraction(2) ** power:
        power -= 1
    power = max(power, 1 - bias)
    scaled = value / Fraction(2) ** (power - mantissa)
    whole = scaled.numerator // scaled.denominator
    rest = scaled - whole
    if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole & 1):
        whole += 1
    # the leading one, if there is one, counts as an exponent
    bits = ((power + bias - 1) << mantissa) + whole
    return min(bits, ((1 << exponent_bits) - 1) << mantissa)


def grid_product(scale, integer, field):
    """integer: the byte as it is stored."""
    top = 8 * FIELDS[field][3] - 1
    if integer == 0x80:
        return 1 << top
    number = integer - 256 if integer > 127 else integer
    value = number * f32_value(scale)
    return nearest(abs(value), field) | int(value < 0) << top


def grid_sum(scale, offset, integer, field):
    value = integer * f32_value(scale) + f32_value(offset)
    return nearest(abs(value), field) | int(value < 0) << (8 * FIELDS[field][3] - 1)


def grid_elements(kind, field, group, scales, offsets, integers, exceptions=()):
    out = [grid_sum(scales[i // group], offsets[i // group], integer, field) if kind == AFFINE else
           grid_product(scales[i // group], integer, field) for i, integer in enumerate(integers)]
    for at, element in exceptions:
        out[at] = element
    return out


def grid(kind, field, group, scales, offsets, exceptions, inner):
    """exceptions: pairs of number and element."""
    number, size = FIELDS[field][0], FIELDS[field][3]
    stored = levels(SCALES_STRUCTURE, "f32", list(scales) + list(offsets))
    return (GRID_HEADER.pack(group, len(stored), len(exceptions), number, kind, bytes(2)) + stored
            + to_bytes([at for at, _ in exceptions], 4) + to_bytes([e for _, e in exceptions], size) + inner)


def planes(data, size):
    return b"".join(data[plane::size] for plane in range(size))


def unplanes(data, size):
    count = len(data) // size
    return b"".join(data[i::count] for i in range(count))


def zstd(data, checksum=b""):
    """A frame (RFC 8878) that holds data in blocks of one repeated byte, or as they are."""
    size = len(data)
    if size < 256:
        header = bytes([0x20, size])
    elif size < 65536 + 256:
        header = b"\x60" + struct.pack("<H", size - 256)
    else:
        header = b"\xa0" + struct.pack("<I", size)
    if checksum:
        header = bytes([header[0] | 4]) + header[1:]
    out, limit = b"", 65536
    parts = [data[i:i + limit] for i in range(0, size, limit)] or [b""]
    for i, part in enumerate(parts):
        same = len(part) > 1 and part == part[:1] * len(part)
        out += struct.pack("<I", (i + 1 == len(parts)) | same << 1 | len(part) << 3)[:3]
        out += part[:1] if same else part
    return b"\x28\xb5\x2f\xfd" + header + out + checksum


class Compressed(Exception):
    """A block of zstd that is compressed: not for here."""


def unzstd(data):
    """The content of a frame of one segment whose blocks are not compressed."""
    flags = data[4]
    assert data[:4] == b"\x28\xb5\x2f\xfd" and flags & 0x3b == 0x20
    at, out, last = 5 + (1, 2, 4)[flags >> 6], b"", 0
    while not last:
        head = int.from_bytes(data[at:at + 3], "little")
        last, kind, size = head & 1, head >> 1 & 3, head >> 3
        if kind > 1:
            raise Compressed
        out += data[at + 3:at + 4] * size if kind else data[at + 3:at + 3 + size]
        at += 3 + (1 if kind else size)
    return out


def decode(chain, param, field, data, length):
    """The decoded bytes of a tile that is sound, but for COPY. chain: names; field: number."""
    outer, inner = chain[0], chain[1:]
    name = FIELD_NAMES.get(field)
    if outer == "RAW":
        out = data
    elif outer == "CONST":
        out = data * (length // len(data))
    elif outer == "ZSTD":
        out = unzstd(data)
    elif outer == "LEVELS":
        out = to_bytes(unlevels(param, name, data), FIELDS[name][3])
    elif outer == "PLANES":
        out = unplanes(decode(inner, 0, 0, data, length), param)
    elif outer == "SPARSE":
        element = data[4]
        present, element, at = unsparse_mask(data, length // element)
        kept = iter(to_elements(decode(inner, param, field, data[at:], sum(present) * element), element))
        out = to_bytes([next(kept) if one else 0 for one in present], element)
    elif outer == "GRID":
        group, scales, exceptions, number, kind, _ = GRID_HEADER.unpack_from(data)
        size = FIELDS[FIELD_NAMES[number]][3]
        count, at = length // size, GRID_HEADER.size
        groups = (count + group - 1) // group
        parameters = unlevels(SCALES_STRUCTURE, "f32", data[at:at + scales])
        at += scales
        pairs = list(zip(to_elements(data[at:at + 4 * exceptions], 4),
                         to_elements(data[at + 4 * exceptions:at + (4 + size) * exceptions], size)))
        integers = decode(inner, param, field, data[at + (4 + size) * exceptions:], count)
        out = to_bytes(grid_elements(kind, FIELD_NAMES[number], group, parameters[:groups],
                                     parameters[groups:], integers, pairs), size)
    assert len(out) == length
    return out
