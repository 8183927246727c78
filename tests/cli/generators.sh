#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The generators of redundant inputs make what they say, and the tool packs it.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
make=tests/bench/redundancy/make.py

python3 tests/cli/generators.py "$work" || echo "not ok generators.py ended early"

refuse() { # refuse NAME TEXT ARGUMENTS...: fails, says TEXT, leaves nothing new
	local name=$1 text=$2; shift 2
	if ! python3 $make "$@" > "$work/out" 2> "$work/err" && grep -qF -- "$text" "$work/err" &&
		[ ! -e "$work/refused" ] && [ ! -e "$work/refused.part" ]; then echo "ok $name"
	else echo "not ok $name"; cat "$work/out" "$work/err"; fi
}
mkdir "$work/there"
refuse "an existing output is kept" "exists already" tied "$work/there"
refuse "a group that is none" "--group 7x" int4 "$work/refused" --group 7x
refuse "weights that are missing" "no weights in" int8 "$work/refused" --from "$work/there"
refuse "no such kind" "invalid choice" frob "$work/refused"

for kind in "bf16-in-fp32" "fp16-in-fp32" "int4 --group 32" "int8" "pruned" "repeated" "gguf --type Q8_0" \
	"int4 --zero-point --product fp16" "int4 --zero-point --product fp16 --to fp32" \
	"int4 --zero-point --product fp16-affine" "int4 --zero-point --product fp16-affine --to fp16" \
	"int4 --group tensor" "int8 --group tensor --to fp32" \
	"gguf-dequantised --type Q4_0" "gguf-dequantised --type Q4_1" "gguf-dequantised --type Q8_0"; do
	# shellcheck disable=SC2086
	if python3 $make $kind "$work/model" --mib 0.3 > "$work/out" 2>&1 &&
		"$LWCMEM" pack "$work/model" -o "$work/model.lwc" --force >> "$work/out" 2>&1 &&
		"$LWCMEM" verify "$work/model.lwc" --against "$work/model" >> "$work/out" 2>&1; then
		echo "ok pack $kind"
	else
		echo "not ok pack $kind"; cat "$work/out"
	fi
	# dequantised integers are found to be such, in all matrices
	case $kind in int*|*dequantised*)
		"$LWCMEM" info "$work/model.lwc" --tensors > "$work/out" 2>&1
		if grep -q '_proj.*GRID' "$work/out" && ! grep '_proj' "$work/out" | grep -qv GRID; then echo "ok $kind: GRID"
		else echo "not ok $kind: GRID"; cat "$work/out"; fi ;;
	esac
	rm -rf "$work/model"
done
