#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# In the guest under the name of each planted module: loads it, removes it. Whether the kernel noticed is for the rig.
module=$(basename "$0" .sh)
leaks=/sys/kernel/debug/kmemleak

echo 1..1
if [ "$module" = planted_leak ] && [ ! -e $leaks ]; then
	echo "ok 1 the module runs # SKIP this kernel does not look for leaks"
	exit
fi
if insmod "/payload/$module.ko" && rmmod "$module"; then
	echo "ok 1 the module runs"
else
	echo "not ok 1 the module runs"
fi
[ "$module" != planted_leak ] || for _ in 1 2; do
	sleep 6 # younger objects are not looked at
	echo scan > $leaks
done
