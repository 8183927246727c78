# SPDX-License-Identifier: BSD-3-Clause
"""What codecs are made of: fields, structures, streams of codes. From uapi/lwcmem_format.h alone."""

CODECS = {"RAW": 1, "CONST": 2, "ZSTD": 3, "LEVELS": 4, "PLANES": 5, "COPY": 6, "SPARSE": 7, "GRID": 8, "SPLIT": 9,
          "DELTA": 10}
STRUCTURES = {1: (4, 1), 2: (3, 2, 2, 2), 3: (2, 2, 2, 2), 4: (2, 1, 1, 2, 2, 2), 5: (1, 1, 1, 1, 1, 2)}
# name: number, bits of symbol and of mantissa, bytes; of i8, the symbol has as many bits less as are kept
FIELDS = {"bf16": (1, 8, 7, 2), "f16": (2, 5, 10, 2), "f32": (3, 8, 23, 4), "e4m3": (4, 4, 3, 1),
          "e5m2": (5, 5, 2, 1), "i8": (6, 8, 6, 1), "nibble": (7, 4, 0, 1)}
FIELD_NAMES = {number: name for name, (number, *_) in FIELDS.items()}


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


def from_field(field, data):
    """The weights in data."""
    if field == "nibble":
        return [nibble for byte in data for nibble in (byte & 15, byte >> 4)]
    return to_elements(data, FIELDS[field][3])


def to_field(field, weights):
    if field == "nibble":
        return bytes(low | high << 4 for low, high in zip(weights[::2], weights[1::2]))
    return to_bytes(weights, FIELDS[field][3])
