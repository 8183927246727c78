# SPDX-License-Identifier: BSD-3-Clause
"""Read a container that is sound."""
import hashlib
import struct

from . import codecs
from .container import ENTRIES, TABLES
from .crc import crc32c
from .edits import Image

NAMES = codecs.CODEC_NAMES


def entries(image, table):
    size = ENTRIES[table][0]
    for index in range(image.refs[TABLES.index(table)][1]):
        at, _ = image.entry(table, index)
        yield bytes(image.data[at:at + size])


def tile(image, tiles, number, length, base=None):
    """Decoded bytes of a tile; base: image and tiles."""
    offset, stored, crc, chain, param, field, _, ref = struct.unpack("<QII4sBB2sQ", tiles[number])
    if chain[0] == codecs.CODECS["COPY"]:
        return tile(image, tiles, ref, length, base)
    data = bytes(image.data[offset:offset + stored])
    assert crc32c(data) == (crc if stored else 0)
    names = tuple(NAMES[codec] for codec in chain if codec)
    old = tile(*base, ref, length) if names == ("DELTA",) else None
    return codecs.decode(names, param, field, data, length, old)


def unlike(data, base=None):
    """
    Numbers of objects that have their sha256 and of those that do not; those in zstd are in neither. base: bytes of
    the container that it depends on.
    """
    image, other = Image(data), Image(base) if base else None
    base = other and (other, list(entries(other, "tiles")))
    tiles, good, bad = list(entries(image, "tiles")), [], []
    for number, entry in enumerate(entries(image, "objects")):
        size, _, first, count, tile_bytes = struct.unpack_from("<QQQQI", entry, 80)
        try:
            decoded = [tile(image, tiles, first + i, min(tile_bytes, size - i * tile_bytes), base)
                       for i in range(count)]
        except codecs.Compressed:
            continue
        digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in decoded)).digest()
        (good if digest == entry[120:] else bad).append(number)
    return good, bad


def delta_fields(data):
    """Names of the fields of all DELTA, and "equal"."""
    found = set()
    for entry in entries(Image(data), "tiles"):
        _, stored, _, chain, _, field, _, _ = struct.unpack("<QII4sBB2sQ", entry)
        if chain[0] == codecs.CODECS["DELTA"]:
            found.add(codecs.FIELD_NAMES[field] if stored else "equal")
    return found
