#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Logits are the same bytes from plain weights and from the backends that the kernel has a part in, and what the module
# gave is what the engine multiplied; tests/cli/engine-exact.sh has the others. For busybox, in a guest with the module
# loaded. DATA: NAME/ and NAME.lwc for story, aligned and nudged, story-bad.lwc, aligned-bad.lwc; LWCMEM: the tool.
DATA=${DATA:-/data} LWCMEM=${LWCMEM:-/bin/lwcmem}
ISAS=${ISAS:-scalar avx2 avx512} THREADS=${THREADS:-2} BACKENDS="kmod packed"
work=${TMPDIR:-/tmp}/engine.$$
mkdir -p "$work" && trap 'rm -rf "$work"' EXIT
. "${0%/*}/libktap.sh"

count() { echo $#; }
skip() { number=$((number + 1)); echo "ok $number $1 # SKIP $2"; }

run() { # run SOURCE ARGUMENTS...: logits, json and error in $work
	rm -f "$work/logits"
	"$LWCMEM" run "$@" -p Once -n 3 --logits "$work/logits" --json > "$work/json" 2> "$work/error"
}
field() { sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" "$work/json"; }

# What is wrong with the way of the bytes of the last run, if anything.
check_bytes() {
	ring=$(field bytes_ring) kernel=$(field bytes_kernel) fixed=$(field bytes_fixed) read=$(field bytes_read)
	direct=$(field bytes_direct)
	failed=$(field tiles_failed)
	[ "${kernel:-0}" -gt 0 ] || { echo "no bytes came from the module"; return; }
	[ "$kernel" = "$ring" ] || { echo "$ring bytes in the ring, $kernel of them from the module"; return; }
	[ "$fixed" = "$kernel" ] || { echo "$fixed of $kernel bytes by READ_FIXED: $(cat "$work/error")"; return; }
	[ "$direct" = "$kernel" ] || { echo "$direct of $kernel bytes past the page cache"; return; }
	[ "${read:-0}" -ge "$kernel" ] || { echo "the module says that it gave ${read:-nothing}, not $kernel"; return; }
	[ "$failed" = 0 ] || echo "$failed tiles failed"
}

# compare SOURCE ISA ARGUMENTS...: what is wrong with the logits for any number of threads, if anything
compare() {
	source=$1 isa=$2; shift 2
	for threads in $THREADS; do
		run "$source" --isa "$isa" -j "$threads" "$@" || { echo "-j $threads: $(cat "$work/error")"; return; }
		cmp -s "$work/logits" "$work/want" || { echo "-j $threads: other logits"; return; }
		case " $* " in *" kmod "*)
			why=$(check_bytes)
			[ -z "$why" ] || { echo "-j $threads: $why"; return; } ;;
		*" --hugepages "*)
			! grep -q copied "$work/error" || { echo "-j $threads: $(cat "$work/error")"; return; } ;;
		esac
	done
}

echo "KTAP version 1"
echo "1..$((2 * (1 + $(count $ISAS) * $(count $BACKENDS)) + 4))"
for model in story aligned; do
	why=
	run "$DATA/$model" --isa scalar -j 1 && [ -s "$work/logits" ] || why=$(cat "$work/error")
	mv "$work/logits" "$work/want" 2> /dev/null || : > "$work/want"
	result "$why" "$model: plain weights give logits"
	for isa in $ISAS; do
		lacks=
		run "$DATA/$model" --isa "$isa" -j 1 || lacks=$(grep "CPU does not have" "$work/error")
		for backend in $BACKENDS; do
			name="$model: $backend, $isa, same logits with $THREADS threads"
			if [ -n "$lacks" ]; then skip "$name" "this CPU does not have $isa"
			elif [ $backend = packed ]; then
				result "$(compare "$DATA/$model.lwc" "$isa" --backend fused --hugepages)" "$name"
			else result "$(compare "$DATA/$model.lwc" "$isa" --backend $backend)" "$name"; fi
		done
	done
done

run "$DATA/nudged" --isa scalar -j 1 && mv "$work/logits" "$work/want"
result "$(compare "$DATA/nudged.lwc" scalar --backend kmod --base "$DATA/aligned.lwc")" \
	"a fine-tune with its base: kmod, same logits with $THREADS threads"
why=
if run "$DATA/nudged.lwc" --backend kmod --base "$DATA/story.lwc"; then why="it gave a text"
elif ! grep -q "story.lwc has uuid" "$work/error"; then why=$(cat "$work/error"); fi
result "$why" "another base is refused"
why=
if run "$DATA/nudged.lwc" --backend kmod --base "$DATA/aligned-bad.lwc"; then why="it gave a text"
elif ! grep -q "nudged.lwc: model.layers.1.mlp.up_proj.weight: tile 0: the kernel module" "$work/error"; then why=$(cat "$work/error"); fi
result "$why" "a damaged tile of the base ends the run, and the tile that needs it is named"

why=
if run "$DATA/story-bad.lwc" --backend kmod; then why="it gave a text"
elif ! grep -q "story-bad.lwc: .*: tile [0-9]*: " "$work/error"; then why=$(cat "$work/error"); fi
result "$why" "a damaged tile ends the run and is named"
exit $bad
