#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tests/fuzz/run.sh [SECONDS] [NAME...]: each libFuzzer target (fuzz_NAME.c) for SECONDS (40), as many at once
# as there are CPUs, from the corpus in tests/fuzz/corpus; prints "ok NAME" or "not ok NAME". What it finds stays in build-fuzz/ as crash-*,
# what it learns in build-fuzz/corpus.
# tests/fuzz/run.sh --minimise [NAME...]: write the corpora anew from what was learnt, as few and as small as cover the same.
#
# A new target is a file fuzz_NAME.c: it is linked with the library and the readers, or with what lines "Sources:" in
# its first comment have instead of these; a line "Options:" has its libFuzzer options. memory_file.h is for what reads a file.
cd "$(dirname "$0")/../.." || exit 1
minimise=false seconds=40
[ "${1:-}" = --minimise ] && { minimise=true; shift; }
case ${1:-} in [0-9]*) seconds=$1; shift ;; esac
clang=$(command -v clang-14 || command -v clang)
[ -n "$clang" ] || { echo "not ok fuzz: no clang, run make deps"; exit 1; }
# comparisons are not traced: structure-aware targets do not need it, and it takes two thirds of the time
sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
covered="-fno-sanitize-coverage=trace-cmp,trace-div,trace-gep"
export ASAN_OPTIONS=malloc_context_size=2:quarantine_size_mb=1
make -s -j"$(nproc)" B=build-fuzz CC="$clang" \
	SAN="$sanitizers -fsanitize=fuzzer-no-link $covered" \
	build-fuzz/internal.a || { echo "not ok fuzz build"; exit 1; }
mkdir -p build-fuzz/templates
for file in tests/golden/features/*.lwc.xz; do
	name=${file##*/}
	xz -dc "$file" > "build-fuzz/templates/${name%.xz}"
done

build() { # build NAME
	local wrap='' sources
	sources=$(sed -n 's/^ \* Sources: //p' "tests/fuzz/fuzz_$1.c")
	grep -q '"memory_file.h"' "tests/fuzz/fuzz_$1.c" && wrap=-Wl,--wrap=open,--wrap=close,--wrap=fstat,--wrap=pread
	# shellcheck disable=SC2086
	"$clang" -std=gnu11 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -I. -Iuserspace -Ikmod $sanitizers -fsanitize=fuzzer $covered \
		"tests/fuzz/fuzz_$1.c" ${sources:-userspace/readers/*.c} build-fuzz/internal.a \
		$wrap -luring -lzstd -lcrypto -ljansson -lunistring -lpthread -lm -o "build-fuzz/fuzz_$1"
}

unpack_corpus() { # unpack_corpus NAME: what is committed and what was learnt here
	mkdir -p "build-fuzz/corpus/$1"
	[ "$1" != container ] || python3 tests/fuzz/seeds.py build-fuzz/corpus/container
	[ ! -e "tests/fuzz/corpus/$1.tar.xz" ] || tar -xJf "tests/fuzz/corpus/$1.tar.xz" -C "build-fuzz/corpus/$1"
}

fuzz() { # fuzz NAME OPTIONS
	local log=build-fuzz/fuzz_$1.log
	# shellcheck disable=SC2086
	if timeout $((seconds + 120)) "build-fuzz/fuzz_$1" -max_total_time="$seconds" -artifact_prefix=build-fuzz/ \
		-print_final_stats=1 $2 "build-fuzz/corpus/$1" > "$log" 2>&1; then
		echo "ok fuzz $1 for $seconds s: $(awk '/number_of_executed_units/ {print $2}' "$log") executions; $(tail -1 "$log")"
	else
		tail -40 "$log"
		echo "not ok fuzz $1"
	fi
}

write_corpus() { # write_corpus NAME OPTIONS
	rm -rf build-fuzz/merged && mkdir -p build-fuzz/merged tests/fuzz/corpus
	# shellcheck disable=SC2086
	"build-fuzz/fuzz_$1" $2 -merge=1 build-fuzz/merged "build-fuzz/corpus/$1" > "build-fuzz/fuzz_$1.log" 2>&1 ||
		{ tail -20 "build-fuzz/fuzz_$1.log"; echo "not ok fuzz $1 is minimised"; return; }
	tar -C build-fuzz/merged --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cJf "tests/fuzz/corpus/$1.tar.xz" .
	rm -rf "build-fuzz/corpus/$1" && mv build-fuzz/merged "build-fuzz/corpus/$1"
	echo "ok fuzz $1: $(find "build-fuzz/corpus/$1" -type f | wc -l) inputs, $(stat -c %s "tests/fuzz/corpus/$1.tar.xz") bytes"
}

[ $# -gt 0 ] || set -- $(basename -s .c -a tests/fuzz/fuzz_*.c | sed 's/^fuzz_//')
for name in "$@"; do
	build "$name" || { echo "not ok fuzz $name builds"; continue; }
	unpack_corpus "$name"
	options=$(sed -n 's/^ \* Options: //p' "tests/fuzz/fuzz_$name.c" | head -1)
	if $minimise; then write_corpus "$name" "$options"; continue; fi
	# each has one thread
	[ "$(jobs -pr | wc -l)" -lt "$(nproc)" ] || wait -n
	fuzz "$name" "$options" &
done
wait
