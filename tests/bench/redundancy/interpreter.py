# SPDX-License-Identifier: BSD-3-Clause
"""
Imported first by every program here: goes on in the distribution's Python where the one that was called has no numpy.
"""
import importlib.util
import os
import sys

DISTRIBUTION = "/usr/bin/python3"

if importlib.util.find_spec("numpy") is None:
    if os.environ.get("LWCMEM_BENCH_PYTHON") or not os.path.exists(DISTRIBUTION):
        sys.exit("numpy is missing; run make deps (Debian: python3-numpy)")
    os.environ["LWCMEM_BENCH_PYTHON"] = DISTRIBUTION
    os.execv(DISTRIBUTION, [DISTRIBUTION] + sys.argv)
