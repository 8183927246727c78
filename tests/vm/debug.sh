#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# make check-debug: the module's tests under kernels that check every access to memory, every lock and every allocation
# that is never freed, and that let allocations and reads fail. First modules with planted mistakes: a kernel that does not
# report them proves nothing. User-mode Linux runs everything (KASAN and lockdep, the machine's own vector instructions);
# QEMU, two orders of magnitude slower, what several CPUs, preemption and kmemleak may tell. Environment: LWCMEM_TESTS (part
# of the names of the tests to run), DEBUG_RIGS ("um qemu").
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
export UM_EXTRA=tests/vm/um-debug.config UM_LIMIT=3600 QEMU_LIMIT=3600 BOOT_LIMIT=9000
# what QEMU runs: SMP_TESTS is space-separated
smp_tests="debug_faults.c debug_parallel.c parallel.c uring_lifetime.c lifetime.c corrupt.c mappings.c"
status=0

for name in ${DEBUG_RIGS:-um qemu}; do
	LWCMEM_TESTS='' LWCMEM_DEBUG=planted bash "tests/vm/check-$name.sh" || { status=1; continue; }
	if [ "$name" = qemu ]; then export LWCMEM_ONLY=$smp_tests; fi
	LWCMEM_DEBUG=full bash "tests/vm/check-$name.sh" || status=1
done
exit "$status"
