# SPDX-License-Identifier: BSD-3-Clause
"""
What the views of a container must hold, from its tables and the original files alone.

expected.py arena MODEL.lwc DIR OUT.arena   bytes of the ARENA view, sparse
expected.py files MODEL.lwc OUT.files       lines "index kind size name" of the FILES table
expected.py corrupt MODEL.lwc OUT.lwc OUT.info
    a copy with one bit of a LEVELS tile flipped, and what the tile covers, as key=value lines
"""
import os
import struct
import sys

FILES, EXTENTS, OBJECTS, TILES, DEPS, NAMES = range(6)
FORMS = ("<QIHHQQQ32s", "<QQQQ", "<QIHH8QQQQQII32s", "<QII4sB3sQ", "<16s32s", "<B")
NO_ARENA = 2**64 - 1
LEVELS = 4
KINDS = {1: "file", 2: "directory"}


class Container:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        slots = [s for s in (0, 4096) if self.data[s:s + 8] == b"\x89LWC\r\n\x1a\n" and self.generation(s)]
        self.slot = max(slots, key=self.generation)
        self.arena_size = struct.unpack_from("<Q", self.data, self.slot + 88)[0]
        self.files = list(self.table(FILES))
        self.extents = list(self.table(EXTENTS))
        self.objects = list(self.table(OBJECTS))
        self.tiles = list(self.table(TILES))

    def generation(self, slot):
        return struct.unpack_from("<Q", self.data, slot + 16)[0]

    def table(self, table):
        offset, count, size, _ = struct.unpack_from("<QQII", self.data, self.slot + 104 + 24 * table)
        assert size == struct.calcsize(FORMS[table]), (table, size)
        per_block = 4064 // size
        for i in range(count):
            at = offset + i // per_block * 4096 + 32 + i % per_block * size
            yield struct.unpack_from(FORMS[table], self.data, at)

    def name(self, offset, length):
        base = struct.unpack_from("<Q", self.data, self.slot + 104 + 24 * NAMES)[0]
        return bytes(self.data[base + i // 4064 * 4096 + 32 + i % 4064]
                     for i in range(offset, offset + length))

    def file_name(self, index):
        return self.name(*self.files[index][:2])

    def extents_of(self, index):
        first, count = self.files[index][5:7]
        return self.extents[first:first + count]


class Object:
    def __init__(self, entry):
        self.name_at, self.name_length, self.dtype = entry[0], entry[1], entry[2]
        self.size, self.arena, self.tile_first, self.tile_count, self.tile_bytes = entry[12:17]


def write_sparse(out, offset, data):
    for at in range(0, len(data), 4096):
        page = data[at:at + 4096]
        if any(page):
            out.seek(offset + at)
            out.write(page)


def arena(container, directory, path):
    covered = {}
    with open(path, "wb") as out:
        out.truncate(container.arena_size)
        for index, file in enumerate(container.files):
            if KINDS[file[2]] != "file":
                continue
            with open(os.path.join(os.fsencode(directory), container.file_name(index)), "rb") as f:
                original = f.read()
            for file_offset, length, number, object_offset in container.extents_of(index):
                tensor = Object(container.objects[number])
                if tensor.arena == NO_ARENA:
                    continue
                data = original[file_offset:file_offset + length]
                assert len(data) == length
                write_sparse(out, tensor.arena + object_offset, data)
                covered[number] = covered.get(number, 0) + length
    for number, entry in enumerate(container.objects):
        tensor = Object(entry)
        assert tensor.arena == NO_ARENA or covered.get(number, 0) == tensor.size, number


def files(container, path):
    with open(path, "wb") as out:
        for index, file in enumerate(container.files):
            out.write(b"%d %s %d %s\n" % (index, KINDS[file[2]].encode(), file[4],
                                          container.file_name(index)))


def middle_levels_tile(container):
    """Object number and tile index of a LEVELS tile with neighbours, in the middle of the model."""
    fit = [i for i, entry in enumerate(container.objects)
           if Object(entry).arena != NO_ARENA and Object(entry).tile_count >= 3 and
           container.tiles[Object(entry).tile_first + 1][3][0] == LEVELS]
    number = fit[len(fit) // 2]
    return number, Object(container.objects[number]).tile_count // 2


def corrupt(container, path, info):
    number, tile = middle_levels_tile(container)
    tensor = Object(container.objects[number])
    stored_at, stored = container.tiles[tensor.tile_first + tile][:2]
    start = tile * tensor.tile_bytes
    length = min(tensor.tile_bytes, tensor.size - start)
    place = [(index, e) for index in range(len(container.files))
             for e in container.extents_of(index)
             if e[2] == number and e[3] <= start and start + length <= e[3] + e[1]]
    index, extent = place[0]
    flipped = stored_at + stored // 2
    data = bytearray(container.data)
    data[flipped] ^= 0x10
    with open(path, "wb") as out:
        out.write(data)
    with open(info, "w") as out:
        for key, value in (
                ("tensor", container.name(tensor.name_at, tensor.name_length).decode()),
                ("tile", tile), ("table_tile", tensor.tile_first + tile),
                ("arena_start", tensor.arena + start), ("arena_end", tensor.arena + start + length),
                ("file", index), ("file_start", extent[0] + start - extent[3]),
                ("file_end", extent[0] + start - extent[3] + length), ("flipped", flipped)):
            out.write("%s=%s\n" % (key, value))


def main(arguments):
    container = Container(arguments[1])
    {"arena": arena, "files": files, "corrupt": corrupt}[arguments[0]](container, *arguments[2:])


if __name__ == "__main__":
    main(sys.argv[1:])
