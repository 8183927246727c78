#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Userspace C is formatted by .clang-format; every source names its licence in its first two lines.
cd "$(dirname "$0")/../.." || exit 1

bare=$(git ls-files '*.c' '*.h' '*.sh' '*.py' | while read -r file; do
	head -2 "$file" | grep -q 'SPDX-License-Identifier:' || echo "$file"
done)
if [ -z "$bare" ]; then echo "ok every source names its licence"; else echo "$bare"; echo "not ok every source names its licence"; fi

clang_format=$(command -v clang-format-14 || command -v clang-format)
if [ -z "$clang_format" ]; then
	echo "not ok formatting: no clang-format, run make deps"
	exit 1
fi
wrong=$(git ls-files 'userspace/*.[ch]' 'tests/unit/*.[ch]' 'tests/fuzz/*.[ch]' | while read -r file; do
	"$clang_format" --dry-run -Werror "$file" > /dev/null 2>&1 || echo "$file"
done)
if [ -z "$wrong" ]; then
	echo "ok userspace is formatted"
else
	echo "$wrong"
	echo "not ok userspace is formatted: run $clang_format -i on these"
fi
