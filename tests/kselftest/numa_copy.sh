#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A copy in huge pages has pages of all memory nodes. For busybox, in a guest. DATA: NAME/ for story.
DATA=${DATA:-/data}
. "${0%/*}/libktap.sh"
said=/tmp/out

echo "KTAP version 1"
if [ ! -e /sys/devices/system/node/node1 ]; then echo "1..0 # SKIP one memory node"; exit 0; fi
echo "1..1"
LWCMEM_DEVICE=/none "$LWCMEM" run "$DATA/story.lwc" -p "Once" -n 200 --hugepages > /tmp/out 2>&1 &
program=$!
spread() { grep interleave /proc/$program/numa_maps > /tmp/maps && grep -q 'N0=.*N1=\|N1=.*N0=' /tmp/maps; }
while [ -e /proc/$program/numa_maps ] && ! spread; do usleep 20000; done 2> /dev/null
spread 2> /dev/null || cat /tmp/maps >> /tmp/out
kill $program 2> /dev/null
grep -q 'N0=.*N1=\|N1=.*N0=' /tmp/maps
verdict "pages of both nodes"
exit $bad
