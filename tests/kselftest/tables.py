# SPDX-License-Identifier: BSD-3-Clause
"""Containers from tables as they are given, right or not: no packer writes these."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
from hostile_container import crc32c  # noqa: E402

UUID = bytes(range(16))
BLOCK, PAYLOAD = 4096, 4064
SIZES = (72, 32, 152, 32, 48, 1)  # of entries: files, extents, objects, tiles, deps, names
CONST, U8 = 2, 8


def blocks(number, entries):
    """A table's metadata blocks."""
    per_block = PAYLOAD // SIZES[number]
    out = []
    for index, first in enumerate(range(0, len(entries), per_block)):
        part = entries[first:first + per_block]
        body = struct.pack("<IQ16s", number, index, UUID)
        body += (part if number == 5 else b"".join(part)).ljust(PAYLOAD, b"\0")
        out.append(struct.pack("<I", crc32c(body)) + body)
    return b"".join(out)


def const_tile(offset, byte):
    """The entry of a tile that repeats this byte, which is stored at offset."""
    return struct.pack("<QII4sB3sQ", offset, 1, crc32c(byte), bytes([CONST, 0, 0, 0]), 0, b"", 0)


def literal(size, tile_bytes, tile_first=0):
    return struct.pack("<QIHH8QQQQQII32s", 0, 0, 0, 0, *[0] * 8, size, 2**64 - 1, tile_first,
                       -(-size // tile_bytes), tile_bytes, 0, b"")


def tensor_of_bytes(name_length, size, tile_bytes, arena):
    """Its name is the first in NAMES."""
    return struct.pack("<QIHH8QQQQQII32s", 0, name_length, U8, 1, size, *[0] * 7, size, arena, 0,
                       -(-size // tile_bytes), tile_bytes, 0, b"")


def write(out, payload, tables, original, arena=0, weights=0):
    """tables: number -> entries. payload lies behind the superblocks."""
    data = payload.ljust(-(-len(payload) // BLOCK) * BLOCK, b"\0")
    refs = b""
    for number, size in enumerate(SIZES):
        entries = tables.get(number, b"")
        refs += struct.pack("<QQII", 2 * BLOCK + len(data) if entries else 0, len(entries), size, 0)
        data += blocks(number, entries)
    body = struct.pack("<Q16sQQQQQQQII", 1, UUID, 0, 0, 0, 2 * BLOCK + len(data), original, weights, arena, 64, 0)
    body = (body + refs).ljust(BLOCK - 16, b"\0")
    with open(out, "wb") as file:
        file.write((b"\x89LWC\r\n\x1a\n" + struct.pack("<II", crc32c(body), 1) + body).ljust(2 * BLOCK, b"\0"))
        file.write(data)
