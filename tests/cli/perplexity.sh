#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# lwcmem perplexity is what numpy makes of the logits of each window, and the same digits for every source of the weights.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
. tests/cli/checks.bash
tests=$PWD/tests
python3 tests/models/families/make.py "$work" llama-gqa || { echo "not ok make the model"; exit 1; }
python3 tests/cli/perplexity.py "$LWCMEM" "$work" "$work/llama-gqa" || echo "not ok perplexity.py ended early"
cd "$work" || exit 1
model=llama-gqa
printf 'once upon a time there was a little tin soldier who had one leg only\n' > text
printf 'a' > letter
: > empty
value() { # value ARGUMENTS...: the number
	"$LWCMEM" perplexity "$@" 2> err | sed -n 's/^perplexity //p'
}
want=$(value $model -f text -c 20 --isa scalar -j 1)
case $want in [0-9]*.[0-9]*) echo "ok perplexity prints a number" ;; *) echo "not ok perplexity prints a number: '$want'" ;; esac
same() { # same NAME ARGUMENTS...: the number is want
	local name=$1 got; shift
	got=$(value "$@")
	if [ "$got" = "$want" ]; then echo "ok perplexity: $name"; else echo "not ok perplexity: $name: '$got', expected $want"; cat err; fi
}
isas=
for isa in scalar avx2 avx512; do
	if "$LWCMEM" perplexity none -f text --isa $isa 2>&1 | grep -q "CPU does not have"; then echo "skip perplexity with $isa: this CPU does not have it"
	else isas="$isas $isa"; fi
done
for favor in balanced speed size; do
	"$LWCMEM" pack $model -o $favor.lwc --favor $favor 2> err || { echo "not ok pack for $favor"; cat err; }
done
# each value of ISA, threads and policy with both backends
for isa in $isas; do
	for threads in 1 2 3; do same "plain, $isa, $threads threads" $model -f text -c 20 --isa "$isa" -j $threads; done
	for backend in fused user; do
		same "balanced, $backend, $isa" balanced.lwc -f text -c 20 --isa "$isa" -j 2 --backend $backend
	done
done
for backend in fused user; do
	same "speed, $backend" speed.lwc -f text -c 20 -j 1 --backend $backend
	same "size, $backend" size.lwc -f text -c 20 -j 3 --backend $backend
done
same "text from standard input" $model -f - -c 20 < text
same "text from a pipe" balanced.lwc -f - -c 20 < <(cat text)
got=$("$(dirname "$LWCMEM")/tests/read_perplexity" $model "$(cat text)" 2>&1)
others=$(value $model -f - -c 20 < <(printf %s "$(cat text)"))
if [ -n "$others" ] && [ "$got" = "$others" ]; then echo "ok perplexity in a program with another MXCSR"
else echo "not ok perplexity in a program with another MXCSR: '$got', expected $others"; fi
# rows of multiples of 64, which fused decodes in registers
"$LWCMEM" pack "$MODELS/random-aligned-bf16" -o aligned.lwc 2> err || { echo "not ok pack random-aligned-bf16"; cat err; }
of_gqa=$want want=$(value "$MODELS/random-aligned-bf16" -f text -c 20 --isa scalar -j 1)
case $want in [0-9]*.[0-9]*) ;; *) echo "not ok perplexity of random-aligned-bf16: '$want'" ;; esac
for isa in $isas; do
	for backend in fused user; do same "random-aligned-bf16, $backend, $isa" aligned.lwc -f text -c 20 --isa "$isa" --backend $backend; done
done
want=$of_gqa
half=$(value $model -f text -c 20 --kv fp16)
if [ -n "$half" ] && [ "$half" != "$want" ] && [ "$half" = "$(value balanced.lwc -f text -c 20 --kv fp16 --isa scalar -j 1 --backend user)" ]
then echo "ok perplexity of fp16 keys and values is another, and the same"; else echo "not ok perplexity of fp16 keys and values: '$half'"; fi

# 19 tokens of the text fit beside BOS
same "the stride is half of a window if not said" $model -f text -c 20 --stride 10
refuse "stride of more than a window" 1 "a stride of 20 tokens leaves some out of windows of 19" "$LWCMEM" perplexity $model -f text -c 20 --stride 20
check "stride of a window" "$LWCMEM" perplexity $model -f text -c 20 --stride 19
refuse "empty text" 1 "the text has no token to score; give a longer one" "$LWCMEM" perplexity $model -f empty
refuse "empty standard input" 1 "the text has no token to score; give a longer one" "$LWCMEM" perplexity $model -f - < empty
refuse "text that is missing" 1 "none: cannot read the text: No such file or directory" "$LWCMEM" perplexity $model -f none
refuse "text that is a directory" 1 "$model: cannot read the text: Is a directory" "$LWCMEM" perplexity $model -f $model
refuse "model that is missing" 1 "none: cannot read the model: No such file or directory" "$LWCMEM" perplexity none -f text
refuse "windows without room" 1 "windows of 2 tokens are too small; use a larger -c" "$LWCMEM" perplexity $model -f text -c 2
refuse "windows beyond the model's" 1 "made for 128 positions; use a smaller -c" "$LWCMEM" perplexity $model -f text -c 129
refuse "no text" 2 "give one MODEL and -f TEXT" "$LWCMEM" perplexity $model
refuse "no model" 2 "give one MODEL and -f TEXT" "$LWCMEM" perplexity -f text
for bad in 0 -1 1x 99999999999 ""; do
	refuse "-c '$bad'" 2 "-c is a number of tokens" "$LWCMEM" perplexity $model -f text -c "$bad"
	refuse "--stride '$bad'" 2 "--stride is a number of tokens" "$LWCMEM" perplexity $model -f text --stride "$bad"
done
refuse "result that cannot be written" 1 "cannot write the result" sh -c '"$0" perplexity '$model' -f text > /dev/full' "$LWCMEM"

# a model whose texts begin without a token scores nothing of a text of one token
cp -r $model bare
python3 - <<'P'
import json
for name, key in (("tokenizer.json", "post_processor"), ("tokenizer_config.json", "bos_token")):
    path = "bare/" + name
    content = json.load(open(path))
    content[key] = None
    content.pop("add_bos_token", None)
    json.dump(content, open(path, "w"))
P
check "a model with a token before a text scores one token" "$LWCMEM" perplexity $model -f letter
grep -q "^1 tokens in 1 windows" err || { echo "not ok one token is scored"; cat err; }
refuse "text of one token, with no token before it" 1 "the text has no token to score; give a longer one" "$LWCMEM" perplexity bare -f letter
check "the smallest window without a token before a text" "$LWCMEM" perplexity bare -f text -c 2
cd "$tests/.." && python3 tests/cli/perplexity.py "$LWCMEM" "$work" "$work/bare" || echo "not ok perplexity.py ended early"

# logits that are no numbers: null in JSON, for which there is no such number
cd "$work" || exit 1
python3 - <<'P'
import glob, shutil
shutil.copytree("llama-gqa", "nans")
for path in glob.glob("nans/*.safetensors"):
    content = bytearray(open(path, "rb").read())
    content[-4:] = b"\xff\xff\xff\xff"
    open(path, "wb").write(content)
P
check "perplexity of NaNs" "$LWCMEM" perplexity nans -f text --json
python3 -c 'import json; result = json.load(open("out")); assert result["perplexity"] is None and result["nats"] is None, result' || echo "not ok NaNs in JSON"
