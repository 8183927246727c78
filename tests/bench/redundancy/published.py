# SPDX-License-Identifier: BSD-3-Clause
"""A real model: SmolLM2-135M-Instruct, published in Q4_1 (embeddings Q8_0), dequantised to bf16."""
import os
import subprocess
import sys

from gguf_kinds import dequantised_bf16, new_bound
from model import write_model
import smollm2  # in tests/models, of which model says where it is

FETCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fetch.sh")


def make(out, options, rng):
    del options, rng
    fetched = subprocess.run(["sh", FETCH], stdout=subprocess.PIPE, text=True, check=False)
    if fetched.returncode:
        sys.exit(fetched.returncode)
    model, bound = smollm2.published(fetched.stdout.strip()), new_bound()
    tensors = smollm2.tensors(model, lambda *tensor: dequantised_bf16(bound, *tensor)[1])
    write_model(out, list(tensors), rope_theta=model.metadata["llama.rope.freq_base"],
                max_position_embeddings=model.metadata["llama.context_length"])
    return bound
