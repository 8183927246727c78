#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Without the kernel module, --backend kmod says what is missing and what to do, and nothing else uses it.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
model=$MODELS/random-aligned-bf16
"$LWCMEM" pack "$model" -o "$work/model.lwc" 2> /dev/null || echo "not ok pack"

refused() { # refused NAME DEVICE PATTERN
	LWCMEM_DEVICE=$2 "$LWCMEM" run "$work/model.lwc" -p a -n 1 --backend kmod --logits "$work/logits" > "$work/out" 2> "$work/error"
	local rc=$?
	if [ $rc = 1 ] && grep -q "^lwcmem: $2: $3" "$work/error" && [ "$(wc -l < "$work/error")" = 1 ] &&
		[ ! -s "$work/out" ] && [ ! -e "$work/logits" ]; then echo "ok $1"
	else cat "$work/error"; echo "not ok $1: exit $rc"; fi
}
refused "a missing device" "$work/none" ".*insmod lwcmem.ko"
refused "a device of something else" /dev/null "not the device of lwcmem"

same() { # same NAME: --hugepages without the module gives the logits of the mapped file, and says why in one line
	"$LWCMEM" run "$work/model.lwc" -p a -n 2 --logits "$work/want" > /dev/null 2>&1
	LWCMEM_DEVICE=$work/none "$LWCMEM" run "$work/model.lwc" -p a -n 2 --hugepages --json --logits "$work/got" > /dev/null 2> "$work/error"
	if [ -s "$work/got" ] && cmp -s "$work/want" "$work/got" && [ "$(wc -l < "$work/error")" = 1 ] &&
		grep -q "copied for this process alone: $work/none: .*insmod lwcmem.ko first$" "$work/error"; then echo "ok $1"
	else cat "$work/error"; echo "not ok $1"; fi
}
same "--hugepages without the module copies the container"
if "$LWCMEM" run "$work/model.lwc" -p a -n 1 --hugepages --backend user > /dev/null 2>&1; [ $? = 2 ]; then echo "ok --hugepages is for fused"
else echo "not ok --hugepages is for fused"; fi

if LWCMEM_DEVICE=$work/none "$LWCMEM" run "$work/model.lwc" -p a -n 1 > /dev/null 2>&1; then echo "ok auto needs no device"
else echo "not ok auto needs no device"; fi
if "$LWCMEM" run "$model" -p a -n 1 --backend kmod > /dev/null 2> "$work/error"; then echo "not ok kmod of a plain model is refused"
elif grep -q "pack it first" "$work/error"; then echo "ok kmod of a plain model is refused"
else cat "$work/error"; echo "not ok kmod of a plain model is refused"; fi
