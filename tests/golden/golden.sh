#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Containers written once must be read for ever: every decoder gives back the model of make.py, and
# between them they hold every codec and structure. After an addition to the
# format: make goldens.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
golden=$PWD/tests/golden
check() { # check NAME COMMAND...
	local name=$1; shift
	if "$@" > "$work/out" 2>&1; then echo "ok $name"; else echo "not ok $name"; cat "$work/out"; fi
}
chains() { # chains FILE.lwc...: the codecs of their tensors, one a line
	for file in "$@"; do "$LWCMEM" info "$file" --tensors; done | awk '$NF ~ /^(\([0-9,]*\)|[A-Z+]+)$/ {
		print ($NF ~ /^\(/ ? $(NF-1) " " $NF : $NF)}' | sort -u
}

python3 "$golden/make.py" "$work/model" || { echo "not ok make the golden model"; exit 1; }
for file in "$golden"/*.lwc; do
	name=$(basename "$file" .lwc)
	structure=${name#levels-}
	check "golden $name: verify" "$LWCMEM" verify "$file" --against "$work/model"
	for isa in scalar bmi2 avx2 avx512; do
		check "golden $name: unpack with $isa at most" env LWCMEM_ISA=$isa "$LWCMEM" unpack "$file" -o "$work/$name.$isa"
		check "golden $name: the same model with $isa at most" diff -r "$work/model" "$work/$name.$isa"
	done
	# what the encoder writes today for the same input is as large and of the same codecs
	check "golden $name: pack" "$LWCMEM" pack "$work/model" -o "$work/$name.lwc" --structure "${structure//-/,}"
	"$LWCMEM" info "$file" --tensors | grep -E 'LEVELS|CONST|RAW|COPY|GRID|SPLIT' > "$work/then"
	"$LWCMEM" info "$work/$name.lwc" --tensors | grep -E 'LEVELS|CONST|RAW|COPY|GRID|SPLIT' > "$work/now"
	check "golden $name: encoded as then" diff "$work/then" "$work/now"
done
chains "$golden"/*.lwc > "$work/chains"
for chain in RAW CONST COPY PLANES+ZSTD 'LEVELS (4,1)' 'LEVELS (2,2,2,2)' 'LEVELS (2,1,1,2,2,2)' 'LEVELS (1,1,1,1,1,2)' 'LEVELS (3,2,2,2)'; do
	check "golden: $chain is covered" grep -qxF "$chain" "$work/chains"
done
for kind in grid grid_through grid_affine grid_steps grid_int8; do
	check "golden: GRID of $kind is covered" grep -qE "^ *$kind .* GRID" <("$LWCMEM" info "$golden/levels-2-2-2-2.lwc" --tensors)
done
for tensor in q4_1 q8_0 mxfp4; do
	check "golden: SPLIT of $tensor is covered" grep -qE "^ *$tensor .* SPLIT" <("$LWCMEM" info "$golden/levels-2-2-2-2.lwc" --tensors)
done
for pattern in pruned two_of_four; do
	check "golden: SPARSE of $pattern is covered" grep -qE "^ *$pattern .* SPARSE" <("$LWCMEM" info "$golden/levels-2-2-2-2.lwc" --tensors)
done
for field in levels half single narrow e4m3 e5m2 int8; do
	check "golden: LEVELS of $field is covered" grep -qE "^ *$field .* LEVELS" <("$LWCMEM" info "$golden/levels-2-2-2-2.lwc" --tensors)
done

# A fine-tune of the model
base=$golden/levels-2-2-2-2.lwc file=$golden/tuned/delta.lwc tuned=$work/tuned
python3 "$golden/make.py" "$tuned" tuned || { echo "not ok make the fine-tune"; exit 1; }
check "golden delta: verify" "$LWCMEM" verify "$file" --base "$base" --against "$tuned"
for isa in scalar bmi2 avx2 avx512; do
	check "golden delta: unpack with $isa at most" env LWCMEM_ISA=$isa "$LWCMEM" unpack "$file" --base "$base" -o "$tuned.$isa"
	check "golden delta: the same model with $isa at most" diff -r "$tuned" "$tuned.$isa"
done
check "golden delta: pack" "$LWCMEM" pack "$tuned" -o "$work/delta.lwc" --base "$base"
check "golden delta: encoded as then" diff <("$LWCMEM" info "$file" --tensors | grep -E 'DELTA|COPY') \
	<("$LWCMEM" info "$work/delta.lwc" --tensors | grep -E 'DELTA|COPY')
