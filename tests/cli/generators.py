# SPDX-License-Identifier: BSD-3-Clause
"""
generators.py WORK: holds the generators in tests/bench/redundancy to slow and exact references, and the files that they
write to parsers of its own.
"""
import collections
import json
import math
import os
import struct
import subprocess
import sys
import traceback
from fractions import Fraction

HERE = os.path.dirname(os.path.abspath(__file__))
REDUNDANCY = os.path.join(HERE, "..", "bench", "redundancy")
sys.path.insert(0, REDUNDANCY)
import interpreter  # noqa: E402,F401
import numpy as np  # noqa: E402

import bounds  # noqa: E402
import floats  # noqa: E402
import gguf  # noqa: E402
import pruned  # noqa: E402
import quantise  # noqa: E402
import tuned  # noqa: E402

# precision and exponent of the smallest subnormal
FORMAT = {"bf16": (8, -133), "fp16": (11, -24), "fp32": (24, -149)}
TESTS = []


def test(name):
    def add(function):
        TESTS.append((name, function))
        return function
    return add


def make(*arguments):
    """Runs the program; gives the output directory and what it says of the bound."""
    number = len(os.listdir(sys.argv[1]))
    out = os.path.join(sys.argv[1], f"made{number}")
    result = subprocess.run([sys.executable, os.path.join(REDUNDANCY, "make.py"), arguments[0], out, *arguments[1:]],
                            stdout=subprocess.PIPE, text=True, check=True)
    with open(out + ".bound.json") as file:
        bound = json.load(file)
    assert f"{bound['bound_bits_per_weight']:.4f} bits a weight" in result.stdout
    return out, bound


def parse_safetensors(directory):
    """name → (dtype, shape, bytes); refuses holes, overlaps and wrong sizes."""
    with open(os.path.join(directory, "model.safetensors"), "rb") as file:
        data = file.read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    assert length % 8 == 0 and data[8:9] == b"{"
    tensors, at = {}, 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        width = {"BF16": 2, "F16": 2, "F32": 4}[entry["dtype"]]
        assert begin == at and end - begin == width * math.prod(entry["shape"]), name
        tensors[name] = entry["dtype"], entry["shape"], data[8 + length + begin:8 + length + end]
        at = end
    assert 8 + length + at == len(data)
    return tensors


def codes(tensor, width):
    return struct.unpack(f"<{len(tensor[2]) // width}{ {2: 'H', 4: 'I'}[width]}", tensor[2])


def fp32_of(bits):
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def nearest(value, kind):
    """A Fraction rounded to a format without bounds above, ties to even."""
    precision, lowest = FORMAT[kind]
    if value == 0:
        return value
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= Fraction(2) ** exponent > size
    unit = Fraction(2) ** max(exponent - precision + 1, lowest)
    return Fraction(round(value / unit)) * unit    # round() of a Fraction takes ties to even


def same(values, expected):
    """Floats against Fractions, exactly."""
    got = [Fraction(float(value)) for value in np.asarray(values, np.float64).reshape(-1)]
    wrong = [(float(g), float(e)) for g, e in zip(got, expected) if g != e]
    assert len(got) == len(expected) and not wrong, wrong[:5]


@test("bf16 is rounded to nearest, ties to even")
def _():
    rng = np.random.default_rng(3)
    low = [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF]
    high = [0, 1, 2, 0x7F, 0x80, 0x3F80, 0x3F81, 0x3FFF, 0x7F7E, 0x7F7F]
    bits = [sign | h << 16 | l for sign in (0, 1 << 31) for h in high for l in low]
    bits += [int(b) for b in rng.integers(0, 2 ** 32, 3000) if b & 0x7F800000 != 0x7F800000]
    got = floats.to_bf16(np.array(bits, np.uint32).view(np.float32))
    for b, g in zip(bits, got):
        expected = nearest(Fraction(fp32_of(b)), "bf16")
        if abs(expected) >= Fraction(2) ** 128:
            assert g & 0x7FFF == 0x7F80, hex(b)
        else:
            assert Fraction(fp32_of(int(g) << 16)) == expected, (hex(b), hex(g))
        assert g >> 15 == b >> 31, hex(b)
    special = np.array([0x7F800000, 0xFF800000, 0x7F800001, 0xFFFFFFFF], np.uint32).view(np.float32)
    assert list(floats.to_bf16(special)) == [0x7F80, 0xFF80, 0x7FC0, 0xFFFF]


@test("fp16 is rounded as struct does it")
def _():
    rng = np.random.default_rng(4)
    values = rng.standard_normal(3000).astype(np.float32) * np.float32(2) ** rng.integers(-30, 14, 3000)
    values = np.concatenate([values.astype(np.float32), np.float32([1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25])])
    assert floats.stored(values, "fp16").tobytes() == struct.pack(f"<{len(values)}e", *map(float, values))


@test("ordered codes are in the order of the values, one to one")
def _():
    finite = np.array([b for b in range(65536) if b & 0x7F80 != 0x7F80], np.uint16)
    order = floats.ordered(finite)
    assert len(set(order.tolist())) == finite.size
    by_code = floats.from_bf16(finite[np.argsort(order)])
    assert (np.diff(by_code) >= 0).all()
    zeros = np.array([0x8001, 0x8000, 0, 1], np.uint16)
    assert list(np.diff(floats.ordered(zeros))) == [1, 1, 1]


@test("entropies of cases worked out by hand")
def _():
    assert bounds.entropy([1, 1, 2]) == 1.5 and bounds.entropy([7, 0]) == 0
    assert bounds.order0(np.array([[0, 5], [5, 0]])) == 4
    assert bounds.order0_any(np.array([-70000, 9, 9, 1])) == 6
    # given 1: four times the same; given 2: one of two, 1 bit each; given 3: one of four, 2 bits each
    bits, missed = bounds.conditional(np.array([5, 5, 5, 5, -1, 1, 0, 1, 2, -3]), np.array([1] * 4 + [2] * 2 + [3] * 4))
    assert bits == 10 and abs(missed - 4 / (2 * math.log(2))) < 1e-12
    # two tiles of 64 Ki: one exponent, and two as often as each other
    content = np.full((1024, 128), 0x3F80, np.uint16)
    content[512:, ::2] = 0x4000
    assert bounds.float_bits(content) == 8 * 131072 + 65536
    assert [tile.size for tile in bounds.tiles(np.zeros((300, 1000), np.uint16))] == [65000] * 4 + [40000]


@test("RTN: every integer is the nearest, every value s * (q - z), rounded")
def _():
    rng = np.random.default_rng(5)
    values = (rng.standard_normal((4, 80)) * 0.02).astype(np.float32)
    for bits, zero_point, scale, group in ((4, False, "fp16", "32"), (4, True, "bf16", "32"), (4, True, "fp32", "row"),
                                           (8, False, "fp32", "row"), (4, False, "bf16", "tensor")):
        quantised = quantise.rtn(values, quantise.Grid(bits, zero_point, scale), group)
        groups = {"32": 3, "row": 1, "tensor": 1}[group]
        assert quantised.scale.shape == ((1 if group == "tensor" else 4), groups)
        expected = {key: [] for key in ("fp32", "fp16", "fp16-affine")}
        for row in range(4):
            for column in range(80):
                where = 0 if group == "tensor" else row, column // 32 if group == "32" else 0
                s, z = Fraction(float(quantised.scale[where])), int(quantised.zero[where])
                q = int(quantised.integers[row, column])
                assert (0 <= q < 16) if zero_point else (-2 ** (bits - 1) <= q < 2 ** (bits - 1))
                assert nearest(s, scale) == s and (zero_point or z == 0)
                distance = abs(Fraction(float(values[row, column])) - s * (q - z))
                edge = q in ((0, 15) if zero_point else (-2 ** (bits - 1), 2 ** (bits - 1) - 1))
                assert distance <= s * Fraction(50001, 100000) or edge and distance <= s
                half = nearest(s, "fp16")
                expected["fp32"].append(nearest(s * (q - z), "fp32"))
                expected["fp16"].append(nearest(half * (q - z), "fp16"))
                expected["fp16-affine"].append(nearest(nearest(half * q, "fp16") - nearest(half * z, "fp16"), "fp16"))
        for product, exact in expected.items():
            got = quantised.dequantised(product)
            same(got, exact)
            for kind in FORMAT:
                same(floats.rounded(got, kind), [nearest(value, kind) for value in exact])


@test("int4 file: at most 16 values in a group, and its bound")
def _():
    out, bound = make("int4", "--mib", "0.3", "--group", "32", "--zero-point", "--seed", "9")
    matrices, weights, total = 0, 0, 0
    for name, tensor in parse_safetensors(out).items():
        bits = codes(tensor, 2)
        total += len(bits)
        if len(tensor[1]) == 2:
            weights += len(bits)
            matrices += 1
            worst = max(len({b if b != 0x8000 else 0 for b in bits[at:at + 32]}) for at in range(0, len(bits), 32))
            assert worst <= 16, (name, worst)
    assert matrices >= 7 and total == bound["weights"]
    assert abs(bound["parts"]["scales"] - 16 / 32 * weights / total) < 1e-6
    assert abs(bound["parts"]["zero points"] - 4 / 32 * weights / total) < 1e-6
    assert abs(bound["figures"]["plain"] - 4.625 * weights / total - bound["parts"]["other tensors"]) < 1e-5
    assert bound["parts"]["integers"] < 4
    config = json.load(open(os.path.join(out, "config.json")))
    assert config["torch_dtype"] == "bfloat16" and config["num_hidden_layers"] == matrices // 7


@test("GPTQ is optimal brain quantisation, column by column")
def _():
    rng = np.random.default_rng(6)
    values = (rng.standard_normal((16, 48)) * 0.02).astype(np.float32)
    moments = quantise.hessian(rng, 48)
    grid = quantise.Grid(4, False, "fp32")
    fast = quantise.gptq(values, moments, grid, "tensor", block=16)
    # the textbook's way: after each weight, its row and column leave the inverse Hessian
    inverse = np.linalg.inv(moments + np.eye(48) * 0.01 * np.diag(moments).mean())
    work, s = values.astype(np.float64), float(fast.scale[0, 0])
    slow = np.zeros((16, 48), int)
    for at in range(48):
        slow[:, at] = np.clip(np.rint(work[:, at] / s), -8, 7)
        error = (work[:, at] - slow[:, at] * s) / inverse[at, at]
        work -= np.outer(error, inverse[at])
        inverse = inverse - np.outer(inverse[:, at], inverse[at]) / inverse[at, at]
    assert (slow != fast.integers).mean() < 0.01

    def loss(quantised):
        error = quantised.dequantised("fp32") - values
        return float(np.einsum("ri,ij,rj", error, moments, error))
    for act_order in (False, True):
        grouped = quantise.gptq(values, moments, quantise.Grid(4, True, "fp16"), "16", act_order, block=32)
        assert loss(grouped) < 0.9 * loss(quantise.rtn(values, quantise.Grid(4, True, "fp16"), "16"))
        assert sorted(grouped.group_of) == [0] * 16 + [1] * 16 + [2] * 16 and grouped.scale.shape == (16, 3)
        if act_order:
            weakest = [np.diag(moments)[grouped.group_of == group].min() for group in range(3)]
            assert all(np.diag(moments)[grouped.group_of > group].max() <= weakest[group] for group in range(2))
        else:
            assert list(grouped.group_of) == sorted(grouped.group_of)


@test("AWQ spends its precision where the activations are")
def _():
    rng = np.random.default_rng(7)
    values = (rng.standard_normal((64, 128)) * 0.02).astype(np.float32)
    moments = quantise.hessian(rng, 128)
    grid = quantise.Grid(4, True, "fp16")
    scaled, plain = (f(*a) for f, a in ((quantise.awq, (values, moments, grid, "32")),
                                        (quantise.rtn, (values, grid, "32"))))
    stored = scaled.dequantised("fp32")
    # the factor of each channel is what is left between the stored and the given weights
    channel = np.median(stored / values, 0)
    loud = np.argmax(np.diag(moments))
    assert channel[loud] > 2 * np.median(channel)

    def loss(error):
        return float((error ** 2 * np.diag(moments)).sum())
    assert loss(stored / channel - values) < 0.9 * loss(plain.dequantised("fp32") - values)
    # multiplied, as it is exported: divided again, it would not be on the grid of its groups
    assert all(len(set(group)) <= 16 for row in stored.tolist() for group in (row[:32], row[96:]))


@test("fp32 that holds bf16 and fp16")
def _():
    out, bound = make("bf16-in-fp32", "--mib", "0.5")
    weights = 0
    for tensor in parse_safetensors(out).values():
        bits = codes(tensor, 4)
        weights += len(bits)
        assert tensor[0] == "F32" and not any(b & 0xFFFF for b in bits) and any(b & 0x10000 for b in bits)
    assert weights == bound["weights"] and 10.3 < bound["bound_bits_per_weight"] < 10.8
    out, bound = make("fp16-in-fp32", "--mib", "0.5")
    bits_needed = 0
    for tensor in parse_safetensors(out).values():
        values = struct.unpack(f"<{len(tensor[2]) // 4}f", tensor[2])
        assert all(struct.unpack("<e", struct.pack("<e", value))[0] == value for value in values)
        assert any(b & 0x2000 for b in codes(tensor, 4))
        for at in range(0, len(values), 32768):
            tile = [struct.unpack("<H", struct.pack("<e", value))[0] >> 10 & 31 for value in values[at:at + 32768]]
            bits_needed += 11 * len(tile) - sum(
                n * math.log2(n / len(tile)) for n in collections.Counter(tile).values())
    assert abs(bits_needed / bound["weights"] - bound["bound_bits_per_weight"]) < 1e-5


@test("pruned: exactly half of a tensor, exactly two of four, the smallest ones")
def _():
    plain = {}
    for pattern, more in (("half", ()), ("2:4", ()), ("half", ("--signed-zeros",))):
        out, bound = make("pruned", "--mib", "0.3", "--pattern", pattern, *more)
        zeros = set()
        for name, tensor in parse_safetensors(out).items():
            if len(tensor[1]) != 2:
                continue
            bits = codes(tensor, 2)
            gone = [b & 0x7FFF == 0 for b in bits]
            zeros |= {b for b in bits if b & 0x7FFF == 0}
            assert 2 * sum(gone) == len(bits), name
            if pattern == "2:4":
                assert all(sum(gone[at:at + 4]) == 2 for at in range(0, len(bits), 4)), name
            plain.setdefault(name, []).append(bits)
        assert zeros == ({0, 0x8000} if more else {0})
        assert 4.5 < bound["parts"]["survivors"] < 5.2
        expected = {"half": 1, "2:4": math.log2(6) / 4}[pattern]
        assert abs(bound["parts"]["mask"] - expected) < 0.02
    for half, fours, signed in plain.values():
        smallest = min(b & 0x7FFF for b in half if b)
        # what 2:4 kept and half did not is not larger than what half kept
        assert all(b & 0x7FFF <= smallest for b, h in zip(fours, half) if b and not h)
        assert [b if b & 0x7FFF else 0 for b in signed] == list(half)
    magnitude = np.array([[4, 1, 3, 2], [5, 5, 5, 5]], np.uint16)
    keep = pruned.survivors_2_of_4(magnitude)
    assert list(keep[0]) == [True, False, True, False] and keep[1].sum() == 2


@test("tied and repeated tensors are the same bytes")
def _():
    out, bound = make("tied", "--mib", "0.5")
    tensors = parse_safetensors(out)
    assert tensors["model.embed_tokens.weight"] == tensors["lm_head.weight"]
    assert 7.5 < bound["bound_bits_per_weight"] < 8.2
    out, bound = make("repeated", "--mib", "0.5")
    tensors = parse_safetensors(out)
    count = len({name.split(".")[2] for name in tensors})
    for layer in range(count // 2):
        twin = tensors[f"model.layers.{layer + count // 2}.mlp.up_proj.weight"]
        assert twin == tensors[f"model.layers.{layer}.mlp.up_proj.weight"]
    assert len(set(t[2] for t in tensors.values())) * 2 == len(tensors)
    assert 5.1 < bound["bound_bits_per_weight"] < 5.5


def differences_by_hand(base, result):
    """Bits of the differences of ordered codes, given the base's exponent, counted one by one."""
    bits = 0
    for name in base:
        old, new = codes(base[name], 2), codes(result[name], 2)
        seen = collections.defaultdict(collections.Counter)
        for a, b in zip(old, new):
            def place(code):
                return -1 - (code & 0x7FFF) if code >> 15 else code
            seen[a >> 7 & 0xFF][place(b) - place(a)] += 1
        for counter in seen.values():
            total = sum(counter.values())
            bits -= sum(n * math.log2(n / total) for n in counter.values())
    return bits


@test("fine-tuned: AdamW, on the stated share of the weights")
def _():
    values = np.float32([0.5, -0.25, 0.01])
    one = tuned.adamw(values, np.random.default_rng(8), 1e-3, 1, 0.1)
    rng = np.random.default_rng(8)
    gradient = rng.standard_normal(3, np.float32) * 0.3 + rng.standard_normal(3, np.float32)
    # the first step is the learning rate in the direction of the gradient, and the decay
    assert np.allclose(one, values * (1 - 1e-4) - 1e-3 * np.sign(gradient), atol=1e-7)
    rng = np.random.default_rng(8)
    w, m, v, slope = values.astype(float), 0, 0, rng.standard_normal(3, np.float32) * 0.3
    for step in range(1, 6):
        g = slope + rng.standard_normal(3, np.float32)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - 1e-3 * 0.1 * w - 1e-3 * (m / (1 - 0.9 ** step)) / (np.sqrt(v / (1 - 0.999 ** step)) + 1e-8)
    assert np.allclose(tuned.adamw(values, np.random.default_rng(8), 1e-3, 5, 0.1), w, atol=1e-6)
    for fraction in (0.01, 0.1, 1.0):
        out, bound = make("finetuned", "--mib", "0.3", "--fraction", str(fraction), "--lr", "1e-3")
        base, result = (parse_safetensors(os.path.join(out, part)) for part in ("base", "tuned"))
        weights = [(a, b) for name in base if len(base[name][1]) == 2
                   for a, b in zip(codes(base[name], 2), codes(result[name], 2))]
        changed = sum(a != b for a, b in weights) / len(weights)
        assert 0.9 * fraction < changed < 1.1 * fraction, (fraction, changed)
        assert all(base[name] == result[name] for name in base if len(base[name][1]) == 1)
        assert abs(differences_by_hand(base, result) / bound["weights"] - bound["bound_bits_per_weight"]) < 1e-5


@test("LoRA: the difference has the stated rank and norm")
def _():
    out, bound = make("lora", "--mib", "0.3", "--rank", "4", "--strength", "0.2")
    base, result = (parse_safetensors(os.path.join(out, part)) for part in ("base", "tuned"))
    name = "model.layers.0.mlp.up_proj.weight"
    old, new = (np.float64([fp32_of(code << 16) for code in codes(m[name], 2)]).reshape(m[name][1])
                for m in (base, result))
    sizes = np.linalg.svd(new - old, compute_uv=False)
    assert sizes[3] > 20 * sizes[4]
    assert abs(np.linalg.norm(new - old) / np.linalg.norm(old) - 0.2) < 0.01
    assert abs(differences_by_hand(base, result) / bound["weights"] - bound["bound_bits_per_weight"]) < 1e-5


def parse_gguf(path):
    """name → (dims, type, offset from the file's begin), by the specification."""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:4] == b"GGUF" and struct.unpack_from("<I", data, 4) == (3,)
    count, pairs = struct.unpack_from("<QQ", data, 8)
    at, sizes = 24, {4: 4, 5: 4, 6: 4, 7: 1}

    def string():
        nonlocal at
        length, = struct.unpack_from("<Q", data, at)
        at += 8 + length
        return data[at - length:at].decode()

    def number(layout):
        nonlocal at
        at += struct.calcsize(layout)
        return struct.unpack_from(layout, data, at - struct.calcsize(layout))[0]

    def value(kind):
        nonlocal at
        if kind == 8:
            return string()
        if kind == 9:
            inner, length = number("<I"), number("<Q")
            return [value(inner) for _ in range(length)]
        at += sizes[kind]
        return data[at - sizes[kind]:at]

    metadata = {}
    for _ in range(pairs):
        key = string()
        metadata[key] = value(number("<I"))
    tensors = {}
    for _ in range(count):
        name = string()
        dims = [number("<Q") for _ in range(number("<I"))]
        tensors[name] = dims, number("<I"), number("<Q")
    start = (at + 31) // 32 * 32
    return data, metadata, {name: (dims, kind, start + offset) for name, (dims, kind, offset) in tensors.items()}


def block_values(data, kind):
    """The Fractions of a block, by the specification: fp32 product, then fp32 sum."""
    d = Fraction(struct.unpack_from("<e", data)[0])
    if kind == 8:
        return [nearest(d * q, "fp32") for q in struct.unpack_from("<32b", data, 2)]
    quants = data[4:20] if kind == 3 else data[2:18]
    q = [byte & 15 for byte in quants] + [byte >> 4 for byte in quants]
    if kind == 2:
        return [nearest(d * (x - 8), "fp32") for x in q]
    m = Fraction(struct.unpack_from("<e", data, 2)[0])
    return [nearest(nearest(d * x, "fp32") + m, "fp32") for x in q]


@test("GGUF: aligned tensors, and blocks that a slow reader understands")
def _():
    for name, kind, width in (("Q4_0", 2, 18), ("Q4_1", 3, 20), ("Q8_0", 8, 34)):
        out, bound = make("gguf", "--mib", "0.2", "--type", name)
        data, metadata, tensors = parse_gguf(os.path.join(out, "model.gguf"))
        assert metadata["general.architecture"] == "llama" and len(metadata["tokenizer.ggml.tokens"]) == 259
        end, weights = 0, 0
        for tensor, (dims, got, offset) in sorted(tensors.items(), key=lambda item: item[1][2]):
            size = math.prod(dims) // 32 * width if len(dims) == 2 else 4 * dims[0]
            assert offset % 32 == 0 and offset >= end and got == (kind if len(dims) == 2 else 0), tensor
            end = offset + size
            weights += math.prod(dims)
        assert end <= len(data) < end + 32 and weights == bound["weights"]
        plain = bound["figures"]["plain"]
        assert abs(plain - 8 * width / 32) < 0.1, plain
        assert tensors["blk.0.ffn_down.weight"][0] == [384, 128] and tensors["blk.0.ffn_up.weight"][0] == [128, 384]
        dims, _, offset = tensors["blk.0.attn_q.weight"]
        content = data[offset:offset + math.prod(dims) // 32 * width]
        blocks = np.frombuffer(content, gguf.BLOCKS[kind][1])
        mine = [value for at in range(0, 200 * width, width) for value in block_values(content[at:at + width], kind)]
        same(gguf.floats_of(blocks[:200], kind, (200, 32)), mine)
        rng = np.random.default_rng(11)
        values = (rng.standard_normal((64, 32)) * 0.02).astype(np.float32)
        stored = gguf.blocks_of(values, kind)
        step = np.abs(stored["d"].astype(np.float32))[:, None]
        error = np.abs(gguf.floats_of(stored, kind, values.shape) - values)
        # Q4_0 clips the side opposite to the extreme; d and m are rounded to fp16
        assert (error <= step * (1.001 if kind == 2 else 0.52) + 2e-5).all() and np.median(error / step) < 0.3
        dequantised, again = make("gguf-dequantised", "--mib", "0.2", "--type", name)
        tensor = parse_safetensors(dequantised)["model.layers.0.self_attn.q_proj.weight"]
        values = np.float64([fp32_of(code << 16) for code in codes(tensor, 2)])
        assert again["parts"]["d and m"] <= bound["parts"]["d and m"] * 1.01
        assert tensor[1] == dims[::-1]
        same(values[:200 * 32], [nearest(value, "bf16") for value in mine])
    for name in ("F32", "F16", "BF16"):
        out, bound = make("gguf", "--mib", "0.2", "--type", name)
        _, _, tensors = parse_gguf(os.path.join(out, "model.gguf"))
        assert tensors["blk.0.attn_q.weight"][1] == {"F32": 0, "F16": 1, "BF16": 30}[name]


@test("the same seed makes the same bytes, another seed others")
def _():
    made = [make("int8", "--mib", "0.3", "--seed", seed)[0] for seed in ("1", "1", "2")]
    first, again, other = (open(os.path.join(out, "model.safetensors"), "rb").read() for out in made)
    assert first == again and first != other


@test("--from takes the weights of a model")
def _():
    origin, _ = make("bf16-in-fp32", "--mib", "0.5")
    copy, _ = make("bf16-in-fp32", "--from", origin)
    assert parse_safetensors(copy) == parse_safetensors(origin)
    out, _ = make("pruned", "--from", origin)
    for name, tensor in parse_safetensors(origin).items():
        before, after = codes(tensor, 4), codes(parse_safetensors(out)[name], 2)
        assert all(a in (0, b >> 16) for b, a in zip(before, after)), name


def main():
    for name, function in TESTS:
        try:
            function()
            print("ok", name)
        except Exception:  # pylint: disable=broad-except
            traceback.print_exc()
            print("not ok", name)


main()
