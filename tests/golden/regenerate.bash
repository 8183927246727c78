#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# make goldens: write everything in tests/golden anew, after an addition to the format.
# build/lwcmem must be built. What did not change stays as it is.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
python3 tests/golden/vectors.py tests/golden/vectors
python3 tests/golden/features.py tests/golden/features
python3 tests/golden/make.py "$work/model"
for file in tests/golden/levels-*.lwc; do
	structure=$(basename "$file" .lwc)
	structure=${structure#levels-}
	LWCMEM_ISA=scalar build/lwcmem pack "$work/model" -o "$file" --force --structure "${structure//-/,}" > /dev/null
done
python3 tests/golden/make.py "$work/tuned" tuned
LWCMEM_ISA=scalar build/lwcmem pack "$work/tuned" -o tests/golden/tuned/delta.lwc --force \
	--base tests/golden/levels-2-2-2-2.lwc > /dev/null
git status --short tests/golden
