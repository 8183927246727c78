#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A container of a terabyte with ten million tiles opens with the memory that its tensors take, not
# its tiles: three hundred megabytes of tables.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
tool=build/lwcmem # sanitizers have a memory of their own

gcc -std=gnu11 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -Iuserspace -Ikmod -I. tests/cli/huge.c build/internal.a \
	-lzstd -o "$work/huge" && "$work/huge" "$work/huge.lwc" 1000 10 1000 || { echo "not ok make the container"; exit 1; }
for arguments in "" --json --tensors; do
	name="info $arguments of ten million tiles"
	# shellcheck disable=SC2086
	peak=$(python3 - "$tool" info "$work/huge.lwc" $arguments 2>&1 <<'P'
import resource, subprocess, sys
text = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=True, text=True).stdout
assert "1310720000000" in text and "655360000000" in text, text
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
P
	)
	if [ "$peak" -lt 65536 ] 2> /dev/null; then echo "ok $name"; else echo "not ok $name: $peak KiB"; fi
done
