#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tests/bench/models.sh DIR [ROUNDS]: tokens a second of a model of 1.1 billion parameters, packed, plain, and by
# llama.cpp (BF16 and Q8_0), taking turns; prompt, first token and memory, too. DIR gets 8 GB of files, which stay for
# the next time. llama.cpp is built from the sources that pins names, once, in the user's cache (ten minutes; needs
# cmake and g++); where it cannot be had, its lines are missing.
set -u
[ $# -ge 1 ] || { sed -n '3,6s/^# //p' "$0"; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
lwcmem=${LWCMEM:-$here/../../build/lwcmem}
mkdir -p "$1" && cd "$1" || exit 1
rounds=${2:-5} threads=$(nproc) tokens=64 prompt=512
. "$here/pins"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lwcmem/llama-$(echo "$PEER_LLAMA" | sha256sum | cut -c1-16)
mkdir -p "$cache"

get_llama() {
	[ -e "$cache/done" ] && return
	echo "--require-hashes ${PEER_LLAMA% *} --hash=sha256:${PEER_LLAMA#* }" | tr ' ' '\n' | sed '1d;N;s/\n/ /' > "$cache/requirements"
	python3 -m pip download --quiet --no-deps --require-hashes --no-binary :all: -d "$cache" \
		-r "$cache/requirements" || return
	rm -rf "$cache/source" && mkdir "$cache/source"
	tar -xzf "$cache"/llama_cpp_python-*.tar.gz -C "$cache/source" --strip-components 1 &&
		cmake -S "$cache/source/$LLAMA_SOURCES" -B "$cache/build" -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON \
			-DGGML_OPENMP=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF \
			-DLLAMA_BUILD_TOOLS=ON -DLLAMA_CURL=OFF &&
		cmake --build "$cache/build" --target llama-bench llama-quantize -j "$threads" && touch "$cache/done"
}

[ -e plain/config.json ] || { rm -rf plain && python3 "$here/synthetic.py" plain --gguf bf16.gguf; } || exit 1
favor=$("$lwcmem" bench advise --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["favor"])') || exit 1
echo "bench advise: --favor $favor" >&2
for f in speed balanced; do
	[ -e $f.lwc ] || "$lwcmem" pack plain -o $f.lwc --favor $f || exit 1
done
[ -e 41.lwc ] || "$lwcmem" pack plain -o 41.lwc --structure 4,1 || exit 1
bench=$cache/build/bin/llama-bench
if get_llama > "$cache/log" 2>&1; then
	[ -e q8_0.gguf ] || "$cache/build/bin/llama-quantize" bf16.gguf q8_0.gguf Q8_0 > "$cache/quantize.log" 2>&1 || exit 1
	"$bench" --version 2>&1 | sed -n 1p
else
	echo "llama.cpp is missing: it could not be built, see $cache/log" >&2
	bench=
fi

ours() { # ours NAME MODEL ARGUMENTS...: a line of figures for each round
	local name=$1 model=$2; shift 2
	"$lwcmem" bench run "$model" --prompt $prompt -n $tokens -j "$threads" --rounds 1 --json "$@" |
		python3 -c 'import json, sys; r = json.load(sys.stdin)[0]
print(sys.argv[1], r["prompt_tokens_per_s"], r["tokens_per_s"], r["first_token_s"], r["baseline"], r["time"]["matrices"], sep="\t")' "$name"
}
theirs() { # theirs NAME MODEL ARGUMENTS...
	local name=$1 model=$2; shift 2
	"$bench" -m "$model" -p $prompt -n $tokens -t "$threads" -r 1 -o json "$@" 2> /dev/null |
		python3 -c 'import json, sys; rows = json.load(sys.stdin)
rate = {bool(r["n_prompt"]): r["avg_ts"] for r in rows}
print(sys.argv[1], rate[True], rate[False], 0, 0, 0, sep="\t")' "$name"
}
for round in $(seq "$rounds"); do
	echo "round $round of $rounds" >&2
	for f in 41 speed balanced; do ours "$f" $f.lwc; ours "$f, huge pages" $f.lwc --hugepages; done
	ours plain plain
	ours "plain, huge pages" plain --hugepages
	[ -z "$bench" ] || for q in bf16 q8_0; do
		theirs "llama.cpp $q" $q.gguf
		theirs "llama.cpp $q, -lm none -fa on" $q.gguf -lm none -fa on
	done
done > figures.tsv
python3 - <<'P'
import collections, statistics
rows = collections.OrderedDict()
for line in open("figures.tsv"):
    name, *figures = line.rstrip("\n").split("\t")
    rows.setdefault(name, []).append([float(f) for f in figures])
median = {name: [statistics.median(column) for column in zip(*lines)] for name, lines in rows.items()}
best = {part: max((m[1], n) for n, m in median.items() if n.startswith(part)) for part in ("plain", "llama.cpp bf16", "llama.cpp q8_0")
        if any(n.startswith(part) for n in median)}
print(f"{'':32} {'prompt/s':>9} {'tokens/s':>9} {'first, s':>9} {'GB/s':>6} {'GEMV':>6}" + "".join(f"  / {part}" for part in best))
for name, (prompt, tokens, first, memory, share) in median.items():
    own = f" {first:9.3f} {memory:6.1f} {100 * share:5.1f}%" if memory else " " * 24
    print(f"{name:32} {prompt:9.1f} {tokens:9.2f}{own}" + "".join(f"{tokens / best[part][0]:{len(part) + 4}.2f}" for part in best))
P
