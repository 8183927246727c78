#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The packages are installed, used, survive a new kernel, and are removed in a clean root of the distribution; in it,
# tests/vm/deb-root.sh. mmdebstrap, which needs no root where user namespaces are allowed, is unpacked and not installed.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
. tests/vm/lib.sh
started=$SECONDS
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
broken() { echo "not ok deb: $1"; exit 1; }

[ "$(. /etc/os-release && echo "$ID")" = debian ] || absent deb "the distribution is not Debian"
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(LC_ALL=C apt-cache policy | sed -n "s,^ *500 \(https\?://[^ ]*\) $suite/main amd64 Packages,\1,p" | head -1)
[ -n "$mirror" ] || absent deb "apt has no mirror of $suite"

tool=$cache/mmdebstrap-$(candidate mmdebstrap)
unpack_tool() {
	[ ! -e "$tool" ] || return 0
	rm -rf "$tool.new"
	mkdir -p "$tool.new" && download "$tool.new" mmdebstrap && dpkg -x "$tool.new"/*.deb "$tool.new" && mv "$tool.new" "$tool"
}
quietly locked "$cache/mmdebstrap.lock" unpack_tool || broken "download of mmdebstrap"

# headers NAME SERIES: what the packages of its headers install; says so for the root
headers() {
	local kernel
	kernel=$(KERNEL_SERIES=$2 bash tests/vm/qemu-kernel.sh) && tar -C "$kernel" -cf "$work/in/$1.tar" usr/src usr/lib || return 1
	echo "$1=$(basename "$(readlink "$kernel/modules")") ${1}_BUILT_IN=$kernel" >> "$work/in/kernels"
}

mkdir "$work/in"
quietly make -s deb || broken "make deb"
cp build/lwcmem_*.deb build/lwcmem-dkms_*.deb tests/vm/deb-root.sh "$work/in/"
mkdir "$work/in/source" && cp -r Makefile Kbuild COPYING kmod uapi userspace "$work/in/source/" || broken "copy of the source"
cp -rL build/models/stories15M-bf16 "$work/in/model" 2> /dev/null ||
	cp -rL build/models/random-aligned-bf16 "$work/in/model" || broken "no model"
set -- $KERNEL_SERIES_ALL
headers OLD "$1" && headers NEW "$2" || broken "headers of the kernels"

# A root in memory does not wait for the disk.
[ -w /dev/shm ] && [ "$(df -Pm /dev/shm | awk 'NR == 2 { print $4 }')" -gt 3000 ] && export TMPDIR=/dev/shm
timeout -k 10 1500 perl "$tool/usr/bin/mmdebstrap" --quiet --variant=minbase --skip=cleanup \
	--dpkgopt=force-unsafe-io --aptopt='APT::Install-Recommends "false"' \
	--customize-hook="copy-in '$work/in' /root" \
	--customize-hook='chroot "$1" sh /root/in/deb-root.sh || true' \
	"$suite" /dev/null "$mirror" > "$work/log" 2>&1
grep -E '^(ok|not ok) ' "$work/log"
if ! grep -q '^ok deb: end$' "$work/log"; then
	tail -60 "$work/log" | sed 's/^/    /'
	echo "not ok deb: no verdict"
elif grep -q '^not ok' "$work/log"; then
	sed -n '/^not ok/,$p' "$work/log" | grep -vE '^(not )?ok ' | head -80
fi
echo "# deb: $((SECONDS - started)) s"
