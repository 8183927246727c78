#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tests/vm/qemu-kernel.sh: prints a directory with the distribution's kernel: `vmlinuz`, `modules/` (lib/modules of that
# kernel), `build` (what modules are built against). Unpacked into the cache, never installed: an installed kernel
# would run the hooks of boot loaders. Status 3: this distribution has no kernel of the series.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
. tests/vm/lib.sh

# The headers belong to the very image that boots: same name, same version.
packages() {
	local release=${image#linux-image-}
	echo "$image=$version linux-headers-$release=$version" \
		"linux-headers-${release%-"$IMAGE_FLAVOUR"}-common=$version $(depends "linux-headers-$release" linux-kbuild-)=$version"
}

# depends PACKAGE PREFIX: the first of its dependencies whose name begins so
depends() {
	LC_ALL=C apt-cache depends "$1" 2> /dev/null | sed -n "s/^ *Depends: \($2.*\)/\1/p" | head -1
}

# Of 400 MB, the guest needs few modules; symbols and the rest stay out. Without vmlinux, which carries type information
# alone, modules are built without theirs, and that takes a tool less.
trim() { # trim DIR RELEASE
	find "$1/lib/modules/$2/kernel" -mindepth 1 -maxdepth 1 ! -name fs ! -name lib ! -name crypto ! -name drivers ! -name arch \
		-exec rm -rf {} + &&
	find "$1/lib/modules/$2/kernel/drivers" -mindepth 1 -maxdepth 1 ! -name block ! -name virtio -exec rm -rf {} + &&
	rm -rf "$1/usr/share" "$1"/boot/System.map-* "$1"/usr/src/linux-headers-*/vmlinux
}

unpack() { # unpack DESTINATION
	[ ! -e "$1" ] || return 0
	rm -rf "$cache"/qemu-unfinished.*
	local temp release=${image#linux-image-} deb start=$SECONDS
	temp=$(mktemp -d "$cache/qemu-unfinished.XXXXXX") || return 1
	# shellcheck disable=SC2046
	download "$temp" $(packages) || { refresh_lists && download "$temp" $(packages); } || return 1
	for deb in "$temp"/*.deb; do
		dpkg -x "$deb" "$temp" && rm "$deb" || return 1
	done
	# The headers name their other half by its absolute path.
	sed -i "s,/usr/src/,$1/usr/src/," "$temp/usr/src/linux-headers-$release/Makefile" &&
		trim "$temp" "$release" &&
		rm -f "$temp/lib/modules/$release/build" "$temp/lib/modules/$release/source" &&
		depmod -b "$temp" "$release" &&
		ln -s "boot/vmlinuz-$release" "$temp/vmlinuz" &&
		ln -s "lib/modules/$release" "$temp/modules" &&
		ln -s "usr/src/linux-headers-$release" "$temp/build" &&
		mv -T "$temp" "$1" || return 1
	echo "# qemu: unpacking $image $version took $((SECONDS - start)) s" >&3
}

for meta in $IMAGE_META; do
	image=$(depends "$meta" "linux-image-$KERNEL_SERIES[.]")
	[ -z "$image" ] || break
done
[ -n "$image" ] || exit 3
version=$(candidate "$image")
[ -n "$version" ] || exit 3
kernel=$cache/qemu-$image-$version
[ -e "$kernel" ] || locked "$cache/qemu.lock" unpack "$kernel" 3>&2 > "$cache/qemu-kernel.log" 2>&1 ||
	{ tail -40 "$cache/qemu-kernel.log" >&2; exit 1; }
# Kernels that nobody has used for a month make room.
touch "$kernel"
find "$cache" -maxdepth 1 -name 'qemu-linux-image-*' -mtime +30 -exec rm -rf {} +
echo "$kernel"
