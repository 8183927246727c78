# SPDX-License-Identifier: BSD-3-Clause
"""What tests against the goldens of HuggingFace's transformers share."""
import json
import subprocess


def report(name, complaint):
    """complaint: None if all is well."""
    print(f"not ok {name}: {complaint}" if complaint else f"ok {name}", flush=True)


def run(tool, source, golden, *options):
    """What is wrong with the tokens of a golden's prompt, or with those that follow it greedily; None if nothing is."""
    command = [tool, "run", source, "-p", golden["prompt"], "-n", str(len(golden["token_ids"])), "--json", *options]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode:
        return f"exit {result.returncode}: {result.stderr.strip()}"
    got = json.loads(result.stdout)
    for key in "prompt_token_ids", "token_ids":
        if got[key] != golden[key]:
            at = next((i for i, (a, b) in enumerate(zip(got[key], golden[key])) if a != b), "the end")
            return f"{key} from {at} on: {got[key]}, expected {golden[key]}"
    return None


def pack(tool, model, container):
    """None, or what is wrong."""
    result = subprocess.run([tool, "pack", model, "-o", container], capture_output=True, text=True, check=False)
    return f"pack: {result.stderr.strip()}" if result.returncode else None
