# SPDX-License-Identifier: BSD-3-Clause
"""Write a container, from uapi/lwcmem_format.h alone: what is described here, nothing is chosen."""
import hashlib
import struct

from .codecs import split_members
from .streams import CODECS
from .crc import crc32c

MAGIC, VERSION = b"\x89LWC\r\n\x1a\n", 1
BLOCK, PAYLOAD, ALIGN = 4096, 4064, 64
TABLES = ("files", "extents", "objects", "tiles", "deps", "names")
NO_ARENA = 2**64 - 1
# elements and bytes of a block, by number
BLOCKS = {"bytes": (1, 1), "bf16": (1, 2), "f16": (1, 2), "f32": (1, 4), "f64": (1, 8), "e4m3": (1, 1), "e5m2": (1, 1),
          "i8": (1, 1), "u8": (1, 1), "i16": (1, 2), "u16": (1, 2), "i32": (1, 4), "u32": (1, 4), "i64": (1, 8),
          "u64": (1, 8), "bool": (1, 1), "q4_0": (32, 18), "q4_1": (32, 20), "q5_0": (32, 22), "q5_1": (32, 24),
          "q8_0": (32, 34), "q8_1": (32, 36), "q2_k": (256, 84), "q3_k": (256, 110), "q4_k": (256, 144),
          "q5_k": (256, 176), "q6_k": (256, 210), "q8_k": (256, 292), "iq1_s": (256, 50), "iq1_m": (256, 56),
          "iq2_xxs": (256, 66), "iq2_xs": (256, 74), "iq2_s": (256, 82), "iq3_xxs": (256, 98), "iq3_s": (256, 110),
          "iq4_nl": (32, 18), "iq4_xs": (256, 136), "tq1_0": (256, 54), "tq2_0": (256, 66), "mxfp4": (32, 17),
          "nvfp4": (64, 36), "q1_0": (128, 18), "q2_0": (64, 18)}
DTYPES = {name: number for number, name in enumerate(BLOCKS)}
FEATURES = {"PLANES": 0, "ZSTD": 1, "COPY": 2, "SPARSE": 3, "GRID": 4, "SPLIT": 5, "DELTA": 6, "BLOCKS": 7}
REGULAR, DIRECTORY = 1, 2

# field: offset, form, how many (0: not an array)
SUPERBLOCK = {"magic": (0, "B", 8), "crc": (8, "I", 0), "version": (12, "I", 0), "generation": (16, "Q", 0),
              "uuid": (24, "B", 16), "compat": (40, "Q", 0), "ro_compat": (48, "Q", 0), "incompat": (56, "Q", 0),
              "file_size": (64, "Q", 0), "bytes_original": (72, "Q", 0), "weights": (80, "Q", 0),
              "arena_size": (88, "Q", 0), "payload_align": (96, "I", 0), "reserved0": (100, "I", 0),
              "extension": (248, "B", 1024), "reserved": (1272, "B", 2824)}
TABLE_REF = {"offset": (0, "Q", 0), "count": (8, "Q", 0), "entry_size": (16, "I", 0), "reserved": (20, "I", 0)}
TABLE_REFS = 104
BLOCK_HEADER = {"crc": (0, "I", 0), "table": (4, "I", 0), "index": (8, "Q", 0), "uuid": (16, "B", 16),
                "payload": (32, "B", PAYLOAD)}
ENTRIES = {
    "files": (72, {"name_offset": (0, "Q", 0), "name_length": (8, "I", 0), "kind": (12, "H", 0), "mode": (14, "H", 0),
                   "size": (16, "Q", 0), "extent_first": (24, "Q", 0), "extent_count": (32, "Q", 0),
                   "sha256": (40, "B", 32)}),
    "extents": (32, {"file_offset": (0, "Q", 0), "length": (8, "Q", 0), "object": (16, "Q", 0),
                     "object_offset": (24, "Q", 0)}),
    "objects": (152, {"name_offset": (0, "Q", 0), "name_length": (8, "I", 0), "dtype": (12, "H", 0),
                      "ndim": (14, "H", 0), "shape": (16, "Q", 8), "decoded_size": (80, "Q", 0),
                      "arena_offset": (88, "Q", 0), "tile_first": (96, "Q", 0), "tile_count": (104, "Q", 0),
                      "tile_bytes": (112, "I", 0), "reserved": (116, "I", 0), "sha256": (120, "B", 32)}),
    "tiles": (32, {"offset": (0, "Q", 0), "stored": (8, "I", 0), "crc": (12, "I", 0), "chain": (16, "B", 4),
                   "param": (20, "B", 0), "field": (21, "B", 0), "base": (22, "B", 0),
                    "reserved": (23, "B", 0), "ref": (24, "Q", 0)}),
    "deps": (48, {"uuid": (0, "B", 16), "sha256": (16, "B", 32)}),
    "names": (1, {"byte": (0, "B", 0)}),
}


class Tile:
    """
    chain: names of codecs; stored: bytes; decoded: what they stand for. A COPY: of, another Tile. A DELTA: against, a
    Tile of the base.
    """

    def __init__(self, chain, stored, decoded, param=0, field=0, of=None, against=None):
        self.chain, self.stored, self.decoded = chain, stored, decoded
        self.param, self.field, self.of, self.against = param, field, of, against


def raw(data):
    return Tile(("RAW",), data, data)


def copy(tile):
    return Tile(("COPY",), tile.stored, tile.decoded, of=tile)


class Object:
    """A tensor, or a literal if it has no name. tile_bytes: decoded bytes of all tiles but the last."""

    def __init__(self, tiles, name="", dtype="bytes", shape=(), tile_bytes=None):
        self.tiles, self.name, self.dtype, self.shape = tiles, name, dtype, shape
        self.data = b"".join(tile.decoded for tile in tiles)
        self.tile_bytes = tile_bytes or (len(tiles[0].decoded) if tiles else 4096)


class File:
    """pieces: an object, or (object, first byte, bytes) for a part of it. Without any: None for a directory."""

    def __init__(self, name, pieces=(), mode=0o644):
        self.name, self.mode, self.kind = name, mode, DIRECTORY if pieces is None else REGULAR
        self.pieces = [(p, 0, len(p.data)) if isinstance(p, Object) else p for p in pieces or ()
                       if not isinstance(p, Object) or p.data]  # no extent is empty
        self.data = b"".join(o.data[first:first + size] for o, first, size in self.pieces)


def align(value, to):
    return (value + to - 1) // to * to


def codings(tile):
    """Codecs, structures and fields of the chain and of members; codecs that are numbers may be any, and are left out."""
    for codec in tile.chain:
        if codec in CODECS:
            yield CODECS[codec], tile.param, tile.field
    if tile.chain[0] == "SPLIT":
        yield from (coding for _, *coding, _ in split_members(tile.stored))


# all bits of version 1: codecs and dtypes, structures 1 to 5, fields 1 to 7
KNOWN = sum(1 << bit for bit in (*FEATURES.values(), *range(17, 22), *range(33, 40)))


def features(objects):
    bits = 0
    for codec, structure, field in (coding for o in objects for tile in o.tiles for coding in codings(tile)):
        if codec == CODECS["LEVELS"]:
            bits |= 1 << (16 + structure)
        if field and codec in (CODECS["LEVELS"], CODECS["DELTA"]):
            bits |= 1 << (32 + field)
        for name, bit in FEATURES.items():
            bits |= int(codec == CODECS.get(name)) << bit
    return bits | int(any(DTYPES[o.dtype] >= 16 for o in objects)) << FEATURES["BLOCKS"]


def table_blocks(table, entries, uuid):
    per_block = PAYLOAD // ENTRIES[table][0]
    for index in range(0, len(entries), per_block):
        payload = b"".join(entries[index:index + per_block])
        body = struct.pack("<IQ16s", TABLES.index(table), index // per_block, uuid) + payload.ljust(PAYLOAD, b"\0")
        yield struct.pack("<I", crc32c(body)) + body


def make_superblock(refs, generation, uuid, incompat, file_size, original, weights, arena):
    head = struct.pack("<IQ16sQQQQQQQII", VERSION, generation, uuid, 0, 0, incompat, file_size, original, weights, arena,
                       ALIGN, 0)
    body = head[4:] + b"".join(struct.pack("<QQII", *ref, 0) for ref in refs) + bytes(3848)
    return MAGIC + struct.pack("<I", crc32c(body)) + head[:4] + body


class Builder:
    """
    One generation, behind the bytes of those before. kept: (offset, Tile)s that are there already; base: the Builder
    of the container that DELTA tiles are against; incompat: bits, if not just those of what occurs.
    """

    def __init__(self, files, objects, data=bytes(2 * BLOCK), generation=1, kept=(), base=None, incompat=None):
        self.data, self.generation = bytearray(data), generation
        self.names, self.entries = b"", {table: [] for table in TABLES}
        self.places = dict(kept)
        self.arena = 0
        for o in objects:
            self.add_object(o)
        for f in sorted(files, key=lambda f: f.name.encode()):
            self.add_file(f, objects)
        if base:
            hashes = b"".join(entry[120:] for entry in base.entries["objects"])
            self.entries["deps"] = [base.uuid + hashlib.sha256(hashes).digest()]
        self.entries["names"] = [bytes([byte]) for byte in self.names]
        self.finish(files, objects, features(objects) if incompat is None else incompat)

    def name(self, text):
        if not text:
            return 0, 0
        self.names += text.encode()
        return len(self.names) - len(text.encode()), len(text.encode())

    def add_object(self, o):
        first, arena = len(self.entries["tiles"]), NO_ARENA
        for tile in o.tiles:
            self.add_tile(tile)
        if o.name:
            arena = self.arena
            self.arena = align(arena + len(o.data), 4096)
        self.entries["objects"].append(struct.pack(
            "<QIHH8QQQQQII32s", *self.name(o.name), DTYPES[o.dtype], len(o.shape), *(list(o.shape) + [0] * 8)[:8],
            len(o.data), arena, first, len(o.tiles), o.tile_bytes, 0,
            hashlib.sha256(b"".join(hashlib.sha256(t.decoded).digest() for t in o.tiles)).digest()))

    def add_tile(self, tile):
        source, equal = tile.of or tile, tile.chain[0] == "DELTA" and not tile.stored
        if equal:
            self.places[source] = 0
        elif source not in self.places:
            at = align(len(self.data), ALIGN)
            self.data += bytes(at - len(self.data)) + tile.stored
            self.places[source] = at
        tile.number = len(self.entries["tiles"])
        chain = bytes(CODECS.get(codec, codec) for codec in tile.chain).ljust(4, b"\0")
        self.entries["tiles"].append(struct.pack(
            "<QII4sBB2sQ", self.places[source], len(source.stored), crc32c(source.stored), chain, tile.param,
            tile.field, bytes(2), tile.of.number if tile.of else tile.against.number if tile.against else 0))

    def add_file(self, f, objects):
        first, at = len(self.entries["extents"]), 0
        for o, begin, size in f.pieces:
            self.entries["extents"].append(struct.pack("<QQQQ", at, size, objects.index(o), begin))
            at += size
        self.entries["files"].append(struct.pack(
            "<QIHHQQQ32s", *self.name(f.name), f.kind, f.mode, len(f.data), first,
            len(self.entries["extents"]) - first,
            hashlib.sha256(f.data).digest() if f.kind == REGULAR else bytes(32)))

    def finish(self, files, objects, incompat):
        content = b"".join(b"".join(self.entries[table]) for table in TABLES)
        self.uuid = hashlib.sha256(bytes([self.generation]) + content).digest()[:16]
        refs = []
        for table in TABLES:
            self.data += bytes(-len(self.data) % BLOCK if self.entries[table] else 0)
            refs.append((len(self.data) if self.entries[table] else 0, len(self.entries[table]), ENTRIES[table][0]))
            for block in table_blocks(table, self.entries[table], self.uuid):
                self.data += block
        self.data += bytes(-len(self.data) % BLOCK)
        slot = (self.generation + 1) % 2 * BLOCK
        self.data[slot:slot + BLOCK] = make_superblock(
            refs, self.generation, self.uuid, incompat, len(self.data), sum(len(f.data) for f in files),
            sum(len(o.data) // BLOCKS[o.dtype][1] * BLOCKS[o.dtype][0] for o in objects if o.name), self.arena)
