# SPDX-License-Identifier: BSD-3-Clause
"""patch_models.py DIR: DIR/old, and models in DIR/new that differ from it in one way each."""
import copy
import os
import random
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "models"))
from huggingface import safetensors  # noqa: E402

SEED = random.Random(23)


def bf16(count):
    full = struct.pack("<%df" % count, *(SEED.gauss(0, 0.02) for _ in range(count)))
    return b"".join(full[i + 2:i + 4] for i in range(0, len(full), 4))


def model():
    """Two shards and other files; tiles are 128 KiB, so that big and twin have three."""
    big = bf16(384 * 512)
    return {
        "one.safetensors": [("big", "BF16", [384, 512], big), ("twin", "BF16", [384, 512], big),
                            ("small", "BF16", [10, 10], bf16(100)), ("none", "F32", [0], b"")],
        "two.safetensors": [("matrix", "BF16", [256, 256], bf16(65536)),
                            ("zeroes", "BF16", [256, 512], bytes(262144)),
                            ("noise", "U8", [70000], SEED.randbytes(70000))],
        "config.json": b"{}\n",
        "text.txt": b"the same line again\n" * 9000,
        "sub/empty": b"",
    }


def flip(files, file, index, at):
    name, dtype, shape, data = files[file][index]
    data = bytearray(data)
    data[at] ^= 1
    files[file][index] = (name, dtype, shape, bytes(data))


def rename(files, file, index, name):
    files[file][index] = (name,) + files[file][index][1:]


def reshape(files):
    files["two.safetensors"][0] = ("matrix", "BF16", [64, 1024]) + files["two.safetensors"][0][3:]


def changes():
    yield "one-tile", lambda f: flip(f, "one.safetensors", 0, 200000)
    yield "whole-tensor", lambda f: f["two.safetensors"].__setitem__(
        0, ("matrix", "BF16", [256, 256], bf16(65536)))
    yield "literal", lambda f: f.__setitem__("config.json", b"{ }\n")
    yield "tensor-renamed", lambda f: rename(f, "two.safetensors", 0, "other")
    yield "tensor-added", lambda f: f["two.safetensors"].append(("more", "BF16", [64, 64], bf16(4096)))
    yield "tensor-removed", lambda f: f["one.safetensors"].pop(2)
    yield "tensor-moved", lambda f: f["one.safetensors"].append(f["two.safetensors"].pop(0))
    yield "tensors-swapped", lambda f: f["one.safetensors"].reverse()
    yield "reshaped", reshape
    yield "shorter", lambda f: f["one.safetensors"].__setitem__(
        0, ("big", "BF16", [383, 512], f["one.safetensors"][0][3][:383 * 1024]))
    yield "file-renamed", lambda f: f.__setitem__("three.safetensors", f.pop("two.safetensors"))
    yield "file-added", lambda f: f.__setitem__("sub/new", b"new")
    yield "file-removed", lambda f: f.pop("two.safetensors")
    yield "dtype", lambda f: f["two.safetensors"].__setitem__(
        2, ("noise", "I8", [70000], f["two.safetensors"][2][3]))
    yield "nothing-left", lambda f: f.clear()
    yield "all-other", lambda f: f.update({"one.safetensors": [("big", "F32", [1000], bf16(2000))],
                                           "two.safetensors": [("less", "BOOL", [3], b"\1\0\1")]})


def write(directory, files):
    os.makedirs(directory)
    for name, content in files.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(content, list):
            safetensors(path, content)
        else:
            with open(path, "wb") as out:
                out.write(content)


def main(directory):
    old = model()
    write(os.path.join(directory, "old"), old)
    for name, change in changes():
        files = copy.deepcopy(old)
        change(files)
        write(os.path.join(directory, "new", name), files)
    # what the walk sees beside contents
    mode = os.path.join(directory, "new", "modes")
    shutil.copytree(os.path.join(directory, "old"), mode)
    os.chmod(os.path.join(mode, "config.json"), 0o600)
    os.makedirs(os.path.join(mode, "sub", "directory"))


if __name__ == "__main__":
    main(sys.argv[1])
