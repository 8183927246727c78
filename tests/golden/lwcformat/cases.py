# SPDX-License-Identifier: BSD-3-Clause
"""
Tiles that are sound, each with the bytes that it stands for, and tiles with one mistake each.
A codec is a generator of each kind, in SOUND and in BAD at the end: goldens and vectors take all of them.
"""
import struct

from . import codecs
from .cases_delta import bad_delta, sound_delta
from .cases_grid import bad_grid, sound_grid
from .cases_split import bad_split, sound_split
from .container import Tile
from .levels import LEVELS_HEADER, levels, levels_parts
from .streams import FIELDS, STRUCTURES, to_bytes, to_elements, to_field
from .tiles import (LEVELS_WEIGHTS, RAGGED, STRUCTURE_NAMES, TILE_MAX, Random, elements, flipped, levels_tile, patched,
                    u32)


def sound_levels():
    random, turn = Random(4), 0
    for structure, widths in STRUCTURES.items():
        for field, (_, _, mantissa, _) in FIELDS.items():
            for kept in range(mantissa + 1):
                count, turn = RAGGED[turn % len(RAGGED)], turn + 1
                count += field == "nibble" and count % 2
                yield (f"levels-{STRUCTURE_NAMES[structure]}-{field}-kept{kept}-{count}",
                       levels_tile(structure, field, elements(random, field, count, kept), kept))
        name = STRUCTURE_NAMES[structure]
        # all weights past the last level; none past the first; more than one block of a decoder
        yield f"levels-{name}-escapes-only", levels_tile(structure, "bf16", elements(random, "bf16", 70), symbols=[])
        yield f"levels-{name}-one-symbol", levels_tile(structure, "bf16", [0x3f80 | i for i in range(66)])
        yield f"levels-{name}-nan-payloads", levels_tile(
            structure, "f32", [0x7fc00001, 0xffffffff, 0x7f800000, 0xff800000, 0x80000000, 0, 1, 0x807fffff])
        for field, count in (("bf16", 2049), ("f32", TILE_MAX // 4), ("bf16", TILE_MAX // 2), ("i8", TILE_MAX),
                             ("nibble", LEVELS_WEIGHTS), ("nibble", 2050), ("f16", 4096 + 65)):
            few = elements(random, field, 8)
            yield f"levels-{name}-{field}-{count}", levels_tile(structure, field, (few * (count // 8 + 1))[:count])


def bad_levels():
    def tile(structure=3, field="bf16", count=65, **other):
        return levels_tile(structure, field, elements(Random(40), field, count), **other)

    def changed(name, error, at, value, base=None):
        base = base or tile()
        return name, error, base, patched(base.stored, at, value)

    good = tile()
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
    yield changed("levels-kept-7-of-i8", "GEOMETRY", 28, b"\x07", tile(field="i8"))
    yield changed("levels-kept-1-of-nibble", "GEOMETRY", 28, b"\x01", tile(field="nibble", count=66))
    odd = Tile(good.chain, good.stored, good.decoded + b"\0", good.param, good.field)
    yield "levels-half-an-element", "GEOMETRY", odd, good.stored
    for field in ("i8", "nibble"):
        many = Tile(good.chain, good.stored, bytes(LEVELS_WEIGHTS // (1 + (field == "nibble")) + 1), 3, FIELDS[field][0])
        count = LEVELS_WEIGHTS + 1 + (field == "nibble")
        yield f"levels-too-many-{field}", "GEOMETRY", many, patched(good.stored, 0, u32(count))
    odd = tile(field="nibble", count=66)
    yield changed("levels-nibbles-by-bytes", "GEOMETRY", 0, u32(33), odd)
    for at in (29, 30, 31, 48, 63):
        yield changed(f"levels-reserved-{at}", "PADDING", at, b"\x01")
    yield changed("levels-symbol-of-no-code", "PADDING", 32 + 12, b"\x01")
    yield changed("levels-symbol-beyond-field", "PADDING", 32, b"\x20", tile(field="f16"))
    yield changed("levels-symbol-of-nibble", "PADDING", 32, b"\x10", tile(field="nibble", count=66))
    for kept in (1, 4, 6):
        yield changed(f"levels-symbol-of-i8-kept{kept}", "PADDING", 32, bytes([1 << (8 - kept)]),
                      tile(field="i8", kept=kept))
    # sections of bf16 in (2,2,2,2): a plane, four levels, escapes, no stream
    header, parts = levels_parts(3, "bf16", elements(Random(40), "bf16", 65))
    head = LEVELS_HEADER.pack(*header)
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
    header, parts = levels_parts(3, "f16", elements(Random(41), "f16", 64), symbols=[])
    parts[-2] = flipped(parts[-2], 63, 0x80)
    yield ("levels-escape-beyond-field", "PADDING", tile(field="f16", count=64),
           LEVELS_HEADER.pack(*header) + b"".join(parts))
    for field, kept, bit in (("i8", 1, 0x80), ("i8", 6, 0x04), ("nibble", 0, 0x10)):
        header, parts = levels_parts(3, field, elements(Random(42), field, 64, kept), kept, symbols=[])
        parts[-2] = flipped(parts[-2], 63, bit)
        yield (f"levels-escape-beyond-{field}-kept{kept}", "PADDING", tile(field=field, count=64),
               LEVELS_HEADER.pack(*header) + b"".join(parts))
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
        per_element = size * 2 if field == "nibble" else size // FIELDS[field][3]
        values = elements(random, field, sum(present) * per_element)
        kept = to_elements(to_field(field, values), size)
        chain, number, stored = ("SPARSE", "LEVELS"), FIELDS[field][0], levels(param, field, values)
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
                         ("skippable", b"\x50\x2a\x4d\x18\x04\0\0\0abcd"),
                         # zstd 0.7: sound in its time, but no frame of RFC 8878
                         ("before-rfc", b"\x27\xb5\x2f\xfd\x20\x64\x40\0\x64" + data + b"\xc0\0\0"),
                         ("nothing", b"")):
        yield f"zstd-{name}", "ZSTD", tile, stored
        yield f"planes-zstd-{name}", "ZSTD", Tile(("PLANES", "ZSTD"), b"", data, 2), stored
    for number in (0, 6, 255):
        yield f"codec-{number}", "CHAIN", Tile((number,), b"", b"1234"), b"1234"


SOUND = (sound_simple, sound_levels, sound_sparse, sound_grid, sound_split, sound_delta)
BAD = (bad_simple, bad_levels, bad_sparse, bad_grid, bad_split, bad_delta)


def sound():
    for generate in SOUND:
        yield from generate()


def bad():
    """Name, error, a Tile whose chain, param, field and size of decoded count, and the stored bytes."""
    for generate in BAD:
        yield from generate()
