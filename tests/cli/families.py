# SPDX-License-Identifier: BSD-3-Clause
"""
families.py TOOL WORK [NAME...]: the tiny models of tests/models/families, or those named, run as their goldens say; and
configurations of refused.json are refused.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FAMILIES = os.path.join(HERE, "..", "models", "families")
sys.path.append(FAMILIES)
import make  # noqa: E402  first: it may start another Python
import json  # noqa: E402
import lzma  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402

import numpy as np  # noqa: E402

from against_golden import pack, report, run  # noqa: E402

# By how much a row of logits may differ, as part of its largest: fp32 in another order differs by 3e-6, an epsilon of
# 1e-5 for one of 1e-6 by 4e-4.
ROUNDING = 2e-5


def rows_of(content, golden):
    return np.frombuffer(content, "<f4").reshape(len(golden["token_ids"]), -1)


def logits_differ(path, name, golden):
    """The same rows as the golden's, or what is wrong."""
    with lzma.open(os.path.join(FAMILIES, name, "logits.f32.xz")) as file:
        want = rows_of(file.read(), golden)
    with open(path, "rb") as file:
        got = rows_of(file.read(), golden)
    if got.shape != want.shape:
        return f"rows and columns of logits: {got.shape}, expected {want.shape}"
    off = float((np.abs(got - want).max(1) / np.abs(want).max(1)).max())
    return None if off < ROUNDING else f"logits differ by {off:.1e} of the largest, more than {ROUNDING}"


def same_bytes(one, other):
    with open(one, "rb") as first, open(other, "rb") as second:
        return first.read() == second.read()


def check_variant(tool, work, name, directory):
    """The golden of a name, by the model in a directory: itself, or the same with an older config.json."""
    golden, model = make.golden_of(name), os.path.join(work, directory)
    plain, packed = os.path.join(work, "plain"), os.path.join(work, "packed")
    container = model + ".lwc"
    complaint = run(tool, model, golden, "--logits", plain) or logits_differ(plain, name, golden)
    report(f"{directory} like transformers", complaint)
    if complaint:
        return
    complaint = pack(tool, model, container) or run(tool, container, golden, "--logits", packed)
    if not complaint and not same_bytes(plain, packed):
        complaint = "logits are others than those of the directory"
    report(f"{directory} from a container", complaint)


def check_refusal(tool, work, refused):
    model = os.path.join(work, "refused")
    shutil.rmtree(model, ignore_errors=True)
    shutil.copytree(os.path.join(work, refused["of"]), model)
    path = os.path.join(model, "config.json")
    with open(path) as file:
        config = {**json.load(file), **refused["change"]}
    with open(path, "w") as out:
        json.dump(config, out)
    command = [tool, "run", model, "-p", "a", "-n", "1"]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    # the word, not as a part of the path that messages begin with
    message = result.stderr.replace(model, "")
    well = result.returncode == 1 and refused["word"] in message
    report(f"{refused['name']} is refused", None if well else
           f"exit {result.returncode}, expected 1 and '{refused['word']}': {result.stderr.strip()}")


def main(tool, work, *wanted):
    make.main(work, *wanted)
    for name in wanted or make.names():
        for directory in (name, name + "-old"):
            if os.path.exists(os.path.join(work, directory)):
                check_variant(tool, work, name, directory)
    with open(os.path.join(FAMILIES, "refused.json")) as file:
        for refused in json.load(file):
            if os.path.exists(os.path.join(work, refused["of"])):
                check_refusal(tool, work, refused)


main(*sys.argv[1:])
