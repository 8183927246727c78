# SPDX-License-Identifier: BSD-3-Clause
"""
trees.py OUTDIR: containers that differ in their names.
  order.lwc   names whose order as bytes is not that of a walk; regular file number i of FILES holds i times 'x',
              "secret" is for its owner alone
  wide.lwc    100000 files in one directory
  deep.lwc    a name of LWC_NAME_MAX bytes in 2048 directories
  bad-*.lwc   tables of files that are no tree; bad-unsorted has the size of order.lwc and its uuid
"""
import os
import struct
import sys

from tables import BLOCK, const_tile, literal, write

REGULAR, DIRECTORY = 1, 2
BYTE = b"x"
ORDER = ("a", "a-b", "a-b/c", "a.txt", "a/b", "a/b-c", "a/b/c", "a/b0", "a/\u00ff", "a0", "b", "b/a", "b/a/a",
         "b/a/a/a", "b/a/a0", "b/b", "b!", "secret", "\u00ff")
DIRECTORIES = ("a", "a-b", "a/b", "b", "b/a", "b/a/a")


def entry(offset, length, kind=REGULAR, size=0, first=0, count=0, mode=0o644):
    return struct.pack("<QIHHQQQ32s", offset, length, kind, 0o755 if kind == DIRECTORY else mode, size, first, count,
                       b"")


def tree(out, names, directories=(), shared=False):
    """Regular file number i has i bytes."""
    files, extents, text, original = [], [], b"", 0
    for i, name in enumerate(names):
        name = name if isinstance(name, bytes) else name.encode()
        kind = DIRECTORY if name.decode(errors="replace") in directories else REGULAR
        size = 0 if kind == DIRECTORY else i
        first = 0 if shared else len(extents)
        if size:
            extents.append(struct.pack("<QQQQ", 0, size, 0, 0))
        files.append(entry(len(text), len(name), kind, size, first if size else 0, int(size > 0),
                           0o600 if name == b"secret" else 0o644))
        text += name
        original += size
    write(out, BYTE, {0: files, 1: extents, 2: [literal(4096, 4096)], 3: [const_tile(2 * BLOCK, BYTE)], 5: text},
          original)


def main(directory):
    os.makedirs(directory, exist_ok=True)

    def path(name):
        return os.path.join(directory, name + ".lwc")

    order = sorted(ORDER, key=str.encode)
    tree(path("order"), order, DIRECTORIES)
    count = 100000
    text = b"w" + b"".join(b"w/%05d" % i for i in range(count))
    write(path("wide"), b"", {0: [entry(0, 1, DIRECTORY)] + [entry(1 + 7 * i, 7) for i in range(count)], 5: text}, 0)
    text = b"/".join([b"d"] * 2048)
    write(path("deep"), b"", {0: [entry(0, length, DIRECTORY) for length in range(1, 4096, 2)], 5: text}, 0)

    swapped = list(order)
    swapped[3], swapped[9] = swapped[9], swapped[3]
    tree(path("bad-unsorted"), swapped, DIRECTORIES)
    tree(path("bad-twice"), ["a", "b", "b", "c"])
    tree(path("bad-orphan"), ["a", "a-b", "a-b/c/d"], ["a", "a-b"])
    tree(path("bad-parent-later"), ["a/b", "a"], ["a"])
    tree(path("bad-parent-regular"), ["a", "a/b"])
    tree(path("bad-parent-prefix"), ["a", "ab/c"], ["a"])
    tree(path("bad-shared-extents"), ["a", "b", "c"], shared=True)
    tree(path("bad-long-component"), ["a" * 256])
    for number, name in enumerate((b"..", b".", b"a/../b", b"/a", b"a/", b"a//b", b"a\0b")):
        tree(path("bad-name-%d" % number), [b"a", name] if name > b"a" else [name], ["a"])


if __name__ == "__main__":
    main(sys.argv[1])
