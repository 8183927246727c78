# SPDX-License-Identifier: BSD-3-Clause
"""specks.py OUT.lwc: a container of one object whose tiles have one byte each, which no packer writes."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
from hostile_container import crc32c  # noqa: E402

TILES = 1 << 16
UUID = bytes(range(16))
CONST, BLOCK, PAYLOAD = 2, 4096, 4064


def table(number, size, entries):
    """Metadata blocks of the entries."""
    per_block = PAYLOAD // size
    blocks = b""
    for index, first in enumerate(range(0, len(entries), per_block)):
        body = struct.pack("<IQ16s", number, index, UUID)
        body += b"".join(entries[first:first + per_block]).ljust(PAYLOAD, b"\0")
        blocks += struct.pack("<I", crc32c(body)) + body
    return blocks


def main(out):
    stored = b"\x5a"
    entry = struct.pack("<QII4sB3sQ", 2 * BLOCK, 1, crc32c(stored), bytes([CONST, 0, 0, 0]), 0, b"", 0)
    thing = struct.pack("<QIHH8QQQQQII32s", 0, 0, 0, 0, *[0] * 8, TILES, 0, 0, TILES, 1, 0, b"")
    data = stored.ljust(BLOCK, b"\0")
    objects = 2 * BLOCK + len(data)
    data += table(2, 152, [thing])
    tiles = 2 * BLOCK + len(data)
    data += table(3, 32, [entry] * TILES)
    size = 2 * BLOCK + len(data)
    body = struct.pack("<Q16sQQQQQQQII", 1, UUID, 0, 0, 0, size, TILES, 0, TILES, 64, 0)
    for offset, count, width in ((0, 0, 72), (0, 0, 32), (objects, 1, 152), (tiles, TILES, 32),
                                 (0, 0, 48), (0, 0, 1)):
        body += struct.pack("<QQII", offset, count, width, 0)
    body = body.ljust(BLOCK - 16, b"\0")
    with open(out, "wb") as file:
        file.write((b"\x89LWC\r\n\x1a\n" + struct.pack("<II", crc32c(body), 1) + body).ljust(2 * BLOCK, b"\0"))
        file.write(data)


if __name__ == "__main__":
    main(sys.argv[1])
