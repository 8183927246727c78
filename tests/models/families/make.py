# SPDX-License-Identifier: BSD-3-Clause
"""
make.py DIR [NAME...]: the tiny models of this directory, or those named, as HuggingFace directories DIR/NAME: fp32
weights from weights.py, config.json as transformers wrote it. A model whose config has an older spelling is there a
second time, as DIR/NAME-old.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [os.path.join(HERE, ".."), os.path.join(HERE, "..", "..", "bench", "redundancy")]
import interpreter  # noqa: E402,F401  first: it may start another Python
import hashlib  # noqa: E402
import json  # noqa: E402
import shutil  # noqa: E402

import huggingface  # noqa: E402
import random_model  # noqa: E402
import weights  # noqa: E402


def names():
    return sorted(name for name in os.listdir(HERE) if os.path.exists(os.path.join(HERE, name, "golden.json")))


def golden_of(name):
    with open(os.path.join(HERE, name, "golden.json")) as file:
        return json.load(file)


def sha256(contents):
    """Of all tensors, one after the other."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()


def write_weights(directory, tensors, shards):
    """tensors: (name, fp32 array); in several files with an index, if shards is not 1."""
    entries = [(name, "F32", list(content.shape), content) for name, content in tensors]
    if shards == 1:
        huggingface.safetensors(os.path.join(directory, "model.safetensors"), entries)
        return
    places = {}
    for number in range(shards):
        file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        part = entries[number * len(entries) // shards:(number + 1) * len(entries) // shards]
        huggingface.safetensors(os.path.join(directory, file), part)
        places.update((name, file) for name, _, _, _ in part)
    with open(os.path.join(directory, "model.safetensors.index.json"), "w") as out:
        json.dump({"metadata": {"total_size": sum(content.nbytes for _, content in tensors)},
                   "weight_map": places}, out, indent=2)


def write_model(directory, config, vocabulary, tensors, shards):
    """config: path of a config.json."""
    os.makedirs(directory)
    write_weights(directory, tensors, shards)
    random_model.tokenizer(directory, vocabulary)
    shutil.copyfile(config, os.path.join(directory, "config.json"))


def main(out, *wanted):
    for name in wanted or names():
        golden = golden_of(name)
        tensors = [(tensor, weights.tensor(tensor, shape)) for tensor, shape in golden["tensors"].items()]
        if sha256(content for _, content in tensors) != golden["weights_sha256"]:
            sys.exit(f"{name}: weights differ from those of the golden; is it of another weights.py or numpy?")
        vocabulary = len(dict(tensors)["model.embed_tokens.weight"])
        for config, suffix in (("config.json", ""), ("config.old.json", "-old")):
            path = os.path.join(HERE, name, config)
            if os.path.exists(path):
                write_model(os.path.join(out, name + suffix), path, vocabulary, tensors, golden["shards"])


if __name__ == "__main__":
    main(*sys.argv[1:])
