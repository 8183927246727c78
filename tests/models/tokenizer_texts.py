# SPDX-License-Identifier: BSD-3-Clause
"""Random and adversarial texts for tokenizers, the same for the same seed."""
import functools
import unicodedata

# All that any version of Unicode, or any program, has taken for white space, and what joins or marks.
SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u180e" + "".join(map(chr, range(0x2000, 0x2010))) + \
    "\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"]
EMOJI = ["\U0001f469\u200d\U0001f4bb", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f3f3\ufe0f\u200d\U0001f308",
         "\U0001f1e9\U0001f1ea", "\U0001f44d\U0001f3fd", "1\ufe0f\u20e3", "\u2764\ufe0f", "\U0001f600", "\u00a9"]
WORDS = ["the", "The", "of", "France", "capital", "Once", "upon", "a", "time", "straße", "naïve", "Ελλάδα", "Москва", "中文", "日本語",
         "한국어", "עברית", "العربية", "हिन्दी", "ไทย", "don't", "I'LL", "it’s", "x86_64", "3.14159", "1,000,000", "e\u0301te\u0301",
         "A\u030angstro\u0308m", "\ufb01n", "\u212b", "Ⅷ", "²", "½", "٣", "\u2581", "\u2581a", "<0x41>", "<0x0A>", "\u0120a"]
CODE = ["for (int i = 0; i < n; i++) {\n\tx[i] += 0x1F;\n}\n", "def f(self, *args):\r\n    return {'a': [1, 2.5e-3]}\r\n\r\n",
        "#include <stdio.h>\n", "SELECT * FROM t WHERE a<>b;--\n", "\\frac{\\alpha}{2}", "a&&b||!c", "<div class=\"x\">&nbsp;</div>",
        "$ ls -la | grep '^d' > out 2>&1", "    \t  \n\n\n   indented", "http://example.org/~a/b?c=d&e=%20#f", "====----****"]
# Beginnings of blocks from which random characters are taken, with their sizes.
BLOCKS = [(0x20, 95), (0xa0, 96), (0x100, 0x250), (0x300, 0x70), (0x370, 0x90), (0x400, 0x100), (0x590, 0x60), (0x600, 0x100),
          (0x900, 0x80), (0xe00, 0x80), (0x1100, 0x100), (0x1e00, 0x200), (0x2000, 0x70), (0x2100, 0x90), (0x2190, 0x470),
          (0x3000, 0x100), (0x4e00, 0x5200), (0xac00, 11172), (0xe000, 0x200), (0xf900, 0x200), (0xfb00, 0x50), (0xfe00, 0x200),
          (0x10000, 0x100), (0x10300, 0x100), (0x11000, 0x100), (0x1d100, 0x700), (0x1f300, 0x700), (0x20000, 0x500),
          (0x2f800, 0x21e), (0xe0000, 0x80), (0xf0000, 0x100), (0x10ff00, 0xfe)]


# What Unicode 15 to 18 brought, or had no character before: versions differ about it, of libraries and of Python.
NEW = """
558 58b-58c 5c8-5c9 88f 897 b53-b54 c5c cdc cf3 ece 1acf-1af0 1b4e-1b4f 1b7f 1c89-1c8a 208f 209d-209f 20c1-20c4
2427-2429 2b96 2e60-2e63 2ffc-2fff 31e4-31ef a7cb-a7cf a7d2 a7d4 a7da-a7f1 ab6c-ab6d fbc3-fbd2 fd90-fd91
fdc8-fdce 105c0-105f3 107bb-107bf 10940-10959 10d40-10d8f 10ec2-10eff 1123f-11241 11380-113e2 116d0-116e3
11b00-11bf9 11db0-11df1 11f00-11f5a 1246f 12475-1247f 12550-12686 1342f 13439-143fa 16100-16139 16d40-16d79
16ea0-16ed3 16ff2-16ff6 187f8-187ff 18cd6-18cff 18d09-191d2 1b123-1b132 1b155 1b168 1cc00-1cefd 1d127-1d128
1d1eb-1d1ff 1d250-1d2d3 1d6a6 1db00-1db1c 1df1f-1dfff 1e030-1e08f 1e4d0-1e6ff 1f1ae 1f6d8-1f6dc 1f774-1f77f
1f7d9-1f7db 1f7f1-1f7ff 1f8b2-1f8d8 1fa54-1fa57 1fa75-1fa77 1fa87-1fa8f 1faad-1faaf 1fabb-1fabf 1fac6-1facf
1fada-1fadf 1fae8-1faef 1faf7-1fafa 1fbcb-1fbef 1fbfa 2b739-2b73f 2b81e 2cea2-2cead 2ebf0-2ee5d 31350-3fc3f
"""
NEW_CODES = {code for part in NEW.split() for first, last in [(part.split("-") * 2)[:2]] for code in range(int(first, 16), int(last, 16) + 1)}


@functools.lru_cache(maxsize=None)
def assigned(code):
    """Whether the tables of all, ours and the reference's, know the character: it is in Unicode 14."""
    return unicodedata.category(chr(code)) not in ("Cn", "Cs") and code not in NEW_CODES


def random_character(rng):
    while True:
        start, size = rng.choice(BLOCKS)
        code = start + rng.randrange(size)
        if assigned(code):
            return chr(code)


def any_case(rng, text):
    return "".join(rng.choice((c.upper(), c.lower(), "ſ" if c == "s" else c)) for c in text)


def near_misses(name):
    yield from (name, name[:-1], name[1:], name + name, name[:-1] + " " + name[-1:], " " + name, name + " ", name.upper(),
                "a" + name + "b", "\n" + name + "\n", "  " + name + "\u3000\t" + name, name[:1] + name, name[:-1] + name,
                "é" + name + "1", "_" + name + "-" + name + "\u0301", name + "\u200d")


def piece(rng, names):
    kind = rng.randrange(13)
    if kind == 0:
        return "".join(random_character(rng) for _ in range(rng.randrange(1, 12)))
    if kind == 1:
        return "".join(rng.choice(SPACES) for _ in range(rng.randrange(1, 8)))
    if kind == 2:
        return rng.choice((" ", "\n", "\t", "\r\n", "\r")) * rng.randrange(1, 9)
    if kind == 3:
        return rng.choice(WORDS) + rng.choice(("'", "’", "")) + any_case(rng, rng.choice(CONTRACTIONS))
    if kind == 4:
        return rng.choice(EMOJI) * rng.randrange(1, 3)
    if kind == 5:
        return "".join(rng.choice("0123456789.,-+²½٣५Ⅷ") for _ in range(rng.randrange(1, 10)))
    if kind == 6:
        return rng.choice(CODE)
    if kind == 7 and names:
        return rng.choice(list(near_misses(rng.choice(names))))
    if kind == 8:
        return rng.choice(WORDS)[:1] + "".join(chr(0x300 + rng.randrange(0x70)) for _ in range(rng.randrange(1, 6)))
    if kind == 9:
        return "".join(rng.choice("!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~") for _ in range(rng.randrange(1, 7)))
    if kind == 10:
        return "".join(chr(rng.choice((rng.randrange(0x1100, 0x1200), rng.randrange(0xac00, 0xd7a4)))) for _ in range(3))
    return rng.choice(("", " ", " ", "  ")) + rng.choice(WORDS)


def random_texts(rng, names, count):
    """Texts of some pieces each; names: those of added tokens."""
    for _ in range(count):
        yield "".join(piece(rng, names) for _ in range(rng.choice((1, 1, 2, 2, 3, 4, 6, 10))))


def fixed_texts(names):
    yield from ("", " ", "  ", "\n", "\0", "a\0b", "\0\0 \0", "a", " a", "a ", " a ", "\u2581", " \u2581", "\ufffd", "\U0010ffff")
    for character in SPACES:
        yield from (character * 2 + "a", "a" + character, character + " " + character + "1", "1" + character * 3)
    for text in CONTRACTIONS:
        yield from ("I" + text, "I" + text.upper(), "'" + text, text + text, " " + text, "x" + text.replace("s", "ſ") + "x")
    for name in names:
        yield from near_misses(name)
    for run in ("a", " ", "\n", "ab", "1", "é", "中", "\u0301", "\U0001f600", "\r\n", " \n", "\t ", "a ", "!", "=", "\0", "'s"):
        yield from (run * 37, run * 3000 + "x", "x" + run * 2001)


@functools.lru_cache(maxsize=None)
def sampled_characters():
    """Every assigned character, but of private use and ideographs, which are all alike, samples."""
    alike = ((0x3400, 0x4dc0), (0x4e00, 0xa000), (0xac00, 0xd7a4), (0xe000, 0xf900), (0x17000, 0x18d00), (0x20000, 0x2f800),
             (0x30000, 0x31350), (0xf0000, 0x110000))
    skipped = {code for low, high in alike for code in range(low, high) if code % 61}
    return [chr(code) for code in range(0x110000) if code not in skipped and assigned(code)]


def all_characters(context):
    """Each of them in that context, many to a text."""
    characters = sampled_characters()
    for at in range(0, len(characters), 50):
        yield "".join(map(context.format, characters[at:at + 50]))
