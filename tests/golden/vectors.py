# SPDX-License-Identifier: BSD-3-Clause
"""vectors.py DIR: write the conformance vectors (see README) from the second implementation."""
import os
import sys

from lwcformat import cases, codecs

HEAD = """# SPDX-License-Identifier: BSD-3-Clause
# Conformance vectors for the tile decoders of lwcmem; tests/golden/README.md says how to read them.
# Written by tests/golden/vectors.py; not by hand.
"""


def text(data):
    """Hex; a part that occurs again and again is written once: PART*TIMES."""
    words, plain, at = [], b"", 0
    while at < len(data):
        size, times = 0, 0
        for period in range(1, 97 if len(data) > 2048 else 5):
            part, count = data[at:at + period], 1
            if data[at + period:at + 2 * period] != part:
                continue
            while data[at + count * period:at + (count + 1) * period] == part:
                count += 1
            if period * count > 12 + 2 * period:
                size, times = period, count
                break
        if times:
            words += [plain.hex()] if plain else []
            words.append(f"{data[at:at + size].hex()}*{times}")
            plain, at = b"", at + size * times
        else:
            plain += data[at:at + 1]
            at += 1
    words += [plain.hex()] if plain else []
    return " ".join(words) or "-"


def vector(name, tile, stored, result):
    chain = " ".join(str(codecs.CODECS.get(codec, codec)) for codec in tile.chain)
    return (f"vector {name}\nchain {chain}\nparam {tile.param}\nfield {tile.field}\nlength {len(tile.decoded)}\n"
            + (f"base {text(tile.against.decoded)}\n" if tile.against else "") + f"input {text(stored)}\n{result}\n")


def check(name, tile):
    try:
        got = codecs.decode(tile.chain, tile.param, tile.field, tile.stored, len(tile.decoded),
                            tile.against and tile.against.decoded)
    except codecs.Compressed:
        return
    assert got == tile.decoded, name


def main(directory):
    os.makedirs(directory, exist_ok=True)
    count = 0
    for kind, generators in (("", cases.SOUND), ("errors-", cases.BAD)):
        for generate in generators:
            entries = []
            for case in generate():
                if kind:
                    name, error, tile, stored = case
                    entries.append(vector(name, tile, stored, f"error {error}"))
                else:
                    name, tile = case
                    check(name, tile)
                    entries.append(vector(name, tile, tile.stored, f"output {text(tile.decoded)}"))
            path = os.path.join(directory, kind + generate.__name__.split("_", 1)[1] + ".txt")
            with open(path, "w") as out:
                out.write(HEAD + "\n" + "\n".join(entries))
            count += len(entries)
            print(f"{path}: {len(entries)} vectors")
    print(f"{count} vectors")


if __name__ == "__main__":
    main(sys.argv[1])
