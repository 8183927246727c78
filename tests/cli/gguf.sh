#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# GGUF files, right and hostile: what is right becomes tensors, and all come back byte for byte.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
export PYTHONPATH=$PWD/tests/models
. tests/cli/checks.bash
python3 tests/cli/gguf_files.py "$work" || { echo "not ok make the files"; exit 1; }
cd "$work" || exit 1

comes_back() { # comes_back DIR [PACK OPTIONS]: packed, verified and unpacked it is the same
	rm -rf back.out
	"$LWCMEM" pack "$1" -o back.lwc --force "${@:2}" && "$LWCMEM" verify back.lwc --against "$1" &&
		"$LWCMEM" unpack back.lwc -o back.out && diff -r "$1" back.out
}
told() { # told FILE.lwc: the names of its tensors, on one line
	"$LWCMEM" info "$1" --json |
		python3 -c 'import json, sys; print(*(tensor["name"] for tensor in json.load(sys.stdin)["tensors"]))'
}

for favor in balanced size speed; do
	check "right files come back --favor $favor" comes_back right --favor $favor
	check "none of them is carried as bytes --favor $favor" bash -c '! grep "carried as bytes" err'
	for isa in scalar bmi2 avx2 avx512; do
		check "verify with $isa at most --favor $favor" env LWCMEM_ISA=$isa "$LWCMEM" verify back.lwc --against right
	done
done
for file in right/*.gguf; do
	name=$(basename "$file" .gguf)
	check "pack $name" "$LWCMEM" pack "$file" -o "$name.lwc" --favor size
	check "verify $name" "$LWCMEM" verify "$name.lwc" --against "$file"
done
check "info of every type" "$LWCMEM" info every-type.lwc --json --bounds
cp out every-type.info
check "types, shapes and sizes as they were written" python3 - <<'P'
import json, math
from gguf_file import TYPES
told, written = json.load(open("every-type.info")), json.load(open("every-type.json"))
assert {t["name"]: [t["shape"], t["dtype"]] for t in told["tensors"]} == written
assert told["weights"] == sum(math.prod(shape) for shape, _ in written.values())
for t in told["tensors"]:
    _, elements, size = TYPES[t["dtype"]]
    weights = math.prod(t["shape"])
    # never larger than the blocks and the entry of their tile; smaller where members of many blocks pay for the header
    assert t["bits_per_weight"] <= 8 * size / elements + 8 * 32 / weights + 1e-9, t
    assert (t["codec"] == "SPLIT") == (elements > 1 and t["dtype"] != "IQ1_M"), t
P
check "readers that know no blocks refuse them" python3 - <<'P'
import struct
def needs(path):
    slots = open(path, "rb").read(8192)
    return max(struct.unpack_from("<Q", slots, at + 16) + struct.unpack_from("<Q", slots, at + 56) for at in (0, 4096))[1]
ZSTD, SPLIT, BLOCKS, STRUCTURES, FIELDS = 1 << 1, 1 << 5, 1 << 7, 0xffff << 16, 0xffff << 32
every = needs("every-type.lwc")
assert every & BLOCKS and every & SPLIT and every & (ZSTD | STRUCTURES) and not needs("scalar.lwc") & (BLOCKS | SPLIT)
P
check "the version makes no difference" diff <("$LWCMEM" info every-type.lwc --tensors | grep -v ^uuid) \
	<("$LWCMEM" info every-type-v2.lwc --tensors | grep -v ^uuid)
for expected in "no-tensors:" "nothing:" "empty-tensors:e f g t.I8" "scalar:s one" "dimensions:d eight" "unordered:a b" \
	"gap:a" "unknown-type:a" "name-of-dots:../../x y" "alignment-1:t.F32 t.F16 t.Q4_0 t.Q4_1 t.I8"; do
	name=${expected%%:*}
	check "the tensors of $name" [ "$(told "$name.lwc" | tr ' ' '\n' | sort | xargs)" = \
		"$(tr ' ' '\n' <<< "${expected#*:}" | sort | xargs)" ]
done
check "info of names that are no text" "$LWCMEM" info name-of-controls.lwc --tensors
cp out shown
check "none of their bytes reaches a terminal" bash -c 'grep -q "^b??2J" shown && ! LC_ALL=C grep -q "[^ -~]" shown'
cp -r right next
printf '\x55' | dd of=next/tiles.gguf bs=1 seek=50000 conv=notrunc status=none
check "pack before an update" "$LWCMEM" pack right -o next.lwc
refuse "what a weight's byte changed" 1 tiles.gguf "$LWCMEM" verify next.lwc --against next
check "update one tile of it" "$LWCMEM" patch next.lwc next --json
cp out patched
check "all other tiles stay" grep -q '"tiles_rewritten": 1,' patched
check "an update comes back" "$LWCMEM" verify next.lwc --against next
for file in wrong/*.gguf; do
	name=$(basename "$file" .gguf)
	check "pack wrong $name" "$LWCMEM" pack "$file" -o wrong.lwc --force
	cp err said
	check "wrong $name is carried as bytes" grep -q "$file: .*carried as bytes" said
	check "wrong $name has no tensors" [ -z "$(told wrong.lwc)" ]
done
check "wrong files come back" comes_back wrong
check "cut files come back" comes_back cut
check "flipped files come back" comes_back flipped
case $LWCMEM in
*asan*) ;; # which reserves more
*) check "memory is bounded by the file" bash -c "ulimit -v 1000000; '$LWCMEM' pack wrong -o bounded.lwc -j 1" ;;
esac
