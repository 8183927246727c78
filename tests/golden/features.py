# SPDX-License-Identifier: BSD-3-Clause
"""features.py DIR: write the golden containers, compressed, and content.txt, which says what is in them."""
import hashlib
import lzma
import os
import sys

from lwcformat import features
from lwcformat.container import DIRECTORY

HEAD = "# SPDX-License-Identifier: BSD-3-Clause\n# container, mode, bytes, sha256 (- for a directory), name\n"


def main(directory):
    os.makedirs(directory, exist_ok=True)
    lines, total, stale = [], 0, set(os.listdir(directory))
    for name, data, files in features.containers():
        path = os.path.join(directory, name + ".lwc.xz")
        stale.discard(name + ".lwc.xz")
        # what xz makes of the same bytes may differ from one version to the next
        if not os.path.exists(path) or lzma.open(path).read() != data:
            with open(path, "wb") as out:
                out.write(lzma.compress(data, preset=9))
        total += len(data)
        for f in sorted(files, key=lambda f: f.name.encode()):
            digest = "-" if f.kind == DIRECTORY else hashlib.sha256(f.data).hexdigest()
            lines.append(f"{name} {f.mode:03o} {len(f.data)} {digest} {f.name}\n")
    for name in stale - {"content.txt"}:
        os.unlink(os.path.join(directory, name))
    with open(os.path.join(directory, "content.txt"), "w") as out:
        out.write(HEAD + "".join(lines))
    print(f"{len(os.listdir(directory)) - 1} containers, {total} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
