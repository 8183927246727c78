# SPDX-License-Identifier: BSD-3-Clause
"""
gguf_files.py DIR: right/ are parsed, wrong/ are not; cut/ and flipped/ may be either. every-type.json: shape and type of
each tensor of right/every-type.gguf.
"""
import json
import math
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "models"))
from gguf_file import (ARRAY, BOOL, F32, F64, I8, I16, I32, I64, SCALARS, STRING, TYPES, U8, U16, U32, U64,  # noqa: E402
                       file, info, model, pair, text)

RANDOM = random.Random(5)
VALUES = {U8: 255, I8: -128, U16: 65535, I16: -32768, U32: 7, I32: -7, F32: 0.5, BOOL: True, U64: 2**64 - 1,
          I64: -2**63, F64: 1e300}
EVERY_KIND = [pair(f"scalar.{kind}", kind, value) for kind, value in VALUES.items()] + [
    pair(f"array.{kind}", ARRAY, (kind, [VALUES[kind]] * 5)) for kind in SCALARS] + [
    pair("text", STRING, "ü" * 40), pair("", STRING, ""), pair("nothing", ARRAY, (U8, [])),
    pair("words", ARRAY, (STRING, ["a", "", "b" * 70000])),
    pair("nested", ARRAY, (ARRAY, [(ARRAY, [(U16, [1, 2]), (STRING, ["x"])]), (F64, []), (ARRAY, [])]))]


def blocks(kind, dimensions):
    """Blocks of random bytes, but for a scale of few values where the type has it; IQ1_M's is not in one place."""
    _, elements, size = TYPES[kind]
    out = bytearray(RANDOM.randbytes(math.prod(dimensions) // elements * size))
    first = size - 2 if kind in ("Q2_K", "Q3_K", "Q6_K", "TQ1_0", "TQ2_0") else 0
    for at in range(first, first + (1 if kind == "MXFP4" else 2)):
        if elements > 1 and kind != "IQ1_M":
            out[at::size] = bytes(28 + (byte & 3) for byte in out[at::size])
    return bytes(out)


def shaped(kind, *rows, name=None):
    """A tensor of so many rows of two blocks."""
    dimensions = (2 * TYPES[kind][1], *rows)
    return name or "t." + kind, dimensions, kind, blocks(kind, dimensions)


ALL = [shaped(kind, 200) for kind in TYPES]
LARGE = [shaped("Q4_0", 4000, name="large"), ("long row", (32 * 8000,), "Q8_0", blocks("Q8_0", (32 * 8000,))),
         ("wide", (256 * 2000, 2), "Q4_K", blocks("Q4_K", (256 * 2000, 2)))]
RIGHT = {
    "every-type": model(EVERY_KIND, ALL),
    "every-type-v2": model(EVERY_KIND, ALL, version=2),
    "tiles": model([], LARGE),
    "no-tensors": model(EVERY_KIND, []),
    "nothing": model([], []),
    "empty-tensors": model([], [("e", (0,), "F32", b""), ("f", (32, 0), "Q4_0", b""), shaped("I8", 1),
                                ("g", (0, 2**63, 2**63), "Q6_K", b"")]),
    "scalar": model([], [("s", (), "F32", b"1234"), ("one", (1,), "F64", b"12345678")]),
    "dimensions": model([], [("d", (64, 3, 1, 2), "Q4_1", blocks("Q4_1", (64, 3, 1, 2))),
                             ("eight", (2, 1, 1, 1, 1, 1, 1, 3), "I16", bytes(12))]),
    "tail": model([], [shaped("F16", 3)]) + b"more than a GGUF file has",
    "unordered": file([], [info("b", (4,), "I8", 32), info("a", (4,), "I8", 0)], bytes(36)),
    "gap": file([], [info("a", (4,), "I8", 64)], bytes(range(68))),
    "unknown-type": file([], [info("a", (4,), "I8", 0), info("new", (4,), 99, 32), info("old", (4,), 4, 32)], bytes(64)),
    "name-of-controls": model([], [shaped("I8", 1, name=name) for name in (b"a\x1b[2J", b"b\xc2\x9b2J", b"c\xff\x9b")]),
    "name-of-dots": model([], [shaped("I8", 1, name="../../x y")]),
    **{f"alignment-{alignment}": model(EVERY_KIND, ALL[:4] + [shaped("I8", 1)], alignment=alignment)
       for alignment in (1, 2, 8, 64, 4096)},
}
ONE = model([pair("k", STRING, "v")], [shaped("Q4_0", 2)])
DATA = bytes(64)
WRONG = {
    "empty": b"", "short": b"GG", "magic": b"GGML" + ONE[4:], "lfs": b"version https://git-lfs.github.com/spec/v1\n",
    "big-endian": struct.pack(">4sIQQ", b"GGUF", 3, 0, 0), "version-1": b"GGUF\1\0\0\0" + ONE[8:],
    "version-4": b"GGUF\4\0\0\0" + ONE[8:], "truncated": ONE[:-1],
    "counts": file([], [], tensors=2**64 - 1), "many-tensors": file([], [info("a", (4,), "I8", 0)], DATA, tensors=2**40),
    "many-pairs": file([pair("k", U8, 1)], [], metadata=2**63),
    "key-length": file([struct.pack("<Q", 2**64 - 8) + b"k"], []),
    "string-length": file([text("k") + struct.pack("<IQ", STRING, 2**63)], []),
    "value-type": file([text("k") + struct.pack("<I", 13) + bytes(16)], []),
    "array-type": file([text("k") + struct.pack("<IIQ", ARRAY, 13, 0)], []),
    "array-count": file([text("k") + struct.pack("<IIQ", ARRAY, U64, 2**61 + 1)], [], DATA),
    "array-strings": file([text("k") + struct.pack("<IIQ", ARRAY, STRING, 2**60)], [], DATA),
    "nesting": file([text("k") + struct.pack("<I", ARRAY) + struct.pack("<IQ", ARRAY, 1) * 100000], []),
    "alignment-3": file([pair("general.alignment", U32, 3)], [info("a", (4,), "I8", 0)], DATA),
    "alignment-0": file([pair("general.alignment", U32, 0)], [info("a", (4,), "I8", 0)], DATA),
    "alignment-u64": file([pair("general.alignment", U64, 32)], [info("a", (4,), "I8", 0)], DATA),
    "alignment-twice": file([pair("general.alignment", U32, 32)] * 2, [info("a", (4,), "I8", 0)], DATA),
    "alignment-large": file([pair("general.alignment", U32, 2**31)], [info("a", (4,), "I8", 0)], DATA),
    "name-length": file([], [struct.pack("<Q", 2**63) + b"a"]), "name-empty": file([], [info("", (4,), "I8", 0)], DATA),
    "name-nul": file([], [info("a\0b", (4,), "I8", 0)], DATA),
    "name-long": file([], [info("a" * 4096, (4,), "I8", 0)], DATA),
    "name-twice": file([], [info("a", (4,), "I8", 0), info("b", (4,), "I8", 0), info("a", (4,), "I8", 32)], DATA),
    "nine-dimensions": file([], [info("a", (1,) * 9, "I8", 0)], DATA),
    "dimensions-4-billion": file([], [text("a") + struct.pack("<I", 2**32 - 1) + DATA]),
    "elements-overflow": file([], [info("a", (2**32, 2**32), "I8", 0)], DATA),
    "bytes-overflow": file([], [info("a", (2**62,), "F32", 0)], DATA),
    "blocks-overflow": file([], [info("a", (2**64 - 32,), "Q8_1", 0)], DATA),
    "part-of-a-block": file([], [info("a", (33,), "Q4_0", 0)], DATA),
    "blocks-of-a-scalar": file([], [info("a", (), "Q4_0", 0)], DATA),
    "past-end": file([], [info("a", (65,), "I8", 0)], DATA), "offset-past-end": file([], [info("a", (1,), "I8", 64)], DATA),
    "offset-huge": file([], [info("a", (32,), "I8", 2**64 - 32)], DATA),
    "unaligned": file([], [info("a", (4,), "I8", 8)], DATA),
    "overlap": file([], [info("a", (40,), "I8", 0), info("b", (4,), "I8", 32)], DATA),
    "same-place": file([], [info("a", (4,), "I8", 32), info("b", (4,), "I8", 32)], DATA),
    "no-data": file([], [info("a", (4,), "I8", 0)])[:70],
}


def write(directory, files):
    os.makedirs(directory)
    for name, content in files.items():
        with open(os.path.join(directory, name + ".gguf"), "wb") as out:
            out.write(content)


def main(directory):
    write(os.path.join(directory, "right"), RIGHT)
    write(os.path.join(directory, "wrong"), WRONG)
    # cuts at each byte, and seeded flips: parsed or not, they come back
    write(os.path.join(directory, "cut"), {f"{at:04}": ONE[:at] for at in range(len(ONE))})
    flips = {}
    for i in range(150):
        content = bytearray(RIGHT["dimensions"] if i % 2 else ONE)
        for _ in range(1 + i % 3):
            content[RANDOM.randrange(len(content) if i % 5 == 0 else 150)] ^= 1 << RANDOM.randrange(8)
        flips[f"{i:03}"] = bytes(content)
    write(os.path.join(directory, "flipped"), flips)
    with open(os.path.join(directory, "every-type.json"), "w") as out:
        json.dump({name: [list(reversed(dimensions)), kind] for name, dimensions, kind, _ in ALL}, out)


main(sys.argv[1])
