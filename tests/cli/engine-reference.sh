#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The engine against the independent fp64 reference: tokens of texts, logits to rounding, and greedy
# continuations of the fp32 model.
set -u
model=$MODELS/stories15M-fp32
[ -e "$model/config.json" ] || { echo "skip engine against the reference: the real model is missing"; exit 0; }
. tests/models/pins
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
reference() { build/tests/reference "$MODELS/stories15M.llama2" "$checkpoint_bytes" "$@"; }

mapfile -t prompts < tests/models/prompts.txt
[ ${#prompts[@]} -ge 20 ] || echo "not ok at least 20 prompts"
half=$((${#prompts[@]} / 2))
reference 200 "${prompts[@]:half}" > "$work/want.rest" 2> /dev/null &
reference 200 "${prompts[@]:0:half}" > "$work/want" 2> "$work/want.logits" || echo "not ok reference runs"
wait && cat "$work/want.rest" >> "$work/want"
for prompt in "${prompts[@]}"; do
	"$LWCMEM" run "$model" -p "$prompt" -n 200 --json > "$work/out" || echo "not ok run: $prompt"
	python3 -c 'import json, sys; r = json.load(open(sys.argv[1]))
print(*r["prompt_token_ids"], "|", *r["token_ids"])' "$work/out" >> "$work/got"
done
same=$(paste -d '#' "$work/want" "$work/got" | awk -F '#' '$1 == $2 { n++ } END { print n + 0 }')
if [ "$same" = ${#prompts[@]} ]; then echo "ok $same prompts x 200 tokens like the reference"
else echo "not ok $same of ${#prompts[@]} prompts like the reference"; diff "$work/want" "$work/got" | cut -c 1-300; fi

"$LWCMEM" run "$model" -p "${prompts[0]}" -n 200 --logits "$work/got.logits" > /dev/null 2>&1
# fp32 sums of up to 768 products over six layers: far below 1e-3 of logits of size 10
if python3 - "$work/want.logits" "$work/got.logits" <<'P'
import array, sys
want, got = (array.array("f", open(p, "rb").read()) for p in sys.argv[1:])
assert len(want) == len(got) and len(want) % 32000 == 0, (len(want), len(got))
worst = max(abs(a - b) for a, b in zip(want, got))
print("# largest difference", worst)
assert worst < 1e-3
P
then echo "ok logits agree to rounding"; else echo "not ok logits agree to rounding"; fi

want=", there was a little girl named Lily. She loved to play outside in the sunshine. One day, she saw a big, red ball in the sky. It was the sun!"
got=$("$LWCMEM" run "$model" -p "Once upon a time" -n 60 2> /dev/null)
case $got in "$want"*) echo "ok the known story" ;; *) echo "not ok the known story: $got" ;; esac

texts=("" " " "  two  spaces " "tab	and" "naïve café" "日本語のテキスト" "👩‍👩‍👧 family" "x=1;y[2]+=3" "ALL CAPS" \
	"a" "1234567890" "…—“quotes”" "Ünïcödé" "<0x41>" "Lily's mom said, \"No!\"")
reference 0 "${texts[@]}" > "$work/want"
: > "$work/got"
for text in "${texts[@]}"; do
	"$LWCMEM" run "$model" -p "$text" -n 1 --json > "$work/out"
	python3 -c 'import json, sys; print(*json.load(open(sys.argv[1]))["prompt_token_ids"], "|")' "$work/out" >> "$work/got"
done
if diff "$work/want" "$work/got"; then echo "ok tokens of ${#texts[@]} odd texts"; else echo "not ok tokens of odd texts"; fi
