# SPDX-License-Identifier: BSD-3-Clause
"""GRID by exact fractions, from uapi/lwcmem_format.h alone."""
import functools
import struct
from fractions import Fraction

from .levels import levels, unlevels
from .streams import FIELDS, FIELD_NAMES, to_bytes, to_elements

GRID_HEADER = struct.Struct("<IIIIBBBB")
PRODUCT, AFFINE, STEPS = 0, 1, 2
PARAMETERS_STRUCTURE = 3


def value_of(bits, field):
    """A finite number of the field, as a fraction."""
    _, exponent_bits, mantissa, size = FIELDS[field]
    sign, exponent = bits >> (8 * size - 1), bits >> mantissa & ((1 << exponent_bits) - 1)
    number = Fraction((bits & ((1 << mantissa) - 1)) | (1 << mantissa if exponent else 0))
    number *= Fraction(2) ** (max(exponent, 1) - mantissa - (1 << (exponent_bits - 1)) + 1)
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


def infinity(field):
    _, exponent_bits, mantissa, _ = FIELDS[field]
    return ((1 << exponent_bits) - 1) << mantissa


def round_to(value, through, field):
    """A magnitude, rounded to one field and then to another."""
    bits = nearest(value, through)
    return infinity(field) if bits == infinity(through) else nearest(value_of(bits, through), field)


def signed(value, through, field, negative):
    return round_to(abs(value), through, field) | int(negative) << (8 * FIELDS[field][3] - 1)


@functools.lru_cache(1 << 16)
def grid_element(kind, through, field, scale, second, byte):
    """scale, second: bits of f32; byte: the integer as it is stored."""
    factor, other = value_of(scale, "f32"), value_of(second, "f32")
    if kind == PRODUCT:
        number = byte - 256 if byte > 127 else byte
        if byte in (0, 0x80):
            return signed(0, through, field, (factor < 0) != (byte == 0x80))
        return signed(number * factor, through, field, number * factor < 0)
    if kind == AFFINE:
        total = byte * factor + other
    else:
        minuend, subtrahend = (value_of(nearest(integer * factor, through), through)
                               for integer in ((byte + int(other)) % 256, int(other)))
        total = minuend - subtrahend
    return signed(total, through, field, total < 0)


def grid_elements(kind, through, field, group, scales, seconds, integers, exceptions=()):
    out = [grid_element(kind, through, field, scales[i // group], seconds[i // group] if seconds else 0, integer)
           for i, integer in enumerate(integers)]
    for at, element in exceptions:
        out[at] = element
    return out


def parameters(values, coded):
    """f32 as they are, or by LEVELS."""
    return levels(PARAMETERS_STRUCTURE, "f32", list(values)) if coded else to_bytes(values, 4)


def grid(kind, through, field, group, scales, seconds, exceptions, inner, coded=(False, False)):
    """exceptions: pairs of number and element; coded: are scales and seconds by LEVELS?"""
    size = FIELDS[field][3]
    stored = [parameters(scales, coded[0]), parameters(seconds, coded[1]) if seconds else b""]
    return (GRID_HEADER.pack(group, len(exceptions), len(stored[0]), len(stored[1]), FIELDS[field][0], kind,
                             FIELDS[through][0], 0)
            + b"".join(stored) + to_bytes([at for at, _ in exceptions], 4)
            + to_bytes([e for _, e in exceptions], size) + inner)


def unparameters(data, groups):
    return to_elements(data, 4) if len(data) == 4 * groups else unlevels(PARAMETERS_STRUCTURE, "f32", data)


def ungrid(data, length, integers_of):
    """Decoded bytes of a tile that is sound; integers_of(stored, count): those of the inner codec."""
    group, exceptions, scales, seconds, field, kind, through, _ = GRID_HEADER.unpack_from(data)
    field, size, at = FIELD_NAMES[field], FIELDS[FIELD_NAMES[field]][3], GRID_HEADER.size
    count = length // size
    groups = (count + group - 1) // group
    factors = unparameters(data[at:at + scales], groups)
    others = unparameters(data[at + scales:at + scales + seconds], groups) if seconds else []
    at += scales + seconds
    pairs = list(zip(to_elements(data[at:at + 4 * exceptions], 4),
                     to_elements(data[at + 4 * exceptions:at + (4 + size) * exceptions], size)))
    integers = integers_of(data[at + (4 + size) * exceptions:], count)
    return to_bytes(grid_elements(kind, FIELD_NAMES[through], field, group, factors, others, integers, pairs), size)
