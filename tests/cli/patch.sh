#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# patch: what it keeps and what it refuses.
. tests/cli/patch.bash
size=$(stat -c %s old.lwc)

# --- what is kept ---
while read -r name kept rewritten; do
	cp old.lwc new.lwc
	check "patch: $name" "$LWCMEM" patch new.lwc "new/$name" -j 2 --json
	cp out new.json
	check "patch: $name: the new model" holds new.lwc "new/$name"
	check "patch: $name: $kept kept, $rewritten rewritten" json new.json \
		"(i['changed'], i['generation'], i['tiles_kept'], i['tiles_rewritten']) == (True, 2, $kept, $rewritten)"
	check "patch: $name: bytes appended" json new.json "i['bytes_stored'] == $(stat -c %s new.lwc) == $size + i['bytes_appended']"
	check "patch: $name: what was there is there" cmp <(data_of old.lwc $((size - 8192))) <(data_of new.lwc $((size - 8192)))
	cp new.lwc compact.lwc
	check "compact: $name" "$LWCMEM" patch compact.lwc --compact --json
	cp out compact.json
	check "compact: $name: the same model" holds compact.lwc "new/$name"
	check "compact: $name: all that was dead is gone" json compact.json \
		"i['compacted'] and not i['bytes_dead'] and i['bytes_stored'] == $(stat -c %s compact.lwc) == $(stat -c %s new.lwc) - $(
		python3 -c 'import json; print(json.load(open("new.json"))["bytes_dead"])')"
	check "compact: $name: uuid and generation stay" diff <("$LWCMEM" info new.lwc | grep uuid) <("$LWCMEM" info compact.lwc | grep uuid)
done <<'E'
one-tile 15 1
whole-tensor 15 1
literal 15 1
tensor-renamed 15 1
tensor-added 15 2
tensor-removed 14 1
tensor-moved 14 2
tensors-swapped 15 1
reshaped 15 1
shorter 14 2
file-renamed 16 0
file-added 16 1
file-removed 11 0
dtype 15 1
modes 16 0
nothing-left 0 0
all-other 3 4
E
cp old.lwc same.lwc
check "patch with the same model" "$LWCMEM" patch same.lwc old --json
cp out same.json
check "patch with the same model: nothing changed" json same.json "not i['changed'] and i['generation'] == 1 and not i['tiles_rewritten']"
check "patch with the same model: not a byte" cmp old.lwc same.lwc
check "compact without dead bytes: not a byte" bash -c "'$LWCMEM' patch same.lwc --compact && cmp old.lwc same.lwc"
cp old.lwc chain.lwc
"$LWCMEM" info chain.lwc > uuids
for name in one-tile modes tensor-renamed all-other file-renamed; do
	check "one after another: $name" "$LWCMEM" patch chain.lwc "new/$name" -j 3
	check "one after another: $name: the new model" holds chain.lwc "new/$name"
	"$LWCMEM" info chain.lwc >> uuids
done
check "one after another: back to the first" "$LWCMEM" patch chain.lwc old
cp err chain.err
check "a hint when much is dead" grep -qF -- --compact chain.err
check "one after another: the first model" holds chain.lwc old
check "one after another: the first one's bytes" cmp <(data_of old.lwc $((size - 8192))) <(data_of chain.lwc $((size - 8192)))
chmod 640 chain.lwc; ln -s chain.lwc link.lwc
check "each generation has its uuid" test "$(grep ^uuid uuids | cut -d, -f1 | sort -u | wc -l)" = 6
check "patch and compact in one go" "$LWCMEM" patch link.lwc new/literal --compact --json
cp out chain.json
check "patch and compact in one go: nothing is dead" json chain.json "i['changed'] and i['compacted'] and not i['bytes_dead'] and i['generation'] == 8"
check "patch and compact in one go: the new model" holds chain.lwc new/literal
check "compact keeps mode and symlink" test "$(stat -c %a chain.lwc)" = 640 -a -L link.lwc
check "equal results for any number of threads" bash -c "cp old.lwc j1.lwc; cp old.lwc j7.lwc
	'$LWCMEM' patch j1.lwc new/shorter -j 1 && '$LWCMEM' patch j7.lwc new/shorter -j 7 && cmp j1.lwc j7.lwc"
for favor in balanced speed; do
	check "pack --favor $favor" "$LWCMEM" pack old -o favor.lwc --favor $favor --force
	check "patch of --favor $favor" "$LWCMEM" patch favor.lwc new/whole-tensor
	"$LWCMEM" info favor.lwc --json > favor.json
	check "new tiles are encoded as most of the old ones: $favor" json favor.json \
		"len({t['codec'] for t in i['tensors'] if t['name'] in ('big', 'matrix')}) == 1"
done

# --- a damaged tile is a changed tile ---
cp old.lwc damaged.lwc
printf '\xff\x00\xff\x00' | dd of=damaged.lwc bs=1 seek=20000 conv=notrunc status=none
refuse "a damaged tile is noticed" 1 damaged.lwc "$LWCMEM" verify damaged.lwc
cp damaged.lwc dead.lwc
dd if=/dev/zero of=dead.lwc bs=4096 seek=$((size / 4096)) count=1 conv=notrunc status=none
refuse "a damaged tile is not compacted" 1 "checksum" bash -c \
	"'$LWCMEM' patch dead.lwc new/modes; printf '\xff\x00\xff\x00' | dd of=dead.lwc bs=1 seek=300000 conv=notrunc status=none
	'$LWCMEM' patch dead.lwc --compact"
check "patch with the same model repairs" "$LWCMEM" patch damaged.lwc old
check "it holds the model again" holds damaged.lwc old

# --- refusals ---
cp old.lwc target.lwc
refuse "no model and no --compact" 2 --compact "$LWCMEM" patch target.lwc
refuse "no container" 2 usage "$LWCMEM" patch
refuse "unknown favor" 2 --favor "$LWCMEM" patch target.lwc old --favor nobody
refuse "a container that is not there" 1 nowhere.lwc "$LWCMEM" patch nowhere.lwc old
refuse "a model that is not there" 1 nowhere "$LWCMEM" patch target.lwc nowhere
refuse "not a container" 1 config.json "$LWCMEM" patch old/config.json old
refuse "a directory as container" 1 old "$LWCMEM" patch old new/modes
check "nothing was touched" cmp old.lwc target.lwc
mkdir itself && cp old/*.* itself && cp old.lwc itself/itself.lwc
refuse "a model that holds the container" 1 itself.lwc "$LWCMEM" patch itself/itself.lwc itself
check "a model that holds the container: not a byte" cmp old.lwc itself/itself.lwc
cp old.lwc start.lwc
check "two generations" bash -c "'$LWCMEM' patch start.lwc new/file-renamed && '$LWCMEM' patch start.lwc old"
python3 - "$here" <<'EOF_PYTHON'
import struct, sys
sys.path.insert(0, sys.argv[1] + "/tests/cli")
from hostile_container import Container

def write(name, newest, at, value):
    """The superblock that is in use, or the other one, with a feature of the future."""
    whole = Container(open("start.lwc", "rb").read())
    slots = sorted((0, 4096), key=lambda slot: whole.get("Q", slot + 16))
    slot = Container(whole.data[slots[newest]:slots[newest] + 4096])
    slot.superblock("Q", at, value)
    whole.data[slots[newest]:slots[newest] + 4096] = slot.data
    with open(name, "wb") as out:
        out.write(whole.data)

write("newer.lwc", False, 56, 1 << 60)
write("readonly.lwc", True, 48, 1)
EOF_PYTHON
cp readonly.lwc readonly.before
check "a read-only feature: it can be read" holds readonly.lwc old
refuse "a read-only feature: what a newer lwcmem wrote is not lost" 1 "newer lwcmem" "$LWCMEM" patch readonly.lwc new/modes
check "a read-only feature: not a byte" cmp readonly.lwc readonly.before
check "a feature of the older generation: it can be read" holds newer.lwc old
check "a feature of the older generation: that one would be overwritten anyway" "$LWCMEM" patch newer.lwc new/modes
check "a feature of the older generation: the new model" holds newer.lwc new/modes
chmod 755 . && cp "$LWCMEM" lwcmem.copy && chmod 444 target.lwc
as_nobody=()
[ "$(id -u)" != 0 ] || as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
if "${as_nobody[@]}" ./lwcmem.copy info target.lwc > /dev/null 2>&1; then
	refuse "a read-only container" 1 "target.lwc: cannot open for writing" "${as_nobody[@]}" ./lwcmem.copy patch target.lwc new/modes
	check "a read-only container: not a byte" cmp old.lwc target.lwc
else
	echo "skip a read-only container: no setpriv"
fi
check "nothing partial is left" bash -c '! ls -A | grep "^\.lwcmem-"'
