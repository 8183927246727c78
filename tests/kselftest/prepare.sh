#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tests/kselftest/prepare.sh OUTDIR: the data of the module's tests. Needs build/lwcmem and
# build/models. For each of odd, story, tiny and aligned it makes
#   NAME/ NAME.lwc   the model directory and its container
#   NAME.arena       the expected bytes of the ARENA view, sparse
#   NAME.files       the FILES table: index kind size name
#   NAME.base.lwc    a link to its base, if it has one
# and story-bad.lwc with story-bad.info (one damaged tile), and of tiny hostile/*.lwc (lies with
# right crcs) and flips/*.lwc (seeded truncations and bit flips). golden/*.lwc and
# mistakes/*.lwc are what tests/golden has of good and of wrong containers. reads.img is an ext4 with story.lwc. specks.lwc has 65536 tiles of one byte.
# trees/*.lwc differ in their names (trees.py).
# Of base and tuned, which is packed with --base base.lwc, too: damaged.lwc (base.lwc with one damaged tile), patched.lwc
# (its next generation); nudged/ and nudged.lwc, which has the base aligned.lwc, and aligned-bad.lwc, damaged; and of close, which comes from tiny, hostile-delta/NAME.lwc with NAME.base.lwc.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# = 1 ] || { echo "usage: $0 OUTDIR" >&2; exit 2; }
out=$1 lwcmem=build/lwcmem models=build/models here=tests/kselftest
[ -x $lwcmem ] || { echo "$0: $lwcmem is missing: run make" >&2; exit 1; }

model() { # model NAME [OPTIONS]: NAME/ is there, make everything else of it
	$lwcmem pack "$out/$1" -o "$out/$1.lwc" --force -j 2 "${@:2}"
	python3 $here/expected.py arena "$out/$1.lwc" "$out/$1" "$out/$1.arena"
	python3 $here/expected.py files "$out/$1.lwc" "$out/$1.files"
}

story=$models/stories15M-bf16
[ -d $story ] || story=$models/random-aligned-bf16
tiny=$models/random-odd-bf16
aligned=$models/random-aligned-bf16
for needed in $story $tiny $aligned; do
	[ -d $needed ] || { echo "$0: $needed is missing: run tests/models/fetch.sh build" >&2; exit 1; }
done
mkdir -p "$out"
rm -rf "$out"/{odd,story,tiny,aligned,hostile,flips,trees,base,tuned,close,nudged,hostile-delta,patched.lwc,golden,mistakes}
python3 tests/cli/make_model.py "$out/odd"
cp -rL $story "$out/story"
cp -rL $tiny "$out/tiny"
cp -rL $aligned "$out/aligned"
model odd
model story
model tiny
model aligned
python3 $here/expected.py corrupt "$out/story.lwc" "$out/story-bad.lwc" "$out/story-bad.info"
python3 $here/specks.py "$out/specks.lwc"
python3 $here/trees.py "$out/trees"
# of the smallest model, because there are many of them and the guest is slow
python3 tests/cli/hostile_container.py "$out/tiny.lwc" "$out/hostile"
python3 tests/cli/hostile_container.py --loop "$out/tiny.lwc" "$out/flips" 80

python3 tests/cli/delta_models.py "$out"
rm -r "$out/plain"
model base
model tuned --base "$out/base.lwc"
ln -sf base.lwc "$out/tuned.base.lwc"
python3 tests/cli/hostile_delta.py --damage "$out/base.lwc" F16.few 0 "$out/damaged.lwc"
cp "$out/base.lwc" "$out/patched.lwc"
$lwcmem patch "$out/patched.lwc" "$out/tuned"
python3 tests/cli/nudge.py "$out/aligned" "$out/nudged"
$lwcmem pack "$out/nudged" -o "$out/nudged.lwc" --force -j 2 --base "$out/aligned.lwc"
python3 tests/cli/hostile_delta.py --damage "$out/aligned.lwc" model.layers.1.mlp.up_proj.weight 0 "$out/aligned-bad.lwc"
# the second half of each file as it was: those tiles store nothing
python3 tests/cli/nudge.py "$out/tiny" "$out/close"
for file in "$out"/close/*.safetensors; do
	half=$(($(stat -c %s "$file") / 2))
	tail -c "+$((half + 1))" "$out/tiny/${file##*/}" | dd of="$file" bs=64K seek="$half" oflag=seek_bytes conv=notrunc status=none
done
model close --base "$out/tiny.lwc"
ln -sf tiny.lwc "$out/close.base.lwc"
python3 tests/cli/hostile_delta.py "$out/close.lwc" "$out/tiny.lwc" "$out/hostile-delta"
for file in "$out"/hostile-delta/*.lwc; do
	if [ -e "${file%.lwc}.base" ]; then mv "${file%.lwc}.base" "${file%.lwc}.base.lwc"
	else ln -s ../tiny.lwc "${file%.lwc}.base.lwc"; fi
done
mkdir "$out/golden" "$out/mistakes"
for file in tests/golden/features/*.lwc.xz; do
	name=${file##*/}
	xz -dc "$file" > "$out/golden/${name%.xz}"
done
python3 tests/golden/conformance.py --write "$out/mistakes"
rm -rf "$out/image" && mkdir "$out/image"
cp "$out/story.lwc" "$out/image/"
truncate -s $(($(stat -c %s "$out/story.lwc") / 1048576 + 16))M "$out/reads.img"
mkfs.ext4 -q -F -b 4096 -O ^has_journal -d "$out/image" "$out/reads.img"
rm -rf "$out/image"
