#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# --base: a fine-tune is stored as what differs from its base, and comes back with it; whatever is not
# the base, or lies about it, is refused by name.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
here=$PWD
. tests/cli/checks.bash
python3 tests/cli/delta_models.py "$work/models" || { echo "not ok make the models"; exit 1; }
cd "$work" || exit 1
mv models/* .

for model in base plain; do
	check "pack $model" "$LWCMEM" pack $model -o $model.lwc
done
for favor in balanced size; do
	check "pack --favor $favor" "$LWCMEM" pack tuned -o $favor.lwc --base base.lwc --favor $favor -j 2
	check "verify --favor $favor" "$LWCMEM" verify $favor.lwc --base base.lwc --against tuned
	check "unpack --favor $favor" "$LWCMEM" unpack $favor.lwc --base base.lwc -o $favor.out
	check "round trip --favor $favor" diff -r tuned $favor.out
done
for isa in scalar bmi2 avx2 avx512; do
	LWCMEM_ISA=$isa check "verify with $isa at most" "$LWCMEM" verify balanced.lwc --base base.lwc --against tuned
done
for threads in 1 7; do
	check "pack -j $threads" "$LWCMEM" pack tuned -o j.lwc --base base.lwc --force -j $threads
	check "equal container with -j $threads" cmp balanced.lwc j.lwc
done

# what became of the tensors; info needs no base
check "info" "$LWCMEM" info balanced.lwc --tensors
check "info --json" "$LWCMEM" info balanced.lwc --json; cp out tuned.json
check "info --json of the base" "$LWCMEM" info base.lwc --json; cp out base.json
check "codecs" python3 - <<'P'
import json
base, tuned = json.load(open("base.json")), json.load(open("tuned.json"))
assert tuned["base"] == base["uuid"] and "base" not in base, (tuned["base"], base["uuid"])
tensors = {x["name"]: x for x in tuned["tensors"]}
for dtype, bits in (("BF16", 16), ("F16", 16), ("F32", 32), ("F8_E4M3", 8), ("F8_E5M2", 8), ("I8", 8)):
    few, every = tensors[dtype + ".few"], tensors[dtype + ".all"]
    assert few["codec"] == every["codec"] == "DELTA", (few, every)
    assert few["bits_per_weight"] < 0.25 and every["bits_per_weight"] < min(bits * 0.6, 4.1), (few, every)
for name in ("equal", "twin", "i64"):
    assert tensors[name]["codec"] == "DELTA" and tensors[name]["bits_per_weight"] <= 32 * 8 / 500, tensors[name]
for name in ("payloads", "longer", "moved"):
    assert tensors[name]["codec"] == "DELTA", tensors[name]
for name in ("other-dtype", "new", "reshaped"):
    assert name == "reshaped" or tensors[name]["codec"] != "DELTA", tensors[name]
P
check "info --bounds with the base" "$LWCMEM" info balanced.lwc --bounds --base base.lwc
refuse "info --bounds without the base" 1 "--base" "$LWCMEM" info balanced.lwc --bounds

# the same model: entries and tables alone
check "pack what equals the base" "$LWCMEM" pack base -o same.lwc --base base.lwc
check "verify what equals the base" "$LWCMEM" verify same.lwc --base base.lwc --against base
check "nothing of it is stored" [ "$(stat -c %s same.lwc)" -lt 50000 ]
# nothing in common: no base is needed
check "pack what has nothing of the base" "$LWCMEM" pack plain -o alone.lwc --base base.lwc
says "it says so" "alone.lwc: needs no base"
check "it is what pack makes without" cmp plain.lwc alone.lwc
check "it is read without" "$LWCMEM" verify alone.lwc --against plain
for command in "verify" "unpack -o alone.out" "info --bounds"; do
	# shellcheck disable=SC2086
	check "${command%% *} with a base that it does not need" "$LWCMEM" $command alone.lwc --base base.lwc
	says "${command%% *} says so" "alone.lwc: needs no base; base.lwc is not used"
done
check "verify with the base that it needs" "$LWCMEM" verify same.lwc --base base.lwc
check "that is not said then" bash -c '! grep "needs no" err'

uuid() { "$LWCMEM" info "$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["uuid"])'; }
base_uuid=$(uuid base.lwc) plain_uuid=$(uuid plain.lwc)
for command in "verify balanced.lwc" "unpack balanced.lwc -o x"; do
	# shellcheck disable=SC2086
	{
		refuse "${command%% *} without the base names its uuid" 1 "$base_uuid" "$LWCMEM" $command
		refuse "${command%% *} without the base names --base" 1 "--base" "$LWCMEM" $command
		refuse "${command%% *} with another container names its uuid" 1 "$plain_uuid" "$LWCMEM" $command --base plain.lwc
		refuse "${command%% *} with another container names the base's" 1 "$base_uuid" "$LWCMEM" $command --base plain.lwc
		refuse "${command%% *} with a base that has a base" 1 "depends on a base itself" "$LWCMEM" $command --base same.lwc
		refuse "${command%% *} with a base that is not there" 1 "nowhere.lwc" "$LWCMEM" $command --base nowhere.lwc
		refuse "${command%% *} with a base that is no container" 1 "config.json" "$LWCMEM" $command --base base/config.json
	}
done
refuse "pack on a base that has a base" 1 "depends on a base itself" "$LWCMEM" pack tuned -o x --base balanced.lwc
refuse "pack on a base that is not there" 1 "nowhere.lwc" "$LWCMEM" pack tuned -o x --base nowhere.lwc
cp base.lwc own.lwc
refuse "pack over the base" 1 "is the base itself" "$LWCMEM" pack tuned -o own.lwc --base own.lwc --force
ln -s own.lwc own-link.lwc; ln own.lwc own-hard.lwc
for other in own-link own-hard; do
	refuse "pack over the base as $other" 1 "is the base itself" "$LWCMEM" pack tuned -o $other.lwc --base own.lwc --force
	refuse "pack over the base, known as $other" 1 "is the base itself" "$LWCMEM" pack tuned -o own.lwc --base $other.lwc --force
done
check "the base is still there" cmp base.lwc own.lwc
refuse "patch of what has a base" 1 "$base_uuid" "$LWCMEM" patch balanced.lwc tuned
refuse "patch --compact of what has a base" 1 "$base_uuid" "$LWCMEM" patch balanced.lwc --compact
refuse "bench of what has a base" 1 "$base_uuid" "$LWCMEM" bench codec balanced.lwc
cp base.lwc patched.lwc
check "patch a base" "$LWCMEM" patch patched.lwc tuned
refuse "a base that was patched" 1 "$base_uuid" "$LWCMEM" verify balanced.lwc --base patched.lwc

# a tile of the base that is damaged is named, by what makes use of it as by what would
python3 "$here/tests/cli/hostile_delta.py" --damage base.lwc F16.few 0 damaged.lwc
cp damaged.lwc damaged.before
refuse "pack on a damaged base" 1 "damaged.lwc: F16.few: tile 0: checksum" "$LWCMEM" pack tuned -o x --base damaged.lwc
refuse "pack on a damaged base, by threads" 1 "damaged.lwc: F16.few: tile 0: checksum" "$LWCMEM" pack tuned -o x --base damaged.lwc -j 3
check "the base is as it was" cmp damaged.lwc damaged.before
for command in "verify balanced.lwc" "unpack balanced.lwc -o x" "info balanced.lwc --bounds"; do
	# shellcheck disable=SC2086
	refuse "${command%% *} with a damaged base" 1 "damaged.lwc: F16.few: tile 0, which balanced.lwc needs: checksum" "$LWCMEM" $command --base damaged.lwc
done
check "nothing is left of what was refused" bash -c '! ls -A | grep -e "^x$" -e "^\.lwcmem-"'

# lies, with crcs made right again
python3 "$here/tests/cli/hostile_delta.py" balanced.lwc base.lwc bad || echo "not ok make hostile containers"
for file in bad/*.lwc; do
	name=$(basename "$file" .lwc)
	base=base.lwc
	[ -e "bad/$name.base" ] && base=bad/$name.base
	refuse "verify refuses $name" 1 bad "$LWCMEM" verify "$file" --base "$base"
	refuse "unpack refuses $name" 1 bad "$LWCMEM" unpack "$file" --base "$base" -o x
done
crashed=0 noticed=0
python3 "$here/tests/cli/hostile_container.py" --loop balanced.lwc loops 60
for file in loops/*.lwc; do
	"$LWCMEM" verify "$file" --base base.lwc > out 2> err; status=$?
	[ $status -gt 1 ] && { crashed=$((crashed + 1)); head -5 err; }
	[ $status = 1 ] && noticed=$((noticed + 1))
done
[ $crashed = 0 ] && echo "ok seeded truncation and bit flips do not crash" || echo "not ok $crashed crashes"
[ $noticed -gt 55 ] && echo "ok verify notices them" || echo "not ok verify noticed $noticed of 60"

# the engine, on a model of which each weight moved a little
model=$MODELS/random-aligned-bf16
if [ ! -e "$model/config.json" ]; then echo "skip run with a base: the model is missing"; exit 0; fi
python3 "$here/tests/cli/nudge.py" "$model" nudged
check "pack the engine's base" "$LWCMEM" pack "$model" -o engine.lwc
check "pack the engine's model" "$LWCMEM" pack nudged -o nudged.lwc --base engine.lwc
python3 "$here/tests/cli/hostile_delta.py" --damage engine.lwc model.embed_tokens.weight 0 engine-damaged.lwc
run() { "$LWCMEM" run "$@" -p "Once upon a time" -n 5 > text 2> err; }
check "run plain" run nudged --logits want
for backend in fused user; do
	check "run $backend" run nudged.lwc --base engine.lwc --backend $backend --logits got
	check "run $backend: the same logits" cmp want got
	refuse "run $backend with a damaged base" 1 "engine-damaged.lwc: model.embed_tokens.weight: tile 0, which nudged.lwc needs: checksum" \
		"$LWCMEM" run nudged.lwc --base engine-damaged.lwc -p x --backend $backend
	refuse "run $backend without the base" 1 "$(uuid engine.lwc)" "$LWCMEM" run nudged.lwc -p x --backend $backend
done
check "run with a base that it does not need" run engine.lwc --base nudged.lwc
says "run says so" "engine.lwc: needs no base; nudged.lwc is not used"
check "run plain with a base" run nudged --base engine.lwc
says "run plain says so" "nudged: needs no base; engine.lwc is not used"
refuse "run kmod without the base" 1 "$(uuid engine.lwc)" "$LWCMEM" run nudged.lwc -p x --backend kmod
