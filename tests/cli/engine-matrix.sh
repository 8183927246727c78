#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Logits over the whole matrix: families, codecs, sources of the weights, backends, ISAs, threads, splits, batches, MXCSR.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
isas=
for isa in scalar avx2 avx512; do
	# a path that is no model: only the ISA is asked for
	if "$LWCMEM" run "$work/none" -p a --isa $isa 2>&1 | grep -q "CPU does not have"; then
		echo "skip the matrix with $isa: this CPU does not have it"
	else isas="$isas $isa"; fi
done
# shellcheck disable=SC2086
python3 tests/cli/engine_matrix.py "$LWCMEM" "$work" $isas || echo "not ok engine_matrix.py ended early"
