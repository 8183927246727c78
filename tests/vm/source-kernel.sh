#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tests/vm/source-kernel.sh um|x86_64: prints the directory of a kernel (its `linux` or `bzImage` and what modules are
# built with), built from the distribution's source package when the cache has none. Status 3: there is no such package.
# um: user-mode Linux; UM_EXTRA=FILE appends a fragment to its configuration, e.g. um-debug.config. x86_64: for QEMU, with
# everything that checks.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
. tests/vm/lib.sh
arch=$1

config() {
	case $arch in
	um) cat tests/vm/um.config ${UM_EXTRA:+"$UM_EXTRA"} ;;
	x86_64) cat tests/vm/qemu-debug.config ;;
	esac
}

# All that the result depends on: the version of the package stands for its contents, the functions for this script.
key() {
	{ config; echo "$version $SOURCE_ARCHIVE"; gcc --version | head -1; declare -f unpack_source configure compile trim; } |
		sha256sum | cut -c1-16
}

unpack_source() { # unpack_source DIR
	mkdir -p "$1/deb" "$1/kernel"
	download "$1/deb" "$SOURCE_PACKAGE=$version" || { refresh_lists && download "$1/deb" "$SOURCE_PACKAGE=$version"; } || return 1
	dpkg --fsys-tarfile "$1"/deb/*.deb | tar -xO "$SOURCE_ARCHIVE" | xz -dc -T0 | tar -x -C "$1/kernel" --strip-components=1
}

configure() { # configure KERNEL
	kernel_make -s -C "$1" "ARCH=$arch" tinyconfig > /dev/null || return 1
	config >> "$1/.config"
	kernel_make -s -C "$1" "ARCH=$arch" olddefconfig || return 1
	# An option that this source does not know, or whose dependencies are missing, is dropped without a word.
	local line lost=0
	while read -r line; do
		# the last line for an option wins, so that a fragment can override
		[ "$(config | grep "^${line%%=*}=" | tail -1)" = "$line" ] || continue
		grep -qxF "$line" "$1/.config" || { echo "configuration lost: $line"; lost=1; }
	done < <(config | grep '^CONFIG_[A-Z0-9_]*=')
	return "$lost"
}

compile() { # compile KERNEL
	case $arch in
	um) kernel_make -s -C "$1" ARCH=um -j"$(nproc)" linux modules && strip --strip-debug "$1/linux" ;;
	x86_64)
		kernel_make -s -C "$1" ARCH=x86_64 -j"$(nproc)" bzImage modules && cp "$1/arch/x86/boot/bzImage" "$1/bzImage" ;;
	esac
}

# Of 1.5 GB, building modules needs headers, scripts and symbol versions, and on x86_64 a tool.
trim() { # trim KERNEL
	find "$1" -mindepth 1 -maxdepth 1 ! -name Makefile ! -name scripts ! -name include ! -name arch ! -name linux \
		! -name bzImage ! -name tools ! -name .config ! -name Module.symvers -exec rm -rf {} + &&
	find "$1/tools" -mindepth 1 -maxdepth 1 ! -name objtool -exec rm -rf {} + &&
	find "$1/arch" -mindepth 1 -maxdepth 1 ! -name um ! -name x86 -exec rm -rf {} + &&
	find "$1/arch" \( -name '*.o' -o -name '*.a' -o -name '*.c' -o -name '*.S' \) -delete
}

build() { # build DESTINATION; into a directory of its own, then renamed: what has the name is complete
	[ ! -e "$1" ] || return 0
	rm -rf "$cache/$arch"-unfinished.*
	local temp start=$SECONDS
	temp=$(mktemp -d "$cache/$arch-unfinished.XXXXXX") || return 1
	echo "# $arch: building the kernel from $SOURCE_PACKAGE $version, once; five to ten minutes" >&3
	unpack_source "$temp" && configure "$temp/kernel" && compile "$temp/kernel" && trim "$temp/kernel" &&
		mv -T "$temp/kernel" "$1"
	local rc=$?
	rm -rf "$temp"
	[ "$rc" != 0 ] || echo "# $arch: the kernel took $((SECONDS - start)) s" >&3
	return "$rc"
}

version=$(candidate "$SOURCE_PACKAGE")
[ -n "$version" ] || exit 3
kernel=$cache/$arch-$(key)
[ -e "$kernel" ] || locked "$cache/$arch.lock" build "$kernel" 3>&2 > "$cache/$arch-kernel.log" 2>&1 ||
	{ tail -40 "$cache/$arch-kernel.log" >&2; exit 1; }
# Kernels that nobody has used for a month make room.
touch "$kernel"
find "$cache" -maxdepth 1 -name "$arch-????????????????" -mtime +30 -exec rm -rf {} +
echo "$kernel"
