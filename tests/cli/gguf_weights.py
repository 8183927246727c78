# SPDX-License-Identifier: BSD-3-Clause
"""
gguf_weights.py DIR: blocks.gguf, matrices in blocks of every type that is multiplied, with rows that fill tiles and rows
that tiles cut, and floats.gguf, which has the same values as F32; expected: those. unknown.gguf has types that are not
multiplied.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "models"), os.path.join(HERE, "..", "bench", "redundancy")]
import interpreter  # noqa: E402,F401
import numpy as np  # noqa: E402

import gguf_blocks  # noqa: E402
from gguf_file import TYPES, model, pair, STRING  # noqa: E402

TILE_MAX = 256 << 10


def main(out):
    rng = np.random.default_rng(7)
    packed, floats, names = [], [], []
    for kind in gguf_blocks.KINDS:
        _, elements, size = TYPES[kind]
        for name, rows, columns in ((kind + ".whole", 601, 512), (kind + ".narrow", 70, elements),
                                    (kind + ".cut", 2, (TILE_MAX // size + 3) * elements)):
            raw = gguf_blocks.blocks(rng, kind, rows, columns, range(0, rows, 4) if rows > 2 else [])
            values = gguf_blocks.dequantise(kind, raw)
            packed.append((name, (columns, rows), kind, raw.tobytes()))
            floats.append((name, (columns, rows), "F32", values.astype("<f4").tobytes()))
            names.append(name)
    metadata = [pair("general.architecture", STRING, "none")]

    def write(name, content):
        with open(os.path.join(out, name), "wb") as file:
            file.write(content)

    write("blocks.gguf", model(metadata, packed))
    write("floats.gguf", model(metadata, floats))
    write("names", "\n".join(names).encode())
    write("expected", b"".join(content for _, _, _, content in floats))
    unknown = [(kind, (elements, 2), kind, bytes(2 * size)) for kind, (_, elements, size) in TYPES.items()
               if kind not in gguf_blocks.KINDS and kind not in ("F32", "F16", "BF16")]
    write("unknown.gguf", model(metadata, unknown))
    write("unknown", "\n".join(name for name, _, _, _ in unknown).encode())


main(sys.argv[1])
