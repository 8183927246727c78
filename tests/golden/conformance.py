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
from lwcformat.container import KNOWN, Builder, File, Object, Tile, raw
from lwcformat.delta import DELTA_FIELDS

HERE = os.path.dirname(os.path.abspath(__file__))
TILE_MAX = 256 * 1024
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DAMAGED = "; the file is damaged"
# unpack proves files by their own hashes, and looks at no object without an extent
NOT_UNPACKED = ("object-hash", "literal-hash", "object-tiles-of-none", "object-tiles-shared",
                "arena-shared", "object-name-with-nul", "weights-more")


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
        delta = chain[0] == codecs.CODECS["DELTA"]
        if not stored or delta and "base" not in vector or not length or length > TILE_MAX or chain[0] == codecs.CODECS["COPY"]:
            continue
        tile, base = Tile(chain, stored, bytes(length), int(vector["param"]), int(vector["field"])), None
        if delta:
            tile.against = raw(parse(vector["base"]))
            old = Object([tile.against], "tensor", "u8", (length,))
            base = Builder([File("f", [old])], [old])
        tensor = Object([tile], "tensor", "u8", (length,))
        at, error = "tensor: tile 0", words[vector["error"]]
        message = f"FILE: {at}: {error}{DAMAGED}, get it again"
        if len(stored) > length + 64 * (not delta):
            message = f"FILE: entry 0 of the tiles table: {words['GEOMETRY']}{DAMAGED}"
        chain_error = vector["error"] == "CHAIN" and chain[0] != codecs.CODECS["SPLIT"]
        if chain_error or vector["vector"].startswith("planes-param"):
            message = f"FILE: entry 0 of the tiles table: {words['CHAIN']}{DAMAGED}"
        data = bytes(Builder([File("f", [tensor])], [tensor], base=base, incompat=KNOWN).data)
        yield ("tile " + vector["vector"], "verify -j 1" + " --base BASE" * delta, data, base and bytes(base.data),
               message)


def file_errors(goods):
    for line in lines("errors.txt"):
        name, base, change, command, message = (part.strip() for part in line.split("|"))
        ours = [edit for edit in change.split() if not edit.startswith("base:")]
        theirs = [edit.removeprefix("base:") for edit in change.split() if edit.startswith("base:")]
        below = goods.get(base + "-base")
        yield (name, command, edits.apply(goods[base], " ".join(ours)), below and edits.apply(below, " ".join(theirs)),
               message)


class Checks:
    def __init__(self, tool, work):
        self.tool, self.work = tool, work

    def call(self, arguments, isa="auto"):
        # verify must not need more than the file: no model, no terminal
        return subprocess.run([self.tool, *arguments], capture_output=True, text=True, errors="replace",
                              env={**os.environ, "LWCMEM_ISA": isa}, check=False)

    def error(self, case):
        number, (name, command, data, base, expected) = case
        path, base_path = (os.path.join(self.work, f"{number}{end}.lwc") for end in ("", "-base"))
        for to, content in ((path, data), (base_path, base)):
            if content is not None:
                with open(to, "wb") as out:
                    out.write(content)
        command, *options = command.replace("OUT", path + ".out").replace("BASE", base_path).replace("FILE", path).split()
        done = self.call([command, path, *options])
        said = done.stderr.strip().replace(path, "FILE").replace(base_path, "BASE").removeprefix("lwcmem: ")
        said = UUID.sub("UUID", said)
        if command == "verify" and expected != "accepted" and name not in NOT_UNPACKED:
            own = ["--base", base_path] if "--base" in options else []
            other = self.call(["unpack", path, "-o", path + ".out", "-j", "1", *own])
            if other.returncode != 1 or os.path.exists(path + ".out"):
                return name, False, f"unpack: exit {other.returncode} or {path}.out is left\n{other.stderr}"
        for done_with in (path, base_path):
            if os.path.exists(done_with):
                os.unlink(done_with)
        if expected == "accepted":
            return name, done.returncode == 0, done.stderr
        return name, done.returncode == 1 and said == expected, f"exit {done.returncode}\nsaid     {said}\nexpected {expected}"

    def feature(self, case):
        name, data, base, content, isa = case
        path, out = os.path.join(self.work, f"{name}-{isa}.lwc"), os.path.join(self.work, f"{name}-{isa}")
        for at, bytes_of in ((path, data), (path + ".base", base or b"")):
            with open(at, "wb") as to:
                to.write(bytes_of)
        for arguments in (["verify", path, "-j", "1"], ["unpack", path, "-o", out, "-j", "1"]):
            done = self.call([*arguments, *(["--base", path + ".base"] if base else [])], isa)
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


def content_of(path):
    with open(path, "rb") as source:
        return source.read()


def second_reader(path):
    """What the C encoder wrote, decoded by the second implementation."""
    good, bad = reading.unlike(content_of(path))
    return os.path.basename(path), len(good) > 15 and not bad, f"{len(good)} objects as they were, {bad} not"


def second_reader_delta():
    data = content_of(os.path.join(HERE, "tuned/delta.lwc"))
    good, bad = reading.unlike(data, content_of(os.path.join(HERE, "levels-2-2-2-2.lwc")))
    fields = reading.delta_fields(data)
    return ("tuned/delta.lwc", len(good) > 15 and not bad and fields == {*DELTA_FIELDS, "equal"},
            f"{len(good)} objects as they were, {bad} not; DELTA of {fields}")


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
        for _, (name, _, data, base, _) in errors:
            for end, content in ((".lwc", data), (".base", base)):
                if content is not None:
                    with open(os.path.join(arguments[1], name.replace(" ", "-") + end), "wb") as out:
                        out.write(content)
        return
    content = {name: [line for line in lines("features/content.txt") if line.startswith(name + " ")] for name in goods}
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        checks = Checks(arguments[0], work)
        cases = [(name, data, goods.get(name + "-base"), content[name], isa) for name, data in goods.items() for isa in ("scalar", "auto")]
        report(pool.map(checks.feature, cases), "feature")
        report(pool.map(checks.error, errors), "error")
    report(map(second_reader, sorted(glob.glob(os.path.join(HERE, "levels-*.lwc")))), "second implementation reads")
    report([second_reader_delta()], "second implementation reads")


if __name__ == "__main__":
    main(sys.argv[1:])
