# SPDX-License-Identifier: BSD-3-Clause
"""table_row.py NAME BOUND.json [INFO.json]: one row of the table; without INFO.json of what the tool cannot pack."""
import json
import sys

GOAL = 1.05


def main(name, bound_path, info_path=None):
    with open(bound_path) as file:
        bound = json.load(file)
    limit = bound["bound_bits_per_weight"]
    behind = f"{limit:.3f} | {{}} | {limit * GOAL:.3f} | {{}} |"
    if info_path is None:
        print(f"| {name} | | not supported | | " + behind.format("", "no"))
        return
    with open(info_path) as file:
        info = json.load(file)
    note = ""
    if info["weights"]:
        assert info["weights"] == bound["weights"], f"{info['weights']} weights, not {bound['weights']}"
        packed = info["bits_per_weight"]
    else:
        # the tool saw no tensors
        packed, note = 8 * info["bytes_stored"] / bound["weights"], " (file)"
    original = 8 * info["bytes_original"] / bound["weights"]
    over = 100 * (packed / limit - 1)
    print(f"| {name} | {original:.2f} | {packed:.3f}{note} | {original / packed:.2f} | "
          + behind.format(f"{over:+.1f} %", "yes" if packed <= limit * GOAL else "no"))


main(*sys.argv[1:])
