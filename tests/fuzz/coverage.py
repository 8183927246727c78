# SPDX-License-Identifier: BSD-3-Clause
"""coverage.py TITLE < JSON of llvm-cov export: lines and sides of conditions that were reached, and those that were not."""
import json
import os
import re
import sys

# file, what is left there, and why no file can lead there
EXPLAINED = [
    ("crc32c.c", r"never reached|lwc_has_crc32", "a CPU without SSE 4.2, or a part too short for three streams"),
    ("grid.c", r"lwc_field_layouts\[field\]", "for the encoder"),
    ("levels.c", r"!lwc_field_size\(field\)", "lwc_tile_check and decode_levels are asked first"),
    ("levels.c", r"structure|LWC_STRUCTURE_|const names", "a name for info"),
    ("impl.c", r"--i|isa & mask", "a CPU without the fastest implementation"),
    ("validate.c", r"LWC_ERRORS|default", "for callers that are wrong"),
    ("validate.c", r"!len|LWC_NAME_MAX$|!name\[i\]", "the reader has checked length and NUL; test_codec"),
    ("reader.c", r"got < 0|EINTR|EWOULDBLOCK|fail_errno|flock|\bstat\(|fstat\(|opened\.|ENODATA|never true: result|"
                 r"fd < 0|fd >= 0|S_ISREG|not a regular|another process|open_file|lock\(|read_superblock\(|O_RDWR|path\);", "the system fails, or another process"),
    ("reader.c", r"!container|!\(container->path|out of memory|!entries|!block|blocks\[table\]$|free\(|return NULL", "no memory"),
    ("reader.c", r"LWC_NAME_MAX|offset > count|length > count|index >= |lies outside|is not in|not in its",
     "entries have been checked before they are asked for"),
]


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


def why(line):
    name = line.split(":")[0]
    return next((reason for file, pattern, reason in EXPLAINED
                 if name.endswith("/" + file) and re.search(pattern, line)), None)


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
    known = [(line, reason) for line in left for reason in [why(line)] if reason]
    print(f"left, and no file leads there: {len(known)}")
    for reason in sorted({reason for _, reason in known}):
        print(f" {reason}:")
        print("\n".join(line for line, other in known if other == reason))
    rest = [line for line in left if not why(line)]
    print(f"left: {len(rest)}", *rest, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
