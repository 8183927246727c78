# SPDX-License-Identifier: BSD-3-Clause
"""GGUF files with metadata of the Llama family, and their tensors dequantised to bf16."""
import os
import re

import gguf
from bounds import Bound, order0, order0_any
from floats import to_bf16
from model import sizes, source, write_model

NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
OUTSIDE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
           "lm_head.weight": "output.weight"}


def add_options(parser, types):
    parser.add_argument("--type", choices=types, default="Q4_0", dest="block")


def gguf_name(name):
    layer = re.fullmatch(r"model\.layers\.(\d+)\.(.+)\.weight", name)
    return f"blk.{layer[1]}.{NAMES[layer[2]]}.weight" if layer else OUTSIDE[name]


def huggingface_name(name):
    layer = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name)
    if layer:
        back = {value: key for key, value in NAMES.items()}
        return f"model.layers.{layer[1]}.{back[layer[2]]}.weight"
    return {value: key for key, value in OUTSIDE.items()}[name]


def metadata(shapes, block):
    """What a Llama in GGUF has, with a vocabulary of bytes."""
    has = sizes(shapes)
    tokens = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % byte for byte in range(256)]
    numbers = {"llama.block_count": has["num_hidden_layers"], "llama.context_length": 2048,
               "llama.embedding_length": has["hidden_size"],
               "llama.feed_forward_length": has["intermediate_size"],
               "llama.attention.head_count": has["num_attention_heads"],
               "llama.attention.head_count_kv": has["num_key_value_heads"],
               "llama.rope.dimension_count": has["hidden_size"] // has["num_attention_heads"],
               "general.quantization_version": 2, "general.alignment": gguf.ALIGNMENT,
               "general.file_type": {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "BF16": 32}[block],
               "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2}
    return [("general.architecture", gguf.STRING, "llama"), ("general.name", gguf.STRING, "generated"),
            *((key, gguf.U32, value) for key, value in numbers.items()),
            ("llama.attention.layer_norm_rms_epsilon", gguf.FLOAT, 1e-5),
            ("llama.rope.freq_base", gguf.FLOAT, 10000.0),
            ("tokenizer.ggml.add_bos_token", gguf.BOOL, True),
            ("tokenizer.ggml.model", gguf.STRING, "llama"),
            ("tokenizer.ggml.tokens", gguf.ARRAY, (gguf.STRING, tokens)),
            ("tokenizer.ggml.scores", gguf.ARRAY, (gguf.FLOAT, [0.0] * len(tokens))),
            ("tokenizer.ggml.token_type", gguf.ARRAY, (gguf.I32, [2, 3, 3] + [6] * 256))]


def quantised(options, rng):
    """(name, shape, type, blocks) in HuggingFace's names; vectors stay fp32."""
    block = gguf.TYPES[options.block]
    width = 8 * gguf.BLOCKS[block][1].itemsize / gguf.BLOCKS[block][0]
    for name, values in source(options, rng, width if options.kind == "gguf" else 16):
        whole = values.ndim == 2 and values.shape[1] % gguf.BLOCKS[block][0] == 0
        kind = block if whole else gguf.F32
        yield name, values.shape, kind, gguf.blocks_of(values, kind)


def new_bound():
    bound = Bound("order-0 entropy of the integers (per tensor) + bits of d (and m) / 32; plain: 4 or 8 bits for the "
                  "integers; float tensors: exponent entropy per tile + the other bits")
    bound.figure("plain", 0)
    bound.figure("with the entropy of d and m", 0)
    return bound


def count(bound, kind, shape, blocks):
    """Adds a tensor of blocks."""
    if gguf.BLOCKS[kind][0] == 1:
        bound.untouched(blocks.reshape(shape))
        return
    q = gguf.integers_of(blocks, kind)
    integers = order0(q - q.min())
    scales = [blocks[field] for field in ("d", "m") if field in blocks.dtype.names]
    bound.weights += q.size
    bound.part("integers", integers)
    bound.part("d and m", 16 * sum(scale.size for scale in scales))
    bound.figure("plain", 8 * blocks.nbytes)
    bound.figure("with the entropy of d and m",
                 integers + sum(order0_any(scale.view("<u2")) for scale in scales))


def make_gguf(out, options, rng):
    bound = new_bound()
    tensors, shapes = [], {}
    for name, shape, kind, blocks in quantised(options, rng):
        count(bound, kind, shape, blocks)
        tensors.append((gguf_name(name), shape, kind, blocks.tobytes()))
        shapes[name] = shape
    os.makedirs(out)
    gguf.write(os.path.join(out, "model.gguf"), metadata(shapes, options.block), tensors)
    return bound


def dequantised_bf16(bound, name, shape, kind, blocks):
    """(name, bf16 content), counted as what it is made from, or as bf16 where it is not of integers."""
    content = to_bf16(gguf.floats_of(blocks, kind, shape))
    if gguf.BLOCKS[kind][0] == 1:
        bound.untouched(content)
    else:
        count(bound, kind, shape, blocks)
    return name, content


def make_dequantised(out, options, rng):
    bound = new_bound()
    tensors = [dequantised_bf16(bound, *tensor) for tensor in quantised(options, rng)]
    write_model(out, tensors)
    return bound
