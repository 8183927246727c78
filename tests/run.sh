#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tests/run.sh user|all|vm|um|deb|debug [FILTER]: builds, runs the tests whose name contains FILTER, ends with
# "N passed, N failed, N skipped". A test script prints "ok NAME", "not ok NAME" or
# "skip NAME: reason" lines; a unit program is a cmocka group. vm and um are the tests of the kernel module, in QEMU and
# in user-mode Linux, debug in kernels that check: there, FILTER selects among the guest's programs (tests/kselftest).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
suite=${1:-user} filter=${2:-}
jobs=$(nproc) passed=0 failed=0 started=0 skips=()
logs=$(mktemp -d) && trap 'rm -rf "$logs"' EXIT
# what runs in the background does not hear Ctrl-C
trap 'trap "" TERM; kill 0; exit 130' INT TERM

build() { # build DIR SAN
	make -s -j"$jobs" B="$1" SAN="$2" all unit-programs || { echo "not ok build $1"; exit 1; }
}

# Each test leaves its counts and the reasons of its skips in a verdict, from which tally adds them up.
verdict() { # verdict TEST OK BAD SECONDS SKIP...
	local file
	file=$(mktemp "$logs/verdict.XXXXXX")
	printf '%s\n' "$2 $3" "${@:5}" > "$file"
	echo "$1: $2 passed, $3 failed, $4 s"
}

unit() { # unit PROGRAM: one cmocka group; a test that skips has said why in the line before, "# reason"
	local log=$logs/${1//\//.} start=$SECONDS rc ok bad skip='^(not )?ok [0-9]+ # SKIP' reasons
	CMOCKA_MESSAGE_OUTPUT=tap "$1" > "$log" 2>&1
	rc=$?
	ok=$(grep '^ok [0-9]' "$log" | grep -vcE "$skip"); bad=$(grep '^not ok [0-9]' "$log" | grep -vcE "$skip")
	[ $rc = 0 ] || [ "$bad" -gt 0 ] || bad=1
	[ "$bad" = 0 ] || cat "$log"
	readarray -t reasons < <(awk -v skip="$skip" -v program="$1" '
		$0 ~ skip { sub(/.*SKIP /, ""); print program ": " $0 ": " (why ? why : "no reason given") }
		{ why = /^# / ? substr($0, 3) : "" }' "$log")
	verdict "$1" "$ok" "$bad" $((SECONDS - start)) ${reasons[@]+"${reasons[@]}"}
}

script() { # script FILE
	local log=$logs/${1//\//.} start=$SECONDS rc ok bad reasons
	LWCMEM=$PWD/$(tool_for "$1") MODELS=$PWD/build/models bash "$1" > "$log" 2>&1
	rc=$?
	ok=$(grep -c '^ok ' "$log"); bad=$(grep -c '^not ok ' "$log")
	[ $rc = 0 ] || [ "$bad" -gt 0 ] || bad=1
	[ $((ok + bad)) -gt 0 ] || grep -q '^skip ' "$log" || bad=1
	# of a guest, whatever is not good: its failures may be far from the end
	case $1 in
	tests/vm/*) grep -v -e '^ok ' -e '^skip ' "$log" ;;
	*) [ "$bad" = 0 ] || tail -60 "$log" ;;
	esac
	readarray -t reasons < <(sed -n 's/^skip //p' "$log")
	verdict "$1" "$ok" "$bad" $((SECONDS - start)) ${reasons[@]+"${reasons[@]}"}
}

# The sanitizers' build, but where the numbers of a whole model are made.
tool_for() {
	case $suite:$1 in
	user:*/engine*.sh | user:*/real*.sh | all:*/engine*.sh | all:*/real*.sh) echo build/lwcmem ;;
	user:* | all:tests/cli/* | all:tests/golden/* | all:tests/structure/*) echo build-asan/lwcmem ;;
	*) echo build/lwcmem ;;
	esac
}

# each JOBS KIND FILE...: unit or script of those that were asked for, JOBS at once
each() {
	local at_once=$1 kind=$2 file
	shift 2
	for file; do
		case $file in *.d | *.o) continue ;; *"$filter"*) ;; *) continue ;; esac
		[ "$(jobs -pr | wc -l)" -lt "$at_once" ] || wait -n
		started=$((started + 1))
		"$kind" "$file" &
	done
	wait
}

models() {
	bash tests/models/fetch.sh build
	case $? in
	0) ;;
	3) [ "${CI:-}" = true ] && { echo "not ok the real model is missing"; failed=1; }
		skips+=("the real model: it could not be fetched; seeded random models stand in") ;;
	*) echo "not ok make the models"; failed=1 ;;
	esac
}

tally() {
	local file counts
	for file in "$logs"/verdict.*; do
		[ -e "$file" ] || continue
		readarray -t counts < "$file"
		started=$((started - 1))
		passed=$((passed + ${counts[0]% *})) failed=$((failed + ${counts[0]#* }))
		skips+=(${counts[@]+"${counts[@]:1}"})
	done
	[ "$started" = 0 ] || echo "not ok $started tests were killed, or could not say what they found"
	failed=$((failed + started))
}

finish() {
	tally
	for skip in ${skips[@]+"${skips[@]}"}; do echo "skipped: $skip"; done
	echo "$passed passed, $failed failed, ${#skips[@]} skipped"
	[ "$failed" = 0 ]
	exit
}

# guest SCRIPT: one rig by itself
guest() {
	make -s -j"$jobs" B=build all || { echo "not ok build"; exit 1; }
	models
	export LWCMEM_TESTS=$filter
	filter=
	each 1 script "$1"
	finish
}

case $suite in
user | all) ;;
vm) guest tests/vm/check-qemu.sh ;;
um) guest tests/vm/check-um.sh ;;
deb) guest tests/vm/deb.sh ;;
debug) guest tests/vm/debug.sh ;;
*) sed -n '3s/^# //p' "$0"; exit 2 ;;
esac
build build ""
build build-asan "-fsanitize=address,undefined -fno-sanitize-recover=undefined"
models
each "$jobs" unit build/tests/test_* build-asan/tests/test_*
each "$jobs" script tests/structure/*.sh tests/golden/*.sh tests/cli/*.sh
if [ "$suite" = all ]; then
	each 1 script tests/fuzz/run.sh tests/vm/check-*.sh
fi
finish
