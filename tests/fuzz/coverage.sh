#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# make coverage: which lines and which sides of which conditions of the decoders, the checks and the reader
# the conformance tests reach (tests/golden: error by error, through the command line and the vectors), and
# which the corpora of tests/fuzz reach. Prints a table for each and what is left.
cd "$(dirname "$0")/../.." || exit 1
set -o pipefail
clang=$(command -v clang-14 || command -v clang)
version=${clang##*clang}
counted="-fprofile-instr-generate -fcoverage-mapping"
profiles=build-cov/profiles
make -s -j"$(nproc)" B=build-cov CC="$clang" OPT="-O1 -g" SAN="$counted" WARN=-w \
	build-cov/lwcmem build-cov/tests/test_vectors || exit 1
rm -rf $profiles build-cov/corpus && mkdir -p $profiles build-cov/templates

report() { # report TITLE PROFILE BINARY...
	local title=$1 profile=$2 first=$3 binary objects=()
	shift 3
	for binary in "$@"; do objects+=(-object "$binary"); done
	"llvm-profdata$version" merge -o "$profile.profdata" "$profile"*.profraw || exit 1
	"llvm-cov$version" export "$first" "${objects[@]}" -instr-profile="$profile.profdata" \
		kmod/codec/*.[ch] userspace/container/reader.c |
		python3 tests/fuzz/coverage.py "$title" || exit 1
}

LLVM_PROFILE_FILE=$profiles/conformance-%4m.profraw python3 tests/golden/conformance.py build-cov/lwcmem | grep '^not ok'
LLVM_PROFILE_FILE=$profiles/conformance-vectors.profraw build-cov/tests/test_vectors > build-cov/vectors.log 2>&1 || cat build-cov/vectors.log
report "conformance tests" $profiles/conformance build-cov/lwcmem build-cov/tests/test_vectors

for file in tests/golden/features/*.lwc.xz; do
	name=${file##*/}
	xz -dc "$file" > "build-cov/templates/${name%.xz}"
done
binaries=()
for corpus in tests/fuzz/corpus/*.tar.xz; do
	name=$(basename "$corpus" .tar.xz)
	grep -q '"memory_file.h"' "tests/fuzz/fuzz_$name.c" && wrap=-Wl,--wrap=open,--wrap=close,--wrap=fstat,--wrap=pread || wrap=
	mkdir -p "build-cov/corpus/$name" && tar -xJf "$corpus" -C "build-cov/corpus/$name"
	[ "$name" != container ] || python3 tests/fuzz/seeds.py build-cov/corpus/container
	# shellcheck disable=SC2086
	"$clang" -std=gnu11 -O1 -g -D_GNU_SOURCE -I. -Iuserspace -Ikmod $counted -fsanitize=fuzzer "tests/fuzz/fuzz_$name.c" \
		userspace/readers/*.c build-cov/internal.a $wrap -luring -lzstd -lcrypto -ljansson -lpthread -lm -o "build-cov/fuzz_$name" || exit 1
	FUZZ_TEMPLATES=build-cov/templates LLVM_PROFILE_FILE=$profiles/fuzz-$name.profraw \
		"build-cov/fuzz_$name" -runs=0 "build-cov/corpus/$name" > "build-cov/fuzz_$name.log" 2>&1 || tail "build-cov/fuzz_$name.log"
	binaries+=("build-cov/fuzz_$name")
done
report "fuzz corpora" $profiles/fuzz "${binaries[@]}"
