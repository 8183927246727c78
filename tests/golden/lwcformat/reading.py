# SPDX-License-Identifier: BSD-3-Clause
"""Read a container that is sound."""
import hashlib
import struct

from . import codecs
from .container import ENTRIES, TABLES
from .crc import crc32c
from .edits import Image

NAMES = {number: name for name, number in codecs.CODECS.items()}


def entries(image, table):
    size = ENTRIES[table][0]
    for index in range(image.refs[TABLES.index(table)][1]):
        at, _ = image.entry(table, index)
        yield bytes(image.data[at:at + size])


def tile(image, tiles, number, length):
    """Decoded bytes of a tile."""
    offset, stored, crc, chain, param, field, _, ref = struct.unpack("<QII4sBB2sQ", tiles[number])
    if chain[0] == codecs.CODECS["COPY"]:
        return tile(image, tiles, ref, length)
    data = bytes(image.data[offset:offset + stored])
    assert crc32c(data) == crc
    names = tuple(NAMES[codec] for codec in chain if codec)
    return codecs.decode(names, param, field, data, length)


def unlike(data):
    """Numbers of objects that have their sha256 and of those that do not; those in zstd are in neither."""
    image = Image(data)
    tiles, good, bad = list(entries(image, "tiles")), [], []
    for number, entry in enumerate(entries(image, "objects")):
        size, _, first, count, tile_bytes = struct.unpack_from("<QQQQI", entry, 80)
        try:
            decoded = [tile(image, tiles, first + i, min(tile_bytes, size - i * tile_bytes)) for i in range(count)]
        except codecs.Compressed:
            continue
        digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in decoded)).digest()
        (good if digest == entry[120:] else bad).append(number)
    return good, bad
