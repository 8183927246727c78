# SPDX-License-Identifier: BSD-3-Clause
"""
Change fields of a container by name; its checksums are made right again.

  superblock.version=1  slot1.incompat=0x10  superblock.tables[3].count=5     slot 0 or 1
  files[0].mode=0x1000  objects[2].shape[1]+1  tiles[0].chain[1]=4            entries; = + - ^
  files[1].name=a/../b                                                        and name_length; \\0 is a NUL
  block[files][0].index=1                                                     header of a metadata block
  payload[3].u32[4]=7   payload[3].u8[-1]^0x80                                stored bytes of a tile
  raw[50]^1  raw[names:50]^1  truncate=100      a byte of the file or of a table; last, nothing is made right
"""
import re
import struct

from .container import (BLOCK, BLOCK_HEADER, ENTRIES, PAYLOAD, SUPERBLOCK, TABLE_REF, TABLE_REFS, TABLES)
from .crc import crc32c

EDIT = re.compile(r"(?P<target>[^=^]*?)(?P<operator>[=^]|[+-](?=[0-9]+$))(?P<value>.*)")
PART = re.compile(r"(\w+)((?:\[[^\]]*\])*)")
SIZES = {"B": 1, "H": 2, "I": 4, "Q": 8}
WORDS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q"}


class Image:
    def __init__(self, data):
        self.data = bytearray(data)
        self.blocks, self.slots, self.tiles = set(), set(), set()
        newest = max((0, BLOCK), key=lambda slot: struct.unpack_from("<Q", data, slot + 16)[0])
        self.refs = [struct.unpack_from("<QQ", data, newest + TABLE_REFS + 24 * i) for i in range(len(TABLES))]

    def entry(self, table, index):
        """Where an entry is, and its block."""
        size = ENTRIES[table][0]
        block = self.refs[TABLES.index(table)][0] + index // (PAYLOAD // size) * BLOCK
        return block + 32 + index % (PAYLOAD // size) * size, block

    def read(self, form, at):
        return struct.unpack_from("<" + form, self.data, at)[0]

    def locate(self, target):
        """Form and place of what is named."""
        parts = [(name, re.findall(r"\[([^\]]*)\]", indexes)) for name, indexes in PART.findall(target)]
        (first, indexes), field = parts[0], parts[-1]
        if first in ("superblock", "slot1"):
            start, fields = BLOCK * (first == "slot1"), SUPERBLOCK
            self.slots.add(start)
            if parts[1][0] == "tables":
                start, fields = start + TABLE_REFS + 24 * int(parts[1][1][0]), TABLE_REF
        elif first == "block":
            start, fields = self.refs[TABLES.index(indexes[0])][0] + BLOCK * int(indexes[1]), BLOCK_HEADER
            self.blocks.add(start)
        elif first == "payload":
            entry, _ = self.entry("tiles", int(indexes[0]))
            self.tiles.add(int(indexes[0]))
            offset, stored = struct.unpack_from("<QI", self.data, entry)
            at = int(field[1][0])
            return WORDS[field[0]], offset + (at if at >= 0 else stored + at)
        else:
            start, block = self.entry(first, int(indexes[0]))
            self.blocks.add(block)
            fields = ENTRIES[first][1]
        offset, form, _ = fields[field[0]]
        return form, start + offset + (int(field[1][0]) * SIZES[form] if field[1] else 0)

    def rename(self, table, index, text):
        entry, block = self.entry(table, index)
        data = text.encode().replace(b"\\0", b"\0")
        for i, byte in enumerate(data):
            at, names = self.entry("names", self.read("Q", entry) + i)
            self.data[at] = byte
            self.blocks.add(names)
        struct.pack_into("<I", self.data, entry + 8, len(data))
        self.blocks.add(block)

    def change(self, target, operator, value):
        renamed = re.fullmatch(r"(\w+)\[(\d+)\]\.name", target)
        if renamed:
            return self.rename(renamed[1], int(renamed[2]), value)
        form, at = self.locate(target)
        number, before = int(value, 0), self.read(form, at)
        number = {"=": number, "+": before + number, "-": before - number, "^": before ^ number}[operator]
        struct.pack_into("<" + form, self.data, at, number % (1 << 8 * SIZES[form]))

    def repair(self):
        for tile in self.tiles:
            entry, block = self.entry("tiles", tile)
            offset, stored = struct.unpack_from("<QI", self.data, entry)
            struct.pack_into("<I", self.data, entry + 12, crc32c(self.data[offset:offset + stored]))
            self.blocks.add(block)
        for block in self.blocks:
            struct.pack_into("<I", self.data, block, crc32c(self.data[block + 4:block + BLOCK]))
        for slot in self.slots:
            struct.pack_into("<I", self.data, slot + 8, crc32c(self.data[slot + 16:slot + BLOCK]))


def apply(data, edits):
    """data with the edits, separated by spaces."""
    image, last = Image(data), []
    for edit in edits.split():
        match = EDIT.fullmatch(edit)
        assert match, edit
        if match["target"].startswith(("raw", "truncate")):
            last.append(match)
        else:
            image.change(match["target"], match["operator"], match["value"])
    image.repair()
    for match in last:
        number = int(match["value"], 0)
        if match["target"] == "truncate":
            del image.data[number:]
        else:
            table, _, at = match["target"][4:-1].rpartition(":")
            at = int(at) + (image.refs[TABLES.index(table)][0] if table else 0)
            image.data[at] = image.data[at] ^ number if match["operator"] == "^" else number
    return bytes(image.data)
