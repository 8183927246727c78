# SPDX-License-Identifier: BSD-3-Clause
"""DELTA, from uapi/lwcmem_format.h alone."""
import struct
from math import isqrt

from .streams import FIELDS, to_bytes, to_elements

DELTA_HEADER = struct.Struct("<IBBBB")
DIRECT, TOTAL, STATES, LOW = 15, 4096, 4, 65536
CODES = 64  # of a class at most: 7 for two tokens each, 57 for one
# fields in the order that elements have as integers; the last one is no float
DELTA_FIELDS = ("bf16", "f16", "f32", "e4m3", "e5m2", "i8")


def ordered(field, element):
    """An element as an integer in the order of the values; of n bits as well."""
    bits = 8 * FIELDS[field][3]
    if field == "i8":
        return element
    return (1 << bits) - 1 - element if element >> (bits - 1) else element + (1 << (bits - 1))


def unordered(field, number):
    bits = 8 * FIELDS[field][3]
    if field == "i8":
        return number
    return number - (1 << (bits - 1)) if number >> (bits - 1) else (1 << bits) - 1 - number


def step_between(field, old, new):
    """u of an element and of the one that it becomes."""
    bits = 8 * FIELDS[field][3]
    d = (ordered(field, new) - ordered(field, old)) % (1 << bits)
    d -= (d >> (bits - 1)) << bits
    return 2 * d if d >= 0 else -2 * d - 1


def stepped(field, old, u):
    bits = 8 * FIELDS[field][3]
    d = -(u + 1) // 2 if u % 2 else u // 2
    return unordered(field, (ordered(field, old) + d) % (1 << bits))


def symbol_of(field, element):
    _, symbol, mantissa, _ = FIELDS[field]
    return element >> mantissa & ((1 << symbol) - 1)


def shift_of(field, shift, pivot, symbol):
    return min(shift + max(0, pivot - symbol), 8 * FIELDS[field][3] - 6)


def token_begin(token):
    """Where a token begins, and the number of its low bits."""
    if token < DIRECT:
        return token, 0
    e = (token - DIRECT) // 2 + 3
    return (2 + (token - DIRECT) % 2) * 2**e - 1, e


def token_of(v):
    if v < DIRECT:
        return v
    e = (v + 1).bit_length() - 2
    return DIRECT + 2 * (e - 3) + ((v + 1) >> e & 1)


def tokens_of_code(j):
    return (2 * j - 1, 2 * j) if j <= DIRECT // 2 else (j + DIRECT // 2,)


def frequencies_of(codes):
    """Of all tokens that have one, from 0 on."""
    out = [0]
    for j, code in enumerate(codes, 1):
        out += [(code * code + 1) // 2] * len(tokens_of_code(j))
    out[0] = TOTAL - sum(out)
    return out


def codes_for(tokens):
    """Codes by which all these tokens have a frequency, near to how often they occur."""
    codes = []
    for j in range(1, CODES + 1):
        often = max(tokens.count(token) for token in tokens_of_code(j))
        codes.append(max(1, isqrt(2 * often * TOTAL // len(tokens))) if often else 0)
    while frequencies_of(codes)[0] < (0 in tokens):
        largest = codes.index(max(codes))
        codes[largest] -= 1
    while codes and not codes[-1]:
        codes.pop()
    return codes


def class_nibbles(first, codes, plain=False):
    """plain: all codes are two nibbles."""
    out, before = [first & 15, first >> 4, len(codes) & 15, len(codes) >> 4], 14
    for code in codes:
        step = code - before + 12
        out += [15, code & 15, code >> 4] if plain or not 0 <= step < 15 else [step]
        before = code
    return out


def pack_classes(classes, plain=False):
    nibbles = [nibble for first, codes in classes for nibble in class_nibbles(first, codes, plain)]
    return bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2] + [0]))


def class_index(classes, symbol):
    return max(i for i, (first, _) in enumerate(classes) if first <= symbol)


def delta_parts(field, base, us, shift=0, pivot=0, firsts=(0,), classes=None, plain=False):
    """
    The header's values and the sections of DELTA, in order: classes, states, low bits, words. base: elements;
    us: what each becomes; firsts: symbols at which classes begin, unless classes are given with their codes.
    """
    tokens, low, low_bits = [], 0, 0
    for old, u in zip(base, us):
        moved = shift_of(field, shift, pivot, symbol_of(field, old))
        token = token_of(u >> moved)
        begin, e = token_begin(token)
        tokens.append(token)
        low |= (u - (begin << moved)) << low_bits
        low_bits += e + moved
    if classes is None:
        classes = [(first, []) for first in firsts]
        members = [[] for _ in firsts]
        for old, token in zip(base, tokens):
            members[class_index(classes, symbol_of(field, old))].append(token)
        classes = [(first, codes_for(own) if own else []) for first, own in zip(firsts, members)]
    states, words = [LOW] * STATES, []
    for i in reversed(range(len(base))):
        frequencies = frequencies_of(classes[class_index(classes, symbol_of(field, base[i]))][1])
        frequency, begin, state = frequencies[tokens[i]], sum(frequencies[:tokens[i]]), states[i % STATES]
        if state >= frequency << 20:
            words.append(state & 0xffff)
            state >>= 16
        states[i % STATES] = (state // frequency) * TOTAL + begin + state % frequency
    low_size = (low_bits + 7) // 8
    sections = [pack_classes(classes, plain), to_bytes(states, 4), low.to_bytes(low_size, "little"),
                to_bytes(words[::-1], 2)]
    return [low_size, len(classes), shift, pivot, 0], sections


def delta(*arguments, **options):
    header, sections = delta_parts(*arguments, **options)
    return DELTA_HEADER.pack(*header) + b"".join(sections)


class Nibbles:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self):
        self.at += 1
        return self.data[(self.at - 1) // 2] >> 4 * ((self.at - 1) % 2) & 15

    def byte(self):
        low = self.take()
        return low | self.take() << 4


def unpack_classes(data, count):
    """Of each its first symbol and frequencies; and the bytes of all."""
    nibbles, classes = Nibbles(data), []
    for _ in range(count):
        first, length, code, codes = nibbles.byte(), nibbles.byte(), 14, []
        for _ in range(length):
            step = nibbles.take()
            code = nibbles.byte() if step == 15 else code + step - 12
            codes.append(code)
        classes.append((first, frequencies_of(codes)))
    return classes, (nibbles.at + 1) // 2


def undelta(field, data, base):
    """Decoded bytes of DELTA that is sound."""
    size = FIELDS[field][3]
    low_size, count, shift, pivot, _ = DELTA_HEADER.unpack_from(data)
    classes, at = unpack_classes(data[DELTA_HEADER.size:], count)
    at += DELTA_HEADER.size
    states = to_elements(data[at:at + 4 * STATES], 4)
    at += 4 * STATES
    low, used = int.from_bytes(data[at:at + low_size], "little"), 0
    words, out = iter(to_elements(data[at + low_size:], 2)), []
    for i, old in enumerate(to_elements(base, size)):
        symbol = symbol_of(field, old)
        frequencies = classes[class_index(classes, symbol)][1]
        slot, begin, token = states[i % STATES] % TOTAL, 0, 0
        while slot >= begin + frequencies[token]:
            begin += frequencies[token]
            token += 1
        state = frequencies[token] * (states[i % STATES] // TOTAL) + slot - begin
        states[i % STATES] = state * 65536 + next(words) if state < LOW else state
        moved = shift_of(field, shift, pivot, symbol)
        start, e = token_begin(token)
        u = (start << moved) + (low >> used & ((1 << (e + moved)) - 1))
        used += e + moved
        out.append(stepped(field, old, u))
    assert states == [LOW] * STATES and next(words, None) is None
    assert (used + 7) // 8 == low_size and not low >> used
    return to_bytes(out, size)
