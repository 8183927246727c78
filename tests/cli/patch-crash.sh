#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# patch: every crash leaves the old or the new model, readers of the old one are not disturbed, and
# two updates exclude each other.
. tests/cli/patch.bash

# --- at every call that changes or syncs something ---
crashes() { # crashes MODE NAME OPTIONS...: patch from old to new/NAME
	local mode=$1 name=$2 call=0 got state states="" bad=0; shift 2
	while [ $bad = 0 ] && [ $call -lt 200 ]; do
		call=$((call + 1))
		cp start.lwc crash.lwc || return 1
		at_call "$mode" $call "$LWCMEM" patch crash.lwc "new/$name" -j 1 "$@" > crash.out 2>&1; got=$?
		if holds crash.lwc old; then state=old
		elif holds crash.lwc "new/$name"; then state=new
		else state=broken bad=1; cat holds.err; fi
		states="$states $state"
		case $mode-$got in
		*-0) [ $state = new ] || bad=1; break ;;
		full-1) # nothing stays behind, unless what failed was all but done
			[ $state = new ] || cmp start.lwc crash.lwc || bad=1
			if ls -A | grep '^\.lwcmem-'; then bad=1; fi ;;
		kill-137 | torn-137 | half-137 | power-137) ;;
		*) echo "call $call: exit $got"; cat crash.out; bad=1 ;;
		esac
		rm -f .lwcmem-*
		[ $bad = 1 ] || { "$LWCMEM" patch crash.lwc new/shorter 2> holds.err && holds crash.lwc new/shorter; } ||
			{ echo "call $call: the next patch fails"; cat holds.err; bad=1; }
	done
	echo "$mode $name $*:$states"
	[ $bad = 0 ] && [ $call -gt 6 ] && case $states in " old old"*" new") ;; *) false ;; esac
}
cp old.lwc start.lwc
# so that an older superblock is in the slot that will be written
check "two generations to start from" bash -c \
	"'$LWCMEM' patch start.lwc new/file-renamed && '$LWCMEM' patch start.lwc old"
for mode in kill torn half power full; do
	check "$mode at every call of patch" crashes $mode one-tile
done
check "kill at every call of patch --compact" crashes kill literal --compact
check "power at every call of patch --compact" crashes power literal --compact
check "full at every call of patch --compact" crashes full literal --compact

# a tear in what is not zero of the superblock: the last but one call of all
calls=0
until cp start.lwc crash.lwc; at_call kill $((calls + 1)) "$LWCMEM" patch crash.lwc new/one-tile -j 1 2> err; do
	calls=$((calls + 1))
done
cp start.lwc crash.lwc
at_call torn $((calls - 1)) "$LWCMEM" patch crash.lwc new/one-tile -j 1 2> err
check "a torn superblock was written" bash -c '! cmp -n 8192 start.lwc crash.lwc'
check "a torn superblock leaves the old model" holds crash.lwc old

# --- no space, signals ---
cp start.lwc full.lwc
refuse "no space" 1 "full.lwc: cannot write" bash -c "ulimit -f $(($(stat -c %s start.lwc) / 1024 + 8)); '$LWCMEM' patch full.lwc new/one-tile"
check "no space: not a byte" cmp start.lwc full.lwc
for call in 1 2 3; do
	cp start.lwc int.lwc
	refuse "SIGINT at call $call" 1 interrupted at_call int $call "$LWCMEM" patch int.lwc new/all-other -j 1
	check "SIGINT at call $call: not a byte" cmp start.lwc int.lwc
done
check "something dead" "$LWCMEM" patch int.lwc new/file-removed
cp int.lwc int.before
refuse "SIGINT while compacting" 1 interrupted at_call int 2 "$LWCMEM" patch int.lwc --compact
check "SIGINT while compacting: not a byte, and no other file" bash -c 'cmp int.lwc int.before && ! ls -A | grep "^\.lwcmem-"'

# --- readers of the old generation; two updates at once ---
start() { # start N COMMAND...: stops before its call N; sets pid
	CRASH=stop CRASH_AT=$1 LD_PRELOAD=$work/crash.so \
		ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS:-} "${@:2}" 2> start.err & pid=$!
}
stopped() { # stopped PID: until it is
	for _ in $(seq 500); do
		read -r _ _ state _ 2> /dev/null < "/proc/$1/stat" || return 1
		[ "$state" != T ] || return 0
		sleep 0.02
	done
	return 1
}
cp old.lwc busy.lwc
start 8 "$LWCMEM" unpack busy.lwc -o reader.out -j 1
check "a reader is at work" stopped $pid
at_call kill 3 "$LWCMEM" patch busy.lwc new/all-other -j 1 2> err
check "meanwhile a patch crashes, and others do not" bash -c "'$LWCMEM' patch busy.lwc new/one-tile &&
	'$LWCMEM' patch busy.lwc new/all-other && '$LWCMEM' patch busy.lwc new/nothing-left && '$LWCMEM' patch busy.lwc old"
kill -CONT $pid
check "the reader is content" wait $pid
check "it has read the old model" diff -r old reader.out
cp old.lwc busy.lwc
start 8 "$LWCMEM" unpack busy.lwc -o late.out -j 1
check "another one is at work" stopped $pid
check "meanwhile the file is replaced" "$LWCMEM" patch busy.lwc new/all-other --compact
kill -CONT $pid
check "it is content, too" wait $pid
check "it, too, has read the old model" diff -r old late.out
cp old.lwc busy.lwc
start 3 "$LWCMEM" patch busy.lwc new/one-tile -j 1
check "a patch is at work" stopped $pid
refuse "a second one is refused" 1 "another process" "$LWCMEM" patch busy.lwc new/modes
refuse "so is compacting" 1 "another process" "$LWCMEM" patch busy.lwc --compact
check "reading is not" holds busy.lwc old
kill -CONT $pid
check "the first one ends well" wait $pid
check "with its model" holds busy.lwc new/one-tile

# --- what is to depend on a container keeps it from being updated meanwhile, reading does not ---
start 1 "$LWCMEM" pack old -o tuned.lwc --base busy.lwc -j 1
check "a pack is at work" stopped $pid
refuse "patching its base is refused" 1 "busy.lwc: another process is packing" "$LWCMEM" patch busy.lwc old
refuse "so is compacting it" 1 "busy.lwc: another process is packing" "$LWCMEM" patch busy.lwc --compact
check "another pack is not" "$LWCMEM" pack old -o other.lwc --base busy.lwc
kill -CONT $pid
check "the pack ends well" wait $pid
check "with its base as it is" "$LWCMEM" verify tuned.lwc --base busy.lwc --against old
start 8 "$LWCMEM" unpack tuned.lwc -o tuned.out --base busy.lwc -j 1
check "what depends on a base is being read" stopped $pid
cp busy.lwc kept.lwc
check "meanwhile the base is patched, and compacted" "$LWCMEM" patch busy.lwc new/nothing-left --compact
kill -CONT $pid
check "the reader of both is content" wait $pid
check "it has read the model" diff -r old tuned.out
refuse "later ones are refused" 1 "needs the base with uuid" "$LWCMEM" verify tuned.lwc --base busy.lwc
check "but not with the base that was kept" "$LWCMEM" verify tuned.lwc --base kept.lwc
start 3 "$LWCMEM" patch busy.lwc old -j 1
check "a patch is at work again" stopped $pid
refuse "packing by what it updates is refused" 1 "busy.lwc: another process is updating it" "$LWCMEM" pack old -o x.lwc --base busy.lwc
kill -CONT $pid
check "the patch ends well" wait $pid
check "nothing partial is left" bash -c '! ls -A | grep "^\.lwcmem-"'
