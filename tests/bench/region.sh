#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# region.sh [DIR]: what a region of the kernel module does beside squashfs, plain files and decoding in the program. As root,
# with lwcmem.ko loaded, on a machine that does nothing else. DIR (default: DATA, else .) has the weights:
#   model/           a model directory; it should fit into RAM three times
#   model.lwc        its container             made if missing
#   model.squashfs   its squashfs, zstd        made if missing and mksquashfs is there
#   huge.lwc         tests/cli/huge.c's        left out if missing
# DIR's filesystem is the disk: one that can read with O_DIRECT. Environment: LWCMEM, the tool. For busybox, too: `make
# bench-region` runs it in user-mode Linux.
set -u
dir=${1:-${DATA:-.}} LWCMEM=${LWCMEM:-lwcmem}
quick=${QUICK:+--quick} # shows that it works
PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || { echo "$0: mounts and cgroups need root" >&2; exit 1; }
[ -e "${LWCMEM_DEVICE:-/dev/lwcmem}" ] || { echo "$0: no /dev/lwcmem: insmod lwcmem.ko first" >&2; exit 1; }
[ -d "$dir/model" ] || { echo "$0: $dir/model is no directory" >&2; exit 1; }
work=$(mktemp -d) failed=0 cgroups=/sys/fs/cgroup
region=/run/lwcmem/bench-region # where attach shows the model's files
mkdir "$work/squashfs"
clean() {
	umount "$work/squashfs" 2> /dev/null
	[ ! -d $region ] || "$LWCMEM" detach bench-region
	rmdir "$cgroups/lwcmem-bench" 2> /dev/null
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

title() { printf '\n== %s\n\n' "$*"; }
# measure FILE COMMAND...: its table, also into FILE
measure() {
	out=$1
	shift
	if "$@" > "$out" 2> "$work/errors"; then cat "$out"; else failed=1 && cat "$out" "$work/errors"; fi
}
# cell FILE ROW COLUMN: of a table, whose columns are two spaces apart
cell() { awk -F '  +' -v row="$2" -v column="$3" '$1 == row { print $column; exit }' "$1"; }
megabytes() { echo $(($(du -sk "$1" | cut -f1) / 1000)); }
in_cache() { cat "$@" > /dev/null; }

# How a circle goes through a model, and what rows say of it. A fault of user-mode Linux costs more than decoding a page.
circle=--map way=mapped
! grep -q '^vendor_id.*User Mode' /proc/cpuinfo || circle=--keep way=read

# What a figure of this machine means.
describe() {
	echo "$(uname -srm), $(grep -c ^processor /proc/cpuinfo) CPUs: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)"
	echo "load $(cut -d' ' -f1-3 /proc/loadavg), $(awk '/^MemTotal/ { print int($2 / 1000) }' /proc/meminfo) MB of RAM"
	if grep -q '^vendor_id.*User Mode' /proc/cpuinfo; then
		echo "user-mode Linux: instructions run natively, and memory has pages of 4 KiB; system calls, page faults and switches"
		echo "between threads cost ten times or more what they do on a machine, which is to the disadvantage of all that is small;"
		echo "CPU time is counted in ticks of 10 ms, and what the host's other processes take is in it; the disk is the host's cache"
	elif grep -q 'QEMU TCG' /proc/cpuinfo; then
		echo "emulated: not native execution. These figures measure the emulator and show only that the script works"
	fi
}

prepare() {
	if [ ! -e "$dir/model.lwc" ]; then "$LWCMEM" pack "$dir/model" -o "$dir/model.lwc" || exit 1; fi
	if [ ! -e "$dir/model.squashfs" ] && command -v mksquashfs > /dev/null; then
		mksquashfs "$dir/model" "$dir/model.squashfs" -comp zstd -quiet -no-progress || exit 1
	fi
	echo "model $(megabytes "$dir/model") MB, container $(megabytes "$dir/model.lwc") MB$(
		[ ! -e "$dir/model.squashfs" ] || echo ", squashfs $(megabytes "$dir/model.squashfs") MB")"
}

# Sequential reads of the original files.
files() {
	title "reading the files, 1 MiB at a time, each cache dropped before (cold) or not (cached); containers and images in RAM"
	baseline=
	if [ ! -e "$dir/model.squashfs" ]; then
		echo "no $dir/model.squashfs, and no mksquashfs to make it: without squashfs"
	elif mount -t squashfs -o ro,loop "$dir/model.squashfs" "$work/squashfs" 2> "$work/errors"; then
		baseline=$work/squashfs
		in_cache "$dir/model.squashfs"
	else
		echo "without squashfs: $(cat "$work/errors")"
	fi
	in_cache "$dir/model.lwc"
	# shellcheck disable=SC2086
	measure "$work/files" "$LWCMEM" bench files $baseline $region "$dir/model" $quick
	umount "$work/squashfs" 2> /dev/null
	[ -n "$baseline" ] || return
	cell "$work/files" "cold, squashfs" 3 > "$work/squashfs.cpu"
	echo "region against squashfs, cold: $(cell "$work/files" "cold, bench-region" 5)x"
}

# CPU time of direct reads and fills of the page cache.
region() {
	in_cache "$dir/model.lwc"
	title "stored bytes in the page cache of the container"
	measure "$work/stream" "$LWCMEM" bench region "$dir/model.lwc" $quick
	title "stored bytes held by the module (RESIDENT)"
	measure "$work/resident" "$LWCMEM" bench region "$dir/model.lwc" --hold "$dir/model.lwc" $quick
	if [ "$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)" -ge 32 ] 2> /dev/null; then
		title "the same, read into huge pages"
		measure "$work/huge" "$LWCMEM" bench region "$dir/model.lwc" --hold "$dir/model.lwc" --hugepages $quick
	fi
	echo
	[ ! -s "$work/squashfs.cpu" ] || echo "direct reads against reading squashfs, CPU: $(
		cell "$work/stream" "direct, pread" 3 | awk -v squashfs="$(cat "$work/squashfs.cpu")" '{ printf "%.1f", squashfs / $1 }')x less"
	advise "$work/stream"
}

# advise FILE: where each way wins
advise() {
	best=$(awk -F '  +' '/^direct, .*x(1|4|16|64)  / && $3 < least + 0 || /^direct, pread  / { least = $3; name = $1 } END { print name }' "$1")
	printf '%s\n' "$(cell "$1" "$best" 3) $(cell "$1" "page cache, cold" 3) $(cell "$1" "page cache, warm" 3)" |
		awk -v way="$best" '{
			printf "CPU s/GB: %s (%s), page cache cold %s, warm %s.\n", $1, way, $2, $3
			if ($1 < $2)
				print "Bytes that are read once, or more of them than RAM holds: O_DIRECT."
			if ($3 < $1)
				printf "Bytes that are read more than %.1f times while the page cache keeps them: the page cache.\n",
					($2 - $3) / ($1 - $3)
			else
				print "Copying from the page cache costs more than decoding anew: O_DIRECT, or map the region."
		}'
}

# limit PERCENT: gives the memory cgroup so much of the decoded size
limit() {
	echo $(($(du -sk "$dir/model" | cut -f1) * 1024 / 100 * $1)) > "$cgroups/lwcmem-bench/memory.max"
}
# limited FILE ARGUMENTS...: bench files in that cgroup, with cold caches; what it prints into FILE
limited() {
	out=$work/$1
	shift
	sync
	echo 1 > /proc/sys/vm/drop_caches
	# shellcheck disable=SC2016
	sh -c '{ echo $$ > "$0/cgroup.procs"; } 2> /dev/null || { echo "cannot enter $0"; exit 1; }; exec "$@"' \
		"$cgroups/lwcmem-bench" "$LWCMEM" bench files "$@" $quick > "$out" 2>&1 || failed=1
}
# row FILE WAY NAME: of the table of memory
row() {
	[ -n "$(cell "$1" "$2" 2)" ] || { printf '%-30s %8s\n' "$3" failed; return; }
	printf '%s  %s  %s  %s\n' "$3" "$(cell "$1" "$2" 2)" "$(cell "$1" "$2" 3)" "$(cell "$1" "$2" 4)" | awk -F '  ' -v cpus="$(grep -c ^processor /proc/cpuinfo)" '{
		printf "%-30s %8.2f %9.3f %9.2f", $1, $2, $3, $4
		count = split("0.5 1 2 5", disk, " ")
		for (i = 1; i <= count; i++) {
			time = ($3 / cpus > $4 / disk[i] ? $3 / cpus : $4 / disk[i])
			printf " %8.2f", (time > 0 ? 1 / time : 0)
		}
		print ""
	}'
}

# All bytes again and again, with less memory than they need.
memory() {
	if ! grep -qw memory "$cgroups/cgroup.controllers" 2> /dev/null ||
		! { echo +memory > "$cgroups/cgroup.subtree_control" && mkdir -p "$cgroups/lwcmem-bench"; } 2> /dev/null ||
		[ ! -e "$cgroups/lwcmem-bench/memory.max" ]; then
		echo "no memory cgroup in $cgroups: without memory.max"
		return
	fi
	for percent in 75 90; do
		if ! limit $percent; then
			echo "without memory.max = $percent % of the decoded size" && failed=1
			continue
		fi
		title "$way, all of it in a circle, memory.max = $percent % of the decoded size"
		limited plain $circle "$dir/model"
		limited mapped $circle $region
		limited held $circle $region --hold "$dir/model.lwc"
		limited direct --direct $region --hold "$dir/model.lwc"
		printf '%-30s %8s %9s %9s   computed GB/s, disk of 0.5, 1, 2, 5 GB/s\n' "" GB/s "CPU s/GB" "disk B/B"
		row "$work/plain" "$way, model" "plain files"
		row "$work/mapped" "$way, bench-region" "region"
		row "$work/held" "$way, bench-region" "region, container held in RAM"
		row "$work/direct" "direct, bench-region" "the same, direct reads"
		for out in plain mapped held direct; do grep -e '^lwcmem: ' -e '^cannot enter ' "$work/$out"; done
	done
	echo
	echo "GB/s: with the disk of this machine. Computed: all CPUs decoding or the disk, whichever takes longer."
}

attach() {
	[ -e "$dir/huge.lwc" ] || return
	title "attach"
	measure "$work/attach" "$LWCMEM" bench region "$dir/huge.lwc" --attach
}

describe
prepare
"$LWCMEM" attach "$dir/model.lwc" bench-region || exit 1
files
region
memory
attach
echo
echo "Bytes that N processes share: tests/kselftest/resident_memory.c measures them."
exit $failed
