# SPDX-License-Identifier: BSD-3-Clause
"""
Tiles that are sound, each with the bytes that it stands for, and tiles with one mistake each.
A codec is a generator of each kind, in SOUND and in BAD at the end: goldens and vectors take all of them.
"""
import struct

from . import codecs
from .codecs import FIELDS, STRUCTURES, to_bytes
from .container import Tile

RAGGED = (1, 63, 64, 65, 7)
STRUCTURE_NAMES = {s: "".join(map(str, widths)) for s, widths in STRUCTURES.items()}
TILE_MAX, LEVELS_WEIGHTS = 256 * 1024, 128 * 1024


class Random:
    """The same numbers on every machine."""

    def __init__(self, seed):
        self.state = seed

    def bits(self, count):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.state >> (64 - count) if count else 0

    def below(self, limit):
        return self.bits(32) % limit

    def bytes(self, count):
        return bytes(self.bits(8) for _ in range(count))


def element(random, field, kept):
    """Symbols that halve in frequency with each step from the middle, and now and then any."""
    _, symbol_bits, mantissa, _ = FIELDS[field]
    symbol = 1 << (symbol_bits - 1)
    while symbol and random.bits(1):
        symbol -= 1
    if not random.bits(4):
        symbol = random.bits(symbol_bits)
    if field in ("i8", "byte"):
        return symbol << mantissa | random.bits(mantissa)
    return (random.bits(1) << symbol_bits | symbol) << mantissa | random.bits(kept) << (mantissa - kept)


def elements(random, field, count, kept=None):
    kept = FIELDS[field][2] if kept is None else kept
    return [element(random, field, kept) for _ in range(count)]


def levels_tile(structure, field, values, kept=None, symbols=None):
    return Tile(("LEVELS",), codecs.levels(structure, field, values, kept, symbols),
                to_bytes(values, FIELDS[field][3]), structure, FIELDS[field][0])


def sound_levels():
    random, turn = Random(4), 0
    for structure, widths in STRUCTURES.items():
        for field, (_, _, mantissa, _) in FIELDS.items():
            for kept in [mantissa] if field in ("i8", "byte") else range(mantissa + 1):
                count, turn = RAGGED[turn % len(RAGGED)], turn + 1
                yield (f"levels-{STRUCTURE_NAMES[structure]}-{field}-kept{kept}-{count}",
                       levels_tile(structure, field, elements(random, field, count, kept), kept))
        name = STRUCTURE_NAMES[structure]
        # all weights past the last level; none past the first; more than one block of a decoder
        yield f"levels-{name}-escapes-only", levels_tile(structure, "bf16", elements(random, "bf16", 70), symbols=[])
        yield f"levels-{name}-one-symbol", levels_tile(structure, "bf16", [0x3f80 | i for i in range(66)])
        yield f"levels-{name}-nan-payloads", levels_tile(
            structure, "f32", [0x7fc00001, 0xffffffff, 0x7f800000, 0xff800000, 0x80000000, 0, 1, 0x807fffff])
        for field, count in (("bf16", 2049), ("f32", LEVELS_WEIGHTS // 2), ("bf16", LEVELS_WEIGHTS),
                             ("i8", LEVELS_WEIGHTS), ("f16", 4096 + 65)):
            few = elements(random, field, 8)
            yield f"levels-{name}-{field}-{count}", levels_tile(structure, field, (few * (count // 8 + 1))[:count])


def patched(data, at, value):
    at %= len(data)
    return data[:at] + value + data[at + len(value):]


def flipped(data, at, mask):
    return patched(data, at, bytes([data[at] ^ mask]))


def bad_levels():
    def tile(structure=3, field="bf16", count=65, **other):
        return levels_tile(structure, field, elements(Random(40), field, count), **other)

    def changed(name, error, at, value, base=None):
        base = base or tile()
        return name, error, base, patched(base.stored, at, value)

    good, u32 = tile(), lambda v: struct.pack("<I", v)
    yield "levels-without-header", "TRUNCATED", good, good.stored[:63]
    yield "levels-cut", "TRUNCATED", good, good.stored[:-1]
    yield "levels-header-only", "TRUNCATED", good, good.stored[:64]
    yield "levels-trailing", "TRAILING", good, good.stored + b"\0"
    yield changed("levels-weights-more", "GEOMETRY", 0, u32(66))
    yield changed("levels-weights-fewer", "GEOMETRY", 0, u32(64))
    yield changed("levels-reached-more-than-weights", "GEOMETRY", 4, u32(66))
    yield changed("levels-reached-grows", "GEOMETRY", 8, u32(65))
    yield changed("levels-reached-of-no-level", "GEOMETRY", 20, u32(1))
    yield changed("levels-kept-8-of-bf16", "GEOMETRY", 28, b"\x08")
    for field in ("i8",):
        yield changed(f"levels-kept-3-of-{field}", "GEOMETRY", 28, b"\x03", tile(field=field))
    yield changed("levels-kept-1-of-byte", "GEOMETRY", 28, b"\x01", tile(field="byte"))
    odd = Tile(good.chain, good.stored, good.decoded + b"\0", good.param, good.field)
    yield "levels-half-an-element", "GEOMETRY", odd, good.stored
    many = Tile(good.chain, good.stored, bytes(LEVELS_WEIGHTS + 1), 3, FIELDS["byte"][0])
    yield "levels-too-many-weights", "GEOMETRY", many, patched(good.stored, 0, u32(LEVELS_WEIGHTS + 1))
    for at in (29, 30, 31, 48, 63):
        yield changed(f"levels-reserved-{at}", "PADDING", at, b"\x01")
    yield changed("levels-symbol-of-no-code", "PADDING", 32 + 12, b"\x01")
    yield changed("levels-symbol-beyond-field", "PADDING", 32, b"\x20", tile(field="f16"))
    yield changed("levels-symbol-of-i8", "PADDING", 32, b"\x10", tile(field="i8"))
    # sections of bf16 in (2,2,2,2): a plane, four levels, escapes, no stream
    header, parts = codecs.levels_parts(3, "bf16", elements(Random(40), "bf16", 65))
    head = codecs.LEVELS_HEADER.pack(*header)
    for level in range(4):
        codes = header[level]
        if codes % 4:
            spoilt = list(parts)
            spoilt[1 + level] = flipped(parts[1 + level], -1, 0x80)
            yield f"levels-tail-of-level-{level}", "PADDING", good, head + b"".join(spoilt)
        # one weight more or fewer that goes on to the next level
        ones = parts[1 + level][0] & 3
        spoilt = list(parts)
        spoilt[1 + level] = flipped(parts[1 + level], 0, 3 if ones == 3 else 3 ^ ones)
        yield f"levels-stream-of-level-{level}", "STREAM", good, head + b"".join(spoilt)
    half = tile(field="f16", count=63)
    yield "levels-tail-of-rest", "PADDING", half, flipped(half.stored, -1, 0x80)
    header, parts = codecs.levels_parts(3, "f16", elements(Random(41), "f16", 64), symbols=[])
    parts[-2] = flipped(parts[-2], 63, 0x80)
    yield ("levels-escape-beyond-field", "PADDING", tile(field="f16", count=64),
           codecs.LEVELS_HEADER.pack(*header) + b"".join(parts))
    for param, number in ((0, 1), (255, 1), (3, 0), (3, 255)):
        yield (f"levels-param-{param}-field-{number}", "CHAIN",
               Tile(good.chain, good.stored, good.decoded, param, number), good.stored)


def sparse_tile(kind, size, present, inner, random):
    """inner: RAW, or a structure and a field."""
    if inner == "RAW":
        kept = [random.bits(8 * size - 1) + 1 for one in present if one]
        chain, param, number, stored = ("SPARSE", "RAW"), 0, 0, to_bytes(kept, size)
    else:
        param, field = inner
        per_element = size // FIELDS[field][3]
        values = elements(random, field, sum(present) * per_element)
        joined = to_bytes(values, FIELDS[field][3])
        kept = codecs.to_elements(joined, size)
        chain, number, stored = ("SPARSE", "LEVELS"), FIELDS[field][0], codecs.levels(param, field, values)
    rest = iter(kept)
    decoded = to_bytes([next(rest) if one else 0 for one in present], size)
    return Tile(chain, codecs.sparse(kind, size, present, stored), decoded, param, number)


def mask_of(random, kind, count):
    if kind == codecs.MASK_BITS:
        return [random.bits(1) for _ in range(count)]
    return [int(i in pair) for pair in (codecs.PAIRS[random.below(6)] for _ in range(count // 4)) for i in range(4)]


def sound_sparse():
    random = Random(7)
    counts = {codecs.MASK_BITS: (1, 7, 8, 63, 64, 65, 129, 300), codecs.MASK_2_OF_4: (4, 8, 60, 64, 68, 132, 300)}
    for kind, name in ((codecs.MASK_BITS, "bits"), (codecs.MASK_2_OF_4, "2of4")):
        for turn, count in enumerate(counts[kind]):
            for size, field in ((1, "e4m3"), (2, "bf16"), (4, "f32")):
                inner = "RAW" if (turn + size) % 3 == 0 else (turn % len(STRUCTURES) + 1, field)
                yield (f"sparse-{name}-{size}-{count}-" + ("raw" if inner == "RAW" else f"{field}"),
                       sparse_tile(kind, size, mask_of(random, kind, count), inner, random))
    for name, present in (("none", [0] * 100), ("all", [1] * 100)):
        yield f"sparse-{name}", sparse_tile(codecs.MASK_BITS, 2, present, "RAW", random)
        yield f"sparse-{name}-levels", sparse_tile(codecs.MASK_BITS, 2, present, (3, "bf16"), random)
    # elements that are stored may be zero as well
    yield "sparse-stored-zero", Tile(("SPARSE", "RAW"), codecs.sparse(1, 2, [1, 0, 1], bytes(4)), bytes(6))
    for size in (1, 2, 4):
        count = TILE_MAX // size
        present = [1, 1, 0, 0, 0, 0, 0, 1] * (count // 8)
        decoded = to_bytes([0x41 if one else 0 for one in present], size)
        stored = to_bytes([0x41] * sum(present), size)
        yield (f"sparse-bits-{size}-full", Tile(("SPARSE", "RAW"), codecs.sparse(1, size, present, stored), decoded))


def bad_sparse():
    random = Random(70)
    bits = sparse_tile(1, 2, [1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0], "RAW", random)
    fours = sparse_tile(2, 2, mask_of(random, 2, 12), "RAW", random)
    inner = sparse_tile(1, 2, [1, 0, 1] * 5, (3, "bf16"), random)

    def with_length(tile, length):
        return Tile(tile.chain, tile.stored, bytes(length), tile.param, tile.field)

    yield "sparse-without-header", "TRUNCATED", bits, bits.stored[:7]
    for size in (0, 3, 8):
        yield f"sparse-element-{size}", "GEOMETRY", bits, patched(bits.stored, 4, bytes([size]))
    yield "sparse-half-an-element", "GEOMETRY", with_length(bits, 23), bits.stored
    yield "sparse-beyond-a-tile", "GEOMETRY", with_length(bits, TILE_MAX + 2), bits.stored
    yield "sparse-kept-more-than-elements", "GEOMETRY", bits, patched(bits.stored, 0, b"\x0c")
    for kind in (0, 3):
        yield f"sparse-mask-{kind}", "GEOMETRY", bits, patched(bits.stored, 5, bytes([kind]))
    yield "sparse-2of4-of-11", "GEOMETRY", bits, patched(bits.stored, 5, b"\x02")
    for at in (6, 7):
        yield f"sparse-reserved-{at}", "PADDING", bits, patched(bits.stored, at, b"\x01")
    yield "sparse-mask-cut", "TRUNCATED", bits, bits.stored[:9]
    yield "sparse-inner-cut", "TRUNCATED", bits, bits.stored[:-1]
    yield "sparse-inner-trailing", "TRAILING", bits, bits.stored + b"\0"
    yield "sparse-mask-tail", "PADDING", bits, flipped(bits.stored, 9, 0x80)
    yield "sparse-mask-one-more", "STREAM", bits, flipped(bits.stored, 8, 0x02)
    yield "sparse-mask-one-fewer", "STREAM", bits, flipped(bits.stored, 8, 0x01)
    yield "sparse-inner-levels-cut", "TRUNCATED", inner, inner.stored[:-1]
    yield "sparse-inner-levels-weights", "GEOMETRY", inner, flipped(inner.stored, 10, 1)
    five = Tile(fours.chain, patched(fours.stored, 0, b"\x05")[:-2], fours.decoded)
    yield "sparse-2of4-kept-5-of-12", "STREAM", five, five.stored
    yield "sparse-2of4-tail", "PADDING", fours, flipped(fours.stored, 9, 0x80)
    for four in range(3):
        for code in (6, 7):
            mask = int.from_bytes(fours.stored[8:10], "little") & ~(7 << 3 * four) | code << 3 * four
            yield (f"sparse-2of4-code-{code}-at-{four}", "STREAM", fours,
                   patched(fours.stored, 8, struct.pack("<H", mask)))


SCALES = [0x3c23d70a, 0xbb800000, 0x38d1b717, 0x00800000, 0x7f7fffff, 0x3f800000, 0x80800001]


def grid_tile(kind, field, group, count, inner, random, exceptions=0, scales=None, offsets=None, bits=8):
    """inner: RAW, or a structure and a field of one byte."""
    groups = (count + group - 1) // group
    scales = scales or [SCALES[(random.bits(8) + i) % len(SCALES)] for i in range(groups)]
    integers = [random.bits(bits) for _ in range(count)]
    if kind == codecs.AFFINE:
        scales = [scale & 0x7fffffff for scale in scales]
        offsets = offsets or [random.bits(1) << 31 | (0x30 + random.bits(4)) << 23 | random.bits(23) if random.bits(2)
                              else 0 for _ in range(groups)]
    else:
        offsets = []
    size = FIELDS[field][3]
    numbers = sorted({random.below(count) for _ in range(exceptions)})
    pairs = [(number, random.bits(8 * size)) for number in numbers]
    chain, param, number, stored = ("GRID", "RAW"), 0, 0, bytes(integers)
    if inner != "RAW":
        param, inner_field = inner
        chain, number = ("GRID", "LEVELS"), FIELDS[inner_field][0]
        stored = codecs.levels(param, inner_field, integers)
    decoded = codecs.grid_elements(kind, field, group, scales, offsets, integers, pairs)
    return Tile(chain, codecs.grid(kind, field, group, scales, offsets, pairs, stored),
                to_bytes(decoded, size), param, number)


def sound_grid():
    random, turn = Random(8), 0
    for kind, name in ((codecs.PRODUCT, "product"), (codecs.AFFINE, "affine")):
        for field in ("bf16", "f16", "f32"):
            for inner in ("RAW", (1, "i8"), (3, "byte"), (5, "i8")):
                for count, group, exceptions in ((1, 32, 1), (65, 32, 0), (129, 64, 5))[turn % 2:]:
                    yield (f"grid-{name}-{field}-{count}-" + ("raw" if inner == "RAW" else f"{inner[1]}"),
                           grid_tile(kind, field, group, count, inner, random, exceptions))
                turn += 1
        yield f"grid-{name}-large-group", grid_tile(kind, "bf16", 512, 700, "RAW", random)
        yield f"grid-{name}-largest-group", grid_tile(kind, "f16", TILE_MAX, 40, "RAW", random)
        yield f"grid-{name}-all-exceptions", grid_tile(kind, "f32", 32, 3, "RAW", random, 40)
    yield "grid-product-smallest-group", grid_tile(codecs.PRODUCT, "bf16", 16, 40, "RAW", random)
    # ties, sums of zero, results below the normal numbers
    yield "grid-affine-cancels", grid_tile(codecs.AFFINE, "bf16", 256, 256, "RAW", random,
                                           scales=[0x3f800000], offsets=[0xc3000000])
    yield "grid-affine-far-apart", grid_tile(codecs.AFFINE, "f32", 32, 64, "RAW", random,
                                             scales=[0x00800000, 0x7f000000], offsets=[0x7f000000, 0x80800000])
    yield "grid-product-subnormal", grid_tile(codecs.PRODUCT, "f16", 64, 64, "RAW", random, scales=[0x33000001])


def bad_grid():
    random = Random(80)
    good = grid_tile(codecs.PRODUCT, "bf16", 32, 70, "RAW", random, 3, scales=[0x3f800000, 0x3f900000, 0xbf800000])
    affine = grid_tile(codecs.AFFINE, "bf16", 32, 40, "RAW", random, scales=[0x3f800000, 0x3f810000], offsets=[0, 0])
    u32 = lambda v: struct.pack("<I", v)  # noqa: E731
    scales_size = struct.unpack_from("<I", good.stored, 4)[0]
    exceptions = 16 + scales_size

    def length(size):
        return Tile(good.chain, good.stored, bytes(size))

    def parameters(name, kind, scales, offsets=()):
        stored = codecs.grid(kind, "bf16", 32, scales, offsets, [], bytes(40))
        return f"grid-{name}", "STREAM", Tile(good.chain, stored, bytes(80)), stored

    yield "grid-without-header", "TRUNCATED", good, good.stored[:15]
    for at in (14, 15):
        yield f"grid-reserved-{at}", "PADDING", good, patched(good.stored, at, b"\x01")
    yield "grid-kind-2", "GEOMETRY", good, patched(good.stored, 13, b"\x02")
    for number in (0, 4, 7, 255):
        yield f"grid-field-{number}", "GEOMETRY", good, patched(good.stored, 12, bytes([number]))
    yield "grid-half-an-element", "GEOMETRY", length(141), good.stored
    yield "grid-of-nothing", "GEOMETRY", length(0), good.stored
    yield "grid-beyond-a-tile", "GEOMETRY", length(TILE_MAX + 2), good.stored
    yield "grid-group-15", "GEOMETRY", good, patched(good.stored, 0, u32(15))
    yield "grid-group-0", "GEOMETRY", good, patched(good.stored, 0, u32(0))
    yield "grid-affine-group-31", "GEOMETRY", affine, patched(affine.stored, 0, u32(31))
    yield "grid-group-too-large", "GEOMETRY", good, patched(good.stored, 0, u32(TILE_MAX + 1))
    yield "grid-exceptions-more-than-elements", "GEOMETRY", good, patched(good.stored, 8, u32(71))
    yield "grid-scales-beyond-end", "TRUNCATED", good, patched(good.stored, 4, u32(0xffffffff))
    yield "grid-exceptions-beyond-end", "TRUNCATED", good, good.stored[:exceptions + 17]
    yield "grid-scales-cut", "TRUNCATED", good, patched(good.stored, 4, u32(scales_size - 1))
    yield "grid-scales-trailing", "TRAILING", good, patched(good.stored, 4, u32(scales_size + 1))
    yield "grid-scales-fewer", "GEOMETRY", good, patched(good.stored, 0, u32(64))
    for name, scale in (("zero", 0), ("subnormal", 0x00400000), ("infinite", 0x7f800000), ("nan", 0xffc00000)):
        yield parameters(f"scale-{name}", codecs.PRODUCT, [0x3f800000, scale])
    yield parameters("affine-scale-negative", codecs.AFFINE, [0xbf800000, 0x3f800000], [0, 0])
    yield parameters("affine-scale-zero", codecs.AFFINE, [0x3f800000, 0], [0, 0])
    for name, offset in (("subnormal", 1), ("infinite", 0x7f800000), ("minus-zero", 0x80000000)):
        yield parameters(f"offset-{name}", codecs.AFFINE, [0x3f800000, 0x3f800000], [0, offset])
    yield "grid-exception-outside", "STREAM", good, patched(good.stored, exceptions + 8, u32(70))
    yield "grid-exception-twice", "STREAM", good, patched(good.stored, exceptions + 4,
                                                          good.stored[exceptions:exceptions + 4])
    yield "grid-exceptions-descend", "STREAM", good, patched(good.stored, exceptions + 8, u32(0))
    yield "grid-inner-cut", "TRUNCATED", good, good.stored[:-1]
    yield "grid-inner-trailing", "TRAILING", good, good.stored + b"\0"
    wide = Tile(("GRID", "LEVELS"), good.stored, good.decoded, 3, FIELDS["f16"][0])
    yield "grid-inner-of-two-bytes", "CHAIN", wide, good.stored
    inner = grid_tile(codecs.PRODUCT, "bf16", 32, 70, (3, "i8"), random)
    yield "grid-inner-levels-cut", "TRUNCATED", inner, inner.stored[:-1]


def sound_simple():
    random = Random(1)
    for size in (1, 64, 1000):
        data = random.bytes(size)
        yield f"raw-{size}", Tile(("RAW",), data, data)
    for size in (1, 2, 4, 8):
        one = random.bytes(size)
        yield f"const-{size}", Tile(("CONST",), one, one * 9)
        yield f"const-{size}-full", Tile(("CONST",), one, one * (TILE_MAX // size))
    for size in range(2, 9):
        data = random.bytes(size * 33)
        yield f"planes-{size}-raw", Tile(("PLANES", "RAW"), codecs.planes(data, size), data, size)
        data = b"".join(bytes([i, 7] + [0] * (size - 2)) for i in range(200))
        yield f"planes-{size}-zstd", Tile(("PLANES", "ZSTD"), codecs.zstd(codecs.planes(data, size)), data, size)
    for name, data in (("one-block", random.bytes(100)), ("repeated", b"a" * 70000), ("two-blocks", bytes(TILE_MAX))):
        yield f"zstd-{name}", Tile(("ZSTD",), codecs.zstd(data), data)
    # a block of literals and sequences, as libzstd 1.5 writes it
    yield "zstd-compressed", Tile(("ZSTD",), bytes.fromhex(COMPRESSED), b"the same line again and again\n" * 20)


COMPRESSED = "28b52ffd605801150100c07468652073616d65206c696e6520616761696e20616e640a02003782aa6287d204"


def bad_simple():
    good, data = Tile(("RAW",), b"12345678", b"12345678"), bytes(range(100))
    yield "raw-cut", "TRUNCATED", good, b"1234567"
    yield "raw-trailing", "TRAILING", good, b"123456789"
    for size in (0, 3, 5, 16):
        yield f"const-{size}", "GEOMETRY", Tile(("CONST",), b"", bytes(240)), bytes(size)
    yield "const-half-an-element", "GEOMETRY", Tile(("CONST",), b"", bytes(6)), bytes(4)
    planes = Tile(("PLANES", "RAW"), data, data, 4)
    yield "planes-cut", "TRUNCATED", planes, data[:-1]
    yield "planes-trailing", "TRAILING", planes, data + b"\0"
    yield "planes-half-an-element", "GEOMETRY", Tile(("PLANES", "RAW"), data, bytes(99), 4), data[:-1]
    yield "planes-beyond-a-tile", "GEOMETRY", Tile(("PLANES", "RAW"), data, bytes(TILE_MAX + 4), 4), data
    for param in (0, 1, 9):
        yield f"planes-param-{param}", "GEOMETRY", Tile(("PLANES", "RAW"), data, bytes(90), param), data[:90]
    frame = codecs.zstd(data)
    tile = Tile(("ZSTD",), frame, data)
    for name, stored in (("cut", frame[:-1]), ("trailing", frame + b"\0"), ("magic", flipped(frame, 0, 1)),
                         ("two-frames", frame + frame), ("checksum", codecs.zstd(data, b"1234")),
                         ("dictionary", frame[:4] + b"\x21" + b"\x01" + frame[5:]),
                         ("unknown-size", frame[:4] + b"\0\x40" + frame[6:]),
                         ("size-more", flipped(frame, 5, 1)), ("block-of-type-3", flipped(frame, 6, 6)),
                         ("skippable", b"\x50\x2a\x4d\x18\x04\0\0\0abcd"), ("nothing", b"")):
        yield f"zstd-{name}", "ZSTD", tile, stored
        yield f"planes-zstd-{name}", "ZSTD", Tile(("PLANES", "ZSTD"), b"", data, 2), stored
    for number in (0, 6, 255):
        yield f"codec-{number}", "CHAIN", Tile((number,), b"", b"1234"), b"1234"


SOUND = (sound_simple, sound_levels, sound_sparse, sound_grid)
BAD = (bad_simple, bad_levels, bad_sparse, bad_grid)


def sound():
    for generate in SOUND:
        yield from generate()


def bad():
    """Name, error, a Tile whose chain, param, field and size of decoded count, and the stored bytes."""
    for generate in BAD:
        yield from generate()
