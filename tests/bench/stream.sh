#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tests/bench/stream.sh MODEL.lwc [ROUNDS [ARGUMENTS of run...]]: how well reading overlaps with computing.
# In each round a text with the source unthrottled, from the page cache, gives the compute time of a pass: decoding and
# multiplying, for both are the CPUs' work in the backend user, and copying from the page cache. Then the source is throttled
# to 0.5, 1 and 2 times the rate at which that read stored bytes (LWCMEM_TEST_READ_RATE: as a disk with a queue). Overlap is
# the slower side's time by the pass' time: 100 % where the other side costs nothing. Medians of the rounds.
set -euo pipefail
model=$1 rounds=${2:-5}
shift $(($# > 2 ? 2 : $#))
here=$(cd "$(dirname "$0")/../.." && pwd)
exec python3 - "${LWCMEM:-$here/build/lwcmem}" "$model" "$rounds" "$@" << 'END'
import json, os, statistics, subprocess, sys

tool, model, rounds, *more = sys.argv[1:]
factors = (0.5, 1, 2)

def run(rate=None):
    """Seconds and stored bytes of a pass."""
    env = dict(os.environ, **({"LWCMEM_TEST_READ_RATE": str(rate / 1e6)} if rate else {}))
    command = [tool, "run", model, "-p", "a", "-n", "7", "--backend", "user", "--json", *more]
    out = json.loads(subprocess.run(command, env=env, check=True, capture_output=True).stdout)
    return 1 / out["tokens_per_s"], out["counters"]["bytes_stored"] / (len(out["token_ids"]) + 0.5)

run()  # into the page cache
rows = {factor: [] for factor in factors}
for _ in range(int(rounds)):
    compute, stored = run()
    for factor in factors:
        source = compute / factor
        took, _ = run(stored / source)
        rows[factor].append((stored / source / 1e9, stored / compute / 1e9, stored / took / 1e9, max(source, compute) / took))
print(f"{os.path.basename(model)}: GB/s of stored bytes, medians of {rounds} rounds")
print("source / compute   source  compute  achieved  overlap (all)")
for factor, values in rows.items():
    source, compute, achieved, overlap = (statistics.median(column) for column in zip(*values))
    each = " ".join(f"{value[3]:.0%}" for value in values)
    print(f"{factor:16}   {source:6.2f}   {compute:6.2f}    {achieved:6.2f}     {overlap:4.0%} ({each})")
END
