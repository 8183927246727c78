# SPDX-License-Identifier: BSD-3-Clause
"""
make.py DIR [tuned]: the model of the golden containers, from integers alone: the same on every machine. tuned: a
fine-tune of it.
"""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "models"))
import gguf_file  # noqa: E402
from huggingface import safetensors  # noqa: E402


def zero(random):
    return bytes(2)


def some(random):
    return random.numbers("H", 1, 5, 10)


TWO_OF_FOUR = [(some, some, zero, zero), (some, zero, some, zero), (zero, some, some, zero),
               (some, zero, zero, some), (zero, some, zero, some), (zero, zero, some, some)]


def grid(random, groups, group):
    """Integers below 8 times a scale of four bits for each group: exact in bf16."""
    out = []
    for _ in range(groups):
        scale = (8 + random.bits(3)) * 2.0 ** (random.bits(3) - 12)
        out += [struct.pack("<f", (random.bits(4) - 8) * scale)[2:] for _ in range(group)]
    return b"".join(out)


def to_f16(value):
    """Rounded to f16, exactly as struct does it: to nearest, ties to even."""
    return struct.unpack("<e", struct.pack("<e", value))[0]


def int8(random, groups, group):
    """Integers up to 127 times a scale of eleven bits, in bf16 by way of an exact double."""
    out = []
    for _ in range(groups):
        scale = random.f16_scale()
        for at in range(group):
            bits = struct.unpack("<I", struct.pack("<f", (127 if at == 0 else random.bits(8) % 255 - 127) * scale))[0]
            out.append(struct.pack("<H", (bits + 0x7fff + (bits >> 16 & 1)) >> 16))
    return b"".join(out)


def through_f16(random, groups, group):
    """(q - z) * s in f16, in f32."""
    out = []
    for _ in range(groups):
        scale, zero = random.f16_scale(), random.bits(4)
        out += [struct.pack("<f", to_f16((random.bits(4) - zero) * scale)) for _ in range(group)]
    return b"".join(out)


def affine(random, groups, group):
    """q * s + m, rounded once, in f16."""
    out = []
    for _ in range(groups):
        scale = random.f16_scale()
        offset = -to_f16(scale * (4 + random.bits(6) / 16))
        out += [struct.pack("<e", random.bits(4) * scale + offset) for _ in range(group)]
    return b"".join(out)


def steps(random, groups, group):
    """q * s - z * s, each rounded to f16."""
    out = []
    for _ in range(groups):
        scale, zero = random.f16_scale(), 4 + random.bits(3)
        out += [struct.pack("<e", to_f16(random.bits(4) * scale) - to_f16(zero * scale)) for _ in range(group)]
    return b"".join(out)


class Random:
    def __init__(self, seed):
        self.state = seed

    def bits(self, count):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.state >> (64 - count)

    def weight(self):
        """A bf16 whose exponent halves in frequency with each step down from 2^-6."""
        exponent = 121
        while exponent > 90 and self.bits(1):
            exponent -= 1
        return self.bits(1) << 15 | exponent << 7 | self.bits(7)

    def f16_scale(self):
        """Eleven bits and one of four exponents: all products of four bits are exact in a double."""
        return (1024 + self.bits(10)) * 2.0 ** (self.bits(2) - 20)

    def choice(self, of):
        return of[self.bits(16) % len(of)]

    def number(self, exponent_bits, mantissa_bits):
        """Sign, exponent with the same steps down from the middle, mantissa, as an integer."""
        exponent = 1 << (exponent_bits - 1)
        while exponent > 1 and self.bits(1):
            exponent -= 1
        return (self.bits(1) << exponent_bits | exponent) << mantissa_bits | self.bits(mantissa_bits)

    def numbers(self, form, count, exponent_bits, mantissa_bits):
        return struct.pack("<%d%s" % (count, form),
                           *(self.number(exponent_bits, mantissa_bits) for _ in range(count)))

    def weights(self, count):
        return struct.pack("<%dH" % count, *(self.weight() for _ in range(count)))

    def noise(self, count):
        return bytes(self.bits(8) for _ in range(count))


ELEMENT = {"BF16": 2, "F16": 2, "F32": 4, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1}


def tune(tensors):
    """Small steps of some elements, large ones of a few; tensors of other dtypes stay as they are."""
    random, out = Random(2027), []
    for name, dtype, shape, content in tensors:
        size = ELEMENT.get(dtype, 1)
        content = bytearray(content)
        for i in range(0, len(content) if dtype in ELEMENT and name != "const" else 0, size):
            value, kind = int.from_bytes(content[i:i + size], "little"), random.bits(6)
            if kind < 12:
                value += random.bits(2) - random.bits(2)
            elif kind == 63:
                value = random.bits(8 * size)
            content[i:i + size] = (value % 2 ** (8 * size)).to_bytes(size, "little")
        out.append((name, dtype, shape, bytes(content)))
    return out


def blocks(random, count, scales, quants):
    """Blocks with so many halves for scales: low bits in steps of 16, few exponents; quants(): their bytes."""
    return b"".join(
        b"".join(bytes([random.bits(2) << 6, 0x18 + random.bits(3)]) for _ in range(scales)) + quants()
        for _ in range(count))


def main(directory, tuned=False):
    random = Random(2026)
    os.makedirs(os.path.join(directory, "empty"))
    matrix = random.weights(48 * 64)
    odd = [0x7fc1, 0xffff, 0x7f80, 0xff80, 0, 0x8000, 1, 0x8001, 0x7f, 0x7f7f, 0x7fa5, 0xff81]
    many = struct.pack("<4096H", *(random.weight() if random.bits(3) else random.bits(16)
                                   for _ in range(4096)))
    in_fp32 = b"".join(b"\0\0" + random.weights(1) for _ in range(1000))
    tensors = [
        ("levels", "BF16", [48, 64], matrix),
        ("copy", "BF16", [48, 64], matrix),
        ("ragged", "BF16", [31, 33], random.weights(31 * 33)),
        ("payloads", "BF16", [12], struct.pack("<12H", *odd)),
        ("escapes", "BF16", [64, 64], many),
        ("planes", "F32", [1000], in_fp32),
        ("pruned", "BF16", [30, 65], b"".join(random.weights(1) if random.bits(1) else bytes(2)
                                              for _ in range(30 * 65))),
        ("two_of_four", "F16", [30, 64], b"".join(
            half(random) for _ in range(30 * 16) for half in random.choice(TWO_OF_FOUR))),
        ("grid", "BF16", [40, 64], grid(random, 40, 64)),
        ("grid_through", "F32", [40, 64], through_f16(random, 40, 64)),
        ("grid_affine", "F16", [40, 64], affine(random, 40, 64)),
        ("grid_steps", "F16", [40, 64], steps(random, 40, 64)),
        ("grid_int8", "BF16", [10, 128], int8(random, 10, 128)),
        ("counts", "I32", [25, 40], struct.pack("<1000i", *range(1000))),
        ("const", "BF16", [64, 64], struct.pack("<H", 0x3f80) * 4096),
        ("raw", "U8", [2000], random.noise(2000)),
        ("empty", "F32", [0], b""),
        ("scalar", "F32", [], struct.pack("<I", 0x7fc00123)),
        ("half", "F16", [40, 65], random.numbers("H", 40 * 65, 5, 10)),
        ("single", "F32", [40, 65], random.numbers("I", 40 * 65, 8, 23)),
        ("narrow", "F32", [40, 65], struct.pack("<2600I", *(random.number(8, 10) << 13
                                                           for _ in range(2600)))),
        ("e4m3", "F8_E4M3", [40, 65], random.numbers("B", 40 * 65, 4, 3)),
        ("e5m2", "F8_E5M2", [40, 65], random.numbers("B", 40 * 65, 5, 2)),
        ("int8", "I8", [40, 65], bytes((random.bits(5) - random.bits(5)) % 256 for _ in range(2600))),
    ]
    safetensors(os.path.join(directory, "model.safetensors"), tune(tensors) if tuned else tensors)
    with open(os.path.join(directory, "blocks.gguf"), "wb") as out:
        out.write(gguf_file.model([gguf_file.pair("general.architecture", gguf_file.STRING, "none")], [
            ("q4_1", (64, 240), "Q4_1", blocks(random, 480, 2, lambda: random.noise(16))),
            ("q8_0", (96, 100), "Q8_0", blocks(random, 300, 1, lambda: bytes(
                (random.bits(5) + random.bits(5) - 31) % 256 for _ in range(32)))),
            ("mxfp4", (64, 60), "MXFP4", b"".join(bytes([120 + random.bits(2)]) + random.noise(16)
                                                  for _ in range(120))),
            ("q6_k", (256, 20), "Q6_K", random.noise(20 * 210))]))
    with open(os.path.join(directory, "text.txt"), "w") as out:
        out.write("the same line again and again\n" * 100)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] == ["tuned"])
