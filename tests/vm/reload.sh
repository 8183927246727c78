#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The last program in each guest: after all tests the module must go, and come and go again.
# busybox's rmmod does not wait: a module that is still in use is a failure here.

result() { # result NUMBER STATUS NAME
	if [ "$2" = 0 ]; then echo "ok $1 $3"; else echo "not ok $1 $3"; fi
}

echo 1..4
rmmod lwcmem
result 1 $? "unloads after all tests"
for round in 2 3 4; do
	# shellcheck disable=SC2086
	insmod "$MODULE" $LWCMEM_PARAMS && rmmod lwcmem
	result $round $? "loads and unloads again ($((round - 1)) of 3)"
done
