#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# run --memory: a model that is larger than it flows through a ring. Logits are the same bytes whatever the size, the process
# keeps within it, and what goes wrong in the middle of a pass ends the run with a message.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
model=$MODELS/stories15M-fp32
[ -e "$model/config.json" ] || { echo "skip streaming: $model is missing"; exit 0; }

result() { # result PROBLEM NAME
	if [ -z "$1" ]; then echo "ok $2"; else echo "not ok $2: $1"; fi
}
run() { # run ARGUMENTS...: of a greedy text; logits, json and error in $work
	rm -f "$work/got"
	timeout 100 "$LWCMEM" run "$work/model.lwc" -p "Once upon a time" -n 4 --logits "$work/got" --json "$@" \
		> "$work/json" 2> "$work/error"
}
field() { sed -n "s/.*\"$1\": \"*\([0-9a-z]*\).*/\1/p" "$work/json"; }
same() { # same ARGUMENTS...: what is wrong with a run, if anything
	run "$@" || { echo "$*: $(cat "$work/error") "; return; }
	cmp -s "$work/got" "$work/want" || echo "$*: other logits "
}
least() { # least ARGUMENTS...: KiB that the refusal of one byte asks for
	run --memory 1 "$@" && { echo "it ran with one byte"; return; }
	sed -n 's/.*model.lwc: 0 KiB of memory are too little; at least \([0-9]*\) KiB are needed.*/\1/p' "$work/error"
}

"$LWCMEM" pack "$model" -o "$work/model.lwc" 2> "$work/error" || { echo "not ok pack: $(cat "$work/error")"; exit 1; }
"$LWCMEM" run "$model" -p "Once upon a time" -n 4 --logits "$work/want" > /dev/null 2>&1

isas=scalar
for isa in avx2 avx512; do
	if run --isa $isa; then isas="$isas $isa"
	elif grep -q "CPU does not have" "$work/error"; then echo "skip streaming with $isa: this CPU does not have it"
	else echo "not ok streaming with $isa: $(cat "$work/error")"; fi
done
bad=
for isa in $isas; do
	for threads in 1 3; do
		for size in 12M 32M; do bad+=$(same --memory $size -j $threads --isa "$isa" --backend user); done
	done
done
result "$bad" "same logits for each ISA ($isas), numbers of threads and sizes"

bad=
for size in "$(least -j 1)K" "$(least -j 1 -c 40)K" 5000K 5M 7000001 24M; do bad+=$(same --memory "$size" -j 1 --backend user); done
result "$bad" "same logits with all but the least memory"

bad=
for threads in 1 2 5; do
	kib=$(least -j $threads)
	bad+=$(same --memory "${kib}K" -j $threads)
	if run --memory "$((kib - 1))K" -j $threads; then bad+="-j $threads ran with less than $kib KiB "
	elif [ "$(least -j $threads)" != "$kib" ]; then bad+="-j $threads: the least is $kib KiB or another "; fi
done
result "$bad" "what is too little is refused, with the least that works"

bad=
run --memory 16M || bad=$(cat "$work/error")
[ "$(field backend)" != fused ] || bad="16M: fused"
read=$(field bytes_stored) past=$(field bytes_past)
[ "${read:-0}" -gt $((2 * $(stat -c %s "$work/model.lwc"))) ] || bad="$read bytes read in four passes"
[ "$past" = "$read" ] || grep -q "reading through the page cache" "$work/error" || bad="$past of $read bytes past the page cache"
run --memory 1G || bad=$(cat "$work/error")
[ "$(field backend)" = fused ] || bad="1G: $(field backend)"
[ ! -s "$work/error" ] || bad=$(cat "$work/error")
result "$bad" "the backend is fused for a model that fits, and one that streams for others"

bad=
for wrong in 0 -1 x 5X 5MB 99999999999999999999 20000000T ""; do
	"$LWCMEM" run "$work/model.lwc" -p a --memory "$wrong" > /dev/null 2> "$work/error"
	[ $? = 2 ] && grep -q "memory is a number" "$work/error" || bad+="'$wrong': $(cat "$work/error") "
done
"$LWCMEM" run "$work/model.lwc" -p a --memory 1G --backend fused > /dev/null 2>&1; [ $? = 2 ] || bad+="fused "
"$LWCMEM" run "$model" -p a --memory 1G > /dev/null 2> "$work/error"; grep -q "plain model" "$work/error" || bad+="plain"
result "$bad" "sizes that are none, and what has no backend, are refused"

# What the process takes beside them is what it takes with no weights at all: the smallest model with this tokenizer
peak() { # peak ARGUMENTS...: KiB
	python3 - "$LWCMEM" run "$work/model.lwc" -p "Once upon a time" -n 4 --backend user "$@" << 'END'
import os, re, subprocess, sys, time
# Anonymous memory, sampled: the maximum of all of it counts mapped files as well.
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
most = 0
while child.poll() is None:
    try:
        text = open(f"/proc/{child.pid}/status").read()
    except OSError:
        break
    found = re.search(r"RssAnon:\s+(\d+)", text)
    most = max(most, int(found.group(1)) if found else 0)
    time.sleep(0.001)
print(most if child.wait() == 0 else 10 ** 9)
END
}
case $LWCMEM in
*asan*) ;;
*)
	small=$(peak --memory 6M -j 1)
	bad=
	for mib in 12 24 48; do
		most=$(peak --memory ${mib}M -j 1)
		# 6M counts what the 6M allow; the program and its tokenizer are the rest
		[ "$most" -le $((small + (mib - 5) * 1024)) ] || bad+="${mib}M: $most KiB, where 6M take $small "
	done
	[ "$small" -lt 24576 ] || bad+="6M: $small KiB"
	result "$bad" "the process keeps within the memory" ;;
esac

cp "$work/model.lwc" "$work/good.lwc"
python3 - "$work/model.lwc" << 'END'
import os, sys
path = sys.argv[1]
at = os.path.getsize(path) * 3 // 5
with open(path, "r+b") as file:
    file.seek(at)
    byte = file.read(1)
    file.seek(at)
    file.write(bytes([byte[0] ^ 16]))
END
bad=
for size in 6M 16M; do
	if run --memory $size; then bad+="$size: it gave a text "
	elif ! grep -q "model.lwc: .*: tile [0-9]*: .*damaged" "$work/error"; then bad+="$size: $(cat "$work/error") "; fi
	[ ! -e "$work/got" ] || bad+="$size: logits stay "
done
result "$bad" "a damaged tile ends the run, which names it"
mv "$work/good.lwc" "$work/model.lwc"

# 20 MB/s: two seconds a pass
LWCMEM_TEST_READ_RATE=20 "$LWCMEM" run "$work/model.lwc" -p "Once upon a time" -n 100 --memory 16M > "$work/out" 2> "$work/error" &
sleep 1
kill -INT $!
start=$SECONDS
wait $!
status=$?
bad=
[ $status != 0 ] || bad="it ended well"
[ $((SECONDS - start)) -lt 20 ] || bad="it went on for $((SECONDS - start)) s"
result "$bad" "Ctrl-C ends a run that waits for the disk"
