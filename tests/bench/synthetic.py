# SPDX-License-Identifier: BSD-3-Clause
"""
synthetic.py DIR [--layers N] [--gguf FILE]: a model of the Llama family with the shape of 1.1 billion parameters and
Gaussian bf16 weights, whose exponents have the entropy of a trained model's. It says nothing, but costs what a real one
costs. --gguf: the same weights for programs that read that.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [os.path.join(HERE, "redundancy"), os.path.join(HERE, "..", "models")]
import interpreter  # noqa: E402,F401  first: it may start another Python
import argparse  # noqa: E402
import zlib  # noqa: E402

import gguf_file as gguf  # noqa: E402
import huggingface  # noqa: E402
import numpy  # noqa: E402
import random_model  # noqa: E402

HIDDEN, INTERMEDIATE, HEADS, KV_HEADS, DIM, VOCABULARY = 2048, 5632, 32, 4, 64, 32000


def matrices(layers):
    """(name, name in GGUF, rows, cols)"""
    yield "model.embed_tokens", "token_embd", VOCABULARY, HIDDEN
    for layer in range(layers):
        for name, short, rows, cols in (
                ("self_attn.q_proj", "attn_q", HEADS * DIM, HIDDEN),
                ("self_attn.k_proj", "attn_k", KV_HEADS * DIM, HIDDEN),
                ("self_attn.v_proj", "attn_v", KV_HEADS * DIM, HIDDEN),
                ("self_attn.o_proj", "attn_output", HIDDEN, HEADS * DIM),
                ("mlp.gate_proj", "ffn_gate", INTERMEDIATE, HIDDEN),
                ("mlp.up_proj", "ffn_up", INTERMEDIATE, HIDDEN),
                ("mlp.down_proj", "ffn_down", HIDDEN, INTERMEDIATE)):
            yield f"model.layers.{layer}.{name}", f"blk.{layer}.{short}", rows, cols
    yield "lm_head", "output", VOCABULARY, HIDDEN


def norms(layers):
    for layer in range(layers):
        yield f"model.layers.{layer}.input_layernorm", f"blk.{layer}.attn_norm"
        yield f"model.layers.{layer}.post_attention_layernorm", f"blk.{layer}.ffn_norm"
    yield "model.norm", "output_norm"


def bf16(name, rows, cols):
    """Gaussian, of the size that keeps activations; rounded by cutting, for the low bits are noise anyhow."""
    floats = numpy.random.Generator(numpy.random.SFC64(zlib.crc32(name.encode()))).standard_normal(
        (rows, cols), dtype=numpy.float32)
    floats *= numpy.float32(cols ** -0.5)
    return (floats.view(numpy.uint32) >> 16).astype(numpy.uint16)


def write_gguf(path, layers, contents):
    u32, f32 = gguf.U32, gguf.F32
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokens += [f"t{i}" for i in range(len(tokens), VOCABULARY)]
    pairs = [gguf.pair("general.architecture", gguf.STRING, "llama")]
    pairs += [gguf.pair("llama." + key, kind, value) for key, kind, value in (
        ("block_count", u32, layers), ("context_length", u32, 2048), ("embedding_length", u32, HIDDEN),
        ("feed_forward_length", u32, INTERMEDIATE), ("attention.head_count", u32, HEADS),
        ("attention.head_count_kv", u32, KV_HEADS), ("rope.dimension_count", u32, DIM),
        ("attention.layer_norm_rms_epsilon", f32, 1e-5), ("vocab_size", u32, VOCABULARY))]
    pairs += [
        gguf.pair("tokenizer.ggml.model", gguf.STRING, "llama"),
        gguf.pair("tokenizer.ggml.tokens", gguf.ARRAY, (gguf.STRING, tokens)),
        gguf.pair("tokenizer.ggml.scores", gguf.ARRAY, (f32, [0.0] * VOCABULARY)),
        gguf.pair("tokenizer.ggml.token_type", gguf.ARRAY, (gguf.I32, [2, 3, 3] + [6] * 256 + [1] * (VOCABULARY - 259))),
        gguf.pair("tokenizer.ggml.bos_token_id", u32, 1), gguf.pair("tokenizer.ggml.eos_token_id", u32, 2)]
    infos, offset = [], 0
    for name, dimensions, kind, content in contents:
        infos.append(gguf.info(name, dimensions, kind, offset))
        offset += content.nbytes + -content.nbytes % 32
    with open(path, "wb") as out:
        out.write(gguf.file(pairs, infos))
        for _, _, _, content in contents:
            out.write(content)
            out.write(bytes(-content.nbytes % 32))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--layers", type=int, default=22)
    parser.add_argument("--gguf")
    arguments = parser.parse_args()
    os.makedirs(arguments.directory)
    ones = numpy.ones(HIDDEN, numpy.float32)
    tensors, contents = [], []
    for name, short, rows, cols in matrices(arguments.layers):
        content = bf16(name, rows, cols)
        tensors.append((name + ".weight", "BF16", [rows, cols], content))
        contents.append((short + ".weight", [cols, rows], "BF16", content))
    for name, short in norms(arguments.layers):
        tensors.append((name + ".weight", "BF16", [HIDDEN], (ones.view(numpy.uint32) >> 16).astype(numpy.uint16)))
        contents.append((short + ".weight", [HIDDEN], "F32", ones))
    huggingface.safetensors(os.path.join(arguments.directory, "model.safetensors"), tensors)
    random_model.tokenizer(arguments.directory, 512)
    if arguments.gguf:
        write_gguf(arguments.gguf, arguments.layers, contents)
    huggingface.llama_config(
        arguments.directory, "bf16", hidden_size=HIDDEN, intermediate_size=INTERMEDIATE,
        num_hidden_layers=arguments.layers, num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, head_dim=DIM,
        vocab_size=VOCABULARY, max_position_embeddings=2048, tie_word_embeddings=False)


main()
