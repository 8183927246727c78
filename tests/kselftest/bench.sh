#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# bench region and bench files read what they say, by the ways that they say; never how fast. For busybox.
DATA=${DATA:-/data} LWCMEM=${LWCMEM:-/bin/lwcmem}
work=${TMPDIR:-/tmp}/bench.$$
mkdir -p "$work" && trap 'rm -rf "$work"' EXIT
. "${0%/*}/libktap.sh"

bench() { "$LWCMEM" bench "$@" --quick --json > "$work/out" 2> "$work/error" || cat "$work/error"; }
# field NAME KEY: of the row
field() {
	awk -v name="\"name\": \"$1\"," -v key="\"$2\":" 'index($0, name) { found = 1 }
		found && index($0, key) { sub(/,$/, ""); print $2; exit } /}/ { found = 0 }' "$work/out"
}
check() { # check EXPRESSION of awk: what is wrong with it
	awk "BEGIN { exit !($1) }" || echo "not so: $1"
}

echo "KTAP version 1"
echo "1..7"
why=$(bench region "$DATA/story.lwc")
result "$why" "a region is measured"
why=
for name in "direct, pread" "direct, READ_FIXED x1" "direct, READ_FIXED x64" "page cache, cold"; do
	why=$why$(check "$(field "$name" gb_per_s) > 0 && $(field "$name" decode_s_per_gb) > 0 && $(field "$name" read_s_per_gb) > 0")
done
result "$why" "the module decodes where it should"
result "$(check "$(field "direct, READ_FIXED x16, 64 KiB" tiles_straight) < 0.1 && $(field "page cache, cold" copy_s_per_gb) > 0")" \
	"parts of tiles and the page cache are copied"
why=
for name in "page cache, warm" "decoded here, mapped"; do
	why=$why$(check "$(field "$name" gb_per_s) > 0")$(field "$name" decode_s_per_gb)
done
result "$why" "what the page cache has is not decoded"
why=$(bench region "$DATA/story.lwc" --hold "$DATA/story.lwc")
result "$why$(check "$(field "direct, pread" gb_per_s) > 0")" "a container that is held in RAM"
why=$("$LWCMEM" bench region "$DATA/story.lwc" --attach 2>&1)
case $why in "attach of "*" GB: "*" ms") why= ;; esac
result "$why" "an attach is timed"
"$LWCMEM" attach "$DATA/story.lwc" bench > /dev/null
why=$(bench files "$DATA/story" /run/lwcmem/bench)
"$LWCMEM" detach bench
result "$why$(check "$(field "cold, bench" gb_per_s) > 0 && $(field "cached, story" ratio) == 1")" \
	"a mounted container is measured beside the directory"
exit $bad
