# SPDX-License-Identifier: BSD-3-Clause
"""seeds.py DIR: the mistakes of tests/golden/errors.txt as inputs of fuzz_container, see change() there."""
import lzma
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "golden")
sys.path.insert(0, GOLDEN)
from lwcformat import edits  # noqa: E402
from lwcformat.container import TABLES  # noqa: E402

SUPERBLOCK, WHOLE = 6, 2
WIDTHS = {"B": 0, "H": 1, "I": 2, "Q": 3}


def one(target, index, byte, form, value):
    width = WIDTHS[form]
    return struct.pack("<BHH", target | width << 4 | 0x80, index, byte & 0xffff) + \
        (value % (1 << (8 << width))).to_bytes(1 << width, "little")


def encode(image, edit):
    match = edits.EDIT.fullmatch(edit)
    target, operator, value = match["target"], match["operator"], match["value"]
    first, *rest = edits.PART.findall(target)
    indexes = re.findall(r"\[([^\]]*)\]", first[1])
    if rest and rest[-1][0] == "name":
        entry, _ = image.entry(first[0], int(indexes[0]))
        data = value.encode().replace(b"\\0", b"\0")
        out = one(TABLES.index(first[0]), int(indexes[0]), 8, "I", len(data))
        return out + b"".join(one(TABLES.index("names"), image.read("Q", entry) + i, 0, "B", byte)
                              for i, byte in enumerate(data))
    form, at = image.locate(target)
    before, number = image.read(form, at), int(value, 0)
    number = {"=": number, "+": before + number, "-": before - number, "^": before ^ number}[operator]
    if first[0] in ("superblock", "slot1"):
        return one(SUPERBLOCK, (at >= 4096) | WHOLE, at % 4096, form, number)
    return one(TABLES.index(first[0]), int(indexes[0]), at - image.entry(first[0], int(indexes[0]))[0], form, number)


def main(directory):
    with open(os.path.join(HERE, "fuzz_container.c")) as source:
        templates = re.findall(r'"([\w-]+)"', re.search(r"templates\[\] = {(.*?)};", source.read(), re.S)[1])
    with open(os.path.join(GOLDEN, "errors.txt")) as table:
        lines = [line.split("|") for line in table if line.strip() and not line.startswith("#")]
    for name, base, change, *_ in lines:
        if re.search(r"\b(raw|truncate|block|payload|base:)\b", change) or base.strip() not in templates:
            continue
        data = lzma.open(os.path.join(GOLDEN, "features", base.strip() + ".lwc.xz")).read()
        image = edits.Image(data)
        with open(os.path.join(directory, name.strip()), "wb") as out:
            out.write(bytes([templates.index(base.strip())]) + b"".join(encode(image, e) for e in change.split()))


if __name__ == "__main__":
    main(sys.argv[1])
