# SPDX-License-Identifier: BSD-3-Clause
# What the tests of patch share: the models of patch_models.py in a directory of their own, crash.so,
# and old.lwc, packed from the model old.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
here=$PWD
. tests/cli/checks.bash
python3 tests/cli/patch_models.py "$work" || { echo "not ok make the models"; exit 1; }
gcc -shared -fPIC -O1 -D_GNU_SOURCE -Wall -Wextra -Werror tests/cli/crash.c -o "$work/crash.so" -ldl ||
	{ echo "not ok build crash.so"; exit 1; }
cd "$work" || exit 1

holds() { # holds FILE MODEL: sound, and unpacks to the model with all names and modes
	rm -rf holds.out
	"$LWCMEM" verify "$1" > holds.err 2>&1 && "$LWCMEM" unpack "$1" -o holds.out 2>> holds.err &&
		diff -r "$2" holds.out >> holds.err && diff <(cd "$2" && find . -mindepth 1 -printf '%y %m %p\n' | sort) \
		<(cd holds.out && find . -mindepth 1 -printf '%y %m %p\n' | sort) >> holds.err
}
json() { # json FILE EXPRESSION: of i, what FILE holds
	python3 -c 'import json, sys; i = json.load(open(sys.argv[1])); sys.exit(not eval(sys.argv[2]))' "$@" ||
		{ cat "$1"; return 1; }
}
at_call() { # at_call MODE N COMMAND...: with crash.so
	local mode=$1 call=$2; shift 2
	CRASH=$mode CRASH_AT=$call LD_PRELOAD=$work/crash.so \
		ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS:-} "$@"
}
data_of() { tail -c +8193 "$1" | head -c "$2"; } # data_of FILE LENGTH: what lies behind the superblocks

check "pack" "$LWCMEM" pack old -o old.lwc -j 2
