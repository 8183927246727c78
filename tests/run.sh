#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tests/run.sh user|all|vm|um|deb|debug [FILTER]: builds, runs the tests whose name contains FILTER, ends with
# "N passed, N failed, N skipped". A test script prints "ok NAME", "not ok NAME" or
# "skip NAME: reason" lines; a unit program is a cmocka group. vm and um are the tests of the kernel module, in QEMU and
# in user-mode Linux, debug in kernels that check: there, FILTER selects among the guest's programs (tests/kselftest).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
suite=${1:-user} filter=${2:-}
jobs=$(nproc) passed=0 failed=0 skips=()
log=$(mktemp) && trap 'rm -f "$log"' EXIT

build() { # build DIR SAN
	make -s -j"$jobs" B="$1" SAN="$2" all unit-programs || { echo "not ok build $1"; exit 1; }
}

unit() { # unit PROGRAM: one cmocka group; a test that skips has said why in the line before, "# reason"
	case $1 in *"$filter"*) ;; *) return ;; esac
	CMOCKA_MESSAGE_OUTPUT=tap "$1" > "$log" 2>&1
	local rc=$? ok bad skip='^(not )?ok [0-9]+ # SKIP'
	ok=$(grep '^ok [0-9]' "$log" | grep -vcE "$skip"); bad=$(grep '^not ok [0-9]' "$log" | grep -vcE "$skip")
	[ $rc = 0 ] || [ "$bad" -gt 0 ] || bad=1
	[ "$bad" = 0 ] || cat "$log"
	while read -r line; do skips+=("$1: $line"); done < <(awk -v skip="$skip" '
		$0 ~ skip { sub(/.*SKIP /, ""); print $0 ": " (why ? why : "no reason given") }
		{ why = /^# / ? substr($0, 3) : "" }' "$log")
	echo "$1: $ok passed, $bad failed"
	passed=$((passed + ok)) failed=$((failed + bad))
}

script() { # script FILE
	case $1 in *"$filter"*) ;; *) return ;; esac
	LWCMEM=$PWD/$tool MODELS=$PWD/build/models bash "$1" > "$log" 2>&1
	local rc=$? ok bad
	ok=$(grep -c '^ok ' "$log"); bad=$(grep -c '^not ok ' "$log")
	[ $rc = 0 ] || [ "$bad" -gt 0 ] || bad=1
	[ $((ok + bad)) -gt 0 ] || grep -q '^skip ' "$log" || bad=1
	# of a guest, whatever is not good: its failures may be far from the end
	case $1 in
	tests/vm/*) grep -v -e '^ok ' -e '^skip ' "$log" ;;
	*) [ "$bad" = 0 ] || tail -60 "$log" ;;
	esac
	while read -r line; do skips+=("${line#skip }"); done < <(grep '^skip ' "$log")
	echo "$1: $ok passed, $bad failed"
	passed=$((passed + ok)) failed=$((failed + bad))
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

finish() {
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
	tool=build/lwcmem
	script "$1"
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
for program in build/tests/test_* build-asan/tests/test_*; do
	case $program in *.d|*.o) ;; *) unit "$program" ;; esac
done
tool=build-asan/lwcmem
for file in tests/structure/*.sh tests/golden/*.sh tests/cli/*.sh; do
	[ -e "$file" ] || continue
	case $file in */engine*.sh | */real*.sh) tool=build/lwcmem ;; *) tool=build-asan/lwcmem ;; esac
	script "$file"
done
if [ "$suite" = all ]; then
	tool=build/lwcmem
	script tests/fuzz/run.sh
	for file in tests/vm/check-*.sh; do
		[ -e "$file" ] && { tool=build/lwcmem; script "$file"; }
	done
fi
finish
