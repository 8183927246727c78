#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Logits over the whole matrix: families, codecs, sources of the weights, backends, ISAs, threads, splits, batches, MXCSR.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
. tests/cli/checks.bash
usable_isas "the matrix"
# shellcheck disable=SC2086
python3 tests/cli/engine_matrix.py "$LWCMEM" "$work" $isas || echo "not ok engine_matrix.py ended early"
