# SPDX-License-Identifier: BSD-3-Clause
"""Write the files of a HuggingFace model directory with the standard library alone."""
import array
import json
import os
import struct


def safetensors(path, tensors):
    """tensors: (name, dtype, shape, bytes-like) in the order of their data."""
    header, offset = {}, 0
    for name, dtype, shape, content in tensors:
        size = memoryview(content).nbytes
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, _, _, content in tensors:
            out.write(content)


def bf16(floats):
    """Round fp32 (array 'f') to the nearest bf16, ties to even; no NaNs."""
    bits = array.array("I", memoryview(floats).cast("B").tobytes())
    return array.array("H", [b + 0x7FFF + (b >> 16 & 1) >> 16 for b in bits])


def convert(floats, kind):
    """(dtype, content) of fp32 values as one of fp32, bf16, fp16, fp32bf16."""
    if kind == "fp32":
        return "F32", floats
    if kind == "fp16":
        return "F16", struct.pack("<%de" % len(floats), *floats)
    rounded = bf16(floats)
    if kind == "bf16":
        return "BF16", rounded
    return "F32", array.array("I", [value << 16 for value in rounded])


TORCH_NAMES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "fp32bf16": "float32"}


def llama_config(directory, kind, **numbers):
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "attention_bias": False, "mlp_bias": False, "rope_scaling": None, "rope_theta": 10000.0,
        "rms_norm_eps": 1e-05, "bos_token_id": 1, "eos_token_id": [1, 2],
        "torch_dtype": TORCH_NAMES[kind], **numbers,
    }
    with open(os.path.join(directory, "config.json"), "w") as out:
        json.dump(config, out, indent=2)
        out.write("\n")


def byte_pair_tokenizer(directory, pieces, merges):
    """pieces: texts by id, 0..2 special, 3..258 the bytes; merges: (left, right), best first."""
    special = [{"id": i, "content": pieces[i], "single_word": False, "lstrip": False,
                "rstrip": False, "normalized": False, "special": True} for i in range(3)]
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u2581"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": pieces[1], "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": pieces[1], "type_id": 0}},
                     {"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {"id": pieces[1], "type_id": 1}},
                     {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {pieces[1]: {"id": pieces[1], "ids": [1], "tokens": [pieces[1]]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": pieces[0],
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": {piece: i for i, piece in enumerate(pieces)},
                  "merges": [f"{left} {right}" for left, right in merges]},
    }
    assert len(tokenizer["model"]["vocab"]) == len(pieces)
    with open(os.path.join(directory, "tokenizer.json"), "w") as out:
        json.dump(tokenizer, out, ensure_ascii=False, indent=1)
    with open(os.path.join(directory, "tokenizer_config.json"), "w") as out:
        json.dump({"tokenizer_class": "LlamaTokenizerFast", "bos_token": pieces[1],
                   "eos_token": pieces[2], "unk_token": pieces[0], "add_bos_token": True,
                   "model_max_length": 256}, out, indent=2)


def byte_level_tokenizer(directory, pieces, merges, special, settings):
    """
    pieces: texts by id, bytes as GPT-2 writes them; merges: "left right", best first; special: ids; settings: what
    tokenizer_config.json says besides. Digits stand alone, as in SmolLM.
    """
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    added = [{"id": i, "content": pieces[i], "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i in special]
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {piece: i for i, piece in enumerate(pieces)}, "merges": merges},
    }
    with open(os.path.join(directory, "tokenizer.json"), "w") as out:
        json.dump(tokenizer, out, ensure_ascii=False, indent=1)
    with open(os.path.join(directory, "tokenizer_config.json"), "w") as out:
        json.dump({"tokenizer_class": "GPT2TokenizerFast", "clean_up_tokenization_spaces": False, **settings}, out,
                  indent=2)
