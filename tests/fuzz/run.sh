#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tests/fuzz/run.sh [SECONDS]: each libFuzzer target for SECONDS (40) from a corpus of packed files;
# prints "ok NAME" or "not ok NAME". A finding stays in build-fuzz/ as crash-*.
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-40}
clang=$(command -v clang-14 || command -v clang)
[ -n "$clang" ] || { echo "not ok fuzz: no clang, run make deps"; exit 1; }
make -s -j"$(nproc)" B=build all || exit 1
make -s -j"$(nproc)" B=build-fuzz CC="$clang" \
	SAN="-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined" \
	build-fuzz/liblwcmem.a || { echo "not ok fuzz build"; exit 1; }
work=build-fuzz/corpus
mkdir -p $work/fuzz_container $work/fuzz_tile
python3 tests/fuzz/seeds.py $work/model
build/lwcmem pack --force -o $work/fuzz_container/seed.lwc $work/model > /dev/null || echo "not ok fuzz seed"
python3 tests/fuzz/seeds.py --tiles $work/fuzz_container/seed.lwc $work/fuzz_tile
python3 tests/fuzz/seeds.py --tiles tests/golden/levels-2-2-2-2.lwc $work/fuzz_tile/golden # GRID and SPARSE are there
for source in tests/fuzz/fuzz_*.c; do
	name=$(basename "$source" .c)
	"$clang" -std=gnu11 -O1 -g -Wall -Wextra -Werror -D_GNU_SOURCE -I. -Iuserspace -Ikmod \
		-fsanitize=address,undefined,fuzzer -fno-sanitize-recover=undefined \
		"$source" build-fuzz/liblwcmem.a -luring -lzstd -lcrypto -lpthread -lm -o "build-fuzz/$name" ||
		{ echo "not ok $name builds"; continue; }
	if timeout $((seconds + 60)) "build-fuzz/$name" -max_total_time="$seconds" -seed=1 -max_len=65536 \
		-artifact_prefix=build-fuzz/ -print_final_stats=1 "$work/$name" > "build-fuzz/$name.log" 2>&1; then
		echo "ok $name for $seconds s: $(grep -o 'number_of_executed_units: [0-9]*' "build-fuzz/$name.log")"
	else
		tail -40 "build-fuzz/$name.log"
		echo "not ok $name"
	fi
done
