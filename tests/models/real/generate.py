# SPDX-License-Identifier: BSD-3-Clause
"""
generate.py NAME DIR: makes NAME.json, greedy continuations of the real model in DIR by HuggingFace's transformers: fp32
and eager attention. By hand, in an environment as tests/models/families/versions.txt says:

    generate.py stories15M build/models/stories15M-fp32
    python3 tests/models/smollm2.py "$(sh tests/bench/fetch.sh)" DIR
    generate.py smollm2 DIR

A list of texts: prompt (of a chat also its messages, of which the model's template makes the prompt), its tokens as the
model's own tokenizer has them, the tokens that follow, with the end of the text if there is one, and by how much the
best of them led at least. A text in which rounding could decide is left out.
"""
import json
import os
import sys

import torch
import transformers

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENS = 256
# logits are of size 10 to 30, computed to about 1e-4
GAP = 2e-3
with open(os.path.join(HERE, "..", "prompts.txt")) as stories:
    TEXTS = {
        "stories15M": stories.read().splitlines()[::3],
        "smollm2": ["The capital of France is", "def quicksort(numbers):\n", "In 1969, 3 astronauts",
                    "Café, naïve — “quotes” and 日本語:", "Once upon a time"],
    }
CHATS = {"stories15M": [],
         "smollm2": [[{"role": "user", "content": "What is the capital of France?"}],
                     [{"role": "system", "content": "You answer in one sentence."},
                      {"role": "user", "content": "Why is the sky blue?"},
                      {"role": "assistant", "content": "Air scatters blue light more than red light."},
                      {"role": "user", "content": "And at sunset?"}]]}


def continued(model, prompt):
    """(tokens, least lead of the best); not beyond the positions that the model was made for."""
    count = min(TOKENS, model.config.max_position_embeddings - len(prompt))
    result = model.generate(torch.tensor([prompt]), max_new_tokens=count, do_sample=False, output_logits=True,
                            return_dict_in_generate=True)
    best = torch.cat(result.logits).topk(2).values
    return result.sequences[0, len(prompt):].tolist(), float((best[:, 0] - best[:, 1]).min())


def texts(name, tokenizer):
    for prompt in TEXTS[name]:
        yield {"prompt": prompt}
    for messages in CHATS[name]:
        prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        yield {"prompt": prompt, "messages": messages}


def main(name, directory):
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(directory)
    model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype="float32", attn_implementation="eager")
    lines = []
    for text in texts(name, tokenizer):
        prompt = tokenizer(text["prompt"])["input_ids"]
        tokens, lead = continued(model, prompt)
        print(f"{text['prompt']!r}: {len(prompt)} + {len(tokens)} tokens, least lead {lead:.5f}"
              f"{': left out' if lead < GAP else ''}: {tokenizer.decode(tokens)[:80]!r}", flush=True)
        if lead >= GAP:
            lines.append(json.dumps({**text, "prompt_token_ids": prompt, "token_ids": tokens,
                                     "least_lead": round(lead, 5)}))
    with open(os.path.join(HERE, name + ".json"), "w") as out:
        out.write("[" + ",\n ".join(lines) + "]\n")


main(*sys.argv[1:])
