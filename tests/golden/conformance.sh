#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The command line on the containers of tests/golden/features and on those with one mistake each.
cd "$(dirname "$0")" || exit 1
python3 conformance.py "$LWCMEM" || echo "not ok conformance.py"
