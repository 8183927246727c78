#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A GGUF file computes what a HuggingFace directory of the same values does: the same bits, plain and packed. What is not
# computed is refused by name.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
. tests/cli/checks.bash
python3 tests/cli/gguf_models.py "$work" || { echo "not ok make the models"; exit 1; }
program=$(dirname "$LWCMEM")/tests/read_logits
cd "$work" || exit 1
tokens="7 250 3 3 99 180 42 17 1 298 64 128 200 5 77 12 31 222 9 150"

logits() { # logits OUT MODEL KIND [ISA [THREADS]]: after each of the tokens
	# shellcheck disable=SC2086
	"$program" "$2" "$3" "${4:-auto}" "${5:-2}" $tokens > "$1"
}
good_logits() { # good_logits FILE: numbers, of which those of the last two tokens are not the same
	python3 - "$1" <<'P'
import array, math, sys
logits = array.array("f", open(sys.argv[1], "rb").read())
assert len(logits) == 20 * 300 and all(map(math.isfinite, logits)) and logits[-300:] != logits[-600:-300]
P
}
same() { # same MODEL KIND...: the bits in want
	logits got "$@" && cmp want got
}
for file in *.gguf; do
	name=${file%.gguf}
	check "$name as a directory" logits want "$name" directory scalar 1
	check "$name has logits" good_logits want
	if [[ $name == close-* ]]; then
		check "$name as a file" logits got "$file" gguf
		check "$name: nearly the same logits" python3 - <<'P'
import array
want, got = (array.array("f", open(name, "rb").read()) for name in ("want", "got"))
assert max(abs(a - b) for a, b in zip(want, got)) < 1e-4 * max(map(abs, want)) and want[300:] != got[300:600]
P
		continue
	fi
	check "$name as a file" same "$file" gguf
	check "$name as a file, without SIMD, in one thread" same "$file" gguf scalar 1
	check "$name is packed" "$LWCMEM" pack "$file" -o model.lwc --force
	check "$name in a container, fused" same model.lwc fused
	check "$name in a container, through the ring" same model.lwc user
done
mkdir whole && cp llama-Q4_K.gguf whole/ && echo hello > whole/README.md
check "a directory of one GGUF file is packed" "$LWCMEM" pack whole -o whole.lwc
logits want llama-Q4_K directory
check "it is a model of one GGUF file" same whole.lwc fused
cp llama-Q6_K.gguf whole/
check "a directory of two GGUF files is packed" "$LWCMEM" pack whole -o two.lwc
refuse "which of two GGUF files is not guessed" 1 "two.lwc: 2 GGUF files; lwcmem runs a model of one" \
	logits got two.lwc fused
while read -r name text; do
	refuse "$name" 1 "$text" logits got "wrong/$name.gguf" gguf
done < wrong.txt
cp wrong/experts.gguf experts.lwc
refuse "run knows GGUF by its first bytes" 1 "experts.lwc: lwcmem does not compute llama.expert_count" \
	"$LWCMEM" run experts.lwc -p a
check "pack what is refused" "$LWCMEM" pack wrong/experts.gguf -o packed.gguf
refuse "run knows a container by its first bytes" 1 "packed.gguf: experts.gguf: lwcmem does not compute llama.expert_count" \
	"$LWCMEM" run packed.gguf -p a
refuse "a plain file has no backends" 1 "a plain model has no backends" \
	"$LWCMEM" run llama-F32.gguf -p a --backend user
