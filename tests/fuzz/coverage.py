# SPDX-License-Identifier: BSD-3-Clause
"""coverage.py TITLE < JSON of llvm-cov export: lines and sides of conditions that were reached, and those that were not."""
import json
import os
import sys


def lines_of(file):
    """Line: count, for lines with code, from the segments of a file."""
    counts, segments = {}, file["segments"]
    for here, after in zip(segments, segments[1:]):
        line, _, count, counted, *_ = here
        if counted:
            for number in range(line, after[0] + 1):
                counts[number] = max(counts.get(number, 0), count)
    return counts


def branches_of(file):
    """Place: [times true, times false], all instances of inlined functions together."""
    sides = {}
    for line, column, end_line, end_column, true, false, *_ in file["branches"]:
        place = sides.setdefault((line, column, end_line, end_column), [0, 0])
        place[0] += true
        place[1] += false
    return sides


def condition(source, place):
    line, column, end_line, end_column = place
    if line == end_line:
        return source[line - 1][column - 1:end_column - 1]
    parts = [source[line - 1][column - 1:], *source[line:end_line - 1], source[end_line - 1][:end_column - 1]]
    return " ".join(part.strip() for part in parts)


def main(title):
    print(f"{title:40} {'lines':>12} {'conditions':>12}   (both sides counted)")
    left, total = [], [0, 0, 0, 0]
    for file in sorted(json.load(sys.stdin)["data"][0]["files"], key=lambda f: f["filename"]):
        name = os.path.relpath(file["filename"])
        with open(name) as text:
            source = text.read().split("\n")
        lines, branches = lines_of(file), branches_of(file)
        sides = [count for pair in branches.values() for count in pair]
        numbers = [sum(count > 0 for count in lines.values()), len(lines), sum(count > 0 for count in sides), len(sides)]
        total = [a + b for a, b in zip(total, numbers)]
        print(f"{name:40} {numbers[0]:5} /{numbers[1]:5} {numbers[2]:5} /{numbers[3]:5}")
        for place, (true, false) in sorted(branches.items()):
            if not true or not false:
                never = "reached" if not true and not false else "true" if not true else "false"
                left.append(f"  {name}:{place[0]}: never {never}: {condition(source, place)}")
        left += [f"  {name}:{number}: never reached: {source[number - 1].strip()}"
                 for number, count in sorted(lines.items()) if not count and source[number - 1].strip(" \t{}")]
    print(f"{'together':40} {total[0]:5} /{total[1]:5} {total[2]:5} /{total[3]:5}")
    print("\n".join(left))


if __name__ == "__main__":
    main(sys.argv[1])
