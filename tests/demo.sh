#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# make demo: a real model packed, verified, unpacked and run; plain and packed give the same text and logits.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=build/lwcmem model=build/models/stories15M-bf16 prompt="Once upon a time" tokens=200
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

[ -e "$model/config.json" ] || { echo "demo: the model could not be fetched; try again with a network"; exit 1; }
step "Pack $model"
$tool pack "$model" -o "$work/model.lwc"
step "Verify every crc and hash, and against the original"
$tool verify "$work/model.lwc" --against "$model"
$tool unpack "$work/model.lwc" -o "$work/unpacked"
diff -r "$model" "$work/unpacked"
echo "unpack gives the same files back"
step "Sizes"
$tool info "$work/model.lwc" --bounds > "$work/info"
sed -n '/^files/,$p' "$work/info"
$tool info "$work/model.lwc" --bounds --json > "$work/info.json"

step "A story from the plain model"
$tool run "$model" -p "$prompt" -n $tokens --logits "$work/plain.logits" --json > "$work/plain.json"
python3 -c 'import json, sys; print(sys.argv[2] + json.load(open(sys.argv[1]))["text"])' "$work/plain.json" "$prompt"
for backend in fused user; do
	$tool run "$work/model.lwc" -p "$prompt" -n $tokens --backend $backend --logits "$work/$backend.logits" --json > "$work/$backend.json"
	cmp "$work/plain.logits" "$work/$backend.logits"
done
step "The same from the container, bit for bit"
python3 - "$work" <<'P'
import json, os, sys
work = sys.argv[1]
runs = {name: json.load(open(f"{work}/{name}.json")) for name in ("plain", "fused", "user")}
assert all(run["text"] == runs["plain"]["text"] for run in runs.values())
size = os.path.getsize(f"{work}/plain.logits")
print(f"text and {size} bytes of logits are identical: plain, fused, user\n")
print(f"{'weights':10} {'backend':8} {'isa':8} {'prompt tok/s':>12} {'tok/s':>8}")
for name, run in runs.items():
    weights = "plain" if name == "plain" else run["structure"]
    print(f"{weights:10} {run['backend']:8} {run['isa']:8} {run['prompt_tokens_per_s']:12.1f} {run['tokens_per_s']:8.1f}")
P
