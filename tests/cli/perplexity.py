# SPDX-License-Identifier: BSD-3-Clause
"""
perplexity.py TOOL WORK MODEL: lwcmem perplexity --json of a plain model against numpy, which makes the windows as the
help says and takes the logits after each of their tokens from tests/unit/read_logits.c.
"""
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench", "redundancy"))
import interpreter  # noqa: E402,F401  first: it may start another Python
import json  # noqa: E402
import subprocess  # noqa: E402

import numpy as np  # noqa: E402

from against_golden import report  # noqa: E402

TEXT = "once upon a time there was a little tin soldier who had one leg only but he stood as firm as the others did"


def tokens_of(tool, model, text):
    """(token before a text in a list, or an empty one; tokens of the text)"""
    result = subprocess.run([tool, "run", model, "-p", text, "-n", "1", "--json"], capture_output=True, check=True)
    tokens = json.loads(result.stdout)["prompt_token_ids"]
    return (tokens[:1], tokens[1:]) if tokens[0] == 1 else ([], tokens)


def log_shares(tool, model, tokens):
    """Of all tokens of the vocabulary after each of the tokens."""
    program = os.path.join(os.path.dirname(tool), "tests", "read_logits")
    result = subprocess.run([program, model, "directory", "scalar", "1"] + [str(token) for token in tokens],
                            capture_output=True, check=True)
    logits = np.frombuffer(result.stdout, "<f4").reshape(len(tokens), -1).astype(float)
    logits -= logits.max(1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def model_of(tool, model, before, tokens, context, stride):
    """(nats of each scored token, windows)"""
    room = context - len(before)
    stride = stride or (room + 1) // 2
    nats, windows, scored = [], 0, 0
    for start in range(0, len(tokens), stride):
        if scored == len(tokens):
            break
        window = before + tokens[start:start + room]
        windows += 1
        shares = log_shares(tool, model, window)
        end = min(start + room, len(tokens))
        for i in range(scored, end):
            at = len(before) + i - start
            if at > 0:
                nats.append(-shares[at - 1, window[at]])
        scored = end
    return nats, windows


def complaint_of(tool, model, path, before, tokens, context, stride):
    command = [tool, "perplexity", model, "-f", path, "-c", str(context), "--json"]
    result = subprocess.run(command + (["--stride", str(stride)] if stride else []), capture_output=True, text=True,
                            check=False)
    if result.returncode:
        return f"exit {result.returncode}: {result.stderr.strip()}"
    got = json.loads(result.stdout)
    nats, windows = model_of(tool, model, before, tokens, context, stride)
    if (got["tokens"], got["windows"]) != (len(nats), windows):
        return f"{got['tokens']} tokens in {got['windows']} windows, expected {len(nats)} in {windows}"
    if abs(got["nats"] - np.mean(nats)) > 1e-5 * abs(np.mean(nats)):
        return f"{got['nats']} nats, expected {np.mean(nats)}"
    if abs(got["perplexity"] / np.exp(got["nats"]) - 1) > 1e-12:
        return f"perplexity {got['perplexity']} of {got['nats']} nats"
    return None


def main(tool, work, model):
    path = os.path.join(work, "words")
    with open(path, "w") as out:
        out.write(TEXT)
    before, tokens = tokens_of(tool, model, TEXT)
    if len(tokens) < 60:
        sys.exit(f"{len(tokens)} tokens are few")
    exact = len(before) + len(tokens)
    for context, stride in ((128, None), (exact, None), (exact - 1, None), (exact - 1, 1), (16, None), (17, None), (16, 5),
                            (16, 16 - len(before)), (3, None), (3, 1)):
        report(f"perplexity of {os.path.basename(model)}, -c {context}, stride {stride or 'not said'}",
               complaint_of(tool, model, path, before, tokens, context, stride))


main(*sys.argv[1:])
