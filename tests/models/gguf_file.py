# SPDX-License-Identifier: BSD-3-Clause
"""Writes GGUF files from the standard library alone, right ones and, piece by piece, wrong ones."""
import struct

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
SCALARS = dict(zip((U8, I8, U16, I16, U32, I32, F32, BOOL, U64, I64, F64), "BbHhIif?Qqd"))

# ggml's number, elements of a block, bytes of a block: from the definitions of ggml's types
TYPES = {
    "F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 2 + 16), "Q4_1": (3, 32, 4 + 16),
    "Q5_0": (6, 32, 2 + 4 + 16), "Q5_1": (7, 32, 4 + 4 + 16), "Q8_0": (8, 32, 2 + 32), "Q8_1": (9, 32, 4 + 32),
    "Q2_K": (10, 256, 16 + 64 + 4), "Q3_K": (11, 256, 32 + 64 + 12 + 2), "Q4_K": (12, 256, 4 + 12 + 128),
    "Q5_K": (13, 256, 4 + 12 + 32 + 128), "Q6_K": (14, 256, 128 + 64 + 16 + 2), "Q8_K": (15, 256, 4 + 256 + 32),
    "IQ2_XXS": (16, 256, 2 + 64), "IQ2_XS": (17, 256, 2 + 64 + 8), "IQ3_XXS": (18, 256, 2 + 96),
    "IQ1_S": (19, 256, 2 + 32 + 16), "IQ4_NL": (20, 32, 2 + 16), "IQ3_S": (21, 256, 2 + 64 + 8 + 32 + 4),
    "IQ2_S": (22, 256, 2 + 64 + 8 + 8), "IQ4_XS": (23, 256, 2 + 2 + 4 + 128), "I8": (24, 1, 1), "I16": (25, 1, 2),
    "I32": (26, 1, 4), "I64": (27, 1, 8), "F64": (28, 1, 8), "IQ1_M": (29, 256, 32 + 16 + 8), "BF16": (30, 1, 2),
    "TQ1_0": (34, 256, 48 + 4 + 2), "TQ2_0": (35, 256, 64 + 2), "MXFP4": (39, 32, 1 + 16), "NVFP4": (40, 64, 4 + 32),
    "Q1_0": (41, 128, 2 + 16), "Q2_0": (42, 64, 2 + 16),
}


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(value)) + value


def packed(kind, value):
    """A value of metadata; an array is (kind of its items, items)."""
    if kind == STRING:
        return text(value)
    if kind == ARRAY:
        return struct.pack("<IQ", value[0], len(value[1])) + b"".join(packed(value[0], item) for item in value[1])
    return struct.pack("<" + SCALARS[kind], value)


def pair(key, kind, value):
    return text(key) + struct.pack("<I", kind) + packed(kind, value)


def info(name, dimensions, kind, offset):
    """dimensions: innermost first; kind: a name of TYPES or a number."""
    number = TYPES[kind][0] if kind in TYPES else kind
    return text(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, number, offset)


def file(pairs, infos, data=b"", version=3, alignment=32, tensors=None, metadata=None):
    """tensors, metadata: counts to claim instead of the right ones."""
    head = struct.pack("<4sIQQ", b"GGUF", version, len(infos) if tensors is None else tensors,
                       len(pairs) if metadata is None else metadata) + b"".join(pairs) + b"".join(infos)
    return head + bytes(-len(head) % alignment) + data


def model(pairs, tensors, version=3, alignment=32):
    """tensors: (name, dimensions, kind, bytes); one after the other, aligned."""
    infos, data = [], b""
    if alignment != 32:
        pairs = [*pairs, pair("general.alignment", U32, alignment)]
    for name, dimensions, kind, content in tensors:
        data += bytes(-len(data) % alignment)
        infos.append(info(name, dimensions, kind, len(data)))
        data += content
    return file(pairs, infos, data, version, alignment)


def values(content):
    """Keys and values in the header of a file."""
    at = 24

    def take(layout):
        nonlocal at
        taken = struct.unpack_from("<" + layout, content, at)
        at += struct.calcsize("<" + layout)
        return taken[0]

    def value(kind):
        nonlocal at
        if kind == ARRAY:
            inner, count = take("I"), take("Q")
            return [value(inner) for _ in range(count)]
        if kind != STRING:
            return take(SCALARS[kind])
        size = take("Q")
        at += size
        return content[at - size:at].decode()

    return {value(STRING): value(take("I")) for _ in range(struct.unpack_from("<Q", content, 16)[0])}
