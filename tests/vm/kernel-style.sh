#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# make check-kernel-style: the module under the kernel's own checkers, with the distribution's kernel: checkpatch, a build
# with W=1, sparse and Coccinelle. Prints "ok NAME" or "not ok NAME" after what was found.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
. tests/vm/lib.sh
failed=0

# Accepted of checkpatch, because it does not hold here:
#   PREFER_DEFINED_ATTRIBUTE_MACRO  kmod/codec is also userspace code, where platform.h makes the name
#   TYPECAST_INT_CONSTANT  the intrinsic's argument is signed, the constant has all 64 bits
#   REPEATED_WORD  a table in a comment
accepted=PREFER_DEFINED_ATTRIBUTE_MACRO,TYPECAST_INT_CONSTANT,REPEATED_WORD

verdict() { # verdict NAME FILE: good if the file is empty
	if [ -s "$2" ]; then
		sed 's/^/    /' "$2" | head -60
		echo "not ok $1: $(wc -l < "$2") lines"
		failed=1
	else
		echo "ok $1"
	fi
}

checkpatch() { # checkpatch SCRIPTS
	find kmod uapi tests/vm/planted -name '*.[ch]' | sort | while read -r file; do
		perl "$1/checkpatch.pl" --no-tree --no-summary --terse --show-types --max-line-length=100 --ignore "$accepted" -f "$file"
	done
}

# compiler KERNEL VARIABLES...: warnings of a build from nothing
compiler() {
	rm -rf "$work/module"
	mkdir "$work/module"
	rsync -a --exclude='*.o' --exclude='.*' Kbuild kmod uapi "$work/module/"
	kernel_make -s -C "$1" M="$work/module" -j"$(nproc)" "${@:2}" modules 2>&1 |
		sed -e "s,$work/module/,," -e '/^Skipping BTF generation/d'
}

# sparse does not know the compiler's intrinsics: of ISA units only those without vectors.
sparse_wrapper() {
	cat > "$work/sparse" <<-'SCRIPT'
		#!/bin/sh
		case "$*" in *_avx2.c* | *_avx512.c*) exit 0 ;; esac
		exec sparse "$@"
	SCRIPT
	chmod +x "$work/sparse"
}

# coccinelle SCRIPTS: all the kernel's semantic patches that report, but those with rules in OCaml, which needs a compiler
coccinelle() {
	local patch
	find "$1/coccinelle" -name '*.cocci' | sort | while read -r patch; do
		grep -q 'virtual report' "$patch" && ! grep -qE '^@ *(script|initialize|finalize) *: *ocaml' "$patch" || continue
		spatch -D report --no-show-diff --very-quiet --cocci-file "$patch" --dir kmod \
			-I uapi -I kmod 2> "$work/spatch.err" || { echo "$patch: spatch failed"; tail -3 "$work/spatch.err"; }
	done
}

work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
quietly sh tests/deps.sh style || { echo "not ok the checkers cannot be installed"; exit 1; }
source_tree=$(bash tests/vm/source-kernel.sh um) || { echo "not ok the kernel's scripts"; exit 1; }
kernel=$(bash tests/vm/qemu-kernel.sh) || { echo "not ok the kernel's headers"; exit 1; }
scripts=$source_tree/scripts

checkpatch "$scripts" > "$work/out" 2>&1
verdict checkpatch "$work/out"
compiler "$kernel/build" W=1 > "$work/out"
verdict "W=1" "$work/out"
sparse_wrapper
compiler "$kernel/build" C=2 "CHECK=$work/sparse" > "$work/out"
verdict sparse "$work/out"
coccinelle "$scripts" > "$work/out"
verdict coccinelle "$work/out"
exit "$failed"
