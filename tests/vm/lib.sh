#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What the rigs share: the cache, packages that are unpacked and not installed, the module built for another kernel.
# Sourced with the root of the tree as the working directory.
. tests/vm/pins
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lwcmem

# absent RIG REASON: this distribution has no such kernel. That is no fault of the machine, but CI must have one.
absent() {
	if [ "${CI:-}" = true ]; then echo "not ok $1: $2"; exit 1; fi
	echo "skip $1: $2"
	exit 0
}

# quietly COMMAND...: its output is shown only when it fails
quietly() {
	local out rc=0
	out=$(mktemp)
	"$@" > "$out" 2>&1 || rc=$?
	[ "$rc" = 0 ] || tail -40 "$out" | sed 's/^/    /'
	rm -f "$out"
	return "$rc"
}

# Kernel builds must not see what was given to this project's make.
kernel_make() { env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES make "$@"; }

# candidate PACKAGE: the version that apt would install, nothing when it knows none
candidate() {
	LC_ALL=C apt-cache policy "$1" 2> /dev/null | sed -n 's/^ *Candidate: *//p' | grep -v '(none)'
}

refresh_lists() {
	local sudo=
	[ "$(id -u)" = 0 ] || sudo="sudo -n"
	$sudo apt-get update -q
}

# download DIR PACKAGE=VERSION...: the .deb files into DIR
download() {
	(cd "$1" && shift && apt-get download -q "$@")
}

# In the cache under a lock, so that two runs do not build the same thing twice; a lock ends with its process.
# locked NAME COMMAND...
locked() {
	local name=$1
	shift
	mkdir -p "$cache"
	(flock 9 && "$@") 9> "$cache/$name.lock"
}

# build_module DIR KERNEL MAKE-VARIABLES...: DIR/lwcmem.ko against the kernel tree KERNEL. The sources are copied, so that
# the objects of two kernels never mix and the tree stays clean; another kernel starts from nothing.
build_module() {
	local dir=$1 kernel=$2
	shift 2
	if [ "$(cat "$dir/.kernel" 2> /dev/null)" != "$kernel" ]; then
		rm -rf "$dir"
		mkdir -p "$dir"
		echo "$kernel" > "$dir/.kernel"
	fi
	rm -f "$dir/lwcmem.ko"
	rsync -a --exclude='*.o' --exclude='*.ko' --exclude='.*.cmd' Kbuild kmod uapi "$dir/" &&
		kernel_make -s -C "$kernel" M="$PWD/$dir" -j"$(nproc)" "$@" modules &&
		[ -e "$dir/lwcmem.ko" ]
}
