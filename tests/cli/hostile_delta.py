# SPDX-License-Identifier: BSD-3-Clause
"""
hostile_delta.py --damage IN.lwc TENSOR NTH OUT.lwc: IN with a byte of tile NTH of the tensor changed.
hostile_delta.py GOOD.lwc BASE.lwc DIR: containers like GOOD, which depends on BASE, with one lie each and their crcs made
right again. DIR/NAME.base, where it is: a base that lies, for NAME.lwc.
"""
import os
import struct
import sys

from hostile_container import DEPS, NAMES, OBJECTS, TABLES, TILES, Container, crc32c, write

DELTA, COPY = 10, 6
OBJECT_TILES = 96  # of tile_first in an object


def tiles(good, wanted):
    """Indices of tiles that are wanted(codec, stored bytes)."""
    for i in range(good.get("Q", TABLES + 24 * TILES + 8)):
        if wanted(good.read(TILES, i, 16, "B"), good.read(TILES, i, 8, "I")):
            yield i


def payload(container, tile, at, byte):
    """Change one stored byte of a tile, and its crc."""
    offset, stored = container.read(TILES, tile, 0, "Q"), container.read(TILES, tile, 8, "I")
    container.data[offset + at % stored] = byte
    container.entry(TILES, tile, 12, "I", crc32c(container.data[offset:offset + stored]))


def lies(good, base):
    full = next(tiles(good, lambda codec, stored: codec == DELTA and 100 < stored < 5000))
    equal = next(tiles(good, lambda codec, stored: codec == DELTA and not stored))
    last = base.get("Q", TABLES + 24 * TILES + 8)

    def make(*changes):
        container = Container(good.data)
        for function, *arguments in changes:
            function(container, *arguments)
        return container.data

    def entry(tile, at, form, value):
        return Container.entry, TILES, tile, at, form, value

    yield "base-uuid", make((Container.entry, DEPS, 0, 0, "B", good.read(DEPS, 0, 0, "B") ^ 1))
    yield "base-hash", make((Container.entry, DEPS, 0, 16, "B", good.read(DEPS, 0, 16, "B") ^ 1))
    yield "deps-count", make((Container.superblock, "Q", TABLES + 24 * DEPS + 8, 2))
    yield "deps-65", make((Container.superblock, "Q", TABLES + 24 * DEPS + 8, 65))
    yield "deps-none", make((Container.superblock, "Q", TABLES + 24 * DEPS + 8, 0))
    yield "no-feature", make((Container.superblock, "Q", 56, good.get("Q", 56) & ~(1 << 6)))
    for name, tile in (("full", full), ("equal", equal)):
        yield f"{name}-ref-end", make(entry(tile, 24, "Q", last))
        yield f"{name}-ref-huge", make(entry(tile, 24, "Q", 2**64 - 1))
        yield f"{name}-ref-other", make(entry(tile, 24, "Q", (good.read(TILES, tile, 24, "Q") + 1) % last))
        yield f"{name}-base", make(entry(tile, 22, "B", 1))
        yield f"{name}-reserved", make(entry(tile, 23, "B", 1))
        yield f"{name}-inner", make(entry(tile, 17, "B", 1))
        yield f"{name}-param", make(entry(tile, 20, "B", 1))
        yield f"{name}-9", make(entry(tile, 16, "B", 9))
    yield "full-field", make(entry(full, 21, "B", 8))
    yield "full-no-field", make(entry(full, 21, "B", 0))
    yield "full-other-field", make(entry(full, 21, "B", 3 if good.read(TILES, full, 21, "B") != 3 else 1))
    yield "full-no-bytes", make(entry(full, 8, "I", 0))
    yield "equal-field", make(entry(equal, 21, "B", 1))
    yield "equal-offset", make(entry(equal, 0, "Q", 8192))
    yield "equal-crc", make(entry(equal, 12, "I", 1))
    yield "equal-raw", make(entry(equal, 16, "B", 1))
    yield "equal-copied", make(entry(equal, 16, "B", COPY))
    for at, byte in ((0, 255), (3, 255), (4, 0), (4, 9), (4, 255), (7, 1), (8, 1), (9, 255), (10, 255), (11, 255),
                     (40, 255), (-1, 255), (-2, 255)):
        changed = make((payload, full, at, byte))
        if changed != good.data:
            yield f"payload-{at}-{byte}", changed
    stored = good.read(TILES, full, 8, "I")
    for length in (1, 7, 8, 20, stored // 2, stored - 1):
        container = Container(good.data)
        offset = container.read(TILES, full, 0, "Q")
        container.entry(TILES, full, 8, "I", length)
        container.entry(TILES, full, 12, "I", crc32c(container.data[offset:offset + length]))
        yield f"stored-{length}", container.data


def bases(good, base):
    """(name, base): the right uuid and hash, but a tile of it lies."""
    full = next(tiles(good, lambda codec, stored: codec == DELTA and 100 < stored < 5000))
    ref = good.read(TILES, full, 24, "Q")
    for name, at, form, value in (("is-delta", 16, "B", DELTA), ("codec", 16, "B", 99), ("crc", 12, "I", 1)):
        container = Container(base.data)
        container.entry(TILES, ref, at, form, value)
        yield name, container.data
    container = Container(base.data)
    payload(container, ref, 70, container.data[container.read(TILES, ref, 0, "Q") + 70] ^ 1)
    yield "content", container.data


def damage(source, tensor, nth, destination):
    """The nth of the tensor's tiles is not what its crc says any more."""
    container = Container(open(source, "rb").read())
    for i in range(container.get("Q", TABLES + 24 * OBJECTS + 8)):
        offset, length = container.read(OBJECTS, i, 0, "Q"), container.read(OBJECTS, i, 8, "I")
        name = bytes(container.read(NAMES, offset + j, 0, "B") for j in range(length))
        if name.decode() == tensor:
            tile = container.read(OBJECTS, i, OBJECT_TILES, "Q") + int(nth)
            container.data[container.read(TILES, tile, 0, "Q") + container.read(TILES, tile, 8, "I") // 2] ^= 4
            break
    else:
        sys.exit(f"{source} has no {tensor}")
    with open(destination, "wb") as out:
        out.write(container.data)


def main(good, base, directory):
    os.makedirs(directory)
    good, base = (Container(open(path, "rb").read()) for path in (good, base))
    for name, lie in lies(good, base):
        write(directory, name, lie)
    for name, lie in bases(good, base):
        write(directory, "base-" + name, good.data)
        with open(os.path.join(directory, f"base-{name}.base"), "wb") as out:
            out.write(lie)


if sys.argv[1] == "--damage":
    damage(*sys.argv[2:])
else:
    main(*sys.argv[1:])
