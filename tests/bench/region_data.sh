#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# region_data.sh OUTDIR: what region.sh reads in a guest: the real model and Gaussian weights, 400 MB of bf16 together, their
# container and squashfs, and a container of a terabyte. Needs build/lwcmem, build/models, mksquashfs.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1 story=build/models/stories15M-bf16
[ -d $story ] || story=build/models/random-aligned-bf16
rm -rf "${out:?}"/*
mkdir -p "$out/model/gaussian"
cp -rL $story "$out/model/story"
PYTHONPATH=tests/models:tests/bench/redundancy python3 - "$out/model/gaussian/model.safetensors" "${MIB:-352}" <<'P'
import sys
import numpy as np
import floats, huggingface
rng = np.random.default_rng(1)
rows, cols = 2048, 2048  # 8 MiB
huggingface.safetensors(sys.argv[1], [
    (f"layers.{i}.weight", "BF16", [rows, cols],
     floats.to_bf16((rng.standard_normal(rows * cols, dtype=np.float32) * np.float32(0.02))).tobytes())
    for i in range(int(sys.argv[2]) // 8)])
P
build/lwcmem pack "$out/model" -o "$out/model.lwc"
# the level is one of writing: what it takes to read hardly depends on it
mksquashfs "$out/model" "$out/model.squashfs" -comp zstd -Xcompression-level 3 -quiet -no-progress
gcc -std=gnu11 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -Iuserspace -Ikmod -I. tests/cli/huge.c build/internal.a -lzstd -o "$out/huge"
"$out/huge" "$out/huge.lwc" 1000 10 1000
rm "$out/huge"
