#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# sudo bash tests/vm/host.sh [SECONDS]: what no guest can prove of the module: this machine's FPU and vector registers, CPUs, NUMA
# nodes and huge pages, for SECONDS (600). It loads lwcmem.ko into the running kernel, repeats those tests of tests/kselftest
# that leave the rest of the machine alone, and removes it: not for a machine that others work on. What must be there:
# `make modules kselftests models`. MODULE=FILE: another lwcmem.ko. Prints "ok NAME" or "not ok NAME" for each run, and
# what the kernel log says of the module; status 1 if anything is wrong.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
. tests/vm/lib.sh
seconds=${1:-600} module=${MODULE:-lwcmem.ko} tests="fpu content content_uring direct direct_uring concurrent resident resident_numa isa errors corrupt"
failed=0 data=build/vm/data
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

stop() { echo "$0: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || stop "only root can load a module: sudo bash $0"
[ -e "$module" ] || stop "$module is not there: make modules"
for program in $tests; do [ -x "build/kselftest/$program" ] || stop "build/kselftest/$program is not there: make kselftests"; done
! grep -q '^lwcmem ' /proc/modules || stop "lwcmem is loaded already, and may be in use: rmmod lwcmem"
mkdir -p build/vm
quietly make_data || stop "the tests' data could not be made: make models"

echo "lwcmem host.sh: start $$" > /dev/kmsg
insmod "$module" || stop "the kernel refuses $module; its log may say why: dmesg | tail"
trap 'rmmod lwcmem; rm -rf "$work"' EXIT
export DATA=$PWD/$data LWCMEM=$PWD/build/lwcmem MODULE=$PWD/$module
programs=$PWD/build/kselftest
for ((round = 1; round == 1 || SECONDS < seconds; round++)); do
	for program in $tests; do
		(cd "$work" && "$programs/$program") > "$work/out" 2>&1
		status=$?
		if [ "$status" = 0 ] || [ "$status" = 4 ]; then
			echo "ok $program, round $round$(sed -n 's/.*# SKIP /; skipped: /p' "$work/out" | sort -u | tr -d '\n')"
		else
			cat "$work/out"
			echo "not ok $program, round $round"
			failed=1
		fi
	done
done
# what it reports of damaged tiles is what the tests want to see; warnings of the kernel are not
dmesg | sed "1,/host.sh: start $$/d" | grep -E -A 20 'BUG:|WARNING:|Oops|general protection' && failed=1
echo "$((round - 1)) rounds in $SECONDS s on $(uname -r), $(nproc) CPUs, $(find /sys/devices/system/node -maxdepth 1 -name 'node[0-9]*' | wc -l) nodes"
exit "$failed"
