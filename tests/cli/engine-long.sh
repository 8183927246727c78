#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The same logits in 8k of context, and the same sampled tokens for a seed.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
. tests/cli/checks.bash
usable_isas "long and sampled texts"

# 8k of context: splits, threads and ISAs; scalar is left out for its time
python3 tests/cli/engine_long.py "$work" || echo "not ok make models of a long context"
program=$(dirname "$LWCMEM")/tests/read_schedules
long() { # long OUT MODEL KIND ISA THREADS KV SCHEDULES
	"$program" "$2" - "$3" "$4" "$5" "$6" 3 "$7" 8300 > "$1" 2> "$work/err"
}
fast=${isas#* scalar}
first=${fast# } first=${first%% *}
for model in full window; do
	[ -n "$first" ] || { echo "skip 8k of context: scalar alone takes too long"; break; }
	bad=0 runs=0
	"$LWCMEM" pack "$work/$model" -o "$work/$model.lwc" 2> "$work/err" || { echo "not ok pack $model"; cat "$work/err"; }
	for kv in fp32 fp16; do
		long "$work/want-$kv" "$work/$model" directory "$first" 1 $kv "" || { echo "not ok 8k of $model"; cat "$work/err"; }
	done
	cmp -s "$work/want-fp32" "$work/want-fp16" && echo "not ok 8k of $model: fp16 as keys and values gives the logits of fp32"
	python3 - "$work/want-fp32" <<'P' || echo "not ok 8k of $model has logits that are finite and differ"
import array, math, sys
logits = array.array("f", open(sys.argv[1], "rb").read())
assert len(logits) == 24 * 287 and all(map(math.isfinite, logits)) and len(set(logits)) > 6000
P
	while read -r source kind isa threads kv schedules; do
		case " $fast " in *" $isa "*) ;; *) continue ;; esac
		runs=$((runs + 1))
		if ! long "$work/got" "$work/$source" $kind $isa $threads $kv "${schedules:-}" || ! cmp "$work/want-$kv" "$work/got"; then
			echo "not ok 8k of $source, $kind, $isa, -j $threads, $kv"; cat "$work/err"; bad=1
		fi
	done <<-E
		$model directory avx512 2 fp32 c
		$model directory avx2 3 fp16
		$model.lwc fused avx2 1 fp32 o
		$model.lwc fused avx512 3 fp16 c
		$model.lwc user avx512 1 fp32
	E
	[ $bad = 0 ] && [ $runs -gt 0 ] && echo "ok 8k of $model: $runs runs with the same logits"
done

# sampled tokens: by the seed alone
cd "$work" || exit 1
"$LWCMEM" pack "$MODELS/random-aligned-bf16" -o aligned.lwc 2> err || { echo "not ok pack random-aligned-bf16"; cat err; }
tokens() { # tokens MODEL ARGUMENTS...
	"$LWCMEM" run "$1" -p "once upon a time" -n 24 --json "${@:2}" 2> err |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["token_ids"])'
}
sampled=0
for how in "--temp 0.8" "--temp 1.5 --top-k 12" "--temp 1 --top-p 0.7" "--temp 1.2 --top-k 40 --top-p 0.9"; do
	# shellcheck disable=SC2086
	want=$(tokens "$MODELS/random-aligned-bf16" $how --seed 11 --isa scalar -j 1)
	case $want in [[]*,*]) ;; *) echo "not ok run with $how"; cat err ;; esac
	# shellcheck disable=SC2086
	[ "$want" != "$(tokens aligned.lwc $how --seed 12)" ] || echo "not ok $how: another seed, the same tokens"
	for isa in $isas; do
		for backend in fused user; do
			# shellcheck disable=SC2086
			if [ "$want" = "$(tokens aligned.lwc $how --seed 11 --isa "$isa" --backend $backend)" ]; then sampled=$((sampled + 1))
			else echo "not ok tokens with $how on $isa, $backend"; cat err; fi
		done
	done
done
[ $sampled -gt 7 ] && echo "ok $sampled runs drew the same tokens for a seed"
greedy=$(tokens aligned.lwc)
for how in "--temp 2 --top-k 1 --seed 5" "--temp 1 --top-p 0 --seed 6"; do
	# shellcheck disable=SC2086
	if [ -n "$greedy" ] && [ "$greedy" = "$(tokens aligned.lwc $how)" ]; then echo "ok $how is greedy"
	else echo "not ok $how is greedy"; cat err; fi
done
