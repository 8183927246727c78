# SPDX-License-Identifier: BSD-3-Clause
"""GGUF version 3: files, and the blocks Q4_0, Q4_1 and Q8_0 of 32 weights."""
import math
import struct

import numpy as np

from floats import from_bf16, to_bf16

MAGIC, VERSION, ALIGNMENT, BLOCK = b"GGUF", 3, 32, 32
F32, F16, Q4_0, Q4_1, Q8_0, BF16 = 0, 1, 2, 3, 8, 30
TYPES = {"F32": F32, "F16": F16, "BF16": BF16, "Q4_0": Q4_0, "Q4_1": Q4_1, "Q8_0": Q8_0}
NAMES = {number: name for name, number in TYPES.items()}
# type → weights of a block, its layout
BLOCKS = {
    F32: (1, np.dtype("<f4")), F16: (1, np.dtype("<f2")), BF16: (1, np.dtype("<u2")),
    Q4_0: (BLOCK, np.dtype([("d", "<f2"), ("q", "u1", 16)])),
    Q4_1: (BLOCK, np.dtype([("d", "<f2"), ("m", "<f2"), ("q", "u1", 16)])),
    Q8_0: (BLOCK, np.dtype([("d", "<f2"), ("q", "i1", 32)])),
}
# types of metadata values
U32, I32, FLOAT, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", U32: "I", I32: "i", FLOAT: "f", BOOL: "?", 10: "Q", 11: "q", 12: "d"}


def text(value):
    value = value.encode()
    return struct.pack("<Q", len(value)) + value


def packed_value(kind, value):
    if kind == STRING:
        return text(value)
    if kind == ARRAY:
        inner, items = value
        return struct.pack("<IQ", inner, len(items)) + b"".join(packed_value(inner, item) for item in items)
    return struct.pack("<" + SCALARS[kind], value)


def write(path, metadata, tensors):
    """metadata: (key, type, value); tensors: (name, shape as numpy has it, type, bytes)."""
    head = MAGIC + struct.pack("<IQQ", VERSION, len(tensors), len(metadata))
    for key, kind, value in metadata:
        head += text(key) + struct.pack("<I", kind) + packed_value(kind, value)
    at = 0
    for name, shape, kind, content in tensors:
        head += text(name) + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}Q", *reversed(shape)) + struct.pack("<IQ", kind, at)
        at += len(content) + -len(content) % ALIGNMENT
    with open(path, "wb") as out:
        out.write(head + bytes(-len(head) % ALIGNMENT))
        for _, _, _, content in tensors:
            out.write(content + bytes(-len(content) % ALIGNMENT))


class Reader:
    """metadata: a dict; tensors: name → (shape as numpy has it, type, its blocks)."""

    def __init__(self, content):
        self.content, self.at = memoryview(content), 0
        magic, version, tensor_count, pairs = self.take("<4sIQQ")
        if magic != MAGIC or version not in (2, 3):
            raise SystemExit(f"not GGUF of version 2 or 3: {bytes(magic)}, {version}")
        self.metadata = {}
        for _ in range(pairs):
            key = self.text()
            self.metadata[key] = self.value(*self.take("<I"))
        self.tensors = {}
        entries = [self.entry() for _ in range(tensor_count)]
        alignment = self.metadata.get("general.alignment", ALIGNMENT)
        start = -(-self.at // alignment) * alignment
        for name, shape, kind, offset in entries:
            if kind not in BLOCKS:
                raise SystemExit(f"tensor {name} is of type {kind}; knows {', '.join(TYPES)}")
            weights, layout = BLOCKS[kind]
            blocks = np.frombuffer(self.content, layout, math.prod(shape) // weights, start + offset)
            self.tensors[name] = shape, kind, blocks

    def take(self, layout):
        values = struct.unpack_from(layout, self.content, self.at)
        self.at += struct.calcsize(layout)
        return values

    def text(self):
        length, = self.take("<Q")
        self.at += length
        return bytes(self.content[self.at - length:self.at]).decode()

    def value(self, kind):
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            inner, count = self.take("<IQ")
            return [self.value(inner) for _ in range(count)]
        return self.take("<" + SCALARS[kind])[0]

    def entry(self):
        name = self.text()
        dimensions, = self.take("<I")
        shape = tuple(reversed(self.take(f"<{dimensions}Q")))
        kind, offset = self.take("<IQ")
        return name, shape, kind, offset


def nibbles(integers):
    """32 integers of a block → 16 bytes: weight j low, weight j + 16 high."""
    return (integers[:, :16] | integers[:, 16:] << 4).astype(np.uint8)


def inverse(d):
    return np.divide(1, d, out=np.zeros_like(d), where=d != 0)


def blocks_of(values, kind):
    """fp32 tensor → its blocks, with the rounding of the reference quantisers."""
    weights, layout = BLOCKS[kind]
    if kind == BF16:
        return to_bf16(values).reshape(-1)
    if weights == 1:
        return values.astype(layout).reshape(-1)
    x = values.reshape(-1, BLOCK)
    blocks = np.zeros(len(x), layout)
    if kind == Q8_0:
        d = np.abs(x).max(1) / np.float32(127)
        scaled = x * inverse(d)[:, None]
        blocks["q"] = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    elif kind == Q4_0:
        extreme = np.take_along_axis(x, np.abs(x).argmax(1)[:, None], 1)[:, 0]
        d = extreme / np.float32(-8)
        q = np.minimum(15, (x * inverse(d)[:, None] + np.float32(8.5)).astype(np.int32))
        blocks["q"] = nibbles(q)
    else:
        low = x.min(1)
        d = (x.max(1) - low) / np.float32(15)
        q = np.minimum(15, ((x - low[:, None]) * inverse(d)[:, None] + np.float32(0.5)).astype(np.int32))
        blocks["q"] = nibbles(q)
        blocks["m"] = low
    blocks["d"] = d
    return blocks


def integers_of(blocks, kind):
    """The stored integers of each block, as they are weighted: Q4_0 from -8, Q4_1 from 0, Q8_0 from -128."""
    if kind == Q8_0:
        return blocks["q"].astype(np.int32)
    q = np.concatenate([blocks["q"] & 15, blocks["q"] >> 4], 1).astype(np.int32)
    return q - 8 if kind == Q4_0 else q


def floats_of(blocks, kind, shape):
    """Blocks → fp32 tensor; d * q + m, each operation rounded to fp32."""
    if kind == BF16:
        return from_bf16(blocks).reshape(shape)
    if BLOCKS[kind][0] == 1:
        return blocks.astype(np.float32).reshape(shape)
    values = integers_of(blocks, kind).astype(np.float32) * blocks["d"].astype(np.float32)[:, None]
    if kind == Q4_1:
        values += blocks["m"].astype(np.float32)[:, None]
    return values.reshape(shape)
