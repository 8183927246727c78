#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The installed examples that the module has a part in; tests/cli/library.sh has the others. For busybox, in a guest with
# the module loaded. DATA: NAME/ and NAME.lwc for story and aligned; EXAMPLES: view and stream; MODULE: to load it again.
DATA=${DATA:-/data} EXAMPLES=${EXAMPLES:-/payload/examples} tensor=model.layers.1.mlp.down_proj.weight
work=${TMPDIR:-/tmp}/examples.$$
mkdir -p "$work" && trap 'rm -rf "$work"' EXIT
. "${0%/*}/libktap.sh"
said="$work/out $work/error"

plain() { # plain MODEL TENSOR: its bytes, from the file that was packed
	file=$DATA/$1/model.safetensors
	header=$(od -An -tu8 -N8 "$file" | tr -d ' ')
	range=$(head -c $((8 + header)) "$file" | tr '}' '\n' |
		sed -n "s/.*\"$2\": *{.*\"data_offsets\": *\[\([0-9]*\), *\([0-9]*\)\].*/\1 \2/p")
	[ -n "$range" ] || return 1
	tail -c +$((9 + header + ${range% *})) "$file" | head -c $((${range#* } - ${range% *}))
}

echo "KTAP version 1"
echo "1..9"
for model in story aligned; do
	for name in $tensor model.norm.weight; do
		plain $model $name > "$work/want" && [ -s "$work/want" ] &&
			"$EXAMPLES/view" "$DATA/$model.lwc" $name > "$work/got" 2> "$work/error" && cmp "$work/want" "$work/got" > "$work/out"
		verdict "$model: view of $name"
	done
	"$EXAMPLES/stream" "$DATA/$model.lwc" user > "$work/want" 2> "$work/error" && grep -q '^layer 1: norm [1-9]' "$work/want" &&
		"$EXAMPLES/stream" "$DATA/$model.lwc" kmod > "$work/out" 2> "$work/error" && cmp "$work/want" "$work/out" &&
		grep -q '^\([0-9]*\) decoded bytes streamed, \1 of them from the kernel module$' "$work/error"
	verdict "$model: stream, decoded by the module"
done
"$EXAMPLES/view" "$DATA/story.lwc" none > "$work/out" 2> "$work/error"
[ $? = 1 ] && grep -q "story.lwc: no such tensor" "$work/error"
verdict "view of a tensor that is not there"
rmmod lwcmem && { "$EXAMPLES/view" "$DATA/story.lwc" $tensor > "$work/out" 2> "$work/error"; [ $? = 77 ]; } &&
	grep -q "the kernel module is not loaded" "$work/error"
verdict "view without the module"
# shellcheck disable=SC2086
insmod "$MODULE" $LWCMEM_PARAMS && "$EXAMPLES/view" "$DATA/story.lwc" $tensor > "$work/out" 2> "$work/error"
verdict "view with it again"
exit $bad
