#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# tests/models/tokenizers.sh: prints the directory for PYTHONPATH with what tokenizers.txt names, installed once by pip
# as it is configured here and kept in the user's cache. Where it cannot be had: exit 3.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lwcmem
version=$(python3 -c 'import sys; print(*sys.version_info[:2], sep=".")')
pins=$(openssl dgst -sha256 -r "$here/tokenizers.txt" | cut -c1-16)
directory=$cache/tokenizers-$version-$pins
if [ ! -d "$directory" ]; then
	mkdir -p "$cache"
	part=$(mktemp -d "$cache/install.XXXXXX")
	trap 'rm -rf "$part"' EXIT
	echo "installing the reference tokenizers with pip" >&2
	if ! python3 -m pip install --quiet --no-deps --only-binary :all: --require-hashes --target "$part/python" \
		-r "$here/tokenizers.txt" >&2; then
		echo "cannot install tokenizers and sentencepiece (5 MB) with pip; try again with pip (Debian: python3-pip)," \
			"a network, and Python 3.11 to 3.14" >&2
		exit 3
	fi
	# another one may have been first
	mv -T "$part/python" "$directory" 2> /dev/null || [ -d "$directory" ]
fi
echo "$directory"
