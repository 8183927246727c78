#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Logits are the same bytes for every ISA of this CPU, number of threads and source of the weights.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

isas=scalar
for isa in avx2 avx512; do
	if "$LWCMEM" run "$MODELS/random-odd-bf16" -p a -n 1 --isa $isa > /dev/null 2> "$work/error"; then isas="$isas $isa"
	elif grep -q "CPU does not have" "$work/error"; then echo "skip engine with $isa: this CPU does not have it"
	else echo "not ok engine with $isa"; cat "$work/error"; fi
done

logits() { # logits SOURCE OUT ARGUMENTS...: of a greedy text
	local source=$1 out=$2; shift 2
	"$LWCMEM" run "$source" -p "Once upon a time there was" -n "$tokens" --logits "$out" --json "$@" > "$out.json"
}
compare() { # compare NAME SOURCE ARGUMENTS...
	local name=$1 source=$2; shift 2
	if logits "$source" "$work/got" "$@" && cmp -s "$work/want" "$work/got"; then return 0; fi
	echo "not ok $name"; bad=1
}

for model in stories15M-bf16 stories15M-fp16 stories15M-fp32 random-aligned-bf16 random-odd-bf16 random-odd-fp16 random-odd-fp32; do
	source=$MODELS/$model
	if [ ! -e "$source/config.json" ]; then echo "skip exact logits of $model: it is missing"; continue; fi
	tokens=12 bad=0 runs=0
	logits "$source" "$work/want" --isa scalar -j 1 || { echo "not ok $model runs"; continue; }
	[ "$(stat -c %s "$work/want")" -gt 1000 ] || echo "not ok $model writes logits"
	for isa in $isas; do
		for threads in 1 2 3; do
			compare "$model plain $isa -j $threads" "$source" --isa "$isa" -j $threads
			runs=$((runs + 1))
		done
	done
	for favor in balanced speed; do
		"$LWCMEM" pack "$source" -o "$work/model.lwc" --force --favor $favor 2> /dev/null || echo "not ok pack $model"
		for isa in $isas; do
			for threads in 1 2 3; do
				for backend in fused user; do
					compare "$model $favor $isa -j $threads $backend" "$work/model.lwc" --isa "$isa" -j $threads --backend $backend
					runs=$((runs + 1))
				done
			done
		done
	done
	if [ $model = random-aligned-bf16 ] && [ "$isas" != scalar ]; then
		# a few hundred tokens, one by one: those of a prompt are multiplied together, from buffers
		"$LWCMEM" run "$work/model.lwc" -p a -n 300 --json --backend fused > "$work/got.json"
		if python3 -c 'import json, sys; c = json.load(open(sys.argv[1]))["counters"]
assert c["rows_eligible"] > 10000 and c["rows_fused"] >= 0.99 * c["rows_eligible"], c
assert c["rows_eligible"] >= 0.99 * (c["rows_eligible"] + c["rows_buffered"]), c' "$work/got.json"
		then echo "ok $model: at least 99 % of its rows are decoded in registers"
		else echo "not ok $model: rows decoded in registers"; fi
	fi
	[ $bad = 0 ] && echo "ok $model: $runs runs with the same logits"
done
