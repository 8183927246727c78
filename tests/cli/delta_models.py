# SPDX-License-Identifier: BSD-3-Clause
"""
delta_models.py DIR: DIR/base, and DIR/tuned that comes from it: tensors with few and with many changes in each dtype,
some that are in one of the two only, of another dtype or shape, moved to another file; DIR/plain has nothing of it.
"""
import os
import random
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "models"))
from huggingface import safetensors  # noqa: E402

SEED = random.Random(29)
SIZE = {"BF16": 2, "F16": 2, "F32": 4, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1}
ODD = struct.pack("<12H", 0x7fc1, 0xffff, 0x7f80, 0xff80, 0, 0x8000, 1, 0x8001, 0x7f, 0x7f7f, 0x7fa5, 0xff81)


def fp32(count):
    return struct.pack("<%df" % count, *(SEED.gauss(0, 0.02) for _ in range(count)))


def floats(dtype, count):
    if dtype == "BF16":
        full = fp32(count)
        return b"".join(full[i + 2:i + 4] for i in range(0, len(full), 4))
    if dtype == "F16":
        return struct.pack("<%de" % count, *(SEED.gauss(0, 1) for _ in range(count)))
    if dtype == "F32":
        return fp32(count)
    return bytes(SEED.choice((0, 0, 128, 128)) + min(127, int(SEED.expovariate(1 / 20))) for _ in range(count))


def stepped(dtype, content, share, step):
    size, out = SIZE[dtype], bytearray(content)
    for i in range(0, len(out), size):
        if SEED.random() < share:
            value = int.from_bytes(out[i:i + size], "little") + round(SEED.gauss(0, step))
            out[i:i + size] = (value % 2 ** (8 * size)).to_bytes(size, "little")
    return bytes(out)


def main(directory):
    base, tuned = [], []
    for dtype, count in (("BF16", 400000), ("F16", 30000), ("F32", 50000), ("F8_E4M3", 20000), ("F8_E5M2", 20000),
                         ("I8", 20000)):
        for name, share, step in (("few", 0.01, 2), ("all", 1, 3), ("far", 1, 40)):
            content = floats(dtype, count)
            base.append((f"{dtype}.{name}", dtype, [count // 100, 100], content))
            tuned.append((f"{dtype}.{name}", dtype, [count // 100, 100], stepped(dtype, content, share, step)))
    matrix = floats("BF16", 384 * 512)
    wild = bytes(b if SEED.random() < 0.9 else SEED.randrange(256) for b in matrix)
    for name, old, new in (
            ("equal", ("BF16", [384, 512], matrix), ("BF16", [384, 512], matrix)),
            ("twin", ("BF16", [384, 512], matrix), ("BF16", [384, 512], matrix)),
            ("wild", ("BF16", [384, 512], matrix), ("BF16", [384, 512], wild)),
            ("payloads", ("BF16", [6000], ODD * 500), ("BF16", [6000], stepped("BF16", ODD * 500, 0.2, 1))),
            ("to-payloads", ("BF16", [6000], floats("BF16", 6000)), ("BF16", [6000], ODD * 500)),
            ("longer", ("BF16", [384, 512], matrix), ("BF16", [390, 512], stepped("BF16", matrix, .1, 1) +
                                                      floats("BF16", 6 * 512))),
            ("reshaped", ("BF16", [384, 512], matrix), ("BF16", [192, 1024], matrix)),
            ("other-dtype", ("BF16", [384, 512], matrix), ("F16", [384, 512], matrix)),
            ("gone", ("BF16", [64, 64], matrix[:8192]), None),
            ("new", None, ("BF16", [64, 64], floats("BF16", 4096))),
            ("i64", ("I64", [500], bytes(range(250)) * 16), ("I64", [500], bytes(range(250)) * 16)),
            ("scalar", ("F32", [], ODD[:4]), ("F32", [], ODD[4:8])),
            ("empty", ("F32", [0], b""), ("F32", [0], b""))):
        base += [(name, *old)] if old else []
        tuned += [(name, *new)] if new else []
    moved = floats("BF16", 65536)
    for name, tensors, more in (("base", base, moved), ("tuned", tuned, stepped("BF16", moved, 0.05, 1))):
        os.makedirs(os.path.join(directory, name, "sub"))
        safetensors(os.path.join(directory, name, "model.safetensors"), tensors)
        safetensors(os.path.join(directory, name, f"{name}.safetensors"), [("moved", "BF16", [256, 256], more)])
        for file, content in (("config.json", b"{}\n"), ("sub/text", f"{name}\n".encode() * 3000),
                              ("vocabulary", bytes(range(256)) * 2000)):
            with open(os.path.join(directory, name, file), "wb") as out:
                out.write(content)
    os.makedirs(os.path.join(directory, "plain"))
    shutil.copy(os.path.join(directory, "tuned", "config.json"), os.path.join(directory, "plain"))
    safetensors(os.path.join(directory, "plain", "x.safetensors"), [("x", "BF16", [64, 64], floats("BF16", 4096))])


main(sys.argv[1])
