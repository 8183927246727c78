#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# commands.sh LWCMEM: what --help says, as the sections of all commands of a manual page.
set -eu
lwcmem=$1
here=$(dirname "$0")

# A command, then its parts if it has some: "usage: lwcmem bench codec|gemv|..."
names() {
	"$lwcmem" --help | sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p' | while read -r name; do
		echo "$name"
		"$lwcmem" "$name" --help | sed -n "1s/^usage: lwcmem $name \([a-z]*|[a-z|]*\).*/\1/p" | tr '|' '\n' |
			sed "s/^/$name /"
	done
}

all=$(names)
[ -n "$all" ] || { echo "$lwcmem --help names no command" >&2; exit 1; }
echo "$all" | while read -r name; do
	# shellcheck disable=SC2086
	help=$("$lwcmem" $name --help) || { echo "$lwcmem $name --help failed" >&2; exit 1; }
	printf '%s\n' "$help" | LC_ALL=C awk -v section="$name" -f "$here/help.awk"
done
