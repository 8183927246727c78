#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The module builds without a warning for every series of kernels that it is for.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
. tests/vm/lib.sh

failed=0
for series in $KERNEL_SERIES_ALL; do
	kernel=$(KERNEL_SERIES=$series bash tests/vm/qemu-kernel.sh)
	case $? in
	0)
		if quietly build_module "build/kmod-$series" "$kernel/build"; then echo "ok module for $series"
		else echo "not ok module for $series"; failed=1; fi
		;;
	3) (absent "module for $series" "the distribution has no $series kernel") || failed=1 ;;
	*) echo "not ok module for $series: download of the kernel"; failed=1 ;;
	esac
done
exit "$failed"
