#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tests/bench/peers.sh [--quick]: how fast other tools decode and multiply, beside lwcmem, taking turns in one run.
# ZipNN and llama.cpp's ggml are built from the sources that pins names, once, in the user's cache (two minutes; needs
# cmake, g++, the headers of Python). A peer that cannot be had is a line that says why.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
. "$here/pins"
B=${B:-build}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lwcmem/peers-$(cat "$here/pins" | sha256sum | cut -c1-16)
log=$cache/log
mkdir -p "$cache" || exit 1
exec 9> "$cache/lock" && flock 9

requirements() { # requirements "NAME==VERSION SHA256"...: lines for pip
	local line
	for line in "$@"; do echo "${line% *} --hash=sha256:${line#* }"; done
}
pip() { # pip COMMAND... FILE: with requirements from FILE, nothing that is not pinned
	PIP_DISABLE_PIP_VERSION_CHECK=1 "$cache/venv/bin/python" -m pip "${@:1:$#-1}" --quiet --no-deps --require-hashes \
		-r "${!#}" >> "$log" 2>&1
}
prepare() { # a venv with the tools that build
	[ -e "$cache/tools.done" ] && return
	mapfile -t tools < <(echo "$BUILD_TOOLS" | grep .)
	requirements "${tools[@]}" > "$cache/tools"
	python3 -m venv "$cache/venv" >> "$log" 2>&1 && pip install "$cache/tools" && touch "$cache/tools.done"
}
get_zipnn() { # only its compiled part: the rest needs torch and adds nothing to a decode
	[ -e "$cache/zipnn.done" ] && return
	requirements "$PEER_ZIPNN" > "$cache/zipnn"
	pip install --no-build-isolation --no-binary :all: "$cache/zipnn" && touch "$cache/zipnn.done"
}
get_ggml() { # of all of llama.cpp, only the library with its CPU kernels, for this CPU
	[ -e "$cache/ggml.done" ] && return
	local source=$cache/source
	requirements "$PEER_LLAMA" > "$cache/llama"
	pip download --no-build-isolation --no-binary :all: -d "$cache" "$cache/llama" || return
	rm -rf "$source" "$cache/ggml" && mkdir "$source"
	tar -xzf "$cache"/llama_cpp_python-*.tar.gz -C "$source" --strip-components 1 &&
		cmake -S "$source/$LLAMA_SOURCES" -B "$cache/ggml" -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DGGML_OPENMP=OFF \
			-DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
			-DLLAMA_BUILD_SERVER=OFF &&
		cmake --build "$cache/ggml" --target ggml -j "$(nproc)" && touch "$cache/ggml.done"
}

: > "$log"
zipnn_missing= ggml_missing= ggml=-
echo "peers in $cache; the first time takes minutes" >&2
if prepare; then
	get_zipnn || zipnn_missing="it could not be built, see $log"
	get_ggml >> "$log" 2>&1 && ggml=$cache/ggml/bin || ggml_missing="it could not be built, see $log"
	python=$cache/venv/bin/python
else
	zipnn_missing="no Python environment, see $log" ggml_missing=$zipnn_missing
	python=python3
fi
make -s B="$B" "$B/tests/ours.so" || exit 1
# without mmap, what ZipNN returns lies in pages that it has used before: its decoder is measured, not the kernel
MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8589934592 \
	"$python" "$here/peers.py" "$PWD/$B/tests/ours.so" "$ggml" "$zipnn_missing" "$ggml_missing" "$@"
