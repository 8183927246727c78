#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The codec is fit for the kernel: small frames, no floating point outside the SIMD files, and clean
# under a strict set of warnings.
cd "$(dirname "$0")/../.." || exit 1
out=$(mktemp -d) && trap 'rm -rf "$out"' EXIT

strict="-std=gnu11 -O2 -Wall -Wextra -Werror -Wframe-larger-than=1024 -Wvla -Wdeclaration-after-statement
	-Wstrict-prototypes -Wmissing-prototypes -Wno-missing-field-initializers -D_GNU_SOURCE -I. -Ikmod"
# stored bytes may change while they are decoded
if grep -nE 'memcpy\((&header|&entry|parameters|bits),' kmod/codec/*.c; then
	echo "not ok headers are fetched by lwc_fetch"
else
	echo "ok headers are fetched by lwc_fetch"
fi
# whatever files are compiled for, the CPU is asked for it
flags=$(grep -hE '^(isa-(bmi2|avx2|avx512)|bmi2|simd|avx512) :=' Makefile Kbuild | grep -oE -- ' -m[a-z0-9]+' |
	sort -u | sed 's/ -m//; s/^bmi$/bmi1/' | grep -vxE 'sse|sse2|preferred' | tr a-z A-Z)
missing=$(for flag in $flags; do grep -q "LWC_CPU_$flag," kmod/codec/codec.h || echo "$flag"; done)
if [ "$(wc -w <<< "$flags")" -ge 14 ] && [ -z "$missing" ]; then
	echo "ok the CPU is asked for all that files are compiled for"
else
	echo "not ok the CPU is asked for all that files are compiled for:" $missing
fi
for file in kmod/codec/*.c; do
	case $file in
	*_avx512.c) flags="-mbmi -mbmi2 -mavx2 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vbmi -mavx512vbmi2 -mgfni" ;;
	*_avx2.c) flags="-mbmi -mbmi2 -mavx2" ;;
	*) flags="-mgeneral-regs-only" ;;
	esac
	name="codec fits the kernel: ${file##*/}"
	# shellcheck disable=SC2086
	if gcc $strict $flags -c "$file" -o "$out/object.o" 2> "$out/errors"; then
		echo "ok $name"
	else
		cat "$out/errors"
		echo "not ok $name"
	fi
done
