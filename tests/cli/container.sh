#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# pack, unpack, verify, info on a model directory with every dtype and shape that is odd.
set -u
work=$(mktemp -d) && trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
here=$PWD
. tests/cli/checks.bash
python3 tests/cli/make_model.py "$work/model" || { echo "not ok make the model"; exit 1; }
cd "$work" || exit 1

same_tree() { # contents, names and modes
	diff -r "$1" "$2" && diff <(cd "$1" && find . -mindepth 1 -printf '%y %m %p\n' | sort) \
		<(cd "$2" && find . -mindepth 1 -printf '%y %m %p\n' | sort)
}

chmod 750 model/sub; chmod 600 model/config.json; chmod 500 model/sub/empty
for favor in balanced size speed; do
	check "pack --favor $favor" "$LWCMEM" pack model -o $favor.lwc --favor $favor -j 2
	check "unpack --favor $favor" "$LWCMEM" unpack $favor.lwc -o $favor.out
	check "round trip --favor $favor" same_tree model $favor.out
	check "verify --favor $favor" "$LWCMEM" verify $favor.lwc --against model
done
for isa in scalar bmi2 avx2 avx512; do
	rm -rf isa.out
	LWCMEM_ISA=$isa check "unpack with $isa at most" "$LWCMEM" unpack balanced.lwc -o isa.out
	check "round trip with $isa at most" same_tree model isa.out
done
refuse "unknown LWCMEM_ISA" 1 LWCMEM_ISA env LWCMEM_ISA=sse9 "$LWCMEM" verify balanced.lwc
for threads in 1 3 16; do
	check "pack -j $threads" "$LWCMEM" pack model -o j.lwc --force -j $threads
	check "equal container with -j $threads" cmp balanced.lwc j.lwc
done
check "info" "$LWCMEM" info balanced.lwc
check "info --bounds --json" "$LWCMEM" info balanced.lwc --bounds --json
cp out info.json
check "json keys" python3 - <<'P'
import json, os
i = json.load(open("info.json"))
size = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk("model") for f in fs)
assert i["bytes_original"] == size, (i["bytes_original"], size)
assert i["bytes_stored"] == os.path.getsize("balanced.lwc")
t = {x["name"]: x for x in i["tensors"]}
assert t["matrix"]["codec"] == "LEVELS (2,2,2,2)" and t["matrix"]["shape"] == [768, 288]
assert t["matrix"]["bits_per_weight"] <= t["matrix"]["bound_bits_per_weight"] + 0.16
assert t["twin"]["codec"] == "COPY" and t["zeroes"]["codec"] == "CONST"
assert [(c["name"], c["tiles"]) for c in t["mixed"]["codecs"]] == [
    ("CONST", 1), ("LEVELS (2,2,2,2)", 1), ("SPARSE+LEVELS (2,2,2,2)", 1)], t["mixed"]
assert abs(t["int8"]["bound_bits_per_weight"] - __import__("math").log2(7)) < 1e-5, t["int8"]
packed = t["packed_int4"]
assert packed["codec"] == "LEVELS (3,2,2,2)" and packed["bits_per_weight"] < 28, packed
assert packed["bound_bits_per_weight"] <= packed["bits_per_weight"] < 1.03 * packed["bound_bits_per_weight"], packed
assert 7.9 < t["fp8"]["bound_bits_per_weight"] <= 8 and t["flags"]["bound_bits_per_weight"] is None
assert t["bf16_in_fp32"]["bits_per_weight"] < 13
assert t["scalar"]["shape"] == [] and t["empty"]["bits_per_weight"] is None
assert i["weights"] == sum(__import__("math").prod(x["shape"]) for x in i["tensors"])
P
ln -s ../model/model.safetensors linked; mkdir cache; mv linked cache/
check "pack follows symlinks" "$LWCMEM" pack cache -o link.lwc
check "unpack what a symlink led to" "$LWCMEM" unpack link.lwc -o link.out
check "a symlink comes back as a file" cmp model/model.safetensors link.out/linked
check "pack a single file" "$LWCMEM" pack model/model.safetensors -o single.lwc
check "unpack a single file" "$LWCMEM" unpack single.lwc -o single.out
check "round trip of a single file" cmp model/model.safetensors single.out/model.safetensors
mkdir nothing; check "pack an empty directory" "$LWCMEM" pack nothing -o nothing.lwc
check "unpack an empty directory" "$LWCMEM" unpack nothing.lwc -o nothing.out
check "round trip of an empty directory" same_tree nothing nothing.out
cp -r model changed; chmod u+w changed/sub/empty; printf x >> changed/config.json
refuse "verify --against a changed model" 1 config.json "$LWCMEM" verify balanced.lwc --against changed

refuse "existing output" 1 "--force" "$LWCMEM" pack model -o balanced.lwc
# an output that is what is read, or would be part of it
cp -r model inside; cp inside/model.safetensors same.safetensors; cp -r inside inside.before
mkdir inside/deep inside.before/deep
ln -s "$PWD/inside" inside-link; ln -s inside/model.safetensors file-link; ln inside/model.safetensors file-hard
for out in inside/model.safetensors file-link file-hard; do
	refuse "pack a file over itself: $out" 1 "a file of the model itself" "$LWCMEM" pack inside/model.safetensors -o $out --force
	refuse "pack a directory over its file: $out" 1 "a file of the model itself" "$LWCMEM" pack inside -o $out --force
done
refuse "pack a file that a symlink names over itself" 1 "a file of the model itself" "$LWCMEM" pack file-link -o inside/model.safetensors --force
for out in inside/o.lwc inside/deep/o.lwc inside-link/o.lwc inside/../inside/o.lwc; do
	refuse "pack a directory into itself: $out" 1 "lies in the model's directory" "$LWCMEM" pack inside -o $out
done
mkdir linked; ln -s ../inside/deep linked/deep
refuse "pack into what a symlink of the model leads to" 1 "lies in the model's directory" "$LWCMEM" pack linked -o inside/deep/o.lwc
refuse "pack the directory that one is in" 1 "lies in the model's directory" bash -c "cd inside && '$LWCMEM' pack . -o o.lwc"
check "nothing was written" diff -r inside.before inside
check "pack a file to beside it" "$LWCMEM" pack inside/model.safetensors -o inside/deep/o.lwc
refuse "patch a file of the model" 1 "a file of the model itself" "$LWCMEM" patch inside/deep/o.lwc inside
check "it is as it was" "$LWCMEM" verify inside/deep/o.lwc --against inside/model.safetensors
refuse "existing directory" 1 "not empty" "$LWCMEM" unpack balanced.lwc -o model
refuse "missing model" 1 nowhere "$LWCMEM" pack nowhere -o x.lwc
refuse "no such command" 2 "no such command" "$LWCMEM" frob
refuse "no arguments" 2 usage "$LWCMEM" pack
refuse "bad -j" 2 "-j" "$LWCMEM" pack model -o x.lwc -j 0
refuse "bad structure" 2 "--structure" "$LWCMEM" pack model -o x.lwc --structure 9
mkdir loop; ln -s ../loop loop/again
refuse "symlink into its parents" 1 symlink "$LWCMEM" pack loop -o x.lwc
mkdir dangling; ln -s nowhere dangling/link
refuse "dangling symlink" 1 "cannot follow" "$LWCMEM" pack dangling -o x.lwc
mkdir pipe; mkfifo pipe/fifo
refuse "neither file nor directory" 1 "neither" "$LWCMEM" pack pipe -o x.lwc
refuse "no space" 1 "x.lwc" bash -c "ulimit -f 100; \"$LWCMEM\" pack model -o x.lwc"
refuse "not a container" 1 "config.json" "$LWCMEM" verify model/config.json
refuse "a directory as container" 1 model "$LWCMEM" info model
"$LWCMEM" pack model -o int.lwc --force -j 1 & sleep 0; kill -INT $! 2> /dev/null; wait $! 2> /dev/null
check "an interrupted pack leaves nothing or all" bash -c "[ ! -e int.lwc ] || '$LWCMEM' verify int.lwc"
check "nothing partial is left" bash -c '! ls -A | grep -E "^(x\.lwc|\.lwcmem-)"'

python3 "$here/tests/cli/hostile_safetensors.py" hostile
for dir in hostile/*/; do
	name=$(basename "$dir")
	if [ "${name#ok-}" != "$name" ]; then
		check "accept safetensors $name" "$LWCMEM" pack "$dir" -o "$name.lwc"
		check "verify safetensors $name" "$LWCMEM" verify "$name.lwc" --against "$dir"
	else
		refuse "refuse safetensors $name" 1 model.safetensors "$LWCMEM" pack "$dir" -o x.lwc
	fi
done
check "nothing of a refused model" bash -c '! ls -A | grep -E "^(x\.lwc|\.lwcmem-)"'
python3 "$here/tests/cli/hostile_container.py" --loop balanced.lwc loops 200
crashed=0 agreed=0
for file in loops/*.lwc; do
	"$LWCMEM" verify "$file" > out 2> err; v=$?
	"$LWCMEM" unpack "$file" -o loop.out > out 2>> err; u=$?
	rm -rf loop.out
	{ [ $v -gt 1 ] || [ $u -gt 1 ]; } && { crashed=$((crashed + 1)); echo "$file: $v $u"; head -5 err; }
	[ $v = 1 ] && agreed=$((agreed + 1))
done
[ $crashed = 0 ] && echo "ok seeded truncation and bit flips do not crash" || echo "not ok $crashed crashes"
[ $agreed -gt 190 ] && echo "ok verify notices them" || echo "not ok verify noticed $agreed of 200"
