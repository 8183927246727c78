# SPDX-License-Identifier: BSD-3-Clause
"""Tokenizers in the shapes of the model families, trained on this project's own text, small."""
import glob
import io
import json
import os

import gguf_file
import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
# GPT-4o and its heirs
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
# every construct that is translated
ODD = r"(?>\w\W)|[\w\d]++|\S?+\D{2,}(?=\x{41}|[\x{4e00}-\u9fff\-]\x41)|(?<!a)(?<=\v|\f|\t|\r|\n)(?i:[k-s]{2})|(?:\/|\P{L}\p{Lu}*?)"
TEXT = ["Ein Übermaß an Größe, naïve café, Ελληνικά, Русский текст, 中文字符, 日本語のテキスト, 한국어 문장, עברית, العربية, हिन्दी.",
        "It's they're I've I'm you'll he'd DON'T WE'LL 12345 3.14159 0x1F 😀👩‍💻🇩🇪 ½ ²"]


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# what tokenizer.ggml.pre calls them
PRE = {"gpt2": "gpt-2", "llama3": "llama-bpe", "qwen2": "qwen2"}
NAMED = {"default": ([r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"], {}), "smollm": ([r"\p{N}", GPT2], {}),
         "tekken": ([O200K.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace("{1,3}", "")], {"ignore_merges": True})}


def corpus():
    paths = ["README.md", "userspace/DESIGN.md", "tests/models/prompts.txt"] + \
        sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "userspace", "container", "*.c")))
    for path in paths:
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            yield from file
    for text in TEXT:
        yield from [text] * 20


def trained(normalizer, pre_tokenizer, decoder, processor=None, special=("<|endoftext|>",), vocabulary=1500, **options):
    tokenizer = Tokenizer(models.BPE(**options))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    if decoder:
        tokenizer.decoder = decoder
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=list(special), show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(corpus(), trainer)
    if processor:
        tokenizer.post_processor = processor(tokenizer)
    return json.loads(tokenizer.to_str())


def around(before, after=()):
    def make(tokenizer):
        pieces = [*before, "$A", *after]
        return processors.TemplateProcessing(single=pieces, pair=[*pieces, "$B:1"],
                                             special_tokens=[(p, tokenizer.token_to_id(p)) for p in {*before, *after}])
    return make


def added(content, identifier, **flags):
    return {"id": identifier, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": False, **flags}


def byte_level():
    """Trained byte-level tokenizers, by name."""
    level, isolated = pre_tokenizers.ByteLevel, "isolated"
    whole = level(add_prefix_space=False, use_regex=False)
    yield "gpt2", trained(None, level(add_prefix_space=False), decoders.ByteLevel(), lambda _: processors.ByteLevel(trim_offsets=False))
    llama3 = trained(None, pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), isolated), whole]), decoders.ByteLevel(),
                     lambda t: processors.Sequence([processors.ByteLevel(trim_offsets=True), around(["<|begin_of_text|>"])(t)]),
                     special=["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"], ignore_merges=True)
    # words that no merges make, as Llama 3 has them
    for word in ("ĠFrance", "capital", "ĠMÃ¼nchen", "!!!!!!!"):
        llama3["model"]["vocab"].setdefault(word, len(llama3["model"]["vocab"]))
    yield "llama3", llama3
    yield "qwen2", trained(normalizers.NFC(), pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), isolated), whole]),
                           decoders.ByteLevel(), special=["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    yield "o200k", trained(normalizers.Replace(Regex(r" {3,}"), "\t"), pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(O200K), isolated), whole]),
                           decoders.ByteLevel(), around(["<s>", "<s>"], ["</s>"]), special=["<s>", "</s>"])
    flags = trained(normalizers.NFC(), level(add_prefix_space=True), decoders.ByteLevel())
    first = len(flags["model"]["vocab"])
    names = [("<mask>", {"lstrip": True, "special": True}), ("<r>", {"rstrip": True}), ("<both>", {"lstrip": True, "rstrip": True}),
             ("word", {"single_word": True}), ("e\u0301", {"normalized": True}), ("<n>", {"normalized": True, "special": True}),
             ("<|end", {}), ("<|endoftext|><|end", {"special": True}), ("  ", {}), ("\u212b", {"normalized": True, "single_word": True})]
    flags["added_tokens"] += [added(name, first + i, **what) for i, (name, what) in enumerate(names)]
    yield "flags", flags
    splits = {}
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        for invert in (False, True):
            splits[behavior, invert] = pre_tokenizers.Sequence([
                pre_tokenizers.Split(" " if invert else Regex(r"[\s\p{P}]"), behavior, invert), pre_tokenizers.Digits(invert), whole])
    splits["odd", False] = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(ODD), isolated), whole])
    base = trained(None, whole, decoders.ByteLevel(), vocabulary=600)
    for (behavior, invert), splitter in splits.items():
        tokenizer = Tokenizer.from_str(json.dumps(base))
        tokenizer.pre_tokenizer = splitter
        yield f"split-{behavior}{'-inverted' * invert}", json.loads(tokenizer.to_str())


def pieces_of(model):
    """Texts, scores and types of a tokenizer.model."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    count = processor.get_piece_size()
    kinds = [(processor.is_unknown, 2), (processor.is_control, 3), (processor.is_unused, 5), (processor.is_byte, 6)]
    return [processor.id_to_piece(i) for i in range(count)], [processor.get_score(i) for i in range(count)], \
        [next((kind for test, kind in kinds if test(i)), 1) for i in range(count)]


def converted(model, **changes):
    """tokenizer.json of a tokenizer.model as converters make it: each way to make a piece of two is a merge."""
    texts, scores, types = pieces_of(model)
    known = {text: i for i, text in enumerate(texts)}
    merges = [(-scores[known[text]], known[text[:at]], known[text[at:]], text[:at], text[at:])
              for text, kind in zip(texts, types) if kind == 1 for at in range(1, len(text)) if text[:at] in known and text[at:] in known]
    bos = texts[1]
    single = [{"SpecialToken": {"id": bos, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(text, i, special=True) for i, (text, kind) in enumerate(zip(texts, types)) if kind in (2, 3)],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
                                                           {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None,
        "post_processor": {"type": "TemplateProcessing", "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
                           "special_tokens": {bos: {"id": bos, "ids": [1], "tokens": [bos]}}},
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                                                     {"type": "ByteFallback"}, {"type": "Fuse"},
                                                     {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": texts[0], "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, "vocab": known,
                  "merges": [[left, right] for *_, left, right in sorted(merges)]},
        **changes}


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def scored():
    """Trained models of sentencepiece, by name."""
    def train(**options):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=corpus(), model_writer=model, model_type="bpe", minloglevel=3, vocab_size=1500, num_threads=1,
            **{"byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False, "split_digits": True,
               "allow_whitespace_only_pieces": True, "character_coverage": 0.999, **options})
        return model.getvalue()
    yield "llama2", train()
    yield "symbols", train(user_defined_symbols=["[INST]", "[/INST]", "a b", "\u2581\u2581x", "[IN", "é"], control_symbols=["[TOOL]", "<|x|>"],
                           split_by_whitespace=False)
    yield "spaces", train(remove_extra_whitespaces=True, byte_fallback=False, character_coverage=0.98, unk_surface=" ? ")
    yield "suffix", train(treat_whitespace_as_suffix=True, user_defined_symbols=["  ", "\t"])
    yield "bare", train(add_dummy_prefix=False, byte_fallback=False, bos_id=-1, eos_id=1, unk_id=0, allow_whitespace_only_pieces=False)


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes((value & 127 | 128,)), value >> 7
    return out + bytes((value,))


def messages(model):
    """The pieces of a model, which are its first fields, as they are, and then what follows these."""
    at = 0
    while at < len(model) and model[at] == 0x0a:
        size, shift, start = 0, 0, at + 1
        while True:
            size |= (model[start] & 127) << shift
            shift, start = shift + 7, start + 1
            if model[start - 1] < 128:
                break
        yield model[start:start + size]
        at = start + size
    yield model[at:]


def with_unused(model, every):
    """The model with each so many'th of its longer pieces unused; a piece that says no type is normal."""
    *pieces, rest = messages(model)
    for i in range(300, len(pieces), every):
        if b"\x18" not in pieces[i][-2:]:
            pieces[i] += b"\x18\x05"
    return b"".join(b"\x0a" + varint(len(piece)) + piece for piece in pieces) + rest


def vocabulary_gguf(model, tokens, types, extra):
    """A GGUF file without tensors; extra: further pairs of (key, kind, value)."""
    pairs = [("model", gguf_file.STRING, model), ("tokens", gguf_file.ARRAY, (gguf_file.STRING, tokens)),
             ("token_type", gguf_file.ARRAY, (gguf_file.I32, types)), *extra]
    return gguf_file.file([gguf_file.pair("tokenizer.ggml." + key, kind, value) for key, kind, value in pairs], [])


def scored_gguf(model):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    texts, scores, types = pieces_of(model)
    types = [4 if piece.endswith(b"\x18\x04") else kind for piece, kind in zip(messages(model), types)]
    return vocabulary_gguf("llama", texts, types, [
        ("scores", gguf_file.ARRAY, (gguf_file.F32, scores)), ("bos_token_id", gguf_file.U32, processor.bos_id()),
        ("eos_token_id", gguf_file.U32, processor.eos_id())])


def merging_gguf(content, pre, begin=None):
    """Of a byte-level tokenizer.json."""
    texts = {i: text for text, i in content["model"]["vocab"].items()}
    kinds = dict.fromkeys(texts, 1)
    for token in content["added_tokens"]:
        texts[token["id"]], kinds[token["id"]] = token["content"], 3 if token["special"] else 4
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in content["model"]["merges"]]
    begins = [] if begin is None else [("bos_token_id", gguf_file.U32, begin)]
    return vocabulary_gguf("gpt2", [texts[i] for i in range(len(texts))], [kinds[i] for i in range(len(texts))], [
        ("merges", gguf_file.ARRAY, (gguf_file.STRING, merges)), ("pre", gguf_file.STRING, pre), *begins])


def smollm2(metadata):
    """The tokenizer.json that the vocabulary of SmolLM2's GGUF file came from."""
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    space = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(text, i, special=True) for i, (text, kind) in enumerate(zip(tokens, types)) if kind == 3],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, space]},
        "post_processor": None, "decoder": space,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": {text: i for i, text in enumerate(tokens)},
                  "merges": metadata["tokenizer.ggml.merges"]}}


def write_all(directory, others, smollm2_gguf=None):
    """Files of all, and of others: (name, contents of tokenizer.json). (Path, path of what it must equal) of each."""
    paths = []

    def write(name, content, like=None):
        path = os.path.join(directory, name)
        paths.append((path, os.path.join(directory, like or name)))
        with open(path, "wb") as file:
            file.write(content)

    files = [*others, *byte_level()]
    for name, model in scored():
        write(name + ".model", model)
        if name in ("llama2", "symbols"):  # no keys say what the others do
            write(name + ".scored.gguf", scored_gguf(model), name + ".model")
        if name != "llama2":
            continue
        write("unused.model", with_unused(model, 3))
        files.append((name, converted(model)))
        for scheme in ("first", "always", "never"):
            files.append((f"metaspace-{scheme}", converted(
                model, normalizer=None, pre_tokenizer=metaspace(scheme, scheme == "always"),
                **({} if scheme == "first" else {"decoder": metaspace(scheme, True)}))))
        legacy = converted(model, decoder=None, post_processor=None)
        for token in legacy["added_tokens"]:
            token.update(normalized=True)
        for byte in range(0x80, 0x90):  # so that some characters are unknown and others bytes
            del legacy["model"]["vocab"][f"<0x{byte:02X}>"]
        files.append(("legacy", legacy))
        unfused = converted(model)
        unfused["model"].update(fuse_unk=False, byte_fallback=False)
        unfused["model"]["merges"] = [" ".join(merge) for merge in unfused["model"]["merges"]]
        files.append(("unfused", unfused))
    if smollm2_gguf:
        metadata = gguf_file.values(smollm2_gguf)
        files.append(("smollm2", smollm2(metadata)))
        write("smollm2.gguf", smollm2_gguf, "smollm2.json")
    for name, content in files:
        write(name + ".json", json.dumps(content).encode())
        if name in PRE:
            write(name + ".gguf", merging_gguf(content, PRE[name], 0 if name == "llama3" else None), name + ".json")
    # the same patterns, as GGUF names them, in any vocabulary
    base = dict(files)["gpt2"]
    for name, (patterns, options) in NAMED.items():
        content = json.loads(json.dumps(base))
        content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False} for pattern in patterns] + [
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}
        content["model"].update(options)
        write(f"named-{name}.json", json.dumps(content).encode())
        write(f"named-{name}.gguf", merging_gguf(content, name), f"named-{name}.json")
    return paths
