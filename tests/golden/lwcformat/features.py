# SPDX-License-Identifier: BSD-3-Clause
"""The golden containers: a function for each, which gives its bytes and what is in it."""
from . import cases, codecs
from .container import Builder, File, Object, Tile, copy, raw

ELEMENTS = {number: (field if field != "byte" else "u8") for field, (number, *_) in codecs.FIELDS.items()}


def dtype_of(tile):
    """A dtype that the tile's elements have; only its size matters."""
    if tile.chain[0] == "GRID":
        return ELEMENTS[tile.stored[12]]
    if tile.chain[0] == "SPARSE":
        return {1: "u8", 2: "u16", 4: "u32"}[tile.stored[4]]
    return ELEMENTS[tile.field] if tile.chain[0] == "LEVELS" else "u8"


def tensor(name, tile):
    dtype = dtype_of(tile)
    size = {"u8": 1, "u16": 2, "u32": 4}.get(dtype) or codecs.FIELDS[dtype][3]
    return Object([tile], name, dtype, (len(tile.decoded) // size,))


def fits(tile):
    return 0 < len(tile.stored) <= len(tile.decoded) + 64


def one_file(objects):
    return [File("model.bin", objects)], objects


def of_tiles(generators, prefix):
    """A tensor for each sound case whose name begins so."""
    tiles = [(name, tile) for generate in generators for name, tile in generate() if name.startswith(prefix)
             and len(tile.decoded) <= 4096 and fits(tile)]
    return one_file([tensor(name, tile) for name, tile in tiles])


def levels(structure):
    """Each field: all mantissa bits, none, and one number between."""
    random, objects = cases.Random(structure), []
    for field, (_, _, mantissa, _) in codecs.FIELDS.items():
        for kept in sorted({mantissa} if field in ("i8", "byte") else {0, mantissa // 2, mantissa}):
            values = cases.elements(random, field, 129, kept)
            tile = cases.levels_tile(structure, field, values, kept)
            if not fits(tile):  # a few symbols only, without any that goes on to the next level
                tile = cases.levels_tile(structure, field, (values[:1] * 2 + values[1:3]) * 32, kept)
            assert fits(tile), (structure, field, kept)
            objects.append(tensor(f"{field}-kept{kept}", tile))
    return one_file(objects)


def grids():
    """Each kind, field and inner codec, of integers that are worth it."""
    random, objects = cases.Random(18), []
    for kind, name in ((codecs.PRODUCT, "product"), (codecs.AFFINE, "affine")):
        for field in ("bf16", "f16", "f32"):
            for inner in ("RAW", *((structure, "i8") for structure in codecs.STRUCTURES), (3, "byte")):
                tile = cases.grid_tile(kind, field, 64, 300, inner, random, 3, bits=3)
                assert fits(tile)
                inner = inner if inner == "RAW" else cases.STRUCTURE_NAMES[inner[0]] + "-" + inner[1]
                objects.append(tensor(f"{name}-{field}-{inner}", tile))
    return one_file(objects)


def full_tiles():
    """Tiles of 256 KiB, of which few bytes differ: a file like any other once it is compressed."""
    few = cases.Random(15).bytes(24)
    data = few * (cases.TILE_MAX // 24) + few[:cases.TILE_MAX % 24]
    values = cases.elements(cases.Random(16), "bf16", 8)
    return one_file([tensor("raw", raw(data)), tensor("levels", cases.levels_tile(3, "bf16", values * (1 << 14))),
                     tensor("const", Tile(("CONST",), few[:8], few[:8] * (1 << 15))),
                     tensor("zstd", Tile(("ZSTD",), codecs.zstd(bytes(cases.TILE_MAX)), bytes(cases.TILE_MAX)))])


def copies():
    first = cases.levels_tile(3, "bf16", cases.elements(cases.Random(9), "bf16", 100))
    second = raw(cases.Random(10).bytes(200))
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
    random = cases.Random(12)
    head, tail = Object([raw(b"odd")]), Object([Tile(("CONST",), b"\0", bytes(1000))])
    weights = tensor("w", cases.levels_tile(3, "bf16", cases.elements(random, "bf16", 300)))
    return [File("odd.bin", [head, weights, tail]), File("split.bin", [(weights, 0, 301), head, (weights, 301, 299)])], \
        [head, weights, tail]


def many_tiles():
    """Rows in tiles, the last one ragged, so many that the tables of tiles and names take several blocks."""
    random, tiles = cases.Random(13), []
    for i in range(140):
        tiles.append(raw(random.bytes(64 if i < 139 else 10)))
    rows = Object(tiles, "rows", "i8", (139 * 64 + 10,), 64)
    named = [Object([Tile(("CONST",), b"\x01", b"\x01" * 8)], "n" * 500 + str(i), "u8", (8,)) for i in range(10)]
    # a row of more than a tile is cut at a multiple of 64 elements
    values = cases.elements(random, "bf16", 1000)
    parts = [cases.levels_tile(2, "bf16", values[i:i + 448]) for i in range(0, 1000, 448)]
    return one_file([rows, *named, Object(parts, "long-row", "bf16", (1, 1000), 896)])


def shapes():
    """Tensors without elements and without dimensions, and all dtypes."""
    from .container import DTYPES
    objects = [Object([], "none", "f32", (0,)), Object([], "none-of-three", "bf16", (3, 0, 2)),
               Object([raw(b"\x01\x02\xc0\x7f")], "scalar", "f32"),
               Object([raw(bytes(range(128)))], "eight", "u8", (2, 2, 2, 2, 2, 2, 2, 1))]
    objects += [Object([raw(cases.Random(size).bytes(6 * size))], dtype, dtype, (2, 3))
                for dtype, (_, size) in DTYPES.items() if dtype != "bytes"]
    objects.append(Object([raw(bytes(8))], "of-bytes", "bytes", (8,)))
    return one_file(objects)


def two_generations():
    random = cases.Random(14)
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
             "full-tiles": full_tiles(), "grids": grids()}
    for structure, name in cases.STRUCTURE_NAMES.items():
        plain[f"levels-{name}"] = levels(structure)
    for generate in cases.SOUND:
        if generate is not cases.sound_levels:
            prefixes = sorted({name.split("-")[0] for name, _ in generate()})
            for prefix in prefixes:
                plain[prefix] = of_tiles([generate], prefix + "-")
    for name, (files, objects) in sorted(plain.items()):
        yield name, bytes(Builder(files, objects).data), files
    builder, files = two_generations()
    yield "two-generations", bytes(builder.data), files
