# SPDX-License-Identifier: BSD-3-Clause
"""
generate.py [NAME...]: makes the goldens of this directory, or those named, with HuggingFace's transformers: fp32, eager
attention, on one CPU thread. By hand, after a change of variants.py or weights.py, with what versions.txt says:

    python3 -m venv VENV && VENV/bin/pip install -r tests/models/families/versions.txt
    VENV/bin/python tests/models/families/generate.py

NAME/config.json      as transformers writes it (config.old.json: as older versions did)
NAME/golden.json      prompt, its tokens, the greedy continuation, the names and shapes of the weights and their sha256
NAME/logits.f32.xz    the row of logits that each token was taken from: little-endian fp32
"""
import json
import lzma
import os
import shutil
import sys
import tempfile

import numpy as np
import torch
import transformers

import make
import weights
from variants import BASES, VARIANTS

TOKENS = 12
# By how much a row may differ with the same model computed in another way, and must with another model: as part of its
# largest logit. Tests allow 1e-4.
EQUAL, DIFFERENT = 1e-5, 1e-2
# The best token of each row leads by at least this, so that rounding decides none.
GAP = 1e-2
PROMPTS = ["the rain in the north is a thing that no one there has seen in years and years of waiting",
           "seven old sailors sat on the shore and sang of the tides that had taken their ships to another sea",
           "in a tall tower at the end of the road a thin man winds the clocks and waits for the hour to strike",
           "when the train stops at the station there is no noise but the rain on a roof of tin and stone",
           "a letter is sent to the old house on the hill and then at last an answer is read to the entire street",
           "no ant on this lane has ever seen the other shore of the lake and so it is said that there is none"]


def config_of(family, values):
    return transformers.AutoConfig.for_model(family, **{**BASES[family], **values}, dtype="float32")


def model_of(config):
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    state = {name: torch.from_numpy(weights.tensor(name, value.shape)) for name, value in model.state_dict().items()}
    if config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state)
    return model


def rows_at_once(model, tokens, count):
    """The rows that the last `count` of tokens are taken from, without a cache."""
    return model(torch.tensor([tokens]), use_cache=False).logits[0, -count - 1:-1].numpy()


def difference(got, want):
    return float((np.abs(got - want).max(1) / np.abs(want).max(1)).max())


def continued(model, prompt):
    """(greedy tokens, their rows), step by step."""
    result = model.generate(torch.tensor([prompt]), max_new_tokens=TOKENS, do_sample=False, output_logits=True,
                            return_dict_in_generate=True)
    return result.sequences[0, len(prompt):].tolist(), torch.cat(result.logits).numpy()


def decided(rows):
    best = np.sort(rows, 1)
    return float((best[:, -1] - best[:, -2]).min())


def old_config(directory, changes):
    with open(os.path.join(directory, "config.json")) as file:
        config = json.load(file)
    config.pop("transformers_version")
    config.update(changes)
    kept = {key: value for key, value in config.items() if value is not None or key == "rope_scaling"}
    with open(os.path.join(directory, "config.old.json"), "w") as out:
        json.dump(kept, out, indent=2)
        out.write("\n")


def check_loading(name, golden, rows):
    """The directories that make.py writes, as transformers loads them."""
    whole = golden["prompt_token_ids"] + golden["token_ids"]
    with tempfile.TemporaryDirectory() as work:
        make.main(work, name)
        for directory in os.listdir(work):
            path = os.path.join(work, directory)
            model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype="float32",
                                                                      attn_implementation="eager")
            off = difference(rows_at_once(model, whole, TOKENS), rows)
            assert off < EQUAL, f"{directory}: loaded, its logits differ by {off}"
            tokens = transformers.PreTrainedTokenizerFast(tokenizer_file=os.path.join(path, "tokenizer.json"))
            assert tokens(golden["prompt"])["input_ids"] == golden["prompt_token_ids"]


def generate(name, tokenizer):
    variant = VARIANTS[name]
    config = config_of(variant["family"], variant["config"])
    model = model_of(config)
    for text in PROMPTS:
        prompt = tokenizer(text)["input_ids"]
        tokens, rows = continued(model, prompt)
        if len(tokens) == TOKENS and len(set(tokens)) >= 6 and decided(rows) > GAP and 2 not in tokens:
            break
    else:
        sys.exit(f"{name}: no prompt is good: {len(set(tokens))} different tokens, {decided(rows)}; write another")
    whole = prompt + tokens
    off = difference(rows_at_once(model, whole, TOKENS), rows)
    assert off < EQUAL, f"{name}: at once and step by step, logits differ by {off}"
    if "without" in variant:
        other = model_of(config_of(variant["family"], {**variant["config"], **variant["without"]}))
        effect = difference(rows_at_once(other, whole, TOKENS), rows)
        assert effect > DIFFERENT, f"{name}: without {variant['without']}, logits differ by {effect} only"
    directory = os.path.join(make.HERE, name)
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(directory)
    if "old" in variant:
        old_config(directory, variant["old"])
    state = {tensor: value for tensor, value in model.state_dict().items()
             if not (config.tie_word_embeddings and tensor == "lm_head.weight")}
    golden = {"prompt": text, "prompt_token_ids": prompt, "token_ids": tokens, "shards": variant.get("shards", 1),
              "weights_sha256": make.sha256(value.numpy() for value in state.values()),
              "tensors": {tensor: list(value.shape) for tensor, value in state.items()}}
    with open(os.path.join(directory, "golden.json"), "w") as out:
        out.write("{" + ",\n ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items()) + "}\n")
    with open(os.path.join(directory, "logits.f32.xz"), "wb") as out:
        out.write(lzma.compress(rows.astype("<f4").tobytes()))
    check_loading(name, golden, rows)
    print(f"{name}: {len(prompt)} + {tokens}, least lead {decided(rows):.3f}, largest logit {np.abs(rows).max():.1f}, "
          f"at once differs by {off:.1e}" + (f", without its feature by {effect:.2f}" if "without" in variant else ""))


def main(wanted):
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as work:
        make.random_model.tokenizer(work, 301)
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=os.path.join(work, "tokenizer.json"))
    for name in wanted or VARIANTS:
        generate(name, tokenizer)


main(sys.argv[1:])
