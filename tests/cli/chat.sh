#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# run --chat and --interactive: where templates come from, what they refuse, turns, full contexts, Ctrl-C.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
model=$MODELS/stories15M-bf16
if [ ! -e "$model/config.json" ]; then
	echo "skip conversations: the real model is missing"
	exit 0
fi
python3 tests/cli/chat.py small "$LWCMEM" "$model" "$work" || echo "not ok chat.py ended early"
