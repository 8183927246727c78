#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# liblwcmem as a program finds it when it is installed: what it exports and needs, its headers, its manual page, and the
# examples, shared and static, which are held to sums in the order that the header promises.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
here=$PWD prefix=$work/installed
. tests/cli/checks.bash
cd "$work" || exit 1
# a DESTDIR, so that nothing outside of the prefix is touched
check "install" env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$here" B=build install DESTDIR=/ PREFIX="$prefix"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
header=$prefix/include/lwcmem/lwcmem.h library=$prefix/lib/liblwcmem.so.0

gcc -E -P "$header" | grep -oE 'lwcmem_[a-z0-9_]+\(' | tr -d '(' | sort > functions
check "the header has functions" test "$(wc -l < functions)" -ge 15
check "the shared library exports them, and nothing else" \
	diff functions <(nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)
check "all exports have a version" bash -c "nm -D --defined-only '$library' | awk '\$2 != \"A\"' | (! grep -v '@@LWCMEM_')"
check "the archive exports them, and nothing else" \
	diff functions <(nm -g --defined-only "$prefix/lib/liblwcmem.a" | awk 'NF == 3 { print $3 }' | sort)
dynamic() { readelf -d "$library" | sed -n "s/.*($1).*\[\(.*\)\]/\1/p"; }
check "the shared library has its name" test "$(dynamic SONAME)" = liblwcmem.so.0
check "the shared library needs no more than the design says" diff <(printf '%s\n' libc libcrypto libm liburing libzstd) \
	<(dynamic NEEDED | sed 's/\.so.*//' | sort)
check "pkg-config knows the version of the module" \
	test "$(pkg-config --modversion liblwcmem)" = "$(sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' "$here/kmod/main.c")"

for name in lwcmem/lwcmem.h lwcmem/uapi/lwcmem.h lwcmem/uapi/lwcmem_format.h; do
	for compiler in "gcc -std=c11 -x c" "g++ -std=c++11 -x c++" "clang -std=c11 -x c" "clang++ -std=c++11 -x c++"; do
		if ! command -v ${compiler%% *} > /dev/null; then echo "skip $name in ${compiler%% *}: it is not installed"; continue; fi
		check "$name compiles by itself: ${compiler% -x*}" \
			$compiler -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$prefix/include" - <<< "#include <$name>"
	done
done

# The page is made of the header: no word is lost, and each function has a name to find it by.
page=$prefix/share/man/man3/lwcmem.3
words() { tr -s ' \t' '\n' | grep -vxE '|/\*|\*/|\*' | sort; }
check "lwcmem(3) has the words of the header" diff \
	<(sed -E '/^\/\* SPDX/d; /^#(if|endif|include|define LWCMEM_LWCMEM_H)/d; /^extern "C"/d; /^\}$/d' "$header" | words) \
	<(awk '/^\.SH / { on = /DESCRIPTION|TYPES|FUNCTIONS/; next } on' "$page" | grep -vE '^\.(PP|nf|fi|TP|RS|RE)' |
		sed -E 's/^\.B //; s/\\f[BR]//g; s/\\&//; s/\\-/-/g; s/\\\(aq/'"'"'/g; s/\\e/\\/g' | words)
check "all functions have a page" diff functions \
	<(cd "$prefix/share/man/man3" && grep -lx '\.so man3/lwcmem.3' lwcmem_*.3 | sed 's/\.3$//' | sort)
check "lwcmem(3) names all functions" diff functions \
	<(awk '/^\.SH / { on = /NAME/; next } on' "$page" | sed 's/ \\-.*//' | tr -d ' ' | tr , '\n' | sort)

# What examples must print of a model: norms of products with ones, in 64 lanes and their tree, and sums of those.
cat > norms.py <<'PYTHON'
import json, math, sys
import interpreter  # it may start another Python
import numpy as np
raw = open(sys.argv[1] + "/model.safetensors", "rb").read()
start = 8 + int.from_bytes(raw[:8], "little")
header = json.loads(raw[8:start])
def square(name, total=0.0):
    entry = header[name]
    a, b = (start + at for at in entry["data_offsets"])
    if entry["dtype"] == "BF16":
        weights = (np.frombuffer(raw[a:b], "<u2").astype("<u4") << 16).view("<f4")
    else:
        weights = np.frombuffer(raw[a:b], {"F16": "<f2", "F32": "<f4"}[entry["dtype"]]).astype("<f4")
    weights = weights.reshape(entry["shape"])
    lanes = np.zeros((len(weights), 64), "<f4")
    for at in range(0, weights.shape[1], 64):
        part = weights[:, at:at + 64]
        lanes[:, :part.shape[1]] += part
    for step in (32, 16, 8, 4, 2, 1):
        lanes[:, :step] += lanes[:, step:2 * step]
    for value in lanes[:, 0]:
        total += float(value) * float(value)
    return total
if sys.argv[2:]:
    print("%s: norm %.9g" % (sys.argv[2], math.sqrt(square(sys.argv[2]))))
    sys.exit()
matrices = ["self_attn." + m + "_proj" for m in "qkvo"] + ["mlp." + m + "_proj" for m in ("gate", "up", "down")]
layers = 0
while "model.layers.%d.mlp.up_proj.weight" % layers in header:
    layers += 1
for layer in list(range(layers)) * 2:
    total = 0.0
    for matrix in matrices:
        total = square("model.layers.%d.%s.weight" % (layer, matrix), total)
    print("layer %d: norm %.9g" % (layer, math.sqrt(total)))
PYTHON
norms() { PYTHONPATH=$here/tests/bench/redundancy python3 norms.py "$@"; }
names="random-aligned-bf16 random-odd-fp16" tensor=model.layers.1.mlp.down_proj.weight
for name in $names; do
	check "pack $name" "$prefix/bin/lwcmem" pack "$MODELS/$name" -o "$name.lwc"
	norms "$MODELS/$name" $tensor > "$name.fused" && norms "$MODELS/$name" > "$name.stream"
	check "norms of $name" test "$(wc -l < "$name.stream")" -ge 4
done

prints() { diff "$1" <("${@:2}" | grep norm); }
for kind in shared static; do
	static=; [ $kind = shared ] || static=1
	cp -r "$prefix/share/doc/lwcmem/examples" $kind
	check "examples build: $kind" make -s -C $kind STATIC=$static CFLAGS="-O2 -Wall -Wextra -Werror"
	if [ $kind = shared ]; then check "they use the installed library" bash -c "ldd shared/stream | grep -F ' => $prefix/lib/liblwcmem.so.0'"
	else check "they use no shared library" bash -c "! readelf -d static/stream | grep NEEDED"; fi
	for name in $names; do
		check "fused, $kind: $name" prints "$name.fused" $kind/fused "$name.lwc" $tensor
		check "stream, $kind: $name" prints "$name.stream" $kind/stream "$name.lwc"
		check "stream in a limit, $kind: $name" prints "$name.stream" $kind/stream "$name.lwc" user 8000000
	done
	refuse "fused, $kind: no such file" 1 "fused: none.lwc: " $kind/fused none.lwc $tensor
	refuse "fused, $kind: no such tensor" 1 "fused: no such tensor" $kind/fused random-odd-fp16.lwc none
	# tests/kselftest/examples.sh runs it where there is a module
	if [ -e /dev/lwcmem ]; then echo "skip view, $kind, without the module: this machine has /dev/lwcmem"
	else refuse "view, $kind, without the module" 77 "view: /dev/lwcmem: the kernel module is not loaded" $kind/view random-odd-fp16.lwc $tensor; fi
done
