# SPDX-License-Identifier: BSD-3-Clause
"""specks.py OUT.lwc: a container of one object whose tiles have one byte each, which no packer writes."""
import sys

from tables import BLOCK, const_tile, literal, write

TILES = 1 << 16

if __name__ == "__main__":
    byte = b"\x5a"
    write(sys.argv[1], byte, {2: [literal(TILES, 1, arena=0)], 3: [const_tile(2 * BLOCK, byte)] * TILES},
          TILES, arena=TILES)
