# SPDX-License-Identifier: BSD-3-Clause
"""The golden containers: a function for each, which gives its bytes and what is in it."""
from . import cases, codecs, tiles
from .cases_delta import delta_tile, tuned
from .cases_grid import KINDS, grid_tile
from .cases_split import made, split_tile
from .container import BLOCKS, DTYPES, Builder, File, Object, Tile, copy, raw
from .delta import DELTA_FIELDS
from .streams import FIELDS, STRUCTURES

ELEMENTS = {number: "u8" if field == "nibble" else field for field, (number, *_) in FIELDS.items()}


def dtype_of(tile):
    """A dtype that the tile's elements have; only its size matters."""
    if tile.chain[0] == "GRID":
        return ELEMENTS[tile.stored[16]]
    if tile.chain[0] == "SPARSE":
        return {1: "u8", 2: "u16", 4: "u32"}[tile.stored[4]]
    return ELEMENTS.get(tile.field, "u8") if tile.chain[0] in ("LEVELS", "DELTA") else "u8"


def tensor(name, tile):
    dtype = dtype_of(tile)
    size = {"u8": 1, "u16": 2, "u32": 4}.get(dtype) or FIELDS[dtype][3]
    return Object([tile], name, dtype, (len(tile.decoded) // size,))


def fits(tile):
    return 0 < len(tile.stored) <= len(tile.decoded) + 64


def one_file(objects):
    return [File("model.bin", objects)], objects


def of_tiles(generators, prefix):
    """A tensor for each sound case whose name begins so."""
    named = [(name, tile) for generate in generators for name, tile in generate() if name.startswith(prefix)
             and len(tile.decoded) <= 4096 and fits(tile)]
    return one_file([tensor(name, tile) for name, tile in named])


def levels(structure):
    """Each field: all mantissa bits, none, and one number between."""
    random, objects = tiles.Random(structure), []
    for field, (_, _, mantissa, _) in FIELDS.items():
        most = min(mantissa, 8 - STRUCTURES[structure][0]) if field == "i8" else mantissa
        for kept in sorted({0, mantissa // 2, most}):
            values = tiles.elements(random, field, 130 if field == "nibble" else 129, kept)
            tile = tiles.levels_tile(structure, field, values, kept)
            if not fits(tile):  # a few symbols only, without any that goes on to the next level
                tile = tiles.levels_tile(structure, field, (values[:1] * 2 + values[1:3]) * 32, kept)
            assert fits(tile), (structure, field, kept)
            objects.append(tensor(f"{field}-kept{kept}", tile))
    return one_file(objects)


def grids():
    """Each kind, field and inner codec, of integers that are worth it."""
    random, objects = tiles.Random(18), []
    for kind, name in KINDS.items():
        for field in ("bf16", "f16", "f32"):
            for turn, inner in enumerate(("RAW", *((structure, "i8") for structure in STRUCTURES), (3, "nibble"))):
                tile = grid_tile(kind, field, 64, 300, inner, random, 3, bits=3, coded=(turn == 1, turn == 2),
                                 through=("bf16", "f16", "f32")[turn % 3])
                assert fits(tile)
                inner = inner if inner == "RAW" else tiles.STRUCTURE_NAMES[inner[0]] + "-" + inner[1]
                objects.append(tensor(f"{name}-{field}-{inner}", tile))
    return one_file(objects)


def full_tiles():
    """Tiles of 256 KiB, of which few bytes differ: a file like any other once it is compressed."""
    few = tiles.Random(15).bytes(24)
    data = few * (tiles.TILE_MAX // 24) + few[:tiles.TILE_MAX % 24]
    values = tiles.elements(tiles.Random(16), "bf16", 8)
    return one_file([tensor("raw", raw(data)), tensor("levels", tiles.levels_tile(3, "bf16", values * (1 << 14))),
                     tensor("const", Tile(("CONST",), few[:8], few[:8] * (1 << 15))),
                     tensor("zstd", Tile(("ZSTD",), codecs.zstd(bytes(tiles.TILE_MAX)), bytes(tiles.TILE_MAX)))])


def copies():
    first = tiles.levels_tile(3, "bf16", tiles.elements(tiles.Random(9), "bf16", 100))
    second = raw(tiles.Random(10).bytes(200))
    return one_file([Object([first, second], "a", "bf16", (200,), 200), Object([copy(first)], "b", "bf16", (100,)),
                     Object([copy(second), copy(first)], "c", "bf16", (200,), 200)])


def directories():
    """Names, modes, an empty directory, an empty file, files that share an object."""
    text = Object([raw(b"some text\n")])
    numbers = Object([raw(bytes(range(200)))], "numbers", "u8", (200,))
    return [File("a", None, 0o755), File("a/b", None, 0o700), File("a/empty", None, 0o555), File("a/b/x.bin", [numbers], 0o400),
            File("a/b/y.txt", [text], 0o755), File("a-file", [text], 0o600),
            File("a/.b", [text]), File("a/bc", [text]), File("nothing", (), 0o644),
            File("\u00fcml\u00e4ut", [text]), File("part", [(numbers, 10, 50), text, (numbers, 0, 5)]),
            File("z" * 255, [text]), File("~", [text])], [text, numbers]


def literals():
    """A tensor at an odd byte between literals, and one that two extents take apart."""
    random = tiles.Random(12)
    head, tail = Object([raw(b"odd")]), Object([Tile(("CONST",), b"\0", bytes(1000))])
    weights = tensor("w", tiles.levels_tile(3, "bf16", tiles.elements(random, "bf16", 300)))
    return [File("odd.bin", [head, weights, tail]), File("split.bin", [(weights, 0, 301), head, (weights, 301, 299)])], \
        [head, weights, tail]


def many_tiles():
    """Rows in tiles, the last one ragged, so many that the tables of tiles and names take several blocks."""
    random, parts = tiles.Random(13), []
    for i in range(140):
        parts.append(raw(random.bytes(64 if i < 139 else 10)))
    rows = Object(parts, "rows", "i8", (139 * 64 + 10,), 64)
    named = [Object([Tile(("CONST",), b"\x01", b"\x01" * 8)], "n" * 500 + str(i), "u8", (8,)) for i in range(10)]
    # a row of more than a tile is cut at a multiple of 64 elements
    values = tiles.elements(random, "bf16", 1000)
    parts = [tiles.levels_tile(2, "bf16", values[i:i + 448]) for i in range(0, 1000, 448)]
    return one_file([rows, *named, Object(parts, "long-row", "bf16", (1, 1000), 896)])


def shapes():
    """Tensors without elements and without dimensions, and all dtypes."""
    objects = [Object([], "none", "f32", (0,)), Object([], "none-of-three", "bf16", (3, 0, 2)),
               Object([raw(b"\x01\x02\xc0\x7f")], "scalar", "f32"),
               Object([raw(bytes(range(128)))], "eight", "u8", (2, 2, 2, 2, 2, 2, 2, 1))]
    objects += [Object([raw(tiles.Random(size).bytes(6 * size))], dtype, dtype, (2, 3))
                for dtype, (count, size) in BLOCKS.items() if count == 1 and dtype != "bytes"]
    objects.append(Object([raw(bytes(8))], "of-bytes", "bytes", (8,)))
    return one_file(objects)


def blocks():
    """Each dtype of blocks, two rows of three; those that models are made of by SPLIT."""
    random, objects = tiles.Random(21), []
    for dtype, (count, size) in BLOCKS.items():
        if count > 1:
            objects.append(Object([raw(random.bytes(6 * size))], dtype, dtype, (2, 3 * count)))
    for dtype, sizes, codings in (("q4_0", (1, 1, 16), ("RAW", (3, "i8"), (3, "nibble"))),
                                  ("q8_0", (1, 1, 32), ("RAW", (2, "i8"), (5, "e4m3"))),
                                  ("q6_k", (128, 64, 16, 1, 1), ("RAW", "ZSTD", (4, "e4m3"), "RAW", "ZSTD")),
                                  ("mxfp4", (1, 16), ((1, "i8"), (3, "nibble")))):
        parts = [made(sizes, codings, count, random) for count in (80, 80, 70)]
        assert all(map(fits, parts)), dtype
        objects.append(Object(parts, f"split-{dtype}", dtype, (230, BLOCKS[dtype][0])))
    # the same three times: RAW, SPLIT and its COPY
    tile = split_tile((1, 1, 16), ("RAW", "ZSTD", "RAW"), bytes(18 * 64))
    objects.append(Object([tile, copy(tile)], "copied", "q4_0", (128, 32)))
    return one_file(objects)


def delta():
    """Each field against a base: tiles that differ, that are equal, of which one is a COPY, and a COPY of a DELTA."""
    random, before, after = tiles.Random(22), [], []
    for field in DELTA_FIELDS:
        values = tiles.elements(random, field, 300)
        old = tiles.levels_tile(3, field, values)
        old = old if fits(old) else raw(old.decoded)
        again, changed = copy(old), delta_tile(field, values, tuned(random, field, values))
        changed.against = old
        equal = Tile(("DELTA",), b"", old.decoded, against=again)
        of_copy = delta_tile(field, values, tuned(random, field, values), firsts=(0, 2, 120))
        of_copy.against = again
        dtype, width = ELEMENTS[FIELDS[field][0]], len(old.decoded)
        before.append(Object([old, again], field, dtype, (600,), width))
        after.append(Object([changed, equal, of_copy, copy(changed)], field, dtype, (1200,), width))
    after.append(Object([raw(b"not in the base")], "other", "u8", (15,)))
    return one_file(before), one_file(after)


def two_generations():
    random = tiles.Random(14)
    first, second, third = (raw(random.bytes(100)) for _ in range(3))

    def content(last):
        objects = [Object([first], "kept", "u8", (100,)), Object([last], "changed", "u8", (100,))]
        return one_file(objects)

    before = Builder(*content(second))
    return Builder(*content(third), data=before.data, generation=2, kept=before.places), content(third)[0]


def empty():
    return [], []


def containers():
    """Name, bytes and files of each."""
    plain = {"empty": empty(), "copies": copies(), "directories": directories(), "literals": literals(),
             "many-tiles": many_tiles(), "shapes": shapes(),
             "full-tiles": full_tiles(), "grids": grids(), "blocks": blocks()}
    for structure, name in tiles.STRUCTURE_NAMES.items():
        plain[f"levels-{name}"] = levels(structure)
    for generate in cases.SOUND:
        if generate not in (cases.sound_levels, cases.sound_delta):
            prefixes = sorted({name.split("-")[0] for name, _ in generate()})
            for prefix in prefixes:
                plain[prefix] = of_tiles([generate], prefix + "-")
    for name, (files, objects) in sorted(plain.items()):
        yield name, bytes(Builder(files, objects).data), files
    before, after = delta()
    base = Builder(*before)
    yield "delta-base", bytes(base.data), before[0]
    yield "delta", bytes(Builder(*after, base=base).data), after[0]
    builder, files = two_generations()
    yield "two-generations", bytes(builder.data), files
