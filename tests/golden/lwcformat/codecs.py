# SPDX-License-Identifier: BSD-3-Clause
"""
The tile codecs, encoding and decoding, written from uapi/lwcmem_format.h alone and
without a look at the C code: a second implementation that shares no line with the first.
Plain and slow; nothing here chooses, the caller says what to write.
"""
import struct

from .delta import undelta
from .grid import ungrid
from .levels import unlevels
from .streams import CODECS, FIELD_NAMES, stream, to_bytes, to_elements, to_field, unstream

CODEC_NAMES = {number: name for name, number in CODECS.items()}
SPARSE_HEADER = struct.Struct("<IBB2s")
SPLIT_HEADER = struct.Struct("<B7s")
SPLIT_MEMBER = struct.Struct("<IHBBB3s")
PAIRS = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
MASK_BITS, MASK_2_OF_4 = 1, 2


def sparse_mask(kind, present):
    """The mask for a list of which elements are stored."""
    if kind == MASK_BITS:
        return stream(present, 1)
    fours = [tuple(i for i in range(4) if present[at + i]) for at in range(0, len(present), 4)]
    return stream([PAIRS.index(four) for four in fours], 3)


def sparse(kind, element, present, inner):
    return SPARSE_HEADER.pack(sum(present), element, kind, bytes(2)) + sparse_mask(kind, present) + inner


def unsparse_mask(data, count):
    """Which of count elements are stored, the element's size, and where the inner codec begins."""
    _, element, kind, _ = SPARSE_HEADER.unpack_from(data)
    size = (count + 7) // 8 if kind == MASK_BITS else (count // 4 * 3 + 7) // 8
    mask = data[SPARSE_HEADER.size:SPARSE_HEADER.size + size]
    if kind == MASK_BITS:
        present = unstream(mask, 1, count)
    else:
        present = [int(i in PAIRS[code]) for code in unstream(mask, 3, count // 4) for i in range(4)]
    return present, element, SPARSE_HEADER.size + size


def planes(data, size):
    return b"".join(data[plane::size] for plane in range(size))


def unplanes(data, size):
    count = len(data) // size
    return b"".join(data[i::count] for i in range(count))


def zstd(data, checksum=b""):
    """A frame (RFC 8878) that holds data in blocks of one repeated byte, or as they are."""
    size = len(data)
    if size < 256:
        header = bytes([0x20, size])
    elif size < 65536 + 256:
        header = b"\x60" + struct.pack("<H", size - 256)
    else:
        header = b"\xa0" + struct.pack("<I", size)
    if checksum:
        header = bytes([header[0] | 4]) + header[1:]
    out, limit = b"", 65536
    parts = [data[i:i + limit] for i in range(0, size, limit)] or [b""]
    for i, part in enumerate(parts):
        same = len(part) > 1 and part == part[:1] * len(part)
        out += struct.pack("<I", (i + 1 == len(parts)) | same << 1 | len(part) << 3)[:3]
        out += part[:1] if same else part
    return b"\x28\xb5\x2f\xfd" + header + out + checksum


class Compressed(Exception):
    """A block of zstd that is compressed: not for here."""


def unzstd(data):
    """The content of a frame of one segment whose blocks are not compressed."""
    flags = data[4]
    assert data[:4] == b"\x28\xb5\x2f\xfd" and flags & 0x3b == 0x20
    at, out, last = 5 + (1, 2, 4)[flags >> 6], b"", 0
    while not last:
        head = int.from_bytes(data[at:at + 3], "little")
        last, kind, size = head & 1, head >> 1 & 3, head >> 3
        if kind > 1:
            raise Compressed
        out += data[at + 3:at + 4] * size if kind else data[at + 3:at + 3 + size]
        at += 3 + (1 if kind else size)
    return out


def split(members):
    """members: of each its bytes of a block, codec, structure, field (numbers) and stored bytes."""
    return (SPLIT_HEADER.pack(len(members), bytes(7))
            + b"".join(SPLIT_MEMBER.pack(len(stored), size, codec, structure, field, bytes(3))
                       for size, codec, structure, field, stored in members)
            + b"".join(stored for *_, stored in members))


def split_members(data):
    """Those of a tile that is sound, as split() takes them."""
    count, out = data[0], []
    at = SPLIT_HEADER.size + count * SPLIT_MEMBER.size
    for i in range(count):
        stored, size, codec, structure, field, _ = SPLIT_MEMBER.unpack_from(data, SPLIT_HEADER.size + i * SPLIT_MEMBER.size)
        out.append((size, codec, structure, field, data[at:at + stored]))
        at += stored
    return out


def contents(data, sizes):
    """What members of these sizes have in them."""
    blocks = [data[at:at + sum(sizes)] for at in range(0, len(data), sum(sizes))]
    return [b"".join(block[sum(sizes[:i]):sum(sizes[:i + 1])] for block in blocks) for i in range(len(sizes))]


def unsplit(data, length):
    members = split_members(data)
    blocks = length // sum(size for size, *_ in members)
    parts = [(size, decode((CODEC_NAMES[codec],), structure, field, stored, size * blocks))
             for size, codec, structure, field, stored in members]
    return b"".join(part[i * size:(i + 1) * size] for i in range(blocks) for size, part in parts)


def decode(chain, param, field, data, length, base=None):
    """The decoded bytes of a tile that is sound, but for COPY. chain: names; field: number; base: of DELTA."""
    outer, inner = chain[0], chain[1:]
    name = FIELD_NAMES.get(field)
    if outer == "RAW":
        out = data
    elif outer == "CONST":
        out = data * (length // len(data))
    elif outer == "ZSTD":
        out = unzstd(data)
    elif outer == "LEVELS":
        out = to_field(name, unlevels(param, name, data))
    elif outer == "PLANES":
        out = unplanes(decode(inner, 0, 0, data, length), param)
    elif outer == "SPARSE":
        element = data[4]
        present, element, at = unsparse_mask(data, length // element)
        kept = iter(to_elements(decode(inner, param, field, data[at:], sum(present) * element), element))
        out = to_bytes([next(kept) if one else 0 for one in present], element)
    elif outer == "GRID":
        out = ungrid(data, length, lambda stored, count: decode(inner, param, field, stored, count))
    elif outer == "SPLIT":
        out = unsplit(data, length)
    elif outer == "DELTA":
        out = undelta(name, data, base) if data else base
    assert len(out) == length
    return out
