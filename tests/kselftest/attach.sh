#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# lwcmem attach and detach, and what unprivileged programs see. For busybox, in a guest with the module loaded.
# DATA: NAME/ and NAME.lwc of all models; LWCMEM: the tool; MODULE: to load it again.
DATA=${DATA:-/data} LWCMEM=${LWCMEM:-/bin/lwcmem} place=/run/lwcmem
work=${TMPDIR:-/tmp}/attach.$$
mkdir -p "$work" && trap 'rm -rf "$work"' EXIT
. "${0%/*}/libktap.sh"
said="$work/out $work/error"

lwcmem() { "$LWCMEM" "$@" > "$work/out" 2> "$work/error"; }
as_nobody() { # as_nobody PROGRAM ARGUMENTS...
	program=$1; shift
	start-stop-daemon -S -c nobody -x "$program" -- "$@"
}
refuse() { # refuse STATUS TEXT COMMAND...: it exits so, with one line that says TEXT (usage: two lines)
	want=$1 text=$2; shift 2
	"$@" > "$work/out" 2> "$work/error"
	got=$?
	[ $got = "$want" ] && [ "$(wc -l < "$work/error")" = "$want" ] && grep -q -- "$text" "$work/error"
}
listing() { # listing DIR: names, kinds, modes, and sizes of files
	(cd "$1" && find . -type f -exec stat -c '%n %F %a %s' {} + && find . ! -type f -exec stat -c '%n %F %a' {} +) |
		grep -v '^\. ' | sort
}
sums() { (cd "$1" && find . -type f -exec sha256sum {} +) | sort; }

if [ ! -e /etc/passwd ]; then
	mkdir -p /etc && echo "nobody:x:65534:65534::/:/bin/sh" > /etc/passwd
fi
echo "KTAP version 1"
echo "1..30"
for model in odd story tiny aligned; do
	lwcmem attach "$DATA/$model.lwc" $model && [ "$(cat "$work/out")" = $place/$model ] && [ ! -s "$work/error" ]
	verdict "$model: attach prints the path"
	listing "$DATA/$model" > "$work/want" && listing $place/$model > "$work/got" && cmp "$work/want" "$work/got"
	verdict "$model: names, kinds, modes, sizes"
	sums "$DATA/$model" > "$work/want" && sums $place/$model > "$work/got" && cmp "$work/want" "$work/got"
	verdict "$model: sha256"
done
grep "^$DATA/odd.lwc $place/odd lwcmem ro,nosuid,nodev,noexec" /proc/mounts > "$work/out"
verdict "mount options"
mkdir "$work/copy" && chmod 777 "$work" "$work/copy" &&
	as_nobody /bin/cp -r $place/odd/. "$work/copy" 2> "$work/error" && sums "$DATA/odd" > "$work/want" &&
	sums "$work/copy" > "$work/got" && cmp "$work/want" "$work/got"
verdict "another user copies the files"
refuse 1 "choose another name" "$LWCMEM" attach "$DATA/tiny.lwc" odd
verdict "a name that is in use"
lwcmem attach "$DATA/odd.lwc" again && cmp $place/again/big.bin $place/odd/big.bin && lwcmem detach again
verdict "a container under two names"

(cd $place/odd/sub && exec sleep 100) &
holder=$!
while [ "$(readlink /proc/$holder/cwd)" != $place/odd/sub ]; do sleep 0.1; done
refuse 1 "in use by $holder (sleep);" "$LWCMEM" detach odd
verdict "detach names who is in the directory"
kill $holder
wait $holder 2> /dev/null
sleep 100 < $place/odd/big.bin &
holder=$!
while [ "$(cat /proc/$holder/comm)" != sleep ]; do sleep 0.1; done
refuse 1 "in use by $holder (sleep);" "$LWCMEM" detach odd
verdict "detach names who has a file open"
kill $holder
wait $holder 2> /dev/null
[ -e $place/odd/big.bin ]
verdict "it stays attached"

refused=0
for name in a/b .. .hidden '' "$(printf %0300d 0)"; do
	refuse 2 "NAME is one component" "$LWCMEM" attach "$DATA/odd.lwc" "$name" && refused=$((refused + 1))
done
[ $refused = 5 ]
verdict "names that are none"
refuse 2 "give a container and a name" "$LWCMEM" attach "$DATA/odd.lwc"
verdict "usage"
refuse 1 "nowhere.lwc: cannot be attached: No such file" "$LWCMEM" attach nowhere.lwc new &&
	refuse 1 "not an .lwc container" "$LWCMEM" attach "$DATA/odd.files" new &&
	refuse 1 "not a regular file" "$LWCMEM" attach /dev/null new &&
	refuse 1 "does not decode" "$LWCMEM" attach "$DATA/hostile/unknown-feature.lwc" new &&
	refuse 1 "lies in an attached container" "$LWCMEM" attach $place/odd/big.bin new &&
	refuse 1 "damaged" "$LWCMEM" attach "$DATA/trees/bad-unsorted.lwc" new && [ ! -e $place/new ]
verdict "what cannot be attached is said, and nothing is left"
lwcmem attach "$DATA/tuned.lwc" tuned --base "$DATA/base.lwc" && sums "$DATA/tuned" > "$work/want" &&
	sums $place/tuned > "$work/got" && cmp "$work/want" "$work/got" && lwcmem detach tuned
verdict "attach with a base"
refuse 1 "tuned.lwc: depends on a base; give it with --base" "$LWCMEM" attach "$DATA/tuned.lwc" new &&
	refuse 1 "odd.lwc: is not the base of .*tuned.lwc" "$LWCMEM" attach --base "$DATA/odd.lwc" "$DATA/tuned.lwc" new &&
	refuse 1 "close.lwc: depends on a base itself" "$LWCMEM" attach "$DATA/tuned.lwc" new --base "$DATA/close.lwc" &&
	refuse 1 "nowhere.lwc: cannot be read: No such file" "$LWCMEM" attach "$DATA/tuned.lwc" new --base nowhere.lwc &&
	refuse 1 "or its base .*odd.files: not an .lwc container" "$LWCMEM" attach "$DATA/tuned.lwc" new --base "$DATA/odd.files" &&
	refuse 1 "odd.lwc: depends on no base" "$LWCMEM" attach "$DATA/odd.lwc" new --base "$DATA/base.lwc" &&
	refuse 1 "lies in an attached container" "$LWCMEM" attach "$DATA/tuned.lwc" new --base $place/odd/big.bin && [ ! -e $place/new ]
verdict "a base that is missing or wrong is said, and nothing is left"
refuse 1 "only root" as_nobody "$LWCMEM" attach "$DATA/odd.lwc" new && [ ! -e $place/new ]
verdict "attach by another user"
refuse 1 "only root" as_nobody "$LWCMEM" detach odd && [ -e $place/odd/big.bin ]
verdict "detach by another user"
refuse 1 "nothing is attached" "$LWCMEM" detach new
verdict "detach of what is not attached"
lwcmem detach odd && [ ! -e $place/odd ] && lwcmem detach story && lwcmem detach tiny && lwcmem detach aligned &&
	[ -z "$(ls $place)" ] && ! grep lwcmem /proc/mounts > "$work/out"
verdict "detach leaves nothing"
rmmod lwcmem && refuse 1 "insmod lwcmem.ko" "$LWCMEM" attach "$DATA/odd.lwc" odd && [ ! -e $place/odd ]
verdict "without the module"
# shellcheck disable=SC2086
insmod "$MODULE" $LWCMEM_PARAMS && lwcmem attach "$DATA/odd.lwc" odd && lwcmem detach odd
verdict "with it again"
exit $bad
