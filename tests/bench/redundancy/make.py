# SPDX-License-Identifier: BSD-3-Clause
"""
make.py KIND OUT [options]: makes a model whose weights are redundant in one way, and says how many bits a weight it
needs at least. OUT is the model's directory (finetuned and lora: of the two models OUT/base and OUT/tuned); the bound
is printed and written to OUT.bound.json. make.py --list names the kinds; make.py KIND --help their options.
"""
import interpreter  # noqa: F401  first: it may start another Python
import argparse
import functools
import os
import shutil
import sys

import numpy as np

import gguf
import gguf_kinds
import integers
import narrow
import pruned
import published
import tuned
import twins

# kind → (what it is, its options, make(out, options, rng) → Bound)
KINDS = {
    "bf16-in-fp32": ("fp32 that holds bf16 values", None, functools.partial(narrow.make, kind="bf16")),
    "fp16-in-fp32": ("fp32 that holds fp16 values", None, functools.partial(narrow.make, kind="fp16")),
    "int4": ("4-bit integers, dequantised", functools.partial(integers.add_options, bits=4),
             functools.partial(integers.make, bits=4)),
    "int8": ("8-bit integers, dequantised", functools.partial(integers.add_options, bits=8),
             functools.partial(integers.make, bits=8)),
    "pruned": ("magnitude-pruned bf16", pruned.add_options, pruned.make),
    "tied": ("bf16 with its embeddings stored twice", None, twins.make_tied),
    "repeated": ("bf16 with each layer stored twice", None, twins.make_repeated),
    "finetuned": ("bf16 after some steps of AdamW", tuned.add_finetune_options, tuned.make_finetuned),
    "lora": ("bf16 with a merged LoRA", tuned.add_lora_options, tuned.make_lora),
    "gguf": ("a GGUF file", functools.partial(gguf_kinds.add_options, types=tuple(gguf.TYPES)),
             gguf_kinds.make_gguf),
    "gguf-dequantised": ("the tensors of a GGUF file in bf16",
                         functools.partial(gguf_kinds.add_options, types=("Q4_0", "Q4_1", "Q8_0")),
                         gguf_kinds.make_dequantised),
    "smollm2": ("a real model, published in Q4_1, in bf16 (fetched)", None, published.make),
}


def arguments():
    if sys.argv[1:] == ["--list"]:
        for kind, (what, _, _) in KINDS.items():
            print(f"{kind:18}{what}")
        sys.exit(0)
    parser = argparse.ArgumentParser(prog="make.py", usage="make.py KIND OUT [options]", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True, prog="make.py")
    for kind, (what, add_options, _) in KINDS.items():
        one = kinds.add_parser(kind, description=what, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        one.add_argument("out")
        one.add_argument("--bound", help="instead of OUT.bound.json")
        if kind != "smollm2":
            one.add_argument("--mib", type=float, help="size of the model, about; 16, or all with --from")
            one.add_argument("--seed", type=int, default=1)
            one.add_argument("--from", dest="source", metavar="DIR", help="weights of the layers of this model, not Gaussian ones")
        if add_options:
            add_options(one)
    return parser.parse_args()


def main():
    options = arguments()
    out = options.out.rstrip("/")
    if os.path.exists(out):
        sys.exit(f"{out}: exists already; remove it or choose another name")
    part = out + ".part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        rng = np.random.default_rng(getattr(options, "seed", 1))
        bound = KINDS[options.kind][2](part, options, rng)
        os.rename(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    print(bound.text())
    bound.write(options.bound or out + ".bound.json", **vars(options))


main()
