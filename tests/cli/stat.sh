#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# stat: figures of the module, processes and rates from trees of /proc and /sys that are made up. tests/kselftest/stats.c
# has the real ones.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work" || exit 1
tree=$work/tree

put() { mkdir -p "$(dirname "$tree/$1")" && printf '%b' "$2" > "$tree/$1"; } # put FILE CONTENT
module() { # module TILES BYTES LATENCY
	local name
	for name in "abi 1" "incompat 0x1f" "isa avx2" "tile_max 262144" "backings 2" "regions 3" "tiles_decoded $1" \
		"bytes_decoded $2" "bytes_stored_read 700" "tiles_failed 5" "latency $3"; do
		put "sys/class/misc/lwcmem/${name%% *}" "${name#* }\n"
	done
}
region() { # region PROCESS DESCRIPTOR VIEW CONTAINER BYTES
	put "proc/$1/fdinfo/$2" "pos:\t0\nflags:\t0100000\nlwcmem-view:\t$3\nlwcmem-container:\t$4\nlwcmem-generation:\t1\nlwcmem-tiles-decoded:\t9\nlwcmem-bytes-decoded:\t$5\nlwcmem-tiles-failed:\t5\nlwcmem-bytes-cached:\t8192\nlwcmem-latency:\t$none\n"
}
none="0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"
some="0 0 0 0 0 0 50 0 0 0 48 0 2 0 0 0 0 0 0 0 0 0 0 0"
fresh() {
	rm -rf "$tree"
	module 1000 2000000000 "$some"
	put proc/10/comm 'python3\n'
	put proc/10/fdinfo/0 'pos:\t0\nnot-lwcmem-view:\tarena\n'
	region 10 3 arena /models/a.lwc 1000
	region 10 4 arena /models/a.lwc 1000
	region 10 5 'file\nlwcmem-file:\t7' /models/a.lwc 1000
	put proc/9/comm 'evil\033[2Jname\n'
	region 9 3 arena '/models/\033[2Jb.lwc' 50
	mkdir -p "$tree/proc/sys" "$tree/proc/11/fdinfo"
}
look() { "${as[@]}" "$LWCMEM" stat --root "$tree" "$@" > out 2> err; code=$?; }
as=()
verdict() { if [ "$2" = 0 ]; then echo "ok $1"; else cat out err; echo "not ok $1: exit $code"; fi; } # verdict NAME STATUS
check() { # check NAME PYTHON: of the reports, one a line
	python3 -c "
import json, sys
reports = [json.loads(line) for line in open('out')]
report = reports[-1]
assert ($2), report" 2>> err
	verdict "$1" $((code + $?))
}

fresh
look --json
check "figures of the module" "(report['abi'], report['isa'], report['backings'], report['regions'],
	report['counts']['tiles_decoded'], report['counts']['bytes_decoded'], report['counts']['bytes_stored_read'],
	report['counts']['tiles_failed']) == (1, 'avx2', 2, 3, 1000, 2000000000, 700, 5) and len(reports) == 1"
check "no rates at first" "report['per_second'] is None and report['open'][0]['per_second'] is None"
check "percentiles" "(lambda l: (l['parts'], l['p50_below_us'], l['p99_below_us']) == (100, 64, 4096) and sum(l['counts']) == 100)(report['counts']['latency'])"
check "one line for all descriptors of a region" "[(r['pid'], r['process'], r['view'], r['file'], r['descriptors']) for r in report['open']][1:] in (
	[(10, 'python3', 'arena', None, 2), (10, 'python3', 'file', 7, 1)], [(10, 'python3', 'file', 7, 1), (10, 'python3', 'arena', None, 2)])"
check "figures of a region" "(lambda r: (r['of_container']['bytes_decoded'], r['of_container']['tiles_failed'], r['bytes_cached'], r['container']) == (1000, 5, 8192, '/models/a.lwc'))(report['open'][1])"
check "names are printable" "report['open'][0]['pid'] == 9 and '\x1b' not in report['open'][0]['container'] + report['open'][0]['process']"

for case in "99 64 64" "50 64 4096" "1 4096 4096"; do
	read -r low p50 p99 <<< "$case"
	module 1 1 "0 0 0 0 0 0 $low 0 0 0 0 0 $((100 - low)) 0 0 0 0 0 0 0 0 0 0 0"; look --json
	check "percentiles, $low below 64 us" "(report['counts']['latency']['p50_below_us'], report['counts']['latency']['p99_below_us']) == ($p50, $p99)"
done
module 1 1 "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 4"; look --json
check "the last bucket has no end" "report['counts']['latency']['p99_below_us'] is None and report['counts']['latency']['parts'] == 4"
look
grep -q 'p50 >= 4.19 s' out && grep -qE '>= 4.19 s +#+ 4$' out; verdict "and the table says so" $?
module 1 1 "$none"; look
grep -q 'latency of tile faults  none yet' out; verdict "no tile faults yet" $?

# figures that grow between two looks, all at once
fresh
mv "$tree" before
tree=$work/after; cp -r before "$tree"
module 3000 6000000000 "$some"; region 10 3 arena /models/a.lwc 500001000; region 10 4 arena /models/a.lwc 500001000
tree=$work/tree; ln -s before "$tree"; ln -s after next; rm out
(until [ -s out ]; do sleep 0.05; done; mv -T next "$tree") &
look --json -n 2 -i 3
wait
check "rates" "len(reports) == 2 and reports[0]['per_second'] is None and 66 < report['per_second']['tiles_decoded'] < 667 \
	and 1.3e8 < report['per_second']['bytes_decoded'] < 1.34e9 and report['per_second']['tiles_failed'] == 0"
check "rates of a region" "[1.6e7 < r['per_second']['bytes_decoded'] < 1.67e8 for r in report['open']].count(True) == 1"

fresh; look
if [ $code = 0 ] && grep -qE '^lwcmem  ABI 1, decodes with avx2; 2 containers, 3 open regions$' out &&
	grep -qE '^  bytes decoded +2.0 GB$' out && grep -qE '100 parts: p50 < 64 us, p99 < 4.1 ms$' out &&
	grep -qE '^   < 64 us +#{40} 50$' out && grep -qE '^python3 +10  file 7 +9 +- +5 +8.2 kB  /models/a.lwc$' out &&
	! grep -q "$(printf '\033')" out; then echo "ok the table"
else cat out err; echo "not ok the table: exit $code"; fi
script -qec "stty rows 24 cols 100; $LWCMEM stat --root $tree -n 2 -i 0.1" /dev/null > out 2> err; code=$?
[ "$(grep -c "$(printf '\033\[H')" out)" = 2 ] && grep -q "$(printf '\033\[J')" out; verdict "a terminal is drawn over" $?

# a user sees that others are hidden
if [ "$(id -u)" = 0 ] && setpriv --reuid=65534 --clear-groups test -x "$LWCMEM"; then
	chmod 0700 "$tree/proc/10/fdinfo"
	as=(setpriv --reuid=65534 --clear-groups); look --json; as=()
	check "hidden processes" "report['processes_hidden'] == 1 and len(report['open']) == 1"
else
	echo "skip hidden processes: only root can become another user"
fi

refused() { # refused NAME STATUS TEXT ARGUMENTS...
	local name=$1 status=$2 text=$3; shift 3
	look "$@"
	[ $code = "$status" ] && grep -qF -- "$text" err && [ ! -s out ]; verdict "$name" $?
}
fresh; rm -r "$tree/sys"; refused "without the module" 1 "the kernel module is not loaded"
refused "without the module, as JSON" 1 "lwcmem doctor says what it needs" --json
fresh; rm "$tree/sys/class/misc/lwcmem/latency"; refused "an older module" 1 "latency: not 24 numbers"
fresh; put sys/class/misc/lwcmem/latency "1 2 3\n"; refused "too few buckets" 1 "latency: not 24 numbers"
fresh; put sys/class/misc/lwcmem/regions "x\n"; refused "a figure that is no number" 1 "regions: no number"
fresh
for argument in "-n 0" "-n x" "-n -1" "-i 0" "-i x" "-i nan" "file"; do
	# shellcheck disable=SC2086
	refused "arguments: $argument" 2 "usage: lwcmem stat" $argument
done
# once it has printed and sleeps
"$LWCMEM" stat --root "$tree" --json -n 2 -i 60 > out 2> err & pid=$!
for _ in $(seq 3000); do
	read -r _ _ state _ 2> /dev/null < /proc/$pid/stat || break
	[ "$state" != S ] || [ "$(wc -l < out)" != 1 ] || break
	sleep 0.02
done
kill -INT $pid; wait $pid; code=$?
[ $code = 0 ] && [ "$(wc -l < out)" = 1 ] && [ ! -s err ]; verdict "Ctrl-C ends it" $?
