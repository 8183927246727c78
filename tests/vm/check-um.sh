#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The module's tests under user-mode Linux: the machine's own instructions at native speed, one CPU, no preemption. The
# daily loop. Environment: LWCMEM_TESTS (part of the names of the tests to run), LWCMEM_PARAMS (for insmod), UM_EXTRA
# (a fragment for the kernel's configuration), UM_LIMIT (seconds a program may take), LWCMEM_DEBUG (see debug.sh).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
. tests/vm/lib.sh
limit=${UM_LIMIT:-120}
memory=1024 # MiB
# the same guest for tests/bench/region.sh
[ -z "${LWCMEM_BENCH:-}" ] || memory=3072 limit=1500

# The guest's RAM is a sparse file that must be mapped executable: a tmpfs with room for it, else any directory.
ram_directory() {
	local dir
	for dir in "${TMPDIR:-/tmp}" /dev/shm /tmp "$PWD/build/vm"; do
		[ "$(stat -f -c %T "$dir" 2> /dev/null)" = tmpfs ] && usable "$dir" && return
	done
	for dir in "${TMPDIR:-/tmp}" /tmp "$PWD/build/vm"; do
		usable "$dir" && return
	done
	echo "$PWD/build/vm"
}
usable() { # usable DIR: prints it when there is enough room and programs may run there
	local program=$1/lwcmem-usable.$$
	[ "$(df -Pm "$1" | awk 'NR == 2 { print $4 }')" -gt "$memory" ] && cp "$(type -P true)" "$program" && "$program"
	local rc=$?
	rm -f "$program"
	[ "$rc" != 0 ] || echo "$1"
	return "$rc"
}

start_guest() {
	ulimit -c 0 # a panic aborts the process
	export TMPDIR
	TMPDIR=$(ram_directory)
	boot $((limit + 30)) "$kernel/linux" mem="${memory}M" initrd="$work/initrd" ubd0="build/vm/$rig.disk" \
		uml_dir="$work/uml" con=null con0=null,fd:1 con1=null,fd:3 \
		quiet panic=-1 printk.devkmsg=on log_buf_len=4M > "build/vm/$rig.log" 2>&1 3> "$work/results"
}

prepare_rig um
kernel=$(bash tests/vm/source-kernel.sh um)
case $? in
0) ;;
3) absent "$rig" "the distribution has no $SOURCE_PACKAGE" ;;
*) broken "build of the kernel" ;;
esac
quietly build_module "build/kmod-$rig" "$kernel" ARCH=um || broken "build of the module"
[ "${LWCMEM_DEBUG:-}" != planted ] || quietly build_planted "build/planted-$rig" "$kernel" ARCH=um || broken "build of planted modules"
case " $guest_programs " in *programs.sh*) quietly make_python ;; esac
make_root "$work/root" "build/kmod-$rig/lwcmem.ko" "$guest_programs" || broken "initramfs"
configure_guest "$work/root" /dev/tty1 /dev/ubda "$limit"
pack_root "$work/root" "$work/initrd" && make_disk "build/vm/$rig.disk" || broken "initramfs or disk"
start_guest
judge "$work/results" "$limit"
