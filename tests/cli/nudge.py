# SPDX-License-Identifier: BSD-3-Clause
"""nudge.py MODEL OUT: a copy of a bf16 model in which a tenth of the weights is one step larger or smaller."""
import glob
import os
import random
import shutil
import sys

SEED = random.Random(31)


def main(model, out):
    shutil.copytree(model, out)
    for path in glob.glob(os.path.join(out, "*.safetensors")):
        with open(path, "r+b") as file:
            start = 8 + int.from_bytes(file.read(8), "little")
            file.seek(start)
            data = bytearray(file.read())
            for at in range(0, len(data) - 1, 20):
                # the lower byte of the mantissa: no carry
                data[at] ^= SEED.choice((1, 1, 3))
            file.seek(start)
            file.write(data)


main(*sys.argv[1:])
