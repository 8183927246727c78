# SPDX-License-Identifier: BSD-3-Clause
"""specks.py OUT.lwc: a container of one object whose tiles have one byte each, which no packer writes."""
import sys

from tables import BLOCK, const_tile, tensor_of_bytes, write

TILES = 1 << 16

if __name__ == "__main__":
    byte = b"\x5a"
    write(sys.argv[1], byte, {2: [tensor_of_bytes(1, TILES, 1, 0)], 3: [const_tile(2 * BLOCK, byte)] * TILES, 5: b"w"},
          0, arena=TILES, weights=TILES)
