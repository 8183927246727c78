# SPDX-License-Identifier: BSD-3-Clause
"""
engine_matrix.py TOOL WORK ISA...: models of every family with weights of every codec give the same logits, whatever the
source of the weights, backend, ISA, number of threads, split of the texts, batch and MXCSR. Not the whole product: each
value of each dimension meets each model, in an order drawn from a seed.
"""
import os
import sys

import engine_models  # first: it may start another Python
import json
import random
import subprocess

import numpy as np

from against_golden import report

NAMES = ["llama-gqa", "llama-tied", "llama-llama3", "llama-yarn", "llama-attention-bias", "llama-mlp-bias",
         "mistral-window", "mistral-window-odd", "qwen2-plain", "qwen2-window", "qwen3-plain", "qwen3-window"]
CODECS = {"LEVELS", "GRID", "SPARSE", "CONST", "COPY", "RAW", "ZSTD", "PLANES"}
THREADS = (1, 2, 3)
FAVORS = ("balanced", "speed", "size")
# batches of 1 to 8 texts
LENGTHS = ([41], [1, 33], [17, 2, 9], [20, 1, 1, 30], [3, 8, 40, 2, 5], [7, 1, 19, 4, 12, 26], [2, 3, 5, 7, 11, 13, 17],
           [1, 24, 2, 31, 9, 16, 4, 10])


class Matrix:
    def __init__(self, tool, work, isas):
        self.tool, self.work, self.isas = tool, work, isas
        self.program = os.path.join(os.path.dirname(tool), "tests", "read_schedules")
        self.random = random.Random(7)
        self.runs = 0
        self.codecs = set()
        self.shares = []  # model, of its logits that are finite and NaN

    def logits(self, model, base, kind, isa, threads, kv, seed, schedules, lengths):
        self.runs += 1
        result = subprocess.run([self.program, model, base or "-", kind, isa, str(threads), kv, str(seed), schedules] +
                                [str(length) for length in lengths], capture_output=True, check=False)
        if result.returncode:
            return None, f"exit {result.returncode}: {result.stderr.decode(errors='replace').strip()}"
        return result.stdout, None

    def pack(self, model, favor, base=None):
        """(container, what is wrong)"""
        out = f"{model}-{favor}.lwc"
        result = subprocess.run([self.tool, "pack", model, "-o", out, "--favor", favor] +
                                (["--base", base] if base else []), capture_output=True, text=True, check=False)
        return out, result.stderr.strip() if result.returncode else None

    def codecs_of(self, container):
        """Names of all codecs, also of what is below another."""
        text = subprocess.run([self.tool, "info", container, "--tensors", "--json"], capture_output=True, text=True,
                              check=True).stdout
        return {part.strip() for tensor in json.loads(text)["tensors"] for codec in tensor["codecs"]
                for part in codec["name"].replace("(", "+").replace(")", "").replace("/", "+").split("+")}

    def draws(self, sources):
        """Runs of a model: all sources with each backend; ISAs, threads and kv in a random order, each as often."""
        runs = [(source, kind) for source in sources
                for kind in (["directory"] if source[1] == "plain" else ["fused", "user"])]
        columns = []
        for values in (self.isas, THREADS, ("fp32", "fp16")):
            column = [values[i % len(values)] for i in range(max(len(runs), len(values)))]
            self.random.shuffle(column)
            columns.append(column)
        return [run + tuple(column[i] for column in columns) for i, run in enumerate(runs)]

    def check(self, name, model, sources):
        """sources: (path, favor or plain, base); the first is plain. Says nothing of what is well."""
        seed, lengths = self.random.randrange(1000), self.random.choice(LENGTHS)
        want = {}
        for kv in ("fp32", "fp16"):
            want[kv], complaint = self.logits(model, None, "directory", "scalar", 1, kv, seed, "", lengths)
            if complaint:
                return report(f"{name} {kv}", complaint)
        values = np.frombuffer(want["fp32"], "<f4")
        if want["fp32"] == want["fp16"] and np.isfinite(values).mean() > 0.1:
            return report(name, "fp16 as keys and values gives the logits of fp32")
        self.shares.append((name, np.isfinite(values).mean(), np.isnan(values).mean()))
        for (path, favor, base), kind, isa, threads, kv in self.draws(sources):
            # that one is slow
            schedules = "".join(self.random.sample("ctbmo", 2)) if isa == "scalar" else "ctbmo"
            got, complaint = self.logits(path, base, kind, isa, threads, kv, seed, schedules, lengths)
            if not complaint and got != want[kv]:
                complaint = "logits are others than those of plain, scalar, one thread"
            if complaint:
                return report(f"{name} {favor} {kind} {isa} -j {threads} --kv {kv} of {lengths}", complaint)
        return True

    def family(self, name, aligned, seed):
        """Of one shape: the model and what was tuned from it."""
        model = os.path.join(self.work, name + ("-aligned" if aligned else ""))
        engine_models.mixed(model, name, aligned, seed)
        sources, tuned = [(model, "plain", None)], [(model + "-tuned", "plain", None)]
        for favor in FAVORS:
            out, complaint = self.pack(model, favor)
            if complaint:
                return report(f"pack {model}", complaint)
            sources.append((out, favor, None))
            self.codecs |= self.codecs_of(out)
        base = sources[1][0]
        out, complaint = self.pack(model + "-tuned", FAVORS[seed % 3], base)
        if complaint or "DELTA" not in self.codecs_of(out):
            return report(f"pack {model}-tuned", complaint or "nothing is a DELTA")
        tuned.append((out, "delta", base))
        label = name + (" aligned" if aligned else "")
        return self.check(label, model, sources) and self.check(label + " tuned", model + "-tuned", tuned)


def main(tool, work, *isas):
    matrix = Matrix(tool, work, list(isas))
    for number, name in enumerate(NAMES):
        before = matrix.runs
        matrix.codecs = set()
        well = all([matrix.family(name, aligned, 2 * number + aligned) for aligned in (False, True)])
        missing = CODECS - matrix.codecs
        if missing:
            report(name, f"no tile is {', '.join(sorted(missing))}, but {sorted(matrix.codecs)}")
        elif well:
            report(f"{name}: {matrix.runs - before} runs with the same logits", None)
    for what, share in (("finite", 1), ("NaN", 2)):
        few = [f"{entry[0]} ({entry[share]:.3f})" for entry in matrix.shares if entry[share] < 0.003]
        report(f"logits that are {what} are seen in most models",
               "not by " + ", ".join(few) if 4 * len(few) >= len(matrix.shares) else None)


main(*sys.argv[1:])
