#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The last program in a debug guest, after the module is gone: the checks were on until now, and nothing was leaked.
leaks=/sys/kernel/debug/kmemleak

echo 1..2
# lockdep gives up after the first report of anything
if grep -q 'debug_locks: *1' /proc/lockdep_stats; then
	echo "ok 1 locks are still checked"
else
	echo "not ok 1 locks are still checked"
fi
if [ ! -e $leaks ]; then
	echo "ok 2 nothing was leaked # SKIP this kernel does not look for leaks"
	exit
fi
for _ in 1 2; do
	sleep 6 # younger objects are not looked at
	echo scan > $leaks
done
head -60 $leaks
if [ -s $leaks ] && grep -q . $leaks; then
	echo "not ok 2 nothing was leaked"
else
	echo "ok 2 nothing was leaked"
fi
