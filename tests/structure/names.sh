#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Names come from files and hold any bytes: the module formats them only to escape them.
cd "$(dirname "$0")/../.." || exit 1
hits=$(grep -nE '%p[dD]' kmod/*.c | grep -vE 'sc?nprintf\(label, LWCMEM_LABEL, ')
if [ -z "$hits" ]; then echo "ok the module's log escapes file names"
else echo "$hits"; echo "not ok the module's log escapes file names"; fi
