#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Weights of GGUF files in blocks: what they mean is what the published formulas say, and they are multiplied as those
# values are, from the file and from a container of it.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
. tests/cli/checks.bash
python3 tests/cli/gguf_weights.py "$work" || { echo "not ok make the files"; exit 1; }
program=$(dirname "$LWCMEM")/tests/read_weights files=$(dirname "$LWCMEM")/tests/read_files
cd "$work" || exit 1
mapfile -t names < names
mapfile -t unknown < unknown

read_weights() { # read_weights OUT MODEL KIND ISA VECTORS TENSOR...
	"$program" "${@:2}" > "$1"
}
rows_are_expected() { # rows_are_expected: of what was written for no vectors
	read_weights rows floats.gguf gguf scalar 0 "${names[@]}" && cmp rows expected &&
		read_weights rows blocks.gguf gguf scalar 0 "${names[@]}" && cmp rows expected
}
check "rows are what the formulas say" rows_are_expected
check "rows have NaNs, infinities and subnormal scales" python3 - <<'P'
import array, math
rows = array.array("f", open("expected", "rb").read(601 * 512 * 4))
assert any(map(math.isnan, rows)) and any(map(math.isinf, rows)) and any(0 < abs(row) < 2**-20 for row in rows)
P
check pack "$LWCMEM" pack blocks.gguf -o blocks.lwc
for vectors in 1 5; do
	check "products of values, $vectors vectors" read_weights want floats.gguf gguf scalar $vectors "${names[@]}"
	check "some products are no NaN, $vectors vectors" python3 - $vectors <<'P'
import array, math, os, sys
want = array.array("f", open("want", "rb").read())
products = len(want) - os.path.getsize("expected") // 4
assert products == sum(int(sys.argv[1]) * (601 + 70 + 2) for _ in range(8))
assert sum(map(math.isfinite, want[-products // 8:])) > 100
P
	for isa in scalar avx2 avx512; do
		for kind in gguf fused user; do
			model=blocks.lwc
			[ $kind != gguf ] || model=blocks.gguf
			check "products of blocks: $kind, $isa, $vectors vectors" read_weights got $model $kind $isa $vectors "${names[@]}"
			check "the same bits: $kind, $isa, $vectors vectors" cmp want got
		done
	done
done
check "pack types that are not multiplied" "$LWCMEM" pack unknown.gguf -o unknown.lwc
for name in "${unknown[@]}"; do
	for kind in gguf fused; do
		model=unknown.lwc
		[ $kind != gguf ] || model=unknown.gguf
		refuse "$name is refused by name, $kind" 1 "$model: $name: weights of type $name cannot be multiplied; BF16," \
			read_weights got $model $kind auto 1 "$name"
	done
done
mkdir -p model/more/empty && cp blocks.gguf model/ && seq 30000 > model/more/numbers && : > model/nothing
check "pack a directory" "$LWCMEM" pack model -o model.lwc
check "its files are listed in order, without directories" diff <("$files" model.lwc) - <<< "$(
	stat -c %s model/blocks.gguf) blocks.gguf
$(stat -c %s model/more/numbers) more/numbers
0 nothing"
part() { # part FILE OFFSET SIZE
	"$files" model.lwc "$@" > got && cmp got <(tail -c +$(($2 + 1)) "model/$1" | head -c "$3")
}
size=$(stat -c %s model/blocks.gguf)
for range in "0 1" "0 24" "23 4096" "1000 3000000" "131000 200" "$((size - 1)) 1" "$((size - 300000)) 300000" "0 $size" \
	"$size 0" "777 0"; do
	# shellcheck disable=SC2086
	check "part of a file: $range" part blocks.gguf $range
done
check "part of a literal file" part more/numbers 100000 50000
check "all of nothing" part nothing 0 0
refuse "a part beyond the end" 1 "model.lwc: nothing has 0 bytes; it does not have 1 at 0" "$files" model.lwc nothing 0 1
refuse "an offset beyond the end" 1 "it does not have 0 at $((size + 1))" "$files" model.lwc blocks.gguf $((size + 1)) 0
refuse "a part that ends beyond the end" 1 "it does not have $size at 1" "$files" model.lwc blocks.gguf 1 "$size"
refuse "no such file" 1 "no such file" "$files" model.lwc more 0 0
