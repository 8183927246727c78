#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The real model in every dtype: what the encoder makes of it, every decoder of this CPU turns back.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
[ -e "$MODELS/stories15M-bf16/config.json" ] || { echo "skip real weights through every decoder: the real model is missing"; exit 0; }

for kind in bf16 fp16 fp32 fp32bf16; do
	model=$MODELS/stories15M-$kind
	for choice in "--favor balanced" "--favor size" "--favor speed" "--structure 4,1" "--structure 2,1,1,2,2,2"; do
		[ $kind = bf16 ] || [ "${choice#--s}" = "$choice" ] || continue
		# shellcheck disable=SC2086
		"$LWCMEM" pack "$model" -o "$work/$kind.lwc" --force $choice 2> "$work/err" || { echo "not ok pack $kind $choice"; cat "$work/err"; continue; }
		bad=
		for isa in scalar bmi2 avx2 avx512; do
			LWCMEM_ISA=$isa "$LWCMEM" verify "$work/$kind.lwc" --against "$model" > "$work/out" 2>&1 || { bad="$bad $isa"; cat "$work/out"; }
		done
		if [ -z "$bad" ]; then echo "ok real weights in $kind, $choice"; else echo "not ok real weights in $kind, $choice:$bad"; fi
	done
	"$LWCMEM" unpack "$work/$kind.lwc" -o "$work/$kind" 2> /dev/null
	if diff -r "$model" "$work/$kind"; then echo "ok real weights in $kind come back"; else echo "not ok real weights in $kind come back"; fi
	rm -rf "${work:?}/$kind"*
done
