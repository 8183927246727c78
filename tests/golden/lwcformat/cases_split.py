# SPDX-License-Identifier: BSD-3-Clause
"""Tiles of SPLIT, sound and not."""
from . import codecs
from .container import Tile
from .levels import levels
from .streams import CODECS, FIELDS, STRUCTURES, from_field, to_field
from .tiles import STRUCTURE_NAMES, TILE_MAX, Random, elements, flipped, patched, u32

BYTE_FIELDS = ("e4m3", "e5m2", "i8", "nibble")
SPLIT_LEVELS_MAX = 192 * 1024


def member(content, size, coding):
    """content: of all blocks; coding: RAW, ZSTD, or a structure and a field."""
    if coding == "RAW":
        return size, CODECS["RAW"], 0, 0, content
    if coding == "ZSTD":
        return size, CODECS["ZSTD"], 0, 0, codecs.zstd(content)
    structure, field = coding
    return size, CODECS["LEVELS"], structure, FIELDS[field][0], levels(structure, field, from_field(field, content))


def split_tile(sizes, codings, data):
    members = [member(content, size, coding)
               for content, size, coding in zip(codecs.contents(data, sizes), sizes, codings)]
    return Tile(("SPLIT",), codecs.split(members), data)


def weights(random, field, size):
    return to_field(field, elements(random, field, size * (2 if field == "nibble" else 1)))


def block_data(random, sizes, codings, blocks):
    """Bytes of which those of LEVELS have few symbols, mostly."""
    parts = [weights(random, "e4m3" if isinstance(coding, str) else coding[1], size * blocks)
             for size, coding in zip(sizes, codings)]
    return b"".join(part[i * size:(i + 1) * size] for i in range(blocks) for size, part in zip(sizes, parts))


def made(sizes, codings, blocks, random):
    return split_tile(sizes, codings, block_data(random, sizes, codings, blocks))


def sound_split():
    random, turn = Random(19), 0
    for structure in STRUCTURES:
        for field in BYTE_FIELDS:
            blocks = (1, 3, 64, 65)[turn % 4]
            yield (f"split-{STRUCTURE_NAMES[structure]}-{field}-{blocks}",
                   made((1, 1, 3), ("RAW", (structure, field), "ZSTD"), blocks, random))
            turn += 1
    # Q4_0, Q4_1, Q8_0, Q6_K, MXFP4 and what a table of a member's lengths may lack
    for name, sizes, codings in (
            ("q4_0", (1, 1, 16), ("RAW", (3, "e4m3"), (3, "nibble"))),
            ("q4_1", (1, 1, 1, 1, 16), ("RAW", (5, "i8"), "ZSTD", (3, "e5m2"), (1, "nibble"))),
            ("q8_0", (1, 1, 32), ("RAW", (2, "i8"), (4, "i8"))),
            ("q6_k", (128, 64, 16, 1, 1), ("RAW", "ZSTD", (5, "i8"), (3, "i8"), (3, "nibble"))),
            ("mxfp4", (1, 16), ((1, "i8"), (2, "nibble"))),
            ("lengths", (2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 32, 33, 1, 64, 256, 1), ("RAW", "ZSTD") * 8)):
        yield f"split-{name}", made(sizes, codings, 20, random)
    yield "split-one-member", made((5,), ("RAW",), 13, random)
    yield "split-one-block", made((300, 7), ("RAW", (3, "i8")), 1, random)
    yield "split-a-block-of-65535", split_tile((65535, 1), ("ZSTD", "RAW"), (b"\7" * 65535 + b"\1") * 2)
    for kept in range(7):
        content = bytes(elements(random, "i8", 130, kept))
        tile = split_tile((1, 1), ((3, "i8"), "RAW"), content)
        own = (1, 4, 3, 6, levels(3, "i8", list(content[::2]), kept))
        yield f"split-i8-kept{kept}", Tile(("SPLIT",), codecs.split([own, (1, 1, 0, 0, content[1::2])]), tile.decoded)
    full = bytes(elements(random, "i8", 64)) * (TILE_MAX // 64)
    yield "split-full", split_tile((32, 32), ((5, "i8"), "RAW"), full)
    yield "split-nibbles-full", split_tile((16, 16), ((3, "nibble"), "RAW"), full)
    yield "split-levels-most", split_tile((48, 16), ((3, "e4m3"), "ZSTD"), bytes(TILE_MAX))
    yield "split-zstd-full", split_tile((64,), ("ZSTD",), bytes(TILE_MAX))


def bad_split():
    random = Random(90)
    few = weights(random, "e4m3", 90)
    good = split_tile((2, 3, 4), ("RAW", (3, "e4m3"), "ZSTD"), b"".join(
        random.bytes(2) + few[3 * i:3 * i + 3] + bytes(4) for i in range(30)))
    entry = [8 + 12 * i for i in range(3)]

    def length(size, tile=good):
        return Tile(tile.chain, tile.stored, bytes(size))

    def changed(name, error, at, value, tile=good):
        return f"split-{name}", error, tile, patched(tile.stored, at, value)

    for size in (0, 7, 8, 43):
        yield f"split-cut-to-{size}", "TRUNCATED", good, good.stored[:size]
    yield "split-cut", "TRUNCATED", good, good.stored[:-1]
    yield "split-trailing", "TRAILING", good, good.stored + b"\0"
    for members in (0, 17, 255):
        yield changed(f"members-{members}", "GEOMETRY", 0, bytes([members]))
    for at in (1, 7):
        yield changed(f"reserved-{at}", "PADDING", at, b"\x01")
    for at in (9, 10, 11):
        yield changed(f"member-reserved-{at}", "PADDING", entry[1] + at, b"\x80")
    for i in range(3):
        yield changed(f"member-{i}-of-no-bytes", "GEOMETRY", entry[i] + 4, b"\0\0")
    yield "split-half-a-block", "GEOMETRY", length(269), good.stored
    yield "split-other-blocks", "GEOMETRY", length(279), good.stored
    beyond = made((2,), ("RAW",), 10, random)
    yield "split-beyond-a-tile", "GEOMETRY", length(TILE_MAX + 2, beyond), beyond.stored
    for i in range(3):
        yield changed(f"member-{i}-stored-more", "TRUNCATED", entry[i], u32(0xffffffff))
    yield changed("members-overflow", "TRUNCATED", entry[0], u32(0x80000000),
                  Tile(good.chain, patched(good.stored, entry[1], u32(0x80000000)), good.decoded))
    # a byte more of one and fewer of another
    stored = [int.from_bytes(good.stored[at:at + 4], "little") for at in entry]
    moved = patched(patched(good.stored, entry[0], u32(stored[0] - 1)), entry[1], u32(stored[1] + 1))
    yield "split-raw-shorter", "GEOMETRY", good, moved
    moved = patched(patched(good.stored, entry[1], u32(stored[1] - 1)), entry[2], u32(stored[2] + 1))
    yield "split-levels-shorter", "TRUNCATED", good, moved
    moved = patched(patched(good.stored, entry[1], u32(stored[1] + 1)), entry[2], u32(stored[2] - 1))
    yield "split-levels-longer", "TRAILING", good, moved
    for codec in (0, 2, 5, 6, 7, 8, 9, 10, 255):
        yield changed(f"member-codec-{codec}", "CHAIN", entry[0] + 6, bytes([codec]))
    for i, name in ((0, "raw"), (2, "zstd")):
        yield changed(f"{name}-structure", "CHAIN", entry[i] + 7, b"\x01")
        yield changed(f"{name}-field", "CHAIN", entry[i] + 8, b"\x01")
    for structure in (0, 6, 255):
        yield changed(f"levels-structure-{structure}", "CHAIN", entry[1] + 7, bytes([structure]))
    for field in (0, 1, 2, 3, 8, 255):
        yield changed(f"levels-field-{field}", "CHAIN", entry[1] + 8, bytes([field]))
    # bytes or halves of them as weights, other structures
    yield changed("levels-as-nibbles", "GEOMETRY", entry[1] + 8, bytes([FIELDS["nibble"][0]]))
    start = 44 + stored[0]
    yield changed("levels-weights", "GEOMETRY", start, u32(29))
    yield changed("levels-reserved", "PADDING", start + 29, b"\x01")
    yield changed("zstd-magic", "ZSTD", 44 + stored[0] + stored[1], b"\0")
    yield "split-zstd-of-other-size", "ZSTD", good, flipped(good.stored, 44 + stored[0] + stored[1] + 5, 1)
    over = (SPLIT_LEVELS_MAX // 64 + 1) * 64
    large = codecs.split([(64, CODECS["LEVELS"], 3, FIELDS["i8"][0], levels(3, "i8", [0] * over))])
    yield "split-levels-too-large", "CHAIN", Tile(("SPLIT",), large, bytes(over)), large
    half = levels(3, "nibble", [0] * 2 * SPLIT_LEVELS_MAX)
    large = codecs.split([(64, CODECS["LEVELS"], 3, FIELDS["nibble"][0], half)])
    yield "split-nibbles-too-many", "GEOMETRY", Tile(("SPLIT",), large, bytes(SPLIT_LEVELS_MAX)), large
