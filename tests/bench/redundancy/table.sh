#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# table.sh [--mib N] [--only PATTERN] [--from DIR] [-- PACK OPTIONS]: makes each redundant input, packs it, verifies it,
# and prints how far the stored size is from the bound. LWCMEM names the tool. PATTERN: an extended regular expression
# for the names in the first column. Exit 1 if one does not come back byte for byte; a missed goal is a "no".
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tool=${LWCMEM:-$here/../../../build/lwcmem}
mib=16 only=. from=() failed=0
while [ $# -gt 0 ]; do
	case $1 in
	--mib) mib=$2; shift 2 ;;
	--only) only=$2; shift 2 ;;
	--from) from=(--from "$2"); shift 2 ;;
	--) shift; break ;;
	*) sed -n '3,5s/^# //p' "$0"; exit 2 ;;
	esac
done
pack=("$@")
[ -x "$tool" ] || { echo "$tool: not there; run make, or give LWCMEM=" >&2; exit 1; }
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
case $("$tool" pack --help 2>&1) in *--base*) base_known=yes ;; *) base_known=no ;; esac

bad() { # bad NAME WHY: a row for what did not work
	echo "| $1 | $2 | | | | | | |"
	cat "$work/log" >&2
	failed=1
}

# store MODEL OUT.lwc [BASE OPTIONS]: packs and proves it
store() {
	local model=$1 out=$2; shift 2
	"$tool" pack "$model" -o "$out" ${pack[@]+"${pack[@]}"} "$@" > "$work/log" 2>&1 &&
		"$tool" verify "$out" --against "$model" "$@" >> "$work/log" 2>&1
}

row() { # row KIND [OPTIONS]
	local name="$*" kind=$1 options=("${@:2}") model=$work/model base=()
	grep -qE -e "$only" <<< "$name" || return
	rm -rf "$work"/*
	[ "$kind" = smollm2 ] || options+=(--mib "$mib" ${from[@]+"${from[@]}"})
	python3 "$here/make.py" "$kind" "$model" "${options[@]}" > "$work/log" 2>&1
	case $? in
	0) ;;
	3) echo "| $name | not fetched | | | | | | |"; return ;;
	*) bad "$name" "not made"; return ;;
	esac
	if [ -d "$model/base" ]; then
		[ $base_known = yes ] || { python3 "$here/table_row.py" "$name" "$model.bound.json"; return; }
		store "$model/base" "$work/base.lwc" || { bad "$name" "base failed"; return; }
		base=(--base "$work/base.lwc")
		model=$model/tuned
	fi
	store "$model" "$work/model.lwc" ${base[@]+"${base[@]}"} || { bad "$name" failed; return; }
	"$tool" info "$work/model.lwc" --json > "$work/info.json" 2> "$work/log" || { bad "$name" "info failed"; return; }
	python3 "$here/table_row.py" "$name" "$work/model.bound.json" "$work/info.json" 2> "$work/log" ||
		bad "$name" "no row"
}

echo "| kind | bits a weight | packed | ratio | bound | over the bound | goal (bound + 5 %) | met |"
echo "|---|---|---|---|---|---|---|---|"
row bf16-in-fp32
row fp16-in-fp32
for group in 32 64 128 row tensor; do
	row int4 --group $group
	row int4 --group $group --zero-point
done
for scale in bf16 fp32; do row int4 --scale $scale; done
for to in fp16 fp32; do
	for method in rtn gptq awq; do row int4 --method $method --zero-point --to $to; done
done
row int4 --method gptq
row int4 --method gptq --zero-point
row int4 --method gptq --act-order
row int4 --method awq --zero-point
for to in bf16 fp16 fp32; do
	row int4 --zero-point --product fp16 --to $to
	row int4 --zero-point --product fp16-affine --to $to
done
for group in row tensor; do
	for to in bf16 fp16 fp32; do row int8 --group $group --to $to; done
done
row int8 --group 128
for group in 128 row; do
	for to in bf16 fp16 fp32; do row int8 --group $group --zero-point --to $to; done
done
row int8 --method gptq
row pruned --pattern half
row pruned --pattern 2:4
row tied
row repeated
for fraction in 0.01 0.1 1; do row finetuned --fraction $fraction; done
row finetuned --lr 1e-6
row lora --rank 16
row lora --rank 64 --strength 0.03
for type in Q4_0 Q4_1 Q8_0; do
	row gguf --type $type
	row gguf-dequantised --type $type
done
for type in F32 F16 BF16; do row gguf --type $type; done
row smollm2
exit $failed
