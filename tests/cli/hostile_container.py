# SPDX-License-Identifier: BSD-3-Clause
"""
hostile_container.py GOOD.lwc DIR: containers with one lie each, their crcs made right again.
hostile_container.py --loop GOOD.lwc DIR N: N seeded truncations and bit flips.
"""
import os
import random
import struct
import sys

FILES, EXTENTS, OBJECTS, TILES, DEPS, NAMES = range(6)
SIZES = (72, 32, 152, 32, 48, 1)
TABLES = 104  # of the first table_ref in the superblock
POLY = [0] * 256
for _i in range(256):
    _c = _i
    for _ in range(8):
        _c = _c >> 1 ^ (0x82F63B78 if _c & 1 else 0)
    POLY[_i] = _c


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ POLY[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


class Container:
    def __init__(self, data):
        self.data = bytearray(data)

    def get(self, form, at):
        return struct.unpack_from("<" + form, self.data, at)[0]

    def superblock(self, form, at, value):
        struct.pack_into("<" + form, self.data, at, value)
        struct.pack_into("<I", self.data, 8, crc32c(self.data[16:4096]))

    def place(self, table, index):
        per_block = 4064 // SIZES[table]
        block = self.get("Q", TABLES + 24 * table) + index // per_block * 4096
        return block, block + 32 + index % per_block * SIZES[table]

    def entry(self, table, index, at, form, value):
        block, start = self.place(table, index)
        struct.pack_into("<" + form, self.data, start + at, value)
        struct.pack_into("<I", self.data, block, crc32c(self.data[block + 4:block + 4096]))

    def read(self, table, index, at, form):
        return self.get(form, self.place(table, index)[1] + at)

    def name(self, index, text):
        offset = self.read(FILES, index, 0, "Q")
        for i, byte in enumerate(text):
            self.entry(NAMES, offset + i, 0, "B", byte)
        self.entry(FILES, index, 8, "I", len(text))


def lies(good):
    big = 2**63
    files = [good.read(FILES, i, 8, "I") for i in range(good.get("Q", TABLES + 8))]
    long_name = max(range(len(files)), key=lambda i: files[i])

    def make(function):
        container = Container(good.data)
        function(container)
        return container.data

    yield "magic", make(lambda c: c.data.__setitem__(0, 0))
    yield "superblock-crc", make(lambda c: c.data.__setitem__(50, c.data[50] ^ 1))
    yield "version", make(lambda c: c.superblock("I", 12, 9))
    yield "unknown-feature", make(lambda c: c.superblock("Q", 56, 1 << 60))
    yield "file-size-larger", make(lambda c: c.superblock("Q", 64, big))
    for table in (FILES, EXTENTS, OBJECTS, TILES, NAMES):
        ref = TABLES + 24 * table
        yield f"table-{table}-offset", make(lambda c: c.superblock("Q", ref, big))
        yield f"table-{table}-unaligned", make(lambda c: c.superblock("Q", ref, c.get("Q", ref) + 8))
        yield f"table-{table}-count", make(lambda c: c.superblock("Q", ref + 8, 2**64 - 1))
        yield f"table-{table}-entry-size", make(lambda c: c.superblock("I", ref + 16, 0))
    for at, form, value in ((0, "Q", big), (8, "I", 0xFFFFFFFF), (12, "H", 7), (16, "Q", big),
                            (24, "Q", big), (32, "Q", big)):
        yield f"file-{at}", make(lambda c: c.entry(FILES, 0, at, form, value))
    for at, value in ((0, 1), (8, big), (16, big), (24, big)):
        yield f"extent-{at}", make(lambda c: c.entry(EXTENTS, 0, at, "Q", value))
    for at, form, value in ((0, "Q", big), (8, "I", 0xFFFFFFFF), (12, "H", 99), (14, "H", 9),
                            (16, "Q", big), (80, "Q", big), (88, "Q", 5), (96, "Q", big),
                            (104, "Q", big), (112, "I", 0), (112, "I", 0xFFFFFFFF)):
        yield f"object-{at}-{value}", make(lambda c: c.entry(OBJECTS, 0, at, form, value))
    yield "object-hash", make(lambda c: c.entry(OBJECTS, 0, 120, "B", c.read(OBJECTS, 0, 120, "B") ^ 1))
    yield "file-hash", make(lambda c: c.entry(FILES, 0, 40, "B", c.read(FILES, 0, 40, "B") ^ 1))
    for at, form, value in ((0, "Q", big), (8, "I", 0), (8, "I", 0xFFFFFFFF), (12, "I", 1),
                            (16, "B", 0), (16, "B", 99), (16, "B", 6), (20, "B", 9), (24, "Q", 1)):
        yield f"tile-{at}-{value}", make(lambda c: c.entry(TILES, 0, at, form, value))
    for text in (b"..", b"../x", b"/etc/x", b"a//b", b"a/./b", b"a\0b", b"a/", b"."):
        yield "name-" + text.hex(), make(lambda c: c.name(long_name, text))
    yield "name-twice", make(lambda c: [c.entry(FILES, 1, at, form, c.read(FILES, 0, at, form))
                                        for at, form in ((0, "Q"), (8, "I"))])
    yield "empty-file", b""
    yield "only-superblocks", good.data[:8192]


def write(directory, name, data):
    with open(os.path.join(directory, name + ".lwc"), "wb") as out:
        out.write(data)


def loop(good, directory, count):
    seed = random.Random(11)
    for i in range(count):
        data = bytearray(good)
        if i % 4 == 0:
            data = data[:seed.randrange(len(data))]
        else:
            # half of the flips where the tables are: at the end
            start = 0 if i % 2 else len(data) - len(data) // 50
            at = seed.randrange(start, len(data))
            if i % 2 and i % 8 == 1:
                at = seed.randrange(160)
            data[at] ^= 1 << seed.randrange(8)
        write(directory, "%03d" % i, data)


def main(arguments):
    looping = arguments[0] == "--loop"
    good, directory = arguments[looping:looping + 2]
    os.makedirs(directory)
    with open(good, "rb") as file:
        data = file.read()
    if looping:
        loop(data, directory, int(arguments[3]))
    else:
        for name, lie in lies(Container(data)):
            write(directory, name, lie)


if __name__ == "__main__":
    main(sys.argv[1:])
