#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The module's tests under the distribution's own kernel in QEMU: two CPUs and NUMA nodes, preemption, huge pages, a real FPU. With KVM
# where that works, else emulated: then AVX2 runs hundreds of times slower, and AVX-512 is missing. Environment:
# LWCMEM_TESTS (part of the names of the tests to run), LWCMEM_PARAMS (for insmod), QEMU_LIMIT (seconds a program may
# take), QEMU_ACCEL (kvm or tcg instead of probing), LWCMEM_DEBUG (see debug.sh: a kernel of our own that checks).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
. tests/vm/lib.sh
limit=${QEMU_LIMIT:-300}
[ -z "${LWCMEM_BENCH:-}" ] || limit=1500 GUEST_MODULES="$GUEST_MODULES squashfs"

# The time that a guest may stand still is the host's load, not a bug: watchdogs get more than their 20 s.
arguments="quiet console=ttyS0 panic=-1 printk.devkmsg=on log_buf_len=4M hugepages=$GUEST_HUGEPAGES
	rcupdate.rcu_cpu_stall_timeout=60 watchdog_thresh=30"
# PCI without ACPI boots in 20 s instead of 80 where every access is checked; without any ACPI, a CPU is missing
[ -z "${LWCMEM_DEBUG:-}" ] || arguments="$arguments pci=noacpi"

# Two nodes with a CPU each: where memory lies can be seen.
numa=(-object memory-backend-ram,id=m0,size=1G -numa node,memdev=m0,cpus=0
	-object memory-backend-ram,id=m1,size=1G -numa node,memdev=m1,cpus=1)

# qemu_command ACCELERATOR LOG RESULTS ARGUMENTS [QEMU-OPTIONS...]: sets command
qemu_command() {
	local accel=(-accel tcg,thread=multi -cpu max)
	[ "$1" != kvm ] || accel=(-accel kvm -cpu host)
	command=(qemu-system-x86_64 "${accel[@]}" -smp 2 -m 2G -M pc "${numa[@]}" -nodefaults -no-user-config -display none -no-reboot
		-serial "file:$2" -serial "file:$3" -kernel "$image" -initrd "$work/initrd" -append "$(echo $4)" "${@:5}")
}

# KVM may open, create a guest, and then spin: only a guest that has booted proves that it works. One probe for each
# boot of the host.
accelerator() {
	local known key
	[ -z "${QEMU_ACCEL:-}" ] || { echo "$QEMU_ACCEL"; return; }
	[ -w /dev/kvm ] || { echo tcg; return; }
	key="$(cat /proc/sys/kernel/random/boot_id) $(qemu-system-x86_64 --version | head -1)"
	if [ "$(sed -n 1p build/vm/accelerator 2> /dev/null)" != "$key" ]; then
		qemu_command kvm "$work/probe.log" "$work/probe" "$arguments rig_probe=1"
		timeout -k 2 15 "${command[@]}" < /dev/null > /dev/null 2>&1
		if grep -q DONE "$work/probe" 2> /dev/null; then known=kvm; else known=tcg; fi
		printf '%s\n%s\n' "$key" "$known" > build/vm/accelerator
	fi
	sed -n 2p build/vm/accelerator
}

prepare_rig qemu
if [ -n "${LWCMEM_DEBUG:-}" ]; then
	kernel=$(bash tests/vm/source-kernel.sh x86_64)
else
	kernel=$(bash tests/vm/qemu-kernel.sh)
fi
case $? in
0) ;;
3) absent "$rig" "the distribution has no $KERNEL_SERIES kernel" ;;
*) broken "the kernel" ;;
esac
# check-build.sh builds the same module there
image=$kernel/vmlinuz tree=$kernel/build module=build/kmod-$KERNEL_SERIES
[ -z "${LWCMEM_DEBUG:-}" ] || image=$kernel/bzImage tree=$kernel module=build/kmod-$rig
quietly build_module "$module" "$tree" || broken "build of the module"
[ "${LWCMEM_DEBUG:-}" != planted ] || quietly build_planted "build/planted-$rig" "$tree" || broken "build of planted modules"
make_root "$work/root" "$module/lwcmem.ko" "$guest_programs" || broken "initramfs"
[ -n "${LWCMEM_DEBUG:-}" ] ||
	copy_kernel_modules "$work/root" "$kernel" "$(basename "$(readlink "$kernel/modules")")" || broken "modules of the kernel"
configure_guest "$work/root" /dev/ttyS1 /dev/vda "$limit"
pack_root "$work/root" "$work/initrd" && make_disk "build/vm/$rig.disk" || broken "initramfs or disk"
accelerator=$(accelerator)
echo "# $rig: $(basename "$kernel") with $accelerator"
qemu_command "$accelerator" "build/vm/$rig.log" "$work/results" "$arguments" \
	-drive "file=build/vm/$rig.disk,if=virtio,format=raw,cache=unsafe"
# no pipe: boot must run in this shell, which ends the guest when it is ended itself
boot $((limit + 60)) "${command[@]}" > "$work/qemu.out" 2>&1
grep -v "TCG doesn't support" "$work/qemu.out"
judge "$work/results" "$limit"
