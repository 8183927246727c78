# SPDX-License-Identifier: BSD-3-Clause
"""
conformance.py TOOL: the command line on what tests/golden holds. features/ is verified and unpacked
with several ISAs, and the content compared; each line of errors.txt and each vector with an error must be
refused with the message that is written there, and by unpack, too. README.md says more.
conformance.py --write DIR: the files with the mistakes, to look at them.
"""
import concurrent.futures
import glob
import hashlib
import lzma
import os
import re
import stat
import subprocess
import sys
import tempfile

from lwcformat import codecs, edits, reading
from lwcformat.container import Object, Tile, build, File

HERE = os.path.dirname(os.path.abspath(__file__))
TILE_MAX = 256 * 1024
DAMAGED = "; the file is damaged"
# unpack proves files by their own hashes, and looks at no object without an extent
NOT_UNPACKED = ("object-hash", "literal-hash", "object-tiles-of-none")


def lines(path):
    with open(os.path.join(HERE, path)) as source:
        return [line.rstrip("\n") for line in source if line.strip() and not line.startswith("#")]


def features():
    return {os.path.basename(path)[:-7]: lzma.open(path).read()
            for path in sorted(glob.glob(os.path.join(HERE, "features", "*.lwc.xz")))}


def reasons():
    """What the specific errors say, from the source."""
    with open(os.path.join(HERE, "../../kmod/codec/validate.c")) as source:
        return dict(re.findall(r'\[LWC_ERR_(\w+)\] = "([^"]*)"', source.read()))


def vectors():
    for path in sorted(glob.glob(os.path.join(HERE, "vectors", "errors-*.txt"))):
        vector = {}
        for line in lines(path):
            key, value = line.split(" ", 1)
            vector[key] = value
            if key == "error":
                yield vector
                vector = {}


def parse(text):
    words = [] if text == "-" else [word.split("*") for word in text.split()]
    return b"".join(bytes.fromhex(word[0]) * int(word[1] if len(word) > 1 else 1) for word in words)


def tile_errors(words):
    """A container with one tile for each vector with an error, if a container can hold it."""
    for vector in vectors():
        chain = [int(number) for number in vector["chain"].split()]
        stored, length = parse(vector["input"]), int(vector["length"])
        if not stored or not length or length > TILE_MAX or chain[0] == codecs.CODECS["COPY"]:
            continue
        tile = Tile(chain, stored, bytes(length), int(vector["param"]), int(vector["field"]))
        tensor = Object([tile], "tensor", "u8", (length,))
        at, error = "tensor: tile 0", words[vector["error"]]
        message = f"FILE: {at}: {error}{DAMAGED}, get it again"
        if len(stored) > length + 64:
            message = f"FILE: entry 0 of the tiles table: {words['GEOMETRY']}{DAMAGED}"
        if vector["error"] == "CHAIN" or vector["vector"].startswith("planes-param"):
            message = f"FILE: entry 0 of the tiles table: {words['CHAIN']}{DAMAGED}"
        yield "tile " + vector["vector"], "verify -j 1", build([File("f", [tensor])], [tensor]), message


def file_errors(goods):
    for line in lines("errors.txt"):
        name, base, change, command, message = (part.strip() for part in line.split("|"))
        yield name, command, edits.apply(goods[base], change), message


class Checks:
    def __init__(self, tool, work):
        self.tool, self.work = tool, work

    def call(self, arguments, isa="auto"):
        # verify must not need more than the file: no model, no terminal
        return subprocess.run([self.tool, *arguments], capture_output=True, text=True, errors="replace",
                              env={**os.environ, "LWCMEM_ISA": isa}, check=False)

    def error(self, case):
        number, (name, command, data, expected) = case
        path = os.path.join(self.work, f"{number}.lwc")
        with open(path, "wb") as out:
            out.write(data)
        command, *options = command.replace("OUT", path + ".out").split()
        done = self.call([command, path, *options])
        said = done.stderr.strip().replace(path, "FILE").removeprefix("lwcmem: ")
        if command == "verify" and expected != "accepted" and name not in NOT_UNPACKED:
            other = self.call(["unpack", path, "-o", path + ".out", "-j", "1"])
            if other.returncode != 1 or os.path.exists(path + ".out"):
                return name, False, f"unpack: exit {other.returncode} or {path}.out is left\n{other.stderr}"
        os.unlink(path)
        if expected == "accepted":
            return name, done.returncode == 0, done.stderr
        return name, done.returncode == 1 and said == expected, f"exit {done.returncode}\nsaid     {said}\nexpected {expected}"

    def feature(self, case):
        name, data, content, isa = case
        path, out = os.path.join(self.work, f"{name}-{isa}.lwc"), os.path.join(self.work, f"{name}-{isa}")
        with open(path, "wb") as to:
            to.write(data)
        for arguments in (["verify", path, "-j", "1"], ["unpack", path, "-o", out, "-j", "1"]):
            done = self.call(arguments, isa)
            if done.returncode:
                return f"{name} with {isa} at most", False, done.stderr
        got = sorted(listing(name, out))
        subprocess.run(["chmod", "-R", "u+rwX", out], check=True)
        return f"{name} with {isa} at most", got == sorted(content), "\n".join(set(got) ^ set(content))


def listing(name, top):
    for directory, directories, files in os.walk(top):
        for entry in directories + files:
            path = os.path.join(directory, entry)
            mode, size, digest = stat.S_IMODE(os.stat(path).st_mode), 0, "-"
            if entry in files:
                with open(path, "rb") as source:
                    data = source.read()
                size, digest = len(data), hashlib.sha256(data).hexdigest()
            yield f"{name} {mode:03o} {size} {digest} {os.path.relpath(path, top)}"


def second_reader(path):
    """What the C encoder wrote, decoded by the second implementation."""
    with open(path, "rb") as source:
        good, bad = reading.unlike(source.read())
    return os.path.basename(path), len(good) > 15 and not bad, f"{len(good)} objects as they were, {bad} not"


def report(results, title):
    count = 0
    for name, good, text in results:
        count += 1
        if not good:
            print(f"not ok {title}: {name}\n{text}")
        else:
            print(f"ok {title}: {name}")
    return count


def main(arguments):
    goods, words = features(), reasons()
    errors = list(enumerate([*file_errors(goods), *tile_errors(words)]))
    if arguments[0] == "--write":
        os.makedirs(arguments[1], exist_ok=True)
        for _, (name, _, data, _) in errors:
            with open(os.path.join(arguments[1], name.replace(" ", "-") + ".lwc"), "wb") as out:
                out.write(data)
        return
    content = {name: [line for line in lines("features/content.txt") if line.startswith(name + " ")] for name in goods}
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        checks = Checks(arguments[0], work)
        cases = [(name, data, content[name], isa) for name, data in goods.items() for isa in ("scalar", "auto")]
        report(pool.map(checks.feature, cases), "feature")
        report(pool.map(checks.error, errors), "error")
    report(map(second_reader, sorted(glob.glob(os.path.join(HERE, "levels-*.lwc")))), "second implementation reads")


if __name__ == "__main__":
    main(sys.argv[1:])
