# SPDX-License-Identifier: BSD-3-Clause
"""seeds.py DIR: a small model with every codec in it.
seeds.py --tiles FILE.lwc DIR: its tiles as seeds of fuzz_tile (see there for the input)."""
import json
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "models"))
import gguf_file  # noqa: E402

TILES, OBJECTS = 3, 2
BLOCK, HEADER = 4096, 32


def write_model(path):
    rng = random.Random(1)
    os.makedirs(path, exist_ok=True)
    bf16 = [struct.unpack("<I", struct.pack("<f", rng.gauss(0, 0.02)))[0] >> 16 for _ in range(64 * 40)]
    tensors = {
        "levels": ("BF16", [40, 64], struct.pack(f"<{len(bf16)}H", *bf16)),
        "escapes": ("BF16", [2240], rng.randbytes(4480)),
        "const": ("BF16", [64], b"\x80\x3f" * 64),
        "planes": ("F32", [8, 64], b"".join(struct.pack("<f", rng.gauss(0, 1)) for _ in range(512))),
        "raw": ("U8", [300], rng.randbytes(300)),
    }
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(os.path.join(path, "model.safetensors"), "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + data)
    q4_0 = b"".join(bytes([i // 40, 0x1c + rng.randrange(4)]) + rng.randbytes(16) for i in range(1200))
    with open(os.path.join(path, "split.gguf"), "wb") as out:
        out.write(gguf_file.model([], [("split", (32 * 1200,), "Q4_0", q4_0)]))
    with open(os.path.join(path, "config.json"), "w") as out:
        out.write(json.dumps({"text": "abc " * 500}))


def entries(blob, table):
    offset, count, size, _ = struct.unpack_from("<QQII", blob, 8 + 8 + 8 + 16 + 7 * 8 + 8 + table * 24)
    per_block = (BLOCK - HEADER) // size
    for i in range(count):
        yield blob[offset + i // per_block * BLOCK + HEADER + i % per_block * size:][:size]


def write_tiles(container, path):
    with open(container, "rb") as source:
        blob = source.read()
    tiles = list(entries(blob, TILES))
    os.makedirs(path, exist_ok=True)
    for entry in entries(blob, OBJECTS):
        size, _, first, count, tile_bytes = struct.unpack_from("<QQQQI", entry, 16 + 64)
        for i in range(count):
            offset, stored, _, chain, param, field = struct.unpack_from("<QII4sBB", tiles[first + i])
            length = min(tile_bytes, size - i * tile_bytes)
            if length % 2 == 0 and length <= 131072:
                with open(os.path.join(path, f"tile-{first + i}"), "wb") as out:
                    out.write(bytes([chain[0], chain[1], param, field]) + struct.pack("<H", length // 2 - 1)
                              + blob[offset:offset + stored])


if sys.argv[1] == "--tiles":
    write_tiles(sys.argv[2], sys.argv[3])
else:
    write_model(sys.argv[1])
