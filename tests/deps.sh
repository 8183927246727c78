#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# tests/deps.sh [style|bench]: install what building and testing need, from the distribution's packages. Idempotent.
set -eu
packages="gcc make pkg-config liburing-dev libzstd-dev libssl-dev libjansson-dev libpcre2-dev libunistring-dev libcmocka-dev python3 python3-numpy python3-jinja2 clang clang-format llvm openssl"
# the guests that test the kernel module, and their kernels
packages="$packages busybox-static cpio fio python3-pip e2fsprogs kmod qemu-system-x86 rsync xz-utils libfuse3-dev flex bison bc libelf-dev"
# "style": the checkers of make check-kernel-style, too
[ "${1:-}" != style ] || packages="$packages sparse coccinelle perl"
# "bench": what make bench-region compares with
[ "${1:-}" != bench ] || packages="$packages squashfs-tools"
missing=
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
updated=

installed() {
	dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}
install() {
	[ -n "$updated" ] || $sudo apt-get update -q
	updated=yes
	echo "installing: $*"
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends "$@"
}

for p in $packages; do
	installed "$p" || missing="$missing $p"
done
# any npm will do, also one that is no package of the distribution
command -v npm > /dev/null || missing="$missing npm"
# shellcheck disable=SC2086
[ -z "$missing" ] || install $missing
# the runtime of sanitizers and fuzzers is only recommended by clang, and named after its version
resources=$(clang -print-resource-dir)
runtime=libclang-rt-$(basename "$resources" | cut -d. -f1)-dev
installed "$runtime" || ls "$resources"/lib/linux/libclang_rt.fuzzer-*.a > /dev/null 2>&1 || install "$runtime"
