# SPDX-License-Identifier: BSD-3-Clause
"""make_model.py DIR: a small model directory with every dtype and odd shapes; the same each time."""
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "models"))
import gguf_file  # noqa: E402
from huggingface import safetensors  # noqa: E402


def main(directory):
    seed = random.Random(7)

    def fp32(count, sigma=0.02):
        return struct.pack("<%df" % count, *(seed.gauss(0, sigma) for _ in range(count)))

    def bf16(count):
        full = fp32(count)
        return b"".join(full[i + 2:i + 4] for i in range(0, len(full), 4))

    matrix = bf16(768 * 288)
    payloads = struct.pack("<12H", 0x7fc1, 0xffff, 0x7f80, 0xff80, 0, 0x8000, 1, 0x8001, 0x7f,
                           0x7f7f, 0x7fa5, 0xff81)
    os.makedirs(os.path.join(directory, "sub", "empty"))
    safetensors(os.path.join(directory, "model.safetensors"), [
        ("matrix", "BF16", [768, 288], matrix),
        ("twin", "BF16", [768, 288], matrix),
        ("scalar", "F32", [], struct.pack("<I", 0x7fc00123)),
        ("empty", "F32", [0, 5], b""),
        ("one", "BF16", [1], payloads[:2]),
        ("payloads", "BF16", [12], payloads),
        ("ragged", "BF16", [333, 77], bf16(333 * 77)),
        ("noise", "BF16", [100, 1000], seed.randbytes(200000)),
        ("fp32", "F32", [300, 100], fp32(30000)),
        ("fp16", "F16", [300, 100],
         struct.pack("<30000e", *(seed.gauss(0, 1) for _ in range(30000)))),
        ("bf16_in_fp32", "F32", [300, 100],
         b"".join(b"\0\0" + bf16(1) for _ in range(30000))),
        ("mixed", "BF16", [1536, 128], matrix[:196608] + bytes(196608)),
        ("zeroes", "BF16", [1000, 1000], bytes(2000000)),
        ("long_rows", "BF16", [2, 200001], bf16(400002)),
        ("experts", "BF16", [4, 64, 96], bf16(4 * 64 * 96)),
        ("double", "F64", [100], struct.pack("<100d", *(seed.random() for _ in range(100)))),
        ("int8", "I8", [7], b"1234567"),
        ("packed_int4", "I32", [512, 48], bytes(
            sum(max(-7, min(7, round(seed.gauss(0, 2.4)))) + 8 << shift for shift in (0, 4)) for _ in range(512 * 192))),
        ("flags", "BOOL", [3, 3], b"\1\0\1" * 3),
        ("fp8", "F8_E4M3", [64, 64], seed.randbytes(4096)),
    ])
    def q8_0(count):
        return b"".join(bytes([seed.randrange(256), 24 + seed.randrange(4)]) + bytes(
            int(seed.gauss(0, 40)) % 256 for _ in range(32)) for _ in range(count))

    with open(os.path.join(directory, "blocks.gguf"), "wb") as out:
        out.write(gguf_file.model([gguf_file.pair("general.architecture", gguf_file.STRING, "none")], [
            ("q8_0", (1024, 131), "Q8_0", q8_0(131 * 32)),
            ("q4_k", (256, 100), "Q4_K", b"".join(b"\x80\x1c\0\x18" + seed.randbytes(140) for _ in range(100))),
            ("halves", (64, 30), "F16", struct.pack("<1920e", *(seed.gauss(0, 1) for _ in range(1920))))]))
    for name, content in (("config.json", b"{}\n"), ("sub/with space.txt", b"hello\n" * 1000),
                          ("big.bin", seed.randbytes(500000)), ("zero-length", b""),
                          ("sub/\u00fcml\u00e4ut", b"x")):
        with open(os.path.join(directory, name), "wb") as out:
            out.write(content)


if __name__ == "__main__":
    main(sys.argv[1])
