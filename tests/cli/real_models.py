# SPDX-License-Identifier: BSD-3-Clause
"""real_models.py TOOL GOLDEN LABEL SOURCE: the model in SOURCE continues the texts of a golden of tests/models/real."""
import json
import sys

from against_golden import report, run


def main(tool, path, label, source):
    with open(path) as file:
        texts = json.load(file)
    for text in texts:
        what = "a chat" if "messages" in text else "a text"
        name = f"{label}: {what}, {len(text['prompt_token_ids'])} + {len(text['token_ids'])} tokens, like transformers"
        report(name, run(tool, source, text))


main(*sys.argv[1:])
