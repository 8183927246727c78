#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Tiny models of every family against HuggingFace's transformers: tokens equal, logits to rounding, from a directory and
# from a container of it; what the engine does not compute is refused by name.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
python3 tests/cli/families.py "$LWCMEM" "$work" || echo "not ok families.py ended early"
