# SPDX-License-Identifier: BSD-3-Clause
"""engine_long.py DIR: DIR/full and DIR/window, small models of a long context, the latter with a sliding window."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "models"))
import random_model  # noqa: E402

ROPE = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 4096}


def main(out):
    for name, layers, change in (("full", 1, {"rope_theta": 500000.0, "rope_scaling": ROPE}),
                                 ("window", 2, {"model_type": "mistral", "architectures": ["MistralForCausalLM"],
                                                "sliding_window": 1000})):
        random_model.model(out, name, "bf16", 5, 64, 64, layers, 2, 1, 32, 287)
        path = os.path.join(out, name, "config.json")
        with open(path) as file:
            config = {**json.load(file), "max_position_embeddings": 16384, **change}
        with open(path, "w") as file:
            json.dump(config, file)


main(sys.argv[1])
